//! Why a document was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, Moment, PathError};

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// cabundle is not the path to the root.
    #[error("cabundle is not the path from the root to the signer's issuer, each once and in that order")]
    CabundleOrder,
    /// A certificate of the document cannot be read.
    #[error(transparent)]
    Certificate(CertificateError),
    /// The signer's key is of another kind.
    #[error("signer's key of {0} bytes is no uncompressed point on P-384, which has 97")]
    CertificateKey(usize),
    /// The registers are those of another hash.
    #[error("digest of the document is {0}, expected SHA384")]
    Digest(String),
    /// Not in the format.
    #[error("expected a COSE_Sign1 of an attestation document, and in it {0}")]
    Document(&'static str),
    /// A member, or a register, that stands there twice.
    #[error("document has {0} twice")]
    Duplicate(&'static str),
    /// Made later than now.
    #[error("document was made at {made}, more than {limit} s after {at}")]
    FromFuture {
        /// By its own word.
        made: Moment,
        /// The time asked about.
        at: Moment,
        /// Seconds allowed.
        limit: u64,
    },
    /// A key that is not for what it does.
    #[error("certificate {subject} has another key usage than {expected}")]
    KeyUsage {
        /// Common name.
        subject: String,
        /// What its keyUsage must have.
        expected: &'static str,
    },
    /// A member that must be there.
    #[error("document has no {0}")]
    Missing(&'static str),
    /// A module that is no TPM of an instance.
    #[error("module_id is {0}, expected an instance and its tpm")]
    ModuleId(String),
    /// nonce is another, or is there and should not be, or is not there.
    #[error("nonce of the document is not what was expected")]
    Nonce,
    /// The certificates lead to no pinned root.
    #[error(transparent)]
    Path(PathError),
    /// public_key is another, or is there and should not be, or is not there.
    #[error("public_key of the document is not what was expected")]
    PublicKey,
    /// Certificates of several regions.
    #[error("certificate {subject} is not of the region {region}, which the signer's names")]
    Region {
        /// Common name.
        subject: String,
        /// By the signer's certificate.
        region: String,
    },
    /// The signature is not the signer's.
    #[error("document does not verify under the signer's key")]
    Signature,
    /// The certificate is of somebody else.
    #[error("certificate {found} signed or issued for {expected}, which it does not name")]
    Signer {
        /// The module or the instance.
        expected: String,
        /// Common name.
        found: String,
    },
    /// Made too long ago.
    #[error("document was made at {made}, more than {limit} s before {at}")]
    Stale {
        /// By its own word.
        made: Moment,
        /// The time asked about.
        at: Moment,
        /// Seconds allowed.
        limit: u64,
    },
    /// Larger, or more, than the limit.
    #[error("{what} of {found}, at most {limit} are read")]
    TooLarge {
        /// What, and in which unit.
        what: &'static str,
        /// Found.
        found: usize,
        /// Allowed.
        limit: usize,
    },
    /// A member that no version of the format has.
    #[error("document has the member {0}, which is not known")]
    UnknownMember(String),
    /// The first certificate of cabundle is no pinned root.
    #[error("root certificate {0} is not pinned")]
    UnpinnedRoot(String),
    /// user_data is another, or is there and should not be, or is not there.
    #[error("user_data of the document is not what was expected")]
    UserData,
    /// A document of a Nitro Enclave.
    #[error("document of a Nitro Enclave, expected one of a NitroTPM")]
    WrongType,
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::CertificateKey(_) | Self::Digest(_) | Self::UnknownMember(_) | Self::WrongType => {
                ErrorKind::UnsupportedEvidence
            }
            Self::Certificate(_)
            | Self::Document(_)
            | Self::Duplicate(_)
            | Self::Missing(_)
            | Self::ModuleId(_) => ErrorKind::MalformedEvidence,
            Self::FromFuture { .. } => ErrorKind::NotYetValid,
            Self::Nonce | Self::UserData => ErrorKind::ChallengeMismatch,
            Self::Path(PathError::OutsideValidity { window, at, .. }) => {
                if at.0 < window.not_before {
                    ErrorKind::NotYetValid
                } else {
                    ErrorKind::Expired
                }
            }
            Self::CabundleOrder | Self::KeyUsage { .. } | Self::Path(_) | Self::UnpinnedRoot(_) => {
                ErrorKind::UntrustedIssuer
            }
            Self::PublicKey | Self::Region { .. } | Self::Signer { .. } => ErrorKind::InconsistentEvidence,
            Self::Signature => ErrorKind::BadSignature,
            Self::Stale { .. } => ErrorKind::Expired,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
        }
    }
}
