//! dstack's documents: the formats that dstack's guests, VMMs, KMS and verifier exchange.
//!
//! This crate parses, re-encodes and hashes; it verifies no signature and trusts nothing. What a document
//! says counts only after a backend has tied it to hardware: [`mr_config`] through `HOST_DATA`, [`image`]
//! through the launch measurement, [`cmdline`] through the measured kernel hashes, [`events`] through a
//! replayed register.
//!
//! Every parser is strict and bounded: trailing bytes, unknown keys, duplicates and lengths that exceed the
//! input are typed errors, and no input makes one panic.
//!
//! Source of the formats: Dstack-TEE/dstack, workspace version 0.6.0 (`dstack-attest`, `dstack-types`,
//! `cc-eventlog`, `tpm-types`, `verifier`, `dstack-mr`).

pub mod application;
pub mod boot_info;
pub mod cmdline;
pub mod events;
pub mod image;
pub mod mr_config;
pub mod runtime;
pub mod snp_measurement;
pub mod tdx_measurement;
pub mod vm_config;
pub mod wire;

mod hash;
#[cfg(test)]
mod vectors;

pub use evidence_json::JsonError;
