//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_dstack::application::ApplicationError;
use evidence_event_log::EventLogError;
use evidence_gce::Error as GoogleError;
use evidence_snp::Error as ReportError;
use evidence_tdx::Error as TdQuoteError;
use evidence_tpm::Error as QuoteError;

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime events are not those of the registers, or name no application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// A boot log is not in its format.
    #[error(transparent)]
    BootLog(#[from] EventLogError),
    /// No image of the relying party has these registers.
    #[error("no image that the relying party lists was booted: {0}")]
    BootUnknown(Box<Self>),
    /// The relying party lists no image.
    #[error("nothing says what was booted: expected images in backend.gcp.launch of the policy")]
    BootUnlisted,
    /// Nobody endorses what was launched.
    #[error(
        "there is no launch endorsement: expected Google's, or what was launched in backend.gcp.launch.measurements of the policy"
    )]
    EndorsementMissing,
    /// PCR0 is none of Google's firmware.
    #[error("PCR0 {0} is that of no known firmware of Google's")]
    FirmwareUnknown(String),
    /// The firmware's version is not accepted.
    #[error("PCR0 is of GCE Virtual Firmware v{0}, which firmware-versions does not list")]
    FirmwareVersion(u8),
    /// What Google says of the instance or of the firmware does not hold.
    #[error(transparent)]
    Google(#[from] GoogleError),
    /// The relying party does not list this measurement.
    #[error("measurement {0} is not among the relying party's reference values")]
    MeasurementNotListed(String),
    /// Another media type than this backend's.
    #[error("evidence is of the kind {0}, expected one of gcp-snp or gcp-tdx")]
    MediaType(String),
    /// An image that is known by registers of a TD, and a guest that is none.
    #[error("the image is known by RTMR1 and RTMR2, and the guest is no TD")]
    NoRtmrs,
    /// The vTPM says that the VM runs on something else.
    #[error("PCR0 says that the VM runs on {found}, expected {expected}")]
    OtherTechnology {
        /// The media type's.
        expected: &'static str,
        /// What PCR0 names.
        found: &'static str,
    },
    /// The payload is not in its format.
    #[error(
        "expected a CBOR map of report, quote, signature, pcrs, ak-certificate, certificates, launch-endorsement, boot-log, cc-log and runtime-events: {0}"
    )]
    Payload(#[from] CborError),
    /// The policy does not say what Evidence of the profile raw is like.
    #[error("evidence is of the profile raw, and the policy has no section backend.gcp.raw")]
    RawNotNamed,
    /// The SNP report, or what vouches for it.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A register's events are not those that are expected.
    #[error("RTMR{0} was extended with other events than the relying party lists, or in another order")]
    RtmrEvents(u8),
    /// A list with a partition table, and no log that tells it.
    #[error(
        "the events that are expected of RTMR{0} can only be told from a log of the TD's registers, and there is none"
    )]
    RtmrLogNeeded(u8),
    /// The log does not replay to a register.
    #[error("the log replays to RTMR{rtmr} {replayed}, the quote says {quoted}")]
    RtmrReplay {
        /// The register.
        rtmr: u8,
        /// From the log, hex.
        replayed: String,
        /// In the quote, hex.
        quoted: String,
    },
    /// A register holds what nobody expects.
    #[error("RTMR{rtmr} holds {found}, which the relying party does not list")]
    RtmrUnknown {
        /// The register.
        rtmr: u8,
        /// Its value, hex.
        found: String,
    },
    /// A log of a TD's registers, and no TD.
    #[error("evidence of SEV-SNP has a log of a TD's registers, expected none")]
    StrayCcLog,
    /// The TD quote, or what vouches for it.
    #[error(transparent)]
    TdQuote(#[from] TdQuoteError),
    /// Larger than the limit.
    #[error("{what} has {found} bytes, at most {limit} are read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The quote, the certificate of the attestation key, or the boot.
    #[error(transparent)]
    Tpm(#[from] QuoteError),
}

impl Error {
    /// What is wrong with a register of a TD, which logs number from 1 on.
    pub(crate) fn of_rtmr(error: QuoteError) -> Self {
        match error {
            QuoteError::BootEvents { pcr } => Self::RtmrEvents(pcr.saturating_sub(1)),
            QuoteError::BootLogNeeded(pcr) => Self::RtmrLogNeeded(pcr.saturating_sub(1)),
            QuoteError::BootRegister { pcr, found } => {
                Self::RtmrUnknown { rtmr: pcr.saturating_sub(1), found }
            }
            QuoteError::BootReplay { pcr, replayed, quoted } => {
                Self::RtmrReplay { rtmr: pcr.saturating_sub(1), replayed, quoted }
            }
            other => Self::Tpm(other),
        }
    }

    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Application(error) => error.kind(),
            Self::Google(error) => error.kind(),
            Self::Payload(error) => error.kind(),
            Self::Report(error) => error.kind(),
            Self::TdQuote(error) => error.kind(),
            Self::Tpm(error) => error.kind(),
            Self::RtmrReplay { .. } => ErrorKind::EventLogMismatch,
            Self::EndorsementMissing => ErrorKind::MissingEndorsements,
            Self::NoRtmrs | Self::OtherTechnology { .. } => ErrorKind::InconsistentEvidence,
            Self::BootUnknown(_)
            | Self::BootUnlisted
            | Self::FirmwareUnknown(_)
            | Self::FirmwareVersion(_)
            | Self::MeasurementNotListed(_)
            | Self::RawNotNamed
            | Self::RtmrEvents(_)
            | Self::RtmrLogNeeded(_)
            | Self::RtmrUnknown { .. } => ErrorKind::PolicyViolation,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::MediaType(_) => ErrorKind::UnsupportedEvidence,
            Self::BootLog(_) | Self::StrayCcLog => ErrorKind::MalformedEvidence,
        }
    }
}
