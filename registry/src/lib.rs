#![doc = include_str!("../README.md")]
// A backend that a feature brings in and that `builtin` does not name would not be linked: it must not compile.
#![deny(unused_crate_dependencies)]

mod appraisal;
mod builtin;
mod detect;
mod error;
mod linked;
mod policy;
mod result;
mod verifier;

pub use appraisal::{AppraisalError, checks};
#[cfg(feature = "aws-instance-identity")]
pub use backend_aws::instance_identity as aws_instance_identity;
#[cfg(feature = "gcp-instance-identity")]
pub use backend_gcp::instance_identity as gcp_instance_identity;
pub use builtin::FEATURES;
pub use detect::{DetectError, Detected, choose};
pub use error::RegistryError;
pub use linked::{Accepted, Registry};
pub use policy::AppraisalPolicy;
pub use result::{Appraised, AttestationResult};
pub use verifier::{Clock, Verifier};
