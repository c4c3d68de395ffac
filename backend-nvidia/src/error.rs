//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_nvidia::Error as DeviceError;
use evidence_rim::Error as RimError;

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Confidential computing is not on as it must be.
    #[error("guest says of confidential computing: {found}, expected {expected}")]
    CcMode {
        /// What must be.
        expected: &'static str,
        /// What the guest says.
        found: String,
    },
    /// The guest does not say whether confidential computing is on.
    #[error(
        "evidence does not say whether confidential computing is on, expected cc-state, or danger-accept-unreported-cc-mode in the policy"
    )]
    CcUnreported,
    /// The CPU commits to something else, or to nothing.
    #[error("CPU was not verified to commit to this payload, by a link to the challenge in its graph")]
    CpuCommitment,
    /// One device.
    #[error("device {index}: {error}")]
    Device {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: DeviceError,
    },
    /// Another number of devices than the relying party says.
    #[error("{found} {what}, expected {expected}")]
    DeviceCount {
        /// GPUs or switches.
        what: &'static str,
        /// In the evidence.
        found: usize,
        /// Expected.
        expected: usize,
    },
    /// The event counts other devices.
    #[error("event gpu-attestation counts {expected} devices, found {found}")]
    EventDevices {
        /// In the evidence.
        found: usize,
        /// By the event.
        expected: usize,
    },
    /// The event is of other evidence.
    #[error("event gpu-attestation is of other evidence: its evidence_sha256 is not that of this payload")]
    EventEvidence,
    /// The event is not in its format.
    #[error("expected an event gpu-attestation of version 2 of the provider nvidia: {0}")]
    EventFormat(String),
    /// The event does not say that confidential computing is on.
    #[error("event gpu-attestation says {found}, expected {expected}")]
    EventMode {
        /// What must be.
        expected: &'static str,
        /// What it says.
        found: String,
    },
    /// There is no event.
    #[error("CPU's register has no event gpu-attestation from before system-ready")]
    EventMissing,
    /// The policy does not accept what ties the devices to the CPU.
    #[error("devices are tied to the CPU by the lane {0}, which lanes in backend.nvidia does not list")]
    Lane(&'static str),
    /// The devices together.
    #[error(transparent)]
    Machine(DeviceError),
    /// Another media type than this backend's.
    #[error("evidence is of the kind {0}, expected one of nvidia")]
    MediaType(String),
    /// A payload of no devices.
    #[error("payload has no devices, expected one at least")]
    NoDevices,
    /// A nonce where there is none, or none where there must be one.
    #[error("payload of the profile {profile} has {found} nonce of its own, expected {expected}")]
    Nonce {
        /// The profile.
        profile: &'static str,
        /// What it has.
        found: &'static str,
        /// What it must have.
        expected: &'static str,
    },
    /// The payload is not in its format.
    #[error("expected a CBOR map of nonce, cc-state and devices: {0}")]
    Payload(#[from] CborError),
    /// A challenge that is longer than a nonce.
    #[error(
        "challenge has more than 32 bytes, so that no device signed all of it: expected zeros behind them, or a nonce in backend.nvidia.raw"
    )]
    RawChallenge,
    /// The policy does not say what Evidence of the profile raw is like.
    #[error("evidence is of the profile raw, and the policy has no section backend.nvidia.raw")]
    RawNotNamed,
    /// Reference values that do not hold.
    #[error("reference values {id}: {error}")]
    Rim {
        /// What they are called.
        id: String,
        /// Why.
        error: RimError,
    },
    /// What is said of the signers of reference values.
    #[error("reference values: {0}")]
    RimStatus(DeviceError),
    /// Two manifests for one version, of one age.
    #[error("two manifests {0} of signers of one age have different values, expected one of them alone")]
    RimAmbiguous(String),
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Payload(error) => error.kind(),
            Self::Device { error, .. } | Self::Machine(error) | Self::RimStatus(error) => error.kind(),
            Self::Rim { error, .. } => error.kind(),
            Self::CcMode { .. } | Self::EventMode { .. } => ErrorKind::ForbiddenState,
            Self::CpuCommitment | Self::RawChallenge => ErrorKind::ChallengeMismatch,
            Self::EventDevices { .. } | Self::EventEvidence | Self::EventMissing => {
                ErrorKind::InconsistentEvidence
            }
            Self::RimAmbiguous(_) => ErrorKind::InvalidEndorsements,
            Self::CcUnreported | Self::DeviceCount { .. } | Self::Lane(_) | Self::RawNotNamed => {
                ErrorKind::PolicyViolation
            }
            Self::MediaType(_) => ErrorKind::UnsupportedEvidence,
            Self::EventFormat(_) | Self::NoDevices | Self::Nonce { .. } => ErrorKind::MalformedEvidence,
        }
    }
}
