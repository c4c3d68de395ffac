//! Which key is that of AWS.

use evidence_x509::{Anchors, Pin};

/// The common name of the root of the commercial partition (EC2 User Guide, "Validate a NitroTPM Attestation Document").
pub const ROOT_NAME: &str = "aws.nitro-enclaves";

/// AWS's pins: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// The certificate is that of `AWS_NitroEnclaves_Root-G1.zip` (aws-nitro-enclaves.amazonaws.com); its SHA-256 is
/// 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b, which the EC2 User Guide states. Documents of Nitro Enclaves
/// lead to it too.
pub static NITRO_PINS: [Pin; 1] =
    [Pin::from_hex(ROOT_NAME, b"f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225")];

/// The trust anchors of NitroTPM: [`NITRO_PINS`].
pub fn nitro_anchors() -> Anchors {
    Anchors::new(NITRO_PINS.iter().cloned())
}
