#![doc = include_str!("../README.md")]

mod appraisal;
mod builtin;
mod error;
mod linked;
mod policy;
mod result;
mod verifier;

pub use appraisal::{AppraisalError, checks};
pub use builtin::FEATURES;
pub use error::RegistryError;
pub use linked::{Accepted, Registry};
pub use policy::AppraisalPolicy;
pub use result::{Appraised, AttestationResult};
pub use verifier::{Clock, Verifier};
