#![doc = include_str!("../README.md")]

mod algorithm;
mod anchors;
mod certificate;
mod error;
mod ocsp;
mod path;
mod revocation;
mod signed;

#[cfg(test)]
mod tests;

pub use algorithm::{
    ECDSA_P256_SHA256, ECDSA_P384_SHA384, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER,
};
pub use anchors::{Anchors, Pin};
pub use certificate::{Certificate, MAX_CERTIFICATE, MAX_PEM, Moment, Window};
pub use error::{CertificateError, OcspError, PathError, ResponderError, RevocationListError};
pub use ocsp::{
    CertificateStatus, MAX_OCSP_RESPONSE, OcspMessage, OcspResponse, ResponderStatus, RevocationReason,
    ocsp_get_path, ocsp_request,
};
pub use path::{Path, Purpose, find_path, verify_path, verify_validity};
pub use pki_types::{SignatureVerificationAlgorithm, UnixTime};
pub use revocation::{MAX_REVOCATION_LIST, RevocationList};
