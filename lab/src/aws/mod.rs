//! The simulated AWS: the authorities of Nitro's attestation, documents of a NitroTPM, and a whole confidential VM made of them and of a
//! simulated AMD's report.
//!
//! Sources: EC2 User Guide ("Validate a NitroTPM Attestation Document"), RFC 8949 and RFC 9052; certificates as AWS issues them.

pub mod cbor;
pub mod document;
pub mod guest;
pub mod hierarchy;

pub use cbor::Lengths;
pub use document::DocumentSpec;
pub use guest::Guest;
pub use hierarchy::{Hierarchy, Instance};
