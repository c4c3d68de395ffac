#![doc = include_str!("../README.md")]

mod attest;
pub mod boot;
mod certificate;
pub mod checks;
mod claims;
mod error;
pub mod inspect;
mod key;
mod public;
mod quote;
mod reader;
mod selection;
mod signature;

pub use attest::{Attest, ClockInfo, MAX_ATTEST};
pub use certificate::{AkCache, VerifiedAkCertificate, VerifyAkCertificate, without_padding};
pub use error::Error;
pub use evidence_event_log::{Bank, HashAlgorithm};
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use key::PublicKey;
pub use public::{Hierarchy, MAX_PUBLIC, Public};
pub use quote::{BoundAk, ExtraData, Pcrs, VerifiedQuote, VerifyQuote};
pub use selection::Selection;
pub use signature::{MAX_SIGNATURE, Signature};
