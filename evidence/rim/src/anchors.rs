//! Which key is that of NVIDIA's manifests.

use evidence_x509::{Anchors, Pin};

/// The common name of the root of manifests.
pub const ROOT_NAME: &str = "NVIDIA CoRIM signing Root CA";

/// NVIDIA's pins: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// The certificate is the last of every manifest that NVIDIA publishes, and stands in its attestation SDK
/// (`nv-attestation-sdk-cpp/src/internal/certs.h`); its SHA-256 is 12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1. It is
/// not the root of devices, which vouches for no manifest.
pub static RIM_PINS: [Pin; 1] =
    [Pin::from_hex(ROOT_NAME, b"dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3")];

/// The trust anchors of manifests: [`RIM_PINS`].
pub fn rim_anchors() -> Anchors {
    Anchors::new(RIM_PINS.iter().cloned())
}
