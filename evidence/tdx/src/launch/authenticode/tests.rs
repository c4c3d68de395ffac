#![expect(clippy::arithmetic_side_effects, reason = "the offsets of a small image that the test makes")]

use super::*;

/// Offset of the optional header, and bytes of all headers, of [`image`].
const OPTIONAL: usize = 0x80 + 24;
const HEADERS: usize = 0x400;

/// An image with the sections `.data` at 0x800, `.text` at 0x400 and `.bss` without bytes, in this order, and
/// 8 bytes after them. The checksum is not zero.
fn image(plus: bool) -> Vec<u8> {
    let mut image = vec![0; HEADERS];
    image.extend((0..0x600_usize).map(|i| u8::try_from((i * 7 + i / 256) % 256).unwrap()));
    image.extend(b"trailing");
    let directories = if plus { 112 } else { 96 };
    let mut put = |offset: usize, bytes: &[u8]| image[offset..][..bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &if plus { 0x8664_u16 } else { 0x14c }.to_le_bytes());
    put(0x86, &3_u16.to_le_bytes());
    put(0x80 + 20, &u16::try_from(directories + 8 * 16).unwrap().to_le_bytes());
    put(0x80 + 22, &0x22_u16.to_le_bytes());
    put(OPTIONAL, &if plus { 0x20b_u16 } else { 0x10b }.to_le_bytes());
    put(OPTIONAL + 32, &0x1000_u32.to_le_bytes());
    put(OPTIONAL + 36, &0x200_u32.to_le_bytes());
    put(OPTIONAL + 56, &0x4000_u32.to_le_bytes());
    put(OPTIONAL + 60, &u32::try_from(HEADERS).unwrap().to_le_bytes());
    put(OPTIONAL + 64, &0xdead_beef_u32.to_le_bytes());
    put(OPTIONAL + 68, &10_u16.to_le_bytes());
    put(OPTIONAL + directories - 4, &16_u32.to_le_bytes());
    let sections: [(&[u8], [u32; 4]); 3] = [
        (b".data", [0x200, 0x2000, 0x200, 0x800]),
        (b".text", [0x400, 0x1000, 0x400, 0x400]),
        (b".bss", [0x100, 0x3000, 0, 0]),
    ];
    for (index, (name, fields)) in sections.into_iter().enumerate() {
        let header = OPTIONAL + directories + 8 * 16 + 40 * index;
        put(header, name);
        put(header + 8, fields.map(u32::to_le_bytes).as_flattened());
    }
    image
}

/// Where the directory entry of the certificate table and the first section header are in `image(true)`.
const ENTRY: usize = OPTIONAL + 144;
const SECTION: usize = OPTIONAL + 112 + 8 * 16;

fn with(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image(true);
    image[offset..][..bytes.len()].copy_from_slice(bytes);
    image
}

/// `image(true)` with a certificate table of 16 bytes.
fn signed() -> Vec<u8> {
    let mut image = image(true);
    let start = u32::try_from(image.len()).unwrap();
    image[ENTRY..][..4].copy_from_slice(&start.to_le_bytes());
    image[ENTRY + 4..][..4].copy_from_slice(&16_u32.to_le_bytes());
    image.extend([0x5a; 16]);
    image
}

fn refused(image: &[u8]) -> AuthenticodeError {
    authenticode_sha384(image).unwrap_err()
}

/// The digests that `osslsigncode sign -h sha384` put into signatures of these images, and that
/// `osslsigncode verify` and a reading of the specification in Python computed of the signed images. It
/// agrees as well on Debian 12's shim, GRUB and `linux-image-6.1.0-47-cloud-amd64`.
#[test]
fn digests_of_another_tool() {
    assert_eq!(
        hex::encode(authenticode_sha384(&image(true)).unwrap()),
        "a22e90857e774fade0723bd42366b954dc99b823a2783f1d651e6a9db0387f57f2f395e130389b26cbea86415e3c64c5"
    );
    assert_eq!(
        hex::encode(authenticode_sha384(&image(false)).unwrap()),
        "035f60d12afea2282e4063bca597f7de35c04d5e0120f4fe92ee8d0bcc998b1d390a53a943fa526a7c8d058b7c03a8ff"
    );
}

#[test]
fn signing_does_not_change_the_digest() {
    let digest = authenticode_sha384(&image(true));
    assert_eq!(authenticode_sha384(&signed()), digest);
    let mut other_signature = signed();
    *other_signature.last_mut().unwrap() ^= 1;
    other_signature[OPTIONAL + 64] ^= 1;
    assert_eq!(authenticode_sha384(&other_signature), digest);
}

#[test]
fn every_other_bit_counts() {
    let (image, digest) = (image(true), authenticode_sha384(&image(true)).unwrap());
    let left_out = |offset| (OPTIONAL + 64..OPTIONAL + 68).contains(&offset);
    for offset in (0..image.len()).filter(|&offset| !left_out(offset)) {
        for bit in 0..8 {
            let mut changed = image.clone();
            changed[offset] ^= 1 << bit;
            assert_ne!(authenticode_sha384(&changed), Ok(digest), "{offset:#x}");
        }
    }
    for length in 0..image.len() {
        assert_ne!(authenticode_sha384(&image[..length]), Ok(digest));
    }
}

#[test]
fn an_image_may_have_no_entry_for_a_certificate_table() {
    // Four directories: the fifth entry's place is hashed as any other byte.
    let short = with(OPTIONAL + 108, &[4]);
    let digest = authenticode_sha384(&short).unwrap();
    let mut changed = short;
    changed[ENTRY] ^= 1;
    assert_ne!(authenticode_sha384(&changed).unwrap(), digest);
}

#[test]
fn headers_of_another_form_are_refused() {
    let truncated = |what, offset| AuthenticodeError::Truncated { what, offset };
    assert_eq!(refused(b""), truncated("dos signature", 0));
    assert_eq!(refused(b"MZ"), truncated("offset of the pe signature", 0x3c));
    assert_eq!(refused(&with(0x3c, &[0xff; 4])), truncated("pe signature", 0xffff_ffff));
    let magic = |what| AuthenticodeError::Magic { what };
    assert_eq!(refused(&with(0, b"ZM")), magic("dos signature"));
    assert_eq!(refused(&with(0x80, b"PE\0\x01")), magic("pe signature"));
    assert_eq!(refused(&with(OPTIONAL, &[7, 1])), magic("optional header of pe32 or pe32+"));
    assert_eq!(refused(&with(0x86, &[97, 0])), AuthenticodeError::Sections { found: 97 });
    // 17 directories, in an optional header with room for them.
    let mut roomy = with(OPTIONAL + 108, &[17]);
    roomy[0x80 + 20] = 248;
    assert_eq!(refused(&roomy), AuthenticodeError::Directories { found: 17 });
    assert_eq!(
        refused(&with(OPTIONAL + 108, &[0xff; 4])),
        AuthenticodeError::Directories { found: u32::MAX }
    );
    // An optional header with room for 15 directories.
    assert_eq!(refused(&with(0x80 + 20, &[232])), AuthenticodeError::Directories { found: 16 });
    let table_end = SECTION + 3 * 40;
    let expected = AuthenticodeError::Headers { expected: table_end, found: 0x100 };
    assert_eq!(refused(&with(OPTIONAL + 60, &[0, 1])), expected);
    assert_eq!(refused(&image(true)[..SECTION + 50]), truncated("section table", SECTION));
}

#[test]
fn sections_with_gaps_or_overlaps_are_refused() {
    let offset = |expected, found| AuthenticodeError::SectionOffset { expected, found };
    // `.data` at 0x900 and at 0x700, `.text` at 0x200; headers of 0x3f0 bytes.
    assert_eq!(refused(&with(SECTION + 20, &[0, 9])), offset(0x800, 0x900));
    assert_eq!(refused(&with(SECTION + 20, &[0, 7])), offset(0x800, 0x700));
    assert_eq!(refused(&with(SECTION + 60, &[0, 2])), offset(0x400, 0x200));
    assert_eq!(refused(&with(OPTIONAL + 60, &[0xf0, 3])), offset(0x3f0, 0x400));
    let error = AuthenticodeError::Truncated { what: "sections", offset: 0 };
    assert_eq!(refused(&with(SECTION + 16, &[0xff; 4])), error);
}

#[test]
fn a_certificate_table_ends_the_image() {
    let length = signed().len();
    let refused = |start: usize, size: u32, trailing: &[u8]| {
        let mut image = [signed().as_slice(), trailing].concat();
        image[ENTRY..][..4].copy_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
        image[ENTRY + 4..][..4].copy_from_slice(&size.to_le_bytes());
        refused(&image)
    };
    let error = |found, length| AuthenticodeError::CertificateTable { expected: 0xa00..length, found };
    let start = length - 16;
    assert_eq!(refused(start, 16, b"\0"), error(start..length, length + 1));
    assert_eq!(refused(start, 17, b""), error(start..length + 1, length));
    assert_eq!(refused(start, 0, b""), error(start..start, length));
    assert_eq!(refused(length, 0, b""), error(length..length, length));
    let within = 0x9ff;
    let size = u32::try_from(length - within).unwrap();
    assert_eq!(refused(within, size, b""), error(within..length, length));
}
