//! Why a report was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, Moment, PathError, RevocationListError};

use crate::{
    CertificateTableError, CpuId, FirmwareVersion, Product, SigningKey, Tcb, VekKind, report::REPORT_LEN,
};

/// Why a report was refused. The check that failed stands beside it, in [`evidence_ledger::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guest agreed to a firmware interface that is too old.
    #[error("guest policy allows the firmware interface {found:?}, expected at least {minimum:?}")]
    AbiTooOld {
        /// The policy's, major and minor.
        minimum: (u8, u8),
        /// The guest's.
        found: (u8, u8),
    },
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A host's certificate table could not be read.
    #[error(transparent)]
    CertificateTable(#[from] CertificateTableError),
    /// REPORT_DATA is something else.
    #[error("REPORT_DATA is not what was expected")]
    ReportDataMismatch,
    /// CHIP_ID is zero under a VCEK.
    #[error("CHIP_ID is masked, expected the chip's id under a VCEK")]
    ChipIdMasked,
    /// MASK_CHIP_KEY is set.
    #[error("MASK_CHIP_KEY is set: the report carries no signature")]
    ChipKeyMasked,
    /// The policy demands ciphertext hiding and the platform has it off.
    #[error("guest policy requires ciphertext hiding, and the platform has it disabled")]
    CiphertextHidingInconsistent,
    /// The processor of the report is not of the certificate's product.
    #[error("report is from {found}, expected {expected} as the certificate says")]
    CpuidProduct {
        /// The certificate's product.
        expected: Product,
        /// The report's processor.
        found: CpuId,
    },
    /// Revocation lists there are, but none is current.
    #[error("no revocation list of {issuer} is current at {at}; the newest one ended at {ended}")]
    CrlStale {
        /// The ARK.
        issuer: String,
        /// When the newest list ended.
        ended: Moment,
        /// The time of verification.
        at: Moment,
    },
    /// There is no revocation list.
    #[error("expected a revocation list of {issuer}, found none")]
    CrlMissing {
        /// The ARK.
        issuer: String,
    },
    /// The CSP_ID is not an allowed one.
    #[error("VLEK is of the provider {found}, which is not an allowed one")]
    CspNotAllowed {
        /// The CSP_ID.
        found: String,
    },
    /// The policy allows debugging.
    #[error("guest policy allows debugging")]
    DebugAllowed,
    /// The committed firmware is too old.
    #[error("committed firmware is {found}, expected at least {minimum}")]
    FirmwareTooOld {
        /// The policy's.
        minimum: FirmwareVersion,
        /// The report's.
        found: FirmwareVersion,
    },
    /// A bit of the guest policy is not as required.
    #[error("guest policy {policy:#x} does not have the bit {bit} as required")]
    GuestPolicyBit {
        /// Which.
        bit: String,
        /// GUEST_POLICY.
        policy: u64,
    },
    /// The guest's security version number is too low.
    #[error("guest SVN is {found}, expected at least {minimum}")]
    GuestSvnTooLow {
        /// The policy's.
        minimum: u32,
        /// The report's.
        found: u32,
    },
    /// The hardware id is another chip's.
    #[error("certificate is for another chip than the report's CHIP_ID")]
    HwidMismatch,
    /// The certificate that should certify the endorsement key is not there, or is not the pinned one.
    #[error("expected the pinned certificate {0}, found none that matches")]
    IssuerNotPinned(String),
    /// A migration agent is allowed or there.
    #[error("guest policy allows a migration agent, or one is associated")]
    MigrationAgent,
    /// A mitigation is off.
    #[error("mitigations at launch {launch:x?}, now {current:x?}, expected the bits {required:#x}")]
    MitigationsMissing {
        /// The policy's.
        required: u64,
        /// LAUNCH_MIT_VECTOR.
        launch: Option<u64>,
        /// CURRENT_MIT_VECTOR.
        current: Option<u64>,
    },
    /// The policy has a minimum TCB for other products only.
    #[error("policy sets a minimum TCB, and none for {0}")]
    NoTcbFloor(Product),
    /// Not named SEV-VCEK or SEV-VLEK.
    #[error("certificate is for {subject}, expected SEV-VCEK or SEV-VLEK")]
    NotAVek {
        /// The subject's common name.
        subject: String,
    },
    /// A value is not in the policy's list.
    #[error("{field} is {found}, which is not an allowed one")]
    NotAllowed {
        /// The report's field.
        field: &'static str,
        /// Its value, hex.
        found: String,
    },
    /// The path does not hold.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A property of the platform is not as required.
    #[error("platform information {info:#x} does not have the bit {bit} as required")]
    PlatformInfoBit {
        /// Which.
        bit: String,
        /// PLATFORM_INFO.
        info: u64,
    },
    /// Bit 17 of the guest policy is zero.
    #[error("guest policy {0:#x} has bit 17 clear, expected one")]
    PolicyMustBeOne(u64),
    /// The policy demands RAPL off and the platform has it on.
    #[error("guest policy requires RAPL to be disabled, and the platform has it enabled")]
    RaplInconsistent,
    /// Not the length of a report.
    #[error("report has {found} bytes, expected {REPORT_LEN}")]
    ReportLength {
        /// Bytes found.
        found: usize,
    },
    /// A signed reserved field is set.
    #[error("report of version {0} has a reserved field set")]
    ReservedSet(u32),
    /// A revocation list could not be used.
    #[error(transparent)]
    RevocationList(#[from] RevocationListError),
    /// An authority is revoked.
    #[error("{0} is revoked")]
    Revoked(String),
    /// The ARK is not there, or is not the pinned one.
    #[error("expected the pinned root ARK-{0}, found none that matches")]
    RootNotPinned(Product),
    /// Another signature algorithm.
    #[error("report names the signature algorithm {0}, expected 1 (ECDSA P-384 with SHA-384)")]
    SignatureAlgorithm(u32),
    /// The signature does not verify.
    #[error("report signature does not verify under the {0}")]
    SignatureInvalid(VekKind),
    /// Signed by a key of another kind than the backend accepts.
    #[error("report is signed by {found}, expected {expected}")]
    SigningKey {
        /// What the backend accepts.
        expected: VekKind,
        /// What the report says.
        found: SigningKey,
    },
    /// Hyper-threading is on and the policy forbids it.
    #[error("guest policy forbids SMT, and the platform has it enabled")]
    SmtInconsistent,
    /// A TCB version is below the policy's minimum.
    #[error("{which} TCB has {component} {found}, expected at least {minimum}")]
    TcbBelowFloor {
        /// reported, committed or launch.
        which: &'static str,
        /// The component.
        component: &'static str,
        /// The report's.
        found: u8,
        /// The policy's.
        minimum: u8,
    },
    /// A TCB version is above the current one.
    #[error("{which} TCB ({found}) is above the current TCB ({current})")]
    TcbOrder {
        /// reported, committed or launch.
        which: &'static str,
        /// That TCB.
        found: Tcb,
        /// The current one.
        current: Tcb,
    },
    /// More certificates and revocation lists than are looked at.
    #[error("{found} certificates and revocation lists, at most {limit} are read")]
    TooManyCertificates {
        /// How many came.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// Unsigned bytes are set.
    #[error("report has bytes set that its signature does not cover")]
    UnsignedSet,
    /// No VCEK or VLEK certificate.
    #[error("expected a {0} certificate, found none")]
    VekMissing(VekKind),
    /// An extension is missing, malformed, or should not be there.
    #[error("certificate extension {oid} {problem}")]
    VekExtension {
        /// Object identifier.
        oid: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The certificate is of another kind than SIGNING_KEY says.
    #[error("report is signed by a {expected}, and the certificate is of a {found}")]
    VekKind {
        /// By SIGNING_KEY.
        expected: VekKind,
        /// By the certificate.
        found: VekKind,
    },
    /// A product that is not known.
    #[error("certificate names the product {found}, expected Milan, Genoa or Turin")]
    VekProduct {
        /// The product name.
        found: String,
    },
    /// A layout that is not known.
    #[error("certificate has the struct version {found}, expected at most {known}")]
    VekStructVersion {
        /// The certificate's.
        found: u8,
        /// The newest that is known.
        known: u8,
    },
    /// The certificate is for another TCB version.
    #[error("certificate is for the TCB {certificate}, the report names {reported}")]
    VekTcb {
        /// The certificate's.
        certificate: Tcb,
        /// The reported TCB.
        reported: Tcb,
    },
    /// A version whose layout is not known.
    #[error("report has version {0}, expected 2 to 5")]
    Version(u32),
    /// Requested at another privilege level.
    #[error("report was requested at VMPL {found}, expected {expected}")]
    VmplMismatch {
        /// The policy's.
        expected: u32,
        /// The report's.
        found: u32,
    },
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificate(_)
            | Self::CertificateTable(_)
            | Self::NotAVek { .. }
            | Self::ReportLength { .. }
            | Self::UnsignedSet
            | Self::VekExtension { .. } => ErrorKind::MalformedEvidence,
            Self::ChipKeyMasked
            | Self::ReservedSet(_)
            | Self::SignatureAlgorithm(_)
            | Self::SigningKey { .. }
            | Self::VekProduct { .. }
            | Self::VekStructVersion { .. }
            | Self::Version(_) => ErrorKind::UnsupportedEvidence,
            Self::CrlMissing { .. } | Self::VekMissing(_) => ErrorKind::MissingEndorsements,
            Self::CrlStale { .. } => ErrorKind::StaleEndorsements,
            Self::RevocationList(_) => ErrorKind::InvalidEndorsements,
            Self::IssuerNotPinned(_) | Self::RootNotPinned(_) => ErrorKind::UntrustedIssuer,
            Self::Path(PathError::OutsideValidity { window, at, .. }) => {
                if at.0 < window.not_before {
                    ErrorKind::NotYetValid
                } else {
                    ErrorKind::Expired
                }
            }
            Self::Path(_) => ErrorKind::UntrustedIssuer,
            Self::Revoked(_) => ErrorKind::Revoked,
            Self::SignatureInvalid(_) => ErrorKind::BadSignature,
            Self::ReportDataMismatch => ErrorKind::ChallengeMismatch,
            Self::ChipIdMasked
            | Self::CiphertextHidingInconsistent
            | Self::CpuidProduct { .. }
            | Self::HwidMismatch
            | Self::RaplInconsistent
            | Self::SmtInconsistent
            | Self::TcbOrder { .. }
            | Self::VekKind { .. }
            | Self::VekTcb { .. } => ErrorKind::InconsistentEvidence,
            Self::DebugAllowed | Self::MigrationAgent | Self::PolicyMustBeOne(_) => ErrorKind::ForbiddenState,
            Self::TooManyCertificates { .. } => ErrorKind::LimitExceeded,
            Self::AbiTooOld { .. }
            | Self::CspNotAllowed { .. }
            | Self::FirmwareTooOld { .. }
            | Self::GuestPolicyBit { .. }
            | Self::GuestSvnTooLow { .. }
            | Self::MitigationsMissing { .. }
            | Self::NoTcbFloor(_)
            | Self::NotAllowed { .. }
            | Self::PlatformInfoBit { .. }
            | Self::TcbBelowFloor { .. }
            | Self::VmplMismatch { .. } => ErrorKind::PolicyViolation,
        }
    }
}
