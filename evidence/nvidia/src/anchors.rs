//! Which key is NVIDIA's.

use evidence_x509::{Anchors, Pin};

/// The common name of the root of device identities.
pub const DEVICE_ROOT: &str = "NVIDIA Device Identity CA";

/// NVIDIA's pins for devices: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// The key is that of the certificates with the SHA-256 102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48 (2021) and
/// 8805700fd307db6801f9a8a7a91acbf72e513cdf8ed16e0bfeaf62318037ad96 (`Root-CA-L1B`, 2020): one key, two certificates. The first stands in
/// NVIDIA's attestation-sdk 1.2.2 (`internal/certs.h`) and nvtrust, the second at docs.ndis.nvidia.com/certs/identity-root.
pub static DEVICE_PINS: [Pin; 1] =
    [Pin::from_hex(DEVICE_ROOT, b"a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4")];

/// The trust anchors of devices: [`DEVICE_PINS`].
pub fn device_anchors() -> Anchors {
    Anchors::new(DEVICE_PINS.iter().cloned())
}
