//! What can be wrong with a certificate, a path or a revocation list.

use crate::{Moment, Window};

/// A certificate that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Two extensions with one object identifier (RFC 5280 §4.2 forbids it).
    #[error("certificate has the extension {0} twice")]
    DuplicateExtension(String),
    /// Not one DER certificate and nothing else.
    #[error("expected one DER certificate: {0}")]
    Malformed(String),
    /// PEM text without a certificate, or with something else in it.
    #[error("expected PEM certificates: {0}")]
    MalformedPem(String),
    /// More extensions than any certificate has.
    #[error("certificate has more than {limit} extensions")]
    TooManyExtensions {
        /// How many are read.
        limit: usize,
    },
    /// Larger than the limit.
    #[error("certificate of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// A path that does not lead from the leaf to the pinned root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// None of the certificates at hand is a pinned root.
    #[error("no pinned root among the certificates at hand, to which {leaf} could lead")]
    NoPinnedRoot {
        /// Common name of the leaf.
        leaf: String,
    },
    /// A certificate of the path is not yet, or no longer, valid.
    #[error("certificate {subject} is valid {window}, not at {at}")]
    OutsideValidity {
        /// Common name of the certificate.
        subject: String,
        /// When it is valid.
        window: Window,
        /// The time asked about.
        at: Moment,
    },
    /// The root's own signature does not verify under its key.
    #[error("root certificate {0} does not verify under its own key")]
    RootSignature(String),
    /// Signatures, names, basic constraints or key usage do not hold.
    #[error("no valid path from {leaf} to {root}: {reason}")]
    Untrusted {
        /// Common name of the leaf.
        leaf: String,
        /// Common name of the root.
        root: String,
        /// What the path builder says.
        reason: String,
    },
}

/// A revocation list that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// A critical extension, which may change what absence from the list means (as in a delta or indirect CRL).
    #[error("revocation list has the critical extension {0}, which is not supported")]
    CriticalExtension(String),
    /// Not one DER CertificateList and nothing else.
    #[error("expected one DER certificate revocation list: {0}")]
    Malformed(String),
    /// Without nextUpdate its freshness cannot be told.
    #[error("revocation list of {0} has no nextUpdate")]
    NoNextUpdate(String),
    /// The signature does not verify under the issuer's key.
    #[error("revocation list of {0} does not verify under its issuer's key")]
    Signature(String),
    /// Larger than the limit.
    #[error("revocation list of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Issued by another name than the one whose certificates it should speak of.
    #[error("revocation list is issued by {found}, expected {expected}")]
    WrongIssuer {
        /// The certificate authority.
        expected: String,
        /// The issuer that the list names.
        found: String,
    },
}
