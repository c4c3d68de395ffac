//! The kinds of this backend's Evidence: which technology, and how the challenge enters the signed fields.

use aws_lc_rs::digest::{Context, SHA256};
use backend_api::MediaType;

/// What a v1 quote's extraData hashes first.
const DOMAIN: &[u8] = b"dstack-az-quote-v1\0";

/// The registers that a v1 quote has: firmware and drivers (0, 2), boot loader (4, 7, 8, 9), image (11, 12, 13), runtime events (14).
pub const V1_PCRS: [u8; 10] = [0, 2, 4, 7, 8, 9, 11, 12, 13, 14];

/// Every register of a TPM: what other tools quote.
pub(crate) const ALL_PCRS: [u8; 24] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

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

    /// Its number in a report of the paravisor.
    pub const fn report_type(self) -> u32 {
        match self {
            Self::Snp => 2,
            Self::Tdx => 4,
        }
    }
}

/// How the challenge enters the fields that the vTPM and the processor sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Ours: `user-data` is the challenge, and extraData commits to the challenge and the report of the paravisor.
    V1,
    /// What the attesters of Confidential Containers send: extraData is the challenge without zeros at its end.
    Coco,
    /// What other tools made: extraData is the challenge without zeros at its end, and the policy says which registers are quoted
    /// and what `user-data` is.
    Raw,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::V1, Self::Coco, Self::Raw];

    /// What it is called in media types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Coco => "coco",
            Self::Raw => "raw",
        }
    }
}

/// extraData of a v1 quote: SHA-256 over a domain, the challenge, and SHA-256 of the report of the paravisor without the zeros behind
/// it.
pub fn v1_extra_data(challenge: &[u8; 64], hcl_report_without_padding: &[u8]) -> [u8; 32] {
    sha256(&[DOMAIN, challenge, &sha256(&[hcl_report_without_padding])])
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

/// The media type of one technology in one profile.
pub const fn media_type(tee: Tee, profile: Profile) -> MediaType {
    MediaType::new(match (tee, profile) {
        (Tee::Snp, Profile::V1) => "application/vnd.dstack.azure-snp.v1+cbor",
        (Tee::Snp, Profile::Coco) => "application/vnd.dstack.azure-snp.coco+cbor",
        (Tee::Snp, Profile::Raw) => "application/vnd.dstack.azure-snp.raw+cbor",
        (Tee::Tdx, Profile::V1) => "application/vnd.dstack.azure-tdx.v1+cbor",
        (Tee::Tdx, Profile::Coco) => "application/vnd.dstack.azure-tdx.coco+cbor",
        (Tee::Tdx, Profile::Raw) => "application/vnd.dstack.azure-tdx.raw+cbor",
    })
}

/// Which technology and profile a media type is of; `None` for another backend's.
pub fn kind_of(media_type: &MediaType) -> Option<(Tee, Profile)> {
    let kinds = Tee::ALL.into_iter().flat_map(|tee| Profile::ALL.map(|profile| (tee, profile)));
    kinds.into_iter().find(|(tee, profile)| self::media_type(*tee, *profile) == *media_type)
}
