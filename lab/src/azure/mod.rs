//! The simulated Azure: authorities for virtual TPMs, reports of a paravisor around a simulated AMD's or Intel's, quotes of its
//! vTPM, and a whole confidential VM made of them: on paper ([`Guest`]), or around a real software TPM ([`Machine`]).
//!
//! Sources: microsoft/openvmm (`openhcl_attestation_protocol`, `tpm_lib`) for the report and the vTPM; certificates as Azure issues
//! them.

pub mod guest;
pub mod hcl;
pub mod hierarchy;
pub mod machine;

pub use guest::{Guest, Tee};
pub use hcl::{HclSpec, RuntimeData};
pub use hierarchy::Hierarchy;
pub use machine::Machine;
