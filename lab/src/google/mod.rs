//! The simulated Google: authorities of virtual TPMs and certificates of attestation keys with what Google says of a VM in them;
//! launch endorsements of firmware, and who signs them; whole guests.
//!
//! Sources: certificates as Google issues them; google/gce-tcb-verifier (`proto/endorsement.proto`, `endorse`, `sign/ops`).

pub mod endorsement;
pub mod guest;
pub mod hierarchy;
pub mod instance;
pub mod machine;
mod proto;

pub use endorsement::{EndorsementAuthority, EndorsementSpec, SnpSpec, TdxMeasurementSpec, TdxSpec};
pub use guest::Guest;
pub use hierarchy::Hierarchy;
pub use instance::{INSTANCE_INFO, InstanceSpec, PropertiesSpec};
pub use machine::Machine;
