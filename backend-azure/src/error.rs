//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_dstack::application::ApplicationError;
use evidence_event_log::EventLogError;
use evidence_json::JsonError;
use evidence_snp::Error as ReportError;
use evidence_tdx::Error as TdQuoteError;
use evidence_tpm::Error as QuoteError;

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The attestation key has no certificate.
    #[error(
        "there is no certificate of the attestation key: expected one, or danger-accept-unendorsed-ak in the policy"
    )]
    AkCertificateMissing,
    /// The certificate is of another key.
    #[error("certificate of the attestation key is of another key than the paravisor's report names")]
    AkCertificateOtherKey,
    /// The certificate is of something else than a confidential VM.
    #[error(
        "certificate of the attestation key is for {0:?}, expected <id>.ConfidentialVM.Azure.windows.net"
    )]
    AkCertificateSubject(String),
    /// The paravisor's report names no attestation key.
    #[error("runtime data name no key HCLAkPub, expected exactly one")]
    AkKeyMissing,
    /// The paravisor's report names two attestation keys.
    #[error("runtime data name a key HCLAkPub twice, expected exactly one")]
    AkKeyTwice,
    /// The attestation key is of another kind.
    #[error("key HCLAkPub is not of rsa with 2048 bits and the exponent 65537")]
    AkKeyWeak,
    /// The quote's signer is no key of Azure's template.
    #[error("quote names another signer than the attestation key that a vTPM of Azure makes by its template")]
    AkNotOfTemplate,
    /// The runtime events are not those of the register, or name no application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// No image of the relying party has these registers.
    #[error("no image that the relying party lists was booted: {0}")]
    BootUnknown(QuoteError),
    /// The relying party lists no image.
    #[error("nothing says what was booted: expected images in backend.azure.launch of the policy")]
    BootUnlisted,
    /// The boot log is not in its format.
    #[error(transparent)]
    BootLog(#[from] EventLogError),
    /// A report of the paravisor that is not in its format.
    #[error("expected a report of the paravisor, and in it {0}")]
    Hcl(&'static str),
    /// A hash that is not known.
    #[error("report of the paravisor has the hash type {0}, expected 1 (SHA-256)")]
    HclHashType(u32),
    /// A report of another technology than the media type says.
    #[error("report of the paravisor has the type {found}, expected {expected} ({tee})")]
    HclReportType {
        /// By the media type.
        expected: u32,
        /// What that is called.
        tee: &'static str,
        /// In the report.
        found: u32,
    },
    /// Something else than a report of the paravisor.
    #[error("report of the paravisor does not begin with HCLA")]
    HclSignature,
    /// A version that is not known.
    #[error("report of the paravisor has version {0}, expected 1 or 2")]
    HclVersion(u32),
    /// The relying party does not list this measurement.
    #[error("measurement {0} is not among the relying party's reference values")]
    MeasurementNotListed(String),
    /// Another media type than this backend's.
    #[error("evidence is of the kind {0}, expected one of azure-snp or azure-tdx")]
    MediaType(String),
    /// Somebody extended a register of the TD.
    #[error("RTMR{0} of the TD is extended, which Azure's paravisor does not do: expected zeros")]
    TdRegister(usize),
    /// The TD report in the paravisor's report is not the one that was quoted.
    #[error("{0} of the TD quote is not that of the paravisor's TD report")]
    OtherTdReport(&'static str),
    /// The payload is not in its format.
    #[error(
        "expected a CBOR map of hcl-report, td-quote, quote, signature, pcrs, ak-certificate, certificates, boot-log and runtime-events: {0}"
    )]
    Payload(#[from] CborError),
    /// The policy does not say what Evidence of the profile raw is like.
    #[error("evidence is of the profile raw, and the policy has no section backend.azure.raw")]
    RawNotNamed,
    /// The SNP report, or what vouches for it.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The processor's report commits to other runtime data.
    #[error("report data are not SHA-256 of the paravisor's runtime data and 32 zeros")]
    RuntimeDataHash,
    /// The runtime data are not in their format.
    #[error(transparent)]
    RuntimeData(#[from] JsonError),
    /// The paravisor's report is of another challenge, or older than this guest's request.
    #[error("user-data of the paravisor's report is {0}, expected what the challenge makes it")]
    UserData(&'static str),
    /// The TD quote, or what vouches for it.
    #[error(transparent)]
    TdQuote(#[from] TdQuoteError),
    /// There is no TD quote, or there is one and none is expected.
    #[error("evidence of {tee} has {found}, expected {expected}")]
    TdQuotePresence {
        /// The technology.
        tee: &'static str,
        /// What there is.
        found: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// The TD report is not in its format.
    #[error(
        "expected a TDREPORT_STRUCT of a TD in the paravisor's report: 1024 bytes of the type 81h, and zeros"
    )]
    TdReport,
    /// Larger than the limit.
    #[error("{what} has the size {found}, at most {limit} is read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes or entries found.
        found: usize,
        /// Bytes or entries allowed.
        limit: usize,
    },
    /// The quote, the certificate of the attestation key, or the boot.
    #[error(transparent)]
    Tpm(#[from] QuoteError),
    /// The policy asks for a configuration, and the report that says it may be of an earlier boot.
    #[error(
        "policy asks of vm-configuration, and user-data does not say that the paravisor's report is of this challenge"
    )]
    VmConfigurationStale,
    /// The VM is configured otherwise.
    #[error("vm-configuration has another {flag}, expected {expected}")]
    VmConfiguration {
        /// Which flag.
        flag: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Application(error) => error.kind(),
            Self::Payload(error) => error.kind(),
            Self::Report(error) => error.kind(),
            Self::TdQuote(error) => error.kind(),
            Self::Tpm(error) => error.kind(),
            Self::AkCertificateMissing | Self::AkCertificateSubject(_) => ErrorKind::UntrustedIssuer,
            Self::AkCertificateOtherKey
            | Self::AkNotOfTemplate
            | Self::OtherTdReport(_)
            | Self::RuntimeDataHash
            | Self::TdRegister(_) => ErrorKind::InconsistentEvidence,
            Self::UserData(_) => ErrorKind::ChallengeMismatch,
            Self::BootUnknown(_)
            | Self::BootUnlisted
            | Self::MeasurementNotListed(_)
            | Self::RawNotNamed
            | Self::VmConfiguration { .. }
            | Self::VmConfigurationStale => ErrorKind::PolicyViolation,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::AkKeyWeak
            | Self::HclHashType(_)
            | Self::HclReportType { .. }
            | Self::HclVersion(_)
            | Self::MediaType(_) => ErrorKind::UnsupportedEvidence,
            Self::AkKeyMissing
            | Self::AkKeyTwice
            | Self::BootLog(_)
            | Self::Hcl(_)
            | Self::HclSignature
            | Self::RuntimeData(_)
            | Self::TdQuotePresence { .. }
            | Self::TdReport => ErrorKind::MalformedEvidence,
        }
    }
}
