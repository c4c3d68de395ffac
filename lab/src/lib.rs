#![doc = include_str!("../README.md")]

pub mod amd;
pub mod intel;
pub mod keys;
pub mod time;
pub mod tsm;
pub mod vectors;
pub mod x509;
