//! The simulated AWS: the authorities of Nitro's attestation, and documents of a NitroTPM.
//!
//! Sources: EC2 User Guide ("Validate a NitroTPM Attestation Document"), RFC 8949 and RFC 9052; certificates as AWS issues them.

pub mod cbor;
pub mod document;
pub mod hierarchy;

pub use cbor::Lengths;
pub use document::DocumentSpec;
pub use hierarchy::{Hierarchy, Instance};
