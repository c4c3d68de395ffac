//! Why a manifest was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, PathError};

/// Why a manifest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another algorithm than that of NVIDIA's manifests.
    #[error("{of} of the manifest's signature is {found}, expected {expected}")]
    Algorithm {
        /// Which element names it.
        of: &'static str,
        /// The identifier found, as far as it is shown.
        found: String,
        /// The only identifier that is accepted.
        expected: &'static str,
    },
    /// A certificate of the manifest cannot be read.
    #[error(transparent)]
    Certificate(CertificateError),
    /// A key of another kind.
    #[error("key of certificate {subject} of {found} bytes is no uncompressed point on P-384, which has 97")]
    CertificateKey {
        /// Common name.
        subject: String,
        /// Bytes of the key.
        found: usize,
    },
    /// The certificates are not the path to the root.
    #[error(
        "certificates of the manifest are not the path from the signer to the root, each once and in that order"
    )]
    ChainOrder,
    /// The document is not the one that was signed.
    #[error("manifest does not have the digest that its signature refers to")]
    Digest,
    /// Something that stands there twice.
    #[error("manifest has {what} {value} twice")]
    Duplicate {
        /// What.
        what: &'static str,
        /// Which one.
        value: String,
    },
    /// A key that is not for what it does.
    #[error("certificate {subject} has another key usage than {expected}")]
    KeyUsage {
        /// Common name.
        subject: String,
        /// What its keyUsage must have.
        expected: &'static str,
    },
    /// An attribute that must be there.
    #[error("manifest has a {element} without {attribute}")]
    Missing {
        /// Of which element.
        element: &'static str,
        /// Its name.
        attribute: String,
    },
    /// Nothing in it to compare with.
    #[error("manifest has no active measurement")]
    NoMeasurements,
    /// Certificates that were never valid at one time.
    #[error("certificates of the manifest have no time at which all of them are valid")]
    NeverValid,
    /// The certificates lead to no pinned root, or are not valid.
    #[error(transparent)]
    Path(PathError),
    /// The signature is not the signer's.
    #[error("signature of the manifest does not verify under the key of its first certificate")]
    Signature,
    /// Other elements than those of NVIDIA's manifests.
    #[error("expected in the manifest {0}")]
    Structure(&'static str),
    /// Larger, or more, than the limit.
    #[error("{what}: {found}, at most {limit} are read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Found.
        found: usize,
        /// Allowed.
        limit: usize,
    },
    /// An attribute that is not known.
    #[error("manifest has a {element} with {attribute}, which is not known")]
    Unknown {
        /// Of which element.
        element: &'static str,
        /// Its name, as far as it is shown.
        attribute: String,
    },
    /// The last certificate is no pinned root.
    #[error("root certificate {0} is not pinned for manifests")]
    UnpinnedRoot(String),
    /// An attribute that has another value.
    #[error("{attribute} in the manifest is {found}, expected {expected}")]
    Value {
        /// Its name.
        attribute: String,
        /// The value found, as far as it is shown.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// No XML, or XML with what is not read.
    #[error("expected well-formed XML without document type, found {0}")]
    Xml(&'static str),
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Algorithm { .. }
            | Self::Certificate(_)
            | Self::CertificateKey { .. }
            | Self::Duplicate { .. }
            | Self::Missing { .. }
            | Self::NeverValid
            | Self::NoMeasurements
            | Self::Structure(_)
            | Self::Unknown { .. }
            | Self::Value { .. }
            | Self::Xml(_) => ErrorKind::InvalidEndorsements,
            Self::Digest | Self::Signature => ErrorKind::BadSignature,
            Self::Path(PathError::OutsideValidity { .. }) => ErrorKind::StaleEndorsements,
            Self::ChainOrder | Self::KeyUsage { .. } | Self::Path(_) | Self::UnpinnedRoot(_) => {
                ErrorKind::UntrustedIssuer
            }
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
        }
    }
}

/// At most 64 characters of a text that nobody vouches for, on one line.
pub(crate) fn shown(text: &str) -> String {
    text.escape_default().take(64).collect()
}
