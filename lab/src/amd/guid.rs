//! GUIDs: in the mixed-endian form of the UEFI specification (appendix A), whose first three groups are little-endian, and
//! in the order of their text (RFC 4122), as host certificate tables have them.

#![expect(
    clippy::expect_used,
    reason = "tests write GUIDs as constants, and a malformed one is a typing error"
)]

/// The GUID of a VCEK certificate in a host certificate table (GHCB specification, publication 56421 revision 2.03, §4.1.8.1).
pub const VCEK: &str = "63da758d-e664-4564-adc5-f4b93be8accd";
/// The GUID of a VLEK certificate.
pub const VLEK: &str = "a8074bc2-a25a-483e-aae6-39c045a0b8a1";
/// The GUID of an ASK certificate, and of an ASVK certificate beside a VLEK.
pub const ASK: &str = "4ab7b379-bbac-4fe4-a02f-05aef327c782";
/// The GUID of an ARK certificate.
pub const ARK: &str = "c0b406a4-a803-4952-9743-3fb6014cd0ae";
/// The GUID of a launch endorsement of Google's.
pub const GCE_ENDORSEMENT: &str = "9f4116cd-c503-4f5a-8f6f-fb68882f4ce2";
/// The GUID of a CRL.
pub const CRL: &str = "92f81bc3-5811-4d3d-97ff-d19f88dc67ea";

/// The 16 bytes of a GUID in the order of its text (`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`).
///
/// # Panics
///
/// If `text` does not have that form.
#[must_use]
pub fn guid_in_text_order(text: &str) -> [u8; 16] {
    let digits = text.replace('-', "");
    assert!(text.len() == 36 && digits.len() == 32, "expected a GUID, found {text}");
    <[u8; 16]>::try_from(hex::decode(digits).expect("hexadecimal digits")).expect("32 digits")
}

/// The 16 bytes of a GUID in UEFI's mixed-endian form.
///
/// # Panics
///
/// As [`guid_in_text_order`].
#[must_use]
pub fn guid(text: &str) -> [u8; 16] {
    let bytes = guid_in_text_order(text);
    let [a0, a1, a2, a3, b0, b1, c0, c1, d @ ..] = bytes;
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
    [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, d2, d3, d4, d5, d6, d7]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_groups_are_little_endian() {
        assert_eq!(
            hex::encode(guid("00112233-4455-6677-8899-aabbccddeeff")),
            "33221100554477668899aabbccddeeff"
        );
    }
}
