#![doc = include_str!("../README.md")]

pub mod amd;
pub mod keys;
pub mod time;
pub mod x509;
