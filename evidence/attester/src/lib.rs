#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

mod deadline;
pub mod device;
pub mod dmi;
#[cfg(feature = "http")]
pub mod http;
mod io;
mod ioctl;
pub mod journal;
#[cfg(feature = "nvml")]
pub mod nvml;
pub mod qgs;
pub mod register;
pub mod snp;
pub mod tdreport;
pub mod tdx;
#[cfg(feature = "tpm")]
pub mod tpm;
pub mod tsm;

pub use device::DeviceError;
pub use io::{IoFailure, read_if_present};
pub use journal::{Extended, Journal, JournalError, Snapshot};
pub use register::{Register, RegisterError};
pub use tdreport::{TdReport, TdReportError};
