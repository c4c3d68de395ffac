//! The kinds of this backend's Evidence: which technology, and how the challenge enters the signed fields.

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use backend_api::MediaType;

/// What REPORT_DATA of a v1 report hashes first.
const SNP_DOMAIN: &[u8] = b"dstack-gcp-snp-v1\0";

/// What REPORTDATA of a v1 TD quote hashes first.
const TDX_DOMAIN: &[u8] = b"dstack-gcp-tdx-v1\0";

/// What a v1 quote's extraData hashes first.
const QUOTE_DOMAIN: &[u8] = b"dstack-gcp-quote-v1\0";

/// The registers that a v1 quote has: firmware and drivers (0, 2), boot loader (4, 7, 8, 9), image (11, 12, 13), runtime events (14).
pub const V1_PCRS: [u8; 10] = [0, 2, 4, 7, 8, 9, 11, 12, 13, 14];

/// The register of runtime events in the vTPM.
pub(crate) const RUNTIME_PCR: u8 = 14;

/// That of a TD, as logs number it: they have RTMR0 as 1 (UEFI 2.10, §38.4.1, CC_MR_INDEX).
pub(crate) const RTMR3: u8 = 4;

/// The registers that dstack quotes.
pub const DSTACK_PCRS: [u8; 3] = [0, 2, 14];

/// The technology of a confidential VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tee {
    /// AMD SEV-SNP.
    Snp,
    /// Intel TDX.
    Tdx,
}

impl Tee {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Snp, Self::Tdx];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snp => "SEV-SNP",
            Self::Tdx => "TDX",
        }
    }
}

/// How the challenge enters the fields that the processor and the vTPM sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Ours: the report commits to the challenge and the attestation key, the quote to the challenge and the report.
    V1,
    /// dstack's, on TDX: the report commits to the challenge, the quote to the TD quote as the kernel hands it out, with the zeros behind
    /// it.
    Dstack,
    /// What other tools made: the policy says what the report, extraData and the selection of registers are.
    Raw,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::V1, Self::Dstack, Self::Raw];

    /// What it is called in media types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Dstack => "dstack",
            Self::Raw => "raw",
        }
    }
}

/// REPORT_DATA or REPORTDATA of a v1 report: SHA-512 over a domain, SHA-256 of the DER SubjectPublicKeyInfo of the attestation key, and
/// the challenge.
pub fn v1_report_data(tee: Tee, ak_spki_sha256: &[u8; 32], challenge: &[u8; 64]) -> [u8; 64] {
    let domain = match tee {
        Tee::Snp => SNP_DOMAIN,
        Tee::Tdx => TDX_DOMAIN,
    };
    let mut context = Context::new(&SHA512);
    for part in [domain, ak_spki_sha256, challenge] {
        context.update(part);
    }
    let mut hash = [0; 64];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// extraData of a v1 quote: SHA-256 over a domain, SHA-256 of the report or TD quote, and the challenge.
pub fn v1_extra_data(report: &[u8], challenge: &[u8; 64]) -> [u8; 32] {
    sha256(&[QUOTE_DOMAIN, &sha256(&[report]), challenge])
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// SEV-SNP, profile v1.
pub const SNP_V1: MediaType = MediaType::new("application/vnd.dstack.gcp-snp.v1+cbor");
/// SEV-SNP, profile raw.
pub const SNP_RAW: MediaType = MediaType::new("application/vnd.dstack.gcp-snp.raw+cbor");
/// TDX, profile v1.
pub const TDX_V1: MediaType = MediaType::new("application/vnd.dstack.gcp-tdx.v1+cbor");
/// TDX, dstack's profile.
pub const TDX_DSTACK: MediaType = MediaType::new("application/vnd.dstack.gcp-tdx.dstack+cbor");
/// TDX, profile raw.
pub const TDX_RAW: MediaType = MediaType::new("application/vnd.dstack.gcp-tdx.raw+cbor");

/// Every kind: technology, profile, media type.
pub const KINDS: [(Tee, Profile, MediaType); 5] = [
    (Tee::Snp, Profile::V1, SNP_V1),
    (Tee::Snp, Profile::Raw, SNP_RAW),
    (Tee::Tdx, Profile::V1, TDX_V1),
    (Tee::Tdx, Profile::Dstack, TDX_DSTACK),
    (Tee::Tdx, Profile::Raw, TDX_RAW),
];

/// The media type of one technology in one profile; `None` for dstack's profile on SEV-SNP, which dstack does not have.
pub fn media_type(tee: Tee, profile: Profile) -> Option<MediaType> {
    KINDS.into_iter().find(|(of, by, _)| (*of, *by) == (tee, profile)).map(|(_, _, media_type)| media_type)
}

/// Which technology and profile a media type is of; `None` for another backend's.
pub fn kind_of(media_type: &MediaType) -> Option<(Tee, Profile)> {
    KINDS.into_iter().find(|(_, _, of)| of == media_type).map(|(tee, profile, _)| (tee, profile))
}
