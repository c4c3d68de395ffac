#![doc = include_str!("../README.md")]

mod algorithm;
mod certificate;
mod error;
mod path;
mod revocation;
mod signed;

#[cfg(test)]
mod tests;

pub use algorithm::{ECDSA_P384_SHA384, RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER};
pub use certificate::{Certificate, MAX_CERTIFICATE, MAX_PEM, Moment, Pin, Window};
pub use error::{CertificateError, PathError, RevocationListError};
pub use path::{verify_path, verify_validity};
pub use pki_types::{SignatureVerificationAlgorithm, UnixTime};
pub use revocation::{MAX_REVOCATION_LIST, RevocationList};
