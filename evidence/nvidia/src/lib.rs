#![doc = include_str!("../README.md")]

mod anchors;
mod appraise;
mod cache;
mod chain;
pub mod checks;
mod error;
mod machine;
mod opaque;
mod policy;
mod report;
mod revocation;
mod verify;

pub use anchors::{DEVICE_PINS, DEVICE_ROOT, device_anchors};
pub use appraise::{Appraise, Appraised};
pub use cache::DeviceCache;
pub use chain::{ALGORITHMS, Architecture, CERTIFICATES, Chain};
pub use error::Error;
pub use evidence_x509::{Anchors, UnixTime};
pub use machine::verify_machine;
pub use opaque::{Device, GpuData, Mode, Opaque, Pdi, SwitchData};
pub use policy::{DevicePolicy, Version};
pub use report::{MAX_REPORT, Report};
pub use revocation::{Revocation, Statuses};
pub use verify::{RimIds, VerifiedDevice, VerifyDevice};
