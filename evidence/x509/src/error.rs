//! What can be wrong with a certificate, a path, a revocation list or an OCSP response.

use crate::{Moment, ResponderStatus, Window};

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

/// An OCSP response that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// A certificate that came with the response could not be read.
    #[error("certificate in an ocsp response: {0}")]
    Certificate(#[source] CertificateError),
    /// A critical extension of the response or of one of its answers, which may change what they mean.
    #[error("ocsp response has the critical extension {0}, which is not supported")]
    CriticalExtension(String),
    /// More than one answer for the certificate.
    #[error("ocsp response answers more than once for {0}")]
    Duplicate(String),
    /// Not one DER OCSPResponse and nothing else.
    #[error("expected one DER ocsp response: {0}")]
    Malformed(String),
    /// No answer for the certificate, as issued by this issuer.
    #[error("ocsp response has no answer for {subject} as issued by {issuer}")]
    NoAnswer {
        /// Common name of the certificate.
        subject: String,
        /// Common name of its issuer.
        issuer: String,
    },
    /// Without nextUpdate its freshness cannot be told.
    #[error("ocsp response for {0} has no nextUpdate")]
    NoNextUpdate(String),
    /// A type of response other than id-pkix-ocsp-basic.
    #[error("ocsp response is of type {0}, expected a basic one")]
    NotBasic(String),
    /// The response names a certificate that came with it and may not sign for the issuer.
    #[error("ocsp responder {responder} may not sign for {issuer}: {reason}")]
    Responder {
        /// Common name of the responder.
        responder: String,
        /// Common name of the issuer.
        issuer: String,
        /// Why it may not.
        reason: ResponderError,
    },
    /// The signature does not verify under the key of the signer that the response names.
    #[error("ocsp response does not verify under the key of {0}")]
    Signature(String),
    /// Larger than the limit.
    #[error("ocsp response of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// More answers than are read.
    #[error("ocsp response has {found} answers, at most {limit} are read")]
    TooManyAnswers {
        /// Answers found.
        found: usize,
        /// Answers allowed.
        limit: usize,
    },
    /// More certificates than are read.
    #[error("ocsp response has {found} certificates, at most {limit} are read")]
    TooManyCertificates {
        /// Certificates found.
        found: usize,
        /// Certificates allowed.
        limit: usize,
    },
    /// The signer that the response names is neither the issuer nor a certificate that came with it.
    #[error(
        "ocsp response names a signer that is neither {issuer} nor among its {certificates} certificates"
    )]
    UnknownSigner {
        /// Common name of the issuer.
        issuer: String,
        /// How many certificates came with the response.
        certificates: usize,
    },
    /// The responder gave no response.
    #[error("ocsp responder answered {0}")]
    Unsuccessful(ResponderStatus),
    /// Another version than v1.
    #[error("ocsp response has the version number {0}, expected 0 (v1)")]
    Version(u8),
}

/// Why a certificate may not sign OCSP responses for an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponderError {
    /// It is an authority itself.
    #[error("it is a certificate authority")]
    Authority,
    /// A critical extension that is not known.
    #[error("it has the critical extension {0}, which is not supported")]
    CriticalExtension(String),
    /// extKeyUsage does not say id-kp-OCSPSigning.
    #[error("it is not for signing ocsp responses")]
    ExtendedKeyUsage,
    /// keyUsage does not say digitalSignature.
    #[error("its key is not for signing data")]
    KeyUsage,
    /// Its signature does not verify under the issuer's key.
    #[error("it does not verify under the issuer's key")]
    Signature,
    /// It names another issuer.
    #[error("it is issued by {0}")]
    WrongIssuer(String),
}
