//! The simulated AWS: the authorities of Nitro's attestation, documents of a NitroTPM, and a whole confidential VM made of them and of a
//! simulated AMD's report: on paper ([`Guest`]), or around a real software TPM ([`Machine`]).
//!
//! Sources: EC2 User Guide ("Validate a NitroTPM Attestation Document"), RFC 8949 and RFC 9052; certificates as AWS issues them.

pub mod cbor;
pub mod document;
pub mod guest;
pub mod hierarchy;
pub mod machine;

pub use cbor::Lengths;
pub use document::DocumentSpec;
pub use guest::Guest;
pub use hierarchy::{Hierarchy, Instance};
pub use machine::Machine;
