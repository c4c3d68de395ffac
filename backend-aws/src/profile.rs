//! The kinds of this backend's Evidence: which halves it has, and how the challenge enters what is signed.

use aws_lc_rs::digest::{Algorithm, Context, Digest, SHA256, SHA384, SHA512};
use backend_api::MediaType;

/// What the report data of v1 hash first.
const REPORT_DOMAIN: &[u8] = b"dstack-aws-snp-v1\0";

/// What the nonce of a v1 document hashes first.
const DOCUMENT_DOMAIN: &[u8] = b"dstack-aws-document-v1\0";

/// How the challenge enters the fields that the processor and the NitroTPM sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Ours: a report that names the instance, and a document that commits to the report. Both commit to the challenge.
    V1,
    /// What other tools made: a report, a document, or both, and the policy says what the guest chose of them.
    Raw,
    /// What dstack sends on EC2: a document whose `user_data` is the challenge. No TEE vouches for it.
    NitroTpmOnly,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::V1, Self::Raw, Self::NitroTpmOnly];

    /// What it is called in media types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Raw => "raw",
            Self::NitroTpmOnly => "nitrotpm-only",
        }
    }
}

/// The media type of a profile.
pub const fn media_type(profile: Profile) -> MediaType {
    MediaType::new(match profile {
        Profile::V1 => "application/vnd.dstack.aws-snp.v1+cbor",
        Profile::Raw => "application/vnd.dstack.aws-snp.raw+cbor",
        Profile::NitroTpmOnly => "application/vnd.dstack.aws.nitrotpm-only+cbor",
    })
}

/// Which profile a media type is of; `None` for another backend's.
pub fn profile_of(media_type: &MediaType) -> Option<Profile> {
    Profile::ALL.into_iter().find(|profile| self::media_type(*profile) == *media_type)
}

/// REPORT_DATA of a v1 report: SHA-512 over a domain, SHA-256 of the instance's id (such as `i-01cfb383223e42522`), and the challenge.
pub fn v1_report_data(instance: &str, challenge: &[u8; 64]) -> [u8; 64] {
    bytes(&hash(&SHA512, &[REPORT_DOMAIN, &sha256(instance.as_bytes()), challenge]))
}

/// `nonce` of a v1 document: SHA-384 over a domain and the report, all 1184 bytes of it.
pub fn v1_nonce(report: &[u8]) -> [u8; 48] {
    bytes(&hash(&SHA384, &[DOCUMENT_DOMAIN, report]))
}

/// SHA-256.
pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    bytes(&hash(&SHA256, &[message]))
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

/// The bytes of a digest: `N` is the length of its algorithm's.
fn bytes<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
