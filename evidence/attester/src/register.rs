//! Registers that a running guest extends.

use evidence_event_log::Bank;
use evidence_ledger::ErrorKind;

use crate::io::IoFailure;

/// One register, in one bank: an RTMR, or a PCR of one hash algorithm. `value = H(value ‖ digest)` at each
/// extension, from zeros.
pub trait Register {
    /// Its name, such as `RTMR3` or `PCR14:sha256`: unique among the registers of a guest.
    fn name(&self) -> &str;

    /// Its hash algorithm.
    fn bank(&self) -> Bank;

    /// Its value, of the bank's length.
    ///
    /// # Errors
    ///
    /// Where the device does not answer.
    fn read(&mut self) -> Result<Vec<u8>, RegisterError>;

    /// Extends it with a digest of the bank's length.
    ///
    /// # Errors
    ///
    /// Where the device says no. Whether the register was extended all the same, [`Register::read`] tells.
    fn extend(&mut self, digest: &[u8]) -> Result<(), RegisterError>;
}

/// Why a register cannot be read or extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The device said something that is no value of a register.
    #[error("device of {register} answers: {problem}")]
    Device {
        /// The register's name.
        register: String,
        /// In the device's words.
        problem: String,
    },
    /// The system said no.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// A value or digest of another length.
    #[error("{register} has {found} bytes, expected {expected}")]
    Length {
        /// The register's name.
        register: String,
        /// By its bank.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The guest has no such register.
    #[error("no {register}: neither {looked_for}")]
    Missing {
        /// The register's name.
        register: String,
        /// Where it was looked for.
        looked_for: String,
    },
    /// A register that only firmware and boot loader extend.
    #[error("{0} is not for a running guest to extend, expected RTMR2 or RTMR3")]
    NotExtensible(String),
}

impl RegisterError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Device { .. } | Self::Io(_) | Self::Length { .. } => ErrorKind::DeviceUnavailable,
            Self::Missing { .. } => ErrorKind::Unsupported,
            Self::NotExtensible(_) => ErrorKind::InvalidConfig,
        }
    }
}
