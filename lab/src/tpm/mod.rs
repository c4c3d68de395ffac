//! What a TPM says, forged: quotes, names, logs of a boot.
//!
//! Specifications: TCG "TPM 2.0 Library", part 1 and 2; TCG "PC Client Platform Firmware Profile", revision 1.05.

mod log;
mod quote;

pub use log::{BootEvent, BootLog, event_type, partition_table};
pub use quote::{AttestSpec, SelectionSpec, ak_public, ecdsa_p256, qualified_name, rsassa_sha256};

/// TPM_ALG_IDs (TCG Algorithm Registry).
pub mod alg {
    /// SHA-1, 20 bytes.
    pub const SHA1: u16 = 0x0004;
    /// SHA-256, 32 bytes.
    pub const SHA256: u16 = 0x000B;
    /// SHA-384, 48 bytes.
    pub const SHA384: u16 = 0x000C;
    /// SHA-512, 64 bytes.
    pub const SHA512: u16 = 0x000D;
}
