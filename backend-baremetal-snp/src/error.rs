//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_dstack::vm_config::VmConfigError;
use evidence_dstack::{
    cmdline::CmdlineError, image::ImageError, mr_config::MrConfigError, snp_measurement::SnpMeasurementError,
};
use evidence_snp::{Error as ReportError, launch::LaunchError};

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that a firmware below 4 GiB cannot have.
    #[error("{field} is {found:#x}, expected one below 4 GiB")]
    AddressSpace {
        /// Which.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Something other than identity tokens was appended to the command line.
    #[error("only identity tokens may be appended to the command line, found {0:?}")]
    AppendedToken(String),
    /// The policy does not take an identity from the command line.
    #[error(
        "the application is identified on the command line alone, which needs launch.accept-cmdline-identity"
    )]
    CmdlineNotAccepted,
    /// The command line cannot be read, or not in one way only.
    #[error(transparent)]
    Cmdline(#[from] CmdlineError),
    /// SEV_FEATURES that the policy does not allow.
    #[error("guest features are {0:#x}, which launch.guest-features does not allow")]
    GuestFeatures(u64),
    /// HOST_DATA holds something that the evidence leaves out.
    #[error("HOST_DATA is {0}, and the evidence has no document that explains it")]
    HostDataUnexplained(String),
    /// A key management system that is not named.
    #[error("the configuration document names a key management system without its key_provider_id")]
    KmsWithoutId,
    /// HOST_DATA is the hash of another document.
    #[error("HOST_DATA {found} is not the hash of the document that came along, {expected}")]
    HostDataMismatch {
        /// Of the document, hex.
        expected: String,
        /// In the report, hex.
        found: String,
    },
    /// The image's documents do not hold together.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Two lanes bind different values.
    #[error("the command line says something of {0} that the HOST_DATA document does not")]
    LanesDisagree(&'static str),
    /// The launch cannot have happened as claimed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A launch parameter has not its length.
    #[error("{field} has {found} bytes, expected {expected}")]
    Length {
        /// Which.
        field: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The claimed launch gives another measurement.
    #[error("the claimed launch measures {recomputed}, the report says {reported}")]
    MeasurementMismatch {
        /// From the claimed launch, hex.
        recomputed: String,
        /// In the report, hex.
        reported: String,
    },
    /// The relying party does not list this measurement.
    #[error("measurement {0} is not among the relying party's reference values")]
    MeasurementNotListed(String),
    /// Nothing ties the measurement to anything known.
    #[error(
        "nothing explains the measurement {0}: expected launch inputs in the evidence or a reference value for it"
    )]
    MeasurementUnknown(String),
    /// The HOST_DATA document is not in its format.
    #[error(transparent)]
    MrConfig(#[from] MrConfigError),
    /// Another media type than this backend's.
    #[error("evidence is of the kind {found}, expected {expected}")]
    MediaType {
        /// This backend's.
        expected: String,
        /// The Evidence's.
        found: String,
    },
    /// An attestation of another platform.
    #[error("attestation is of the platform {0}, expected dstack-amd-sev-snp")]
    NotSevSnp(&'static str),
    /// The payload is not in its format.
    #[error("expected a CBOR map of report, certificates, mr-config and launch: {0}")]
    Payload(#[from] CborError),
    /// The report, or what signs it.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The measured command line pins no root file system.
    #[error("the measured command line has no dstack.rootfs_hash, so that nothing pins the root file system")]
    RootfsUnmeasured,
    /// The image's measurement document is not in its format.
    #[error(transparent)]
    SnpMeasurement(#[from] SnpMeasurementError),
    /// The configuration names no vCPU type.
    #[error("the configuration names no vcpu_type, without which a launch cannot be measured")]
    VcpuTypeMissing,
    /// dstack's VM configuration is not in its format.
    #[error(transparent)]
    VmConfig(#[from] VmConfigError),
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Report(error) => error.kind(),
            Self::CmdlineNotAccepted
            | Self::GuestFeatures(_)
            | Self::MeasurementNotListed(_)
            | Self::MeasurementUnknown(_)
            | Self::RootfsUnmeasured => ErrorKind::PolicyViolation,
            Self::AppendedToken(_)
            | Self::HostDataMismatch { .. }
            | Self::HostDataUnexplained(_)
            | Self::Image(_)
            | Self::LanesDisagree(_)
            | Self::MeasurementMismatch { .. } => ErrorKind::InconsistentEvidence,
            Self::Payload(error) => error.kind(),
            Self::MediaType { .. } | Self::NotSevSnp(_) => ErrorKind::UnsupportedEvidence,
            Self::AddressSpace { .. }
            | Self::Cmdline(_)
            | Self::KmsWithoutId
            | Self::Launch(_)
            | Self::Length { .. }
            | Self::MrConfig(_)
            | Self::SnpMeasurement(_)
            | Self::VcpuTypeMissing
            | Self::VmConfig(_) => ErrorKind::MalformedEvidence,
        }
    }
}
