#![doc = include_str!("../README.md")]

pub mod amd;
pub mod keys;
pub mod time;
pub mod vectors;
pub mod x509;
