#![doc = include_str!("../README.md")]

pub mod amd;
pub mod aws;
pub mod azure;
pub mod events;
pub mod google;
pub mod intel;
pub mod keys;
pub mod nvidia;
pub mod ocsp;
pub mod swtpm;
pub mod time;
pub mod tpm;
pub mod tsm;
pub mod vectors;
pub mod x509;
