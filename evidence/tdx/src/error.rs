//! Why a quote was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, Moment, PathError, RevocationListError, Window};

use crate::{BodyKind, policy::TcbStatus, tcb::Shortfalls};

/// Why a quote was refused, in detail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An advisory that the policy rejects.
    #[error("advisory {0} applies, which the policy rejects")]
    AdvisoryRejected(String),
    /// `dcap-qvl` refuses what the checks before accepted.
    #[error("expected a TCB that can be appraised: {0}")]
    Appraisal(String),
    /// The quoting enclave does not vouch for the key.
    #[error("QE report does not commit to the attestation key")]
    AttestationKey,
    /// A key of another kind.
    #[error("attestation key is of type {0}, expected 2 (ECDSA P-256)")]
    AttestationKeyType(u16),
    /// Attributes that neither profile nor policy allows.
    #[error("TD attributes {found:#x} are set, which neither the profile {profile} nor the policy allows")]
    AttributesNotAllowed {
        /// The profile.
        profile: &'static str,
        /// The bits.
        found: u64,
    },
    /// Attributes that the specification reserves.
    #[error("reserved TD attributes are set: {0:#x}")]
    AttributesReserved(u64),
    /// A body whose size is not that of its type.
    #[error("body of type {} has {expected} bytes, found {found}", kind.name())]
    BodySize {
        /// Its form.
        kind: BodyKind,
        /// Bytes expected.
        expected: usize,
        /// Bytes that the descriptor says.
        found: u32,
    },
    /// A body that is no TD report.
    #[error("body is of type {0}, expected 2 (TD 1.0), 3 (TD 1.5) or 4 (TD 1.5ex)")]
    BodyType(u16),
    /// A certificate that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Certification data of a form that is not read.
    #[error("certification data is of type {found}, expected {expected}")]
    CertificationData {
        /// The type there must be.
        expected: u16,
        /// The type there is.
        found: u16,
    },
    /// REPORTDATA is something else.
    #[error("REPORTDATA is not what was expected")]
    ReportDataMismatch,
    /// The host can look into the TD.
    #[error("the TD can be debugged or profiled (attributes {0:#x})")]
    Debug(u64),
    /// A document that its signer did not sign.
    #[error("{0} does not verify under the TCB signing key")]
    DocumentSignature(&'static str),
    /// A document outside of its time.
    #[error("{name} is valid {window}, not at {at}")]
    DocumentStale {
        /// Which.
        name: &'static str,
        /// When it is valid.
        window: Window,
        /// The time asked about.
        at: Moment,
    },
    /// An evaluation that is too old.
    #[error("tcbEvaluationDataNumber is {found}, the policy's minimum is {minimum}")]
    EvaluationTooOld {
        /// The policy's.
        minimum: u32,
        /// The lower of the two documents'.
        found: u32,
    },
    /// Out of date for longer than the policy allows.
    #[error("platform is {}, and its grace period ended at {over} (now {at})", status.name())]
    GraceOver {
        /// Its status.
        status: TcbStatus,
        /// The end of the grace period.
        over: Moment,
        /// The time of verification.
        at: Moment,
    },
    /// The TD can be moved.
    #[error("the TD can be migrated to another platform")]
    Migratable,
    /// A TDX module of another signer.
    #[error("MRSIGNERSEAM and SEAMATTRIBUTES are not those of a TDX module of Intel's")]
    ModuleSigner,
    /// A value that the policy does not list.
    #[error("{field} {found} is not allowed")]
    NotAllowed {
        /// The field.
        field: &'static str,
        /// Its value, hex.
        found: String,
    },
    /// The certificates do not lead to the root.
    #[error(transparent)]
    Path(PathError),
    /// More or fewer certificates.
    #[error("expected {expected} certificates (PCK, CA, root), found {found}")]
    PckChainLength {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The extension that names the platform.
    #[error("expected Intel's SGX extension in the PCK certificate: {0}")]
    PckExtension(String),
    /// A certificate of another kind.
    #[error(
        "certificate {subject} is issued by {issuer}, expected a PCK certificate of Intel's Platform or Processor CA"
    )]
    PckIssuer {
        /// Common name of the certificate.
        subject: String,
        /// Common name of its issuer.
        issuer: String,
    },
    /// A platform as the policy rejects it.
    #[error("platform is {0}, which the policy rejects")]
    PlatformRejected(&'static str),
    /// A platform whose certificate does not say whether it is as the policy rejects it.
    #[error("the policy rejects platforms that are {0}, and the PCK certificate does not say")]
    PlatformUnknown(&'static str),
    /// Authentication data of another length.
    #[error("QE authentication data has {found} bytes, expected 32")]
    QeAuthentication {
        /// Bytes found.
        found: usize,
    },
    /// Another enclave than Intel's.
    #[error("{0} of the QE report is not that of Intel's quoting enclave")]
    QeIdentity(&'static str),
    /// No identity of the quoting enclave.
    #[error("expected the identity of Intel's quoting enclave for TDX, found none")]
    QeIdentityMissing,
    /// The PCK did not sign the QE report.
    #[error("QE report does not verify under the PCK certificate")]
    QeReportSignature,
    /// Another maker of the quoting enclave.
    #[error("quoting enclave is of vendor {0}, expected Intel")]
    QeVendor(String),
    /// The attestation key did not sign the quote.
    #[error("quote does not verify under its attestation key")]
    QuoteSignature,
    /// Larger than any quote.
    #[error("quote of {found} bytes, at most {limit} are read")]
    QuoteTooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A version whose layout is not known.
    #[error("quote has version {0}, expected 4 or 5")]
    QuoteVersion(u16),
    /// A revocation list that cannot be used.
    #[error(transparent)]
    RevocationList(#[from] RevocationListError),
    /// No revocation list.
    #[error("expected a revocation list of {issuer}, found none")]
    RevocationListMissing {
        /// The authority.
        issuer: String,
    },
    /// Revocation lists, and none of them current.
    #[error("no revocation list of {issuer} is current at {at}")]
    RevocationListStale {
        /// The authority.
        issuer: String,
        /// The time asked about.
        at: Moment,
    },
    /// A certificate that is revoked.
    #[error("certificate {0} is revoked")]
    Revoked(String),
    /// A root that is not pinned.
    #[error("root certificate {0} is not a trust anchor")]
    RootNotPinned(String),
    /// The host can inject exceptions.
    #[error("SEPT_VE_DISABLE is not set: the host can raise exceptions in the TD")]
    SeptVeEnabled,
    /// Service TDs may have come later, and the report does not say which.
    #[error("the TD may be bound to service TDs after its launch, and its report is not one that names them")]
    ServiceTdUnknown,
    /// Service TDs may come later.
    #[error("the TD may be bound to service TDs, and the policy lists none")]
    ServiceTdUnlisted,
    /// No certificate of the key that signs documents.
    #[error("expected a certificate of Intel SGX TCB Signing, found none")]
    SignerMissing,
    /// A date that is none.
    #[error("TCB levels carry dates that cannot be read")]
    TcbDate,
    /// No TCB info of this platform.
    #[error("expected TCB info of the platform with FMSPC {fmspc}, found none")]
    TcbInfoMissing {
        /// The platform's, hex.
        fmspc: String,
    },
    /// TCB info of another platform.
    #[error(
        "TCB info is of PCE-ID {found:?} or of a form that is not known, expected TDX, version 3, type 0, PCE-ID {expected}"
    )]
    TcbInfoPlatform {
        /// The platform's, hex.
        expected: String,
        /// The document's.
        found: String,
    },
    /// Below every level that Intel lists.
    #[error("platform is below every TCB level: {0}")]
    TcbLevelMissed(Shortfalls),
    /// A level that Intel revoked.
    #[error("the TCB level is revoked")]
    TcbRevoked,
    /// A status that the policy does not accept.
    #[error("TCB status is {}{}", found.name(), because(shortfalls))]
    TcbStatus {
        /// The platform's.
        found: TcbStatus,
        /// What falls short of the current level.
        shortfalls: Shortfalls,
    },
    /// Levels that are too old.
    #[error("TCB level is of {found}, the policy's earliest is {minimum}")]
    TcbTooOld {
        /// The policy's.
        minimum: Moment,
        /// The oldest of the platform's levels.
        found: Moment,
    },
    /// A quote about something else.
    #[error("quote is of TEE type {0:#x}, expected 0x81 (TDX)")]
    TeeType(u32),
    /// More than is looked at.
    #[error("{found} endorsements, at most {limit} are read")]
    TooManyEndorsements {
        /// How many came.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// Something after the end.
    #[error("{found} bytes after the end, expected none")]
    TrailingBytes {
        /// How many.
        found: usize,
    },
    /// The bytes end early.
    #[error("quote ends within its {0}")]
    Truncated(&'static str),
    /// Features that a TD cannot have.
    #[error("XFAM is {found:#x}, which the profile {profile} does not allow")]
    Xfam {
        /// The profile.
        profile: &'static str,
        /// The field.
        found: u64,
    },
}

fn because(shortfalls: &Shortfalls) -> String {
    if shortfalls.0.is_empty() { String::new() } else { format!(": {shortfalls}") }
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BodySize { .. }
            | Self::Certificate(_)
            | Self::PckChainLength { .. }
            | Self::PckExtension(_)
            | Self::QeAuthentication { .. }
            | Self::TrailingBytes { .. }
            | Self::Truncated(_) => ErrorKind::MalformedEvidence,
            Self::AttestationKeyType(_)
            | Self::BodyType(_)
            | Self::CertificationData { .. }
            | Self::QeVendor(_)
            | Self::QuoteVersion(_)
            | Self::TeeType(_) => ErrorKind::UnsupportedEvidence,
            Self::QuoteTooLarge { .. } | Self::TooManyEndorsements { .. } => ErrorKind::LimitExceeded,
            Self::Path(PathError::OutsideValidity { window, at, .. }) => {
                if at.0 < window.not_before {
                    ErrorKind::NotYetValid
                } else {
                    ErrorKind::Expired
                }
            }
            Self::Path(_) | Self::PckIssuer { .. } | Self::RootNotPinned(_) => ErrorKind::UntrustedIssuer,
            Self::Revoked(_) | Self::TcbRevoked => ErrorKind::Revoked,
            Self::QeIdentityMissing
            | Self::RevocationListMissing { .. }
            | Self::SignerMissing
            | Self::TcbInfoMissing { .. } => ErrorKind::MissingEndorsements,
            Self::DocumentStale { .. } | Self::RevocationListStale { .. } => ErrorKind::StaleEndorsements,
            Self::DocumentSignature(_)
            | Self::RevocationList(_)
            | Self::TcbDate
            | Self::TcbInfoPlatform { .. } => ErrorKind::InvalidEndorsements,
            Self::QeReportSignature | Self::QuoteSignature => ErrorKind::BadSignature,
            Self::Appraisal(_) | Self::AttestationKey | Self::QeIdentity(_) | Self::TcbLevelMissed(_) => {
                ErrorKind::InconsistentEvidence
            }
            Self::ReportDataMismatch => ErrorKind::ChallengeMismatch,
            Self::AttributesReserved(_)
            | Self::Debug(_)
            | Self::Migratable
            | Self::ModuleSigner
            | Self::SeptVeEnabled
            | Self::Xfam { .. } => ErrorKind::ForbiddenState,
            Self::AdvisoryRejected(_)
            | Self::AttributesNotAllowed { .. }
            | Self::EvaluationTooOld { .. }
            | Self::GraceOver { .. }
            | Self::NotAllowed { .. }
            | Self::PlatformRejected(_)
            | Self::PlatformUnknown(_)
            | Self::ServiceTdUnknown
            | Self::ServiceTdUnlisted
            | Self::TcbStatus { .. }
            | Self::TcbTooOld { .. } => ErrorKind::PolicyViolation,
        }
    }
}
