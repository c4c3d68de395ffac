//! The kinds of this backend's Evidence: how it is tied to the CPU, and how the challenge enters what a device signs.

use aws_lc_rs::digest::{Context, Digest, SHA256, SHA384, digest};
use backend_api::{Challenge, Commitment, MediaType};

/// What the nonce of the profile `v1` hashes first.
const NONCE_DOMAIN: &[u8] = b"dstack-nvidia-nonce-v1\0";

/// What the commitment of the CPU beside the profile `v1` hashes first.
const CPU_DOMAIN: &[u8] = b"dstack-nvidia-cpu-v1\0";

/// How Evidence of devices is tied to the CPU beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// On demand: the devices sign a nonce of the challenge, and the CPU commits to the payload and to the challenge.
    V1,
    /// At boot: the guest chose the nonce, and measured the payload in its event `gpu-attestation` before it was ready.
    Boot,
    /// What other tools made: the policy says which nonce the devices signed, and that they are this CPU's is the caller's word.
    Raw,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::V1, Self::Boot, Self::Raw];

    /// What it is called in media types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Boot => "boot",
            Self::Raw => "raw",
        }
    }
}

/// The media type of a profile.
pub const fn media_type(profile: Profile) -> MediaType {
    MediaType::new(match profile {
        Profile::V1 => "application/vnd.dstack.nvidia.v1+cbor",
        Profile::Boot => "application/vnd.dstack.nvidia.boot+cbor",
        Profile::Raw => "application/vnd.dstack.nvidia.raw+cbor",
    })
}

/// Which profile a media type is of; `None` for another backend's.
pub fn profile_of(media_type: &MediaType) -> Option<Profile> {
    Profile::ALL.into_iter().find(|profile| self::media_type(*profile) == *media_type)
}

/// The nonce that every device signs in the profile `v1`: SHA-256 over a domain and the challenge.
pub fn v1_nonce(challenge: &Challenge) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(NONCE_DOMAIN);
    context.update(challenge.as_bytes());
    bytes(&context.finish())
}

/// What the CPU commits to beside a payload of the profile `v1`: SHA-384 over a domain, the challenge and SHA-256 of the payload.
pub fn v1_commitment(challenge: &Challenge, payload: &[u8]) -> Commitment {
    let mut context = Context::new(&SHA384);
    context.update(CPU_DOMAIN);
    context.update(challenge.as_bytes());
    context.update(&sha256(payload));
    Commitment::new(bytes(&context.finish()))
}

/// SHA-256.
pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    bytes(&digest(&SHA256, message))
}

/// The bytes of a digest: `N` is the length of its algorithm's.
fn bytes<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
