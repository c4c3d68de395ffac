//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_dstack::application::ApplicationError;
use evidence_event_log::EventLogError;
use evidence_nitro::Error as DocumentError;
use evidence_snp::Error as ReportError;
use evidence_tpm::Error as RegisterError;

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime events are not those of the register, or name no application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// No image of the relying party has these registers.
    #[error("no image that the relying party lists was booted: {0}")]
    BootUnknown(RegisterError),
    /// The relying party lists no image.
    #[error("nothing says what was booted: expected images in backend.aws.launch of the policy")]
    BootUnlisted,
    /// The boot log is not in its format.
    #[error(transparent)]
    BootLog(#[from] EventLogError),
    /// The relying party does not list this configuration.
    #[error("PCR8 is {found}, expected {expected}")]
    Configuration {
        /// The register.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The document, or what vouches for it.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is no document.
    #[error("evidence of the profile {0} has no document of a NitroTPM, expected one")]
    DocumentMissing(&'static str),
    /// The relying party does not list this measurement.
    #[error("measurement {0} is not among those that the relying party lists")]
    MeasurementNotListed(String),
    /// The relying party lists no measurement.
    #[error(
        "nothing says which launches are good: expected measurements in backend.aws.launch or the reference values"
    )]
    MeasurementUnlisted,
    /// Another media type than this backend's.
    #[error("evidence is of the kind {0}, expected one of aws-snp or aws.nitrotpm-only")]
    MediaType(String),
    /// A payload of nothing.
    #[error("payload has neither a report nor a document, expected one at least")]
    Nothing,
    /// A VLEK of another provider.
    #[error("VLEK is of the provider {0:?}, expected CN=cc-<region>.amazonaws.com")]
    OtherProvider(String),
    /// The document is of another region.
    #[error("document is of the region {found}, expected {} and one that the policy lists", vlek.as_deref().unwrap_or("any"))]
    OtherRegion {
        /// The document's.
        found: String,
        /// The VLEK's.
        vlek: Option<String>,
    },
    /// The payload is not in its format.
    #[error("expected a CBOR map of report, document, certificates, boot-log and runtime-events: {0}")]
    Payload(#[from] CborError),
    /// The policy does not say what Evidence of the profile raw is like.
    #[error("evidence is of the profile raw, and the policy has no section backend.aws.raw")]
    RawNotNamed,
    /// A register of the boot, or the replay of its log.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The SNP report, or what vouches for it.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// There is no report.
    #[error(
        "evidence of the profile {0} has no report of the processor, expected one, or danger-accept-no-tee in the policy where the profile has none"
    )]
    ReportMissing(&'static str),
    /// There is a report where the profile has none.
    #[error("evidence of the profile nitrotpm-only has a report of the processor, expected none")]
    ReportUnexpected,
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Application(error) => error.kind(),
            Self::Document(error) => error.kind(),
            Self::Payload(error) => error.kind(),
            Self::Register(error) => error.kind(),
            Self::Report(error) => error.kind(),
            Self::OtherProvider(_) => ErrorKind::UntrustedIssuer,
            Self::OtherRegion { vlek: Some(_), .. } => ErrorKind::InconsistentEvidence,
            Self::BootUnknown(_)
            | Self::BootUnlisted
            | Self::Configuration { .. }
            | Self::DocumentMissing(_)
            | Self::MeasurementNotListed(_)
            | Self::MeasurementUnlisted
            | Self::OtherRegion { vlek: None, .. }
            | Self::RawNotNamed
            | Self::ReportMissing(_) => ErrorKind::PolicyViolation,
            Self::MediaType(_) => ErrorKind::UnsupportedEvidence,
            Self::BootLog(_) | Self::Nothing | Self::ReportUnexpected => ErrorKind::MalformedEvidence,
        }
    }
}
