//! Why an attestation key or a launch endorsement was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, Moment, PathError};

/// Why an attestation key or a launch endorsement was refused. The check that failed stands beside it, in
/// [`evidence_ledger::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate of the attestation key does not hold.
    #[error(transparent)]
    Ak(evidence_tpm::Error),
    /// An endorsement that is not in its format.
    #[error("expected a launch endorsement: {0}")]
    Endorsement(String),
    /// The signature is not the signer's.
    #[error("golden measurement does not verify under the signer's key with RSASSA-PSS and SHA-256")]
    EndorsementSignature,
    /// The relying party rejects this firmware.
    #[error("the policy rejects the firmware {0}")]
    FirmwareRejected(String),
    /// The firmware is too old.
    #[error("firmware has the security version number {found}, expected at least {minimum}")]
    FirmwareSvn {
        /// The policy's.
        minimum: u32,
        /// The endorsement's.
        found: u32,
    },
    /// The endorsement was made after the time of verification.
    #[error("launch endorsement is of {made}, after the time of verification {at}")]
    FromTheFuture {
        /// The endorsement's time.
        made: Moment,
        /// The time of verification.
        at: Moment,
    },
    /// The policy does not list the instance.
    #[error("{what} {found} is not an allowed one")]
    InstanceNotAllowed {
        /// Project, zone or instance.
        what: &'static str,
        /// The certificate's.
        found: String,
    },
    /// The extension is not in its format.
    #[error("expected instance information in DER: {0}")]
    InstanceInfo(String),
    /// The certificate names no instance.
    #[error("certificate has no instance information (1.3.6.1.4.1.11129.2.1.21)")]
    InstanceInfoMissing,
    /// The key does something else than signing.
    #[error("certificate has another keyUsage than digitalSignature alone")]
    KeyUsage,
    /// The endorsement does not say from what the firmware was built.
    #[error("launch endorsement of {0} names no sources, expected a changelist or a commit")]
    NoProvenance(Moment),
    /// The endorsement does not say when it was made.
    #[error("launch endorsement has no timestamp")]
    NoTimestamp,
    /// A virtual TPM of Google's tests.
    #[error("virtual TPM is not of Google's production")]
    NonProduction,
    /// The endorsement does not list the launch measurement.
    #[error("{what} {found} is none that the launch endorsement lists")]
    NotEndorsed {
        /// The register or field.
        what: &'static str,
        /// Its value, hex.
        found: String,
    },
    /// The endorsement says nothing of the technology.
    #[error("launch endorsement says nothing of {0}")]
    NotForTechnology(&'static str),
    /// The path does not hold.
    #[error(transparent)]
    Path(PathError),
    /// A launch with an SVSM was expected, and this is one without.
    #[error("MEASUREMENT is that of a launch without SVSM, expected one with it")]
    PlainMeasurement,
    /// Nobody says whether an authority is revoked.
    #[error("expected a current revocation list of {0}, found none")]
    RevocationUnknown(String),
    /// The signer's certificate cannot be read.
    #[error(transparent)]
    Signer(CertificateError),
    /// The signer's key is not for signing data alone.
    #[error(
        "certificate {0} is not for signing data alone: expected keyUsage digitalSignature and no keyCertSign"
    )]
    SignerUsage(String),
    /// A launch without SVSM was expected, and this is one with it.
    #[error("MEASUREMENT is that of a launch with an SVSM, expected one without")]
    SvsmMeasurement,
    /// Larger than the limit.
    #[error("{what} of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The measurement is listed for other counts of vCPUs.
    #[error("MEASUREMENT is listed for another count of vCPUs than {0}")]
    VcpuCount(u32),
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Ak(error) => error.kind(),
            Self::InstanceInfo(_) | Self::InstanceInfoMissing => ErrorKind::MalformedEvidence,
            Self::KeyUsage => ErrorKind::UntrustedIssuer,
            Self::FromTheFuture { .. } => ErrorKind::NotYetValid,
            Self::NonProduction => ErrorKind::ForbiddenState,
            Self::RevocationUnknown(_) => ErrorKind::MissingEndorsements,
            Self::Endorsement(_)
            | Self::EndorsementSignature
            | Self::NoProvenance(_)
            | Self::NoTimestamp
            | Self::Signer(_)
            | Self::SignerUsage(_) => ErrorKind::InvalidEndorsements,
            Self::Path(PathError::NoPinnedRoot { .. }) => ErrorKind::MissingEndorsements,
            Self::Path(PathError::OutsideValidity { .. }) => ErrorKind::StaleEndorsements,
            Self::Path(_) => ErrorKind::UntrustedIssuer,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::FirmwareRejected(_)
            | Self::FirmwareSvn { .. }
            | Self::InstanceNotAllowed { .. }
            | Self::NotEndorsed { .. }
            | Self::NotForTechnology(_)
            | Self::PlainMeasurement
            | Self::SvsmMeasurement
            | Self::VcpuCount(_) => ErrorKind::PolicyViolation,
        }
    }
}
