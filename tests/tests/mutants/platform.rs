//! The example platform.
//!
//! A chip signs its Evidence with Ed25519; the maker's root signs the chip's certificate and a list of revoked chips. All integers
//! are big-endian.
//!
//! | document | layout |
//! |---|---|
//! | Evidence | `EXE1`, root key 32, chip 16, challenge 64, measurement 48, signature 64 by the chip over all before it |
//! | certificate | `EXC1`, chip 16, chip key 32, first second 8, last second 8, signature 64 by the root |
//! | list | `EXR1`, first second 8, last second 8, revoked chips 16 each, signature 64 by the root |

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use backend_api::{Check, CheckInfo, TrustAnchor, TrustAnchors};

pub(crate) const ROOT: &str = "Example Root";
pub(crate) const EVIDENCE_LEN: usize = 4 + 32 + 16 + 64 + 48 + 64;

pub(crate) const PAYLOAD: Check = Check::new("payload");
pub(crate) const ROOT_PINNED: Check = Check::new("root-pinned");
pub(crate) const CERTIFICATE: Check = Check::new("certificate");
pub(crate) const CERTIFICATE_VALIDITY: Check = Check::new("certificate-validity");
pub(crate) const REVOCATION_LIST: Check = Check::new("revocation-list");
pub(crate) const NOT_REVOKED: Check = Check::new("not-revoked");
pub(crate) const SIGNATURE: Check = Check::new("signature");
pub(crate) const CHALLENGE: Check = Check::new("challenge");
pub(crate) const MEASUREMENT_LISTED: Check = Check::new("measurement-listed");

const fn info(check: Check, establishes: &'static str) -> CheckInfo {
    CheckInfo { check, establishes, source: "the table above" }
}

pub(crate) const VERIFY_CHECKS: &[CheckInfo] = &[
    info(PAYLOAD, "the Evidence has its length and begins with EXE1"),
    info(ROOT_PINNED, "the root key is the pinned one"),
    info(CERTIFICATE, "the root signed a certificate of the chip"),
    info(CERTIFICATE_VALIDITY, "the certificate is valid at the time of verification"),
    info(REVOCATION_LIST, "the root signed a list that is current"),
    info(NOT_REVOKED, "the list does not name the chip"),
    info(SIGNATURE, "the chip signed the Evidence"),
    info(CHALLENGE, "the Evidence commits to the challenge"),
];

pub(crate) const BIND_CHECKS: &[CheckInfo] =
    &[info(MEASUREMENT_LISTED, "the measurement is one of the reference values")];

/// The maker's pin: of a key that no test has.
pub(crate) fn trust_anchors() -> TrustAnchors {
    TrustAnchors(vec![TrustAnchor { subject: ROOT.into(), spki_sha256: [0xA5; 32] }])
}

/// The fields of Evidence.
pub(crate) struct Parts<'a> {
    pub(crate) root: &'a [u8],
    pub(crate) chip: &'a [u8],
    pub(crate) challenge: &'a [u8],
    pub(crate) measurement: &'a [u8],
    pub(crate) signed: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (signed, signature) = bytes.split_at_checked(EVIDENCE_LEN - 64)?;
        let fields = signed.strip_prefix(b"EXE1")?;
        Some(Self {
            root: fields.get(..32)?,
            chip: fields.get(32..48)?,
            challenge: fields.get(48..112)?,
            measurement: fields.get(112..160)?,
            signed,
            signature,
        })
    }
}

/// SHA-256 of the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4).
pub(crate) fn spki_sha256(key: &[u8]) -> [u8; 32] {
    let spki = [b"\x30\x2A\x30\x05\x06\x03\x2B\x65\x70\x03\x21\x00", key].concat();
    digest(&SHA256, &spki).as_ref().try_into().unwrap()
}

/// Signs `body`, and gives both.
pub(crate) fn signed(key: &Ed25519KeyPair, body: &[u8]) -> Vec<u8> {
    [body, key.sign(body).as_ref()].concat()
}

/// A test key.
pub(crate) fn key(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap()
}

pub(crate) fn public(key: &Ed25519KeyPair) -> &[u8] {
    key.public_key().as_ref()
}
