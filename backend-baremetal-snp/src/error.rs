//! Why Evidence was refused.

use backend_api::ErrorKind;
use evidence_dstack::vm_config::VmConfigError;
use evidence_dstack::{
    cmdline::CmdlineError, image::ImageError, mr_config::MrConfigError, snp_measurement::SnpMeasurementError,
};
use evidence_snp::{CertificateTableError, Error as ReportError, launch::LaunchError};

use crate::evidence::MAX_PAYLOAD;

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
    /// A host's certificate table is malformed.
    #[error(transparent)]
    CertificateTable(#[from] CertificateTableError),
    /// The command line cannot be read, or not in one way only.
    #[error(transparent)]
    Cmdline(#[from] CmdlineError),
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
    /// The relying party does not list this image.
    #[error("the image {} is not among the relying party's reference values", .0.as_deref().unwrap_or("(none is bound)"))]
    ImageNotListed(Option<String>),
    /// Two lanes bind different values.
    #[error("the measured command line and the HOST_DATA document bind different values of {0}")]
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
    MeasurementUnexplained(String),
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
    Payload(String),
    /// The payload is in another encoding than the one that is written.
    #[error(
        "payload is not in its one CBOR encoding (definite lengths, shortest forms, known order, nothing left over)"
    )]
    PayloadNotCanonical,
    /// The payload is above its limit.
    #[error("payload of {found} bytes, at most {MAX_PAYLOAD} are read")]
    PayloadTooLarge {
        /// Bytes found.
        found: usize,
    },
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
    /// More certificates than are read.
    #[error("{found} certificates, at most {limit} are read")]
    TooManyCertificates {
        /// How many came.
        found: usize,
        /// How many are read.
        limit: usize,
    },
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Report(error) => report_kind(error),
            Self::ImageNotListed(_)
            | Self::MeasurementNotListed(_)
            | Self::MeasurementUnexplained(_)
            | Self::RootfsUnmeasured => ErrorKind::PolicyViolation,
            Self::HostDataMismatch { .. }
            | Self::Image(_)
            | Self::LanesDisagree(_)
            | Self::AppendedToken(_)
            | Self::MeasurementMismatch { .. } => ErrorKind::InconsistentEvidence,
            Self::PayloadTooLarge { .. } | Self::TooManyCertificates { .. } => ErrorKind::LimitExceeded,
            Self::MediaType { .. } => ErrorKind::UnsupportedEvidence,
            _ => ErrorKind::MalformedEvidence,
        }
    }
}

fn report_kind(error: &ReportError) -> ErrorKind {
    use evidence_snp::Error as E;
    use evidence_x509::PathError;
    match error {
        E::ReportLength { .. }
        | E::Certificate(_)
        | E::NotAVek { .. }
        | E::VekExtension { .. }
        | E::UnsignedSet => ErrorKind::MalformedEvidence,
        E::Version(_)
        | E::SignatureAlgorithm(_)
        | E::SigningKey { .. }
        | E::ChipKeyMasked
        | E::ReservedSet(_)
        | E::VekProduct { .. }
        | E::VekStructVersion { .. } => ErrorKind::UnsupportedEvidence,
        E::VekMissing(_) | E::CrlMissing { .. } => ErrorKind::MissingEndorsements,
        E::CrlStale { .. } => ErrorKind::StaleEndorsements,
        E::RevocationList(_) => ErrorKind::InvalidEndorsements,
        E::RootNotPinned(_) | E::IssuerNotPinned(_) => ErrorKind::UntrustedIssuer,
        E::Path(PathError::OutsideValidity { window, at, .. }) if at.0 < window.not_before => {
            ErrorKind::NotYetValid
        }
        E::Path(PathError::OutsideValidity { .. }) => ErrorKind::Expired,
        E::Path(_) => ErrorKind::UntrustedIssuer,
        E::Revoked(_) => ErrorKind::Revoked,
        E::SignatureInvalid(_) => ErrorKind::BadSignature,
        E::ChallengeMismatch => ErrorKind::ChallengeMismatch,
        E::VekKind { .. }
        | E::CpuidProduct { .. }
        | E::VekTcb { .. }
        | E::ChipIdMasked
        | E::HwidMismatch
        | E::TcbOrder { .. }
        | E::SmtInconsistent
        | E::RaplInconsistent
        | E::CiphertextHidingInconsistent => ErrorKind::InconsistentEvidence,
        E::TooManyCertificates { .. } => ErrorKind::LimitExceeded,
        _ => ErrorKind::PolicyViolation,
    }
}
