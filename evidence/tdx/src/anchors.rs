//! Which key is Intel's.

use evidence_x509::{Anchors, Pin};

/// The common name of the root of SGX and TDX attestation.
pub(crate) const ROOT: &str = "Intel SGX Root CA";

/// Intel's pin: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// Source: `Intel_SGX_Provisioning_Certification_RootCA.cer` of Intel's provisioning certification service. The same
/// certificate stands in the crate `dcap-qvl` and in google/go-tdx-guest.
pub static INTEL_PINS: [Pin; 1] =
    [Pin::from_hex(ROOT, b"a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e")];

/// The trust anchors of TDX: the one root.
pub fn intel_anchors() -> Anchors {
    Anchors::new(INTEL_PINS.iter().cloned())
}
