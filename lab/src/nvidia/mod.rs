//! The simulated NVIDIA.
//!
//! Sources: reports, manifests and certificates as NVIDIA publishes them; DSP0274 1.1.0; XML Signature 1.1, Canonical XML 1.1.

pub mod device;
pub mod machine;
pub mod report;
pub mod rim;
pub mod rim_defects;
pub mod rim_hierarchy;

pub use device::{Chip, Device};
pub use machine::{Machine, manifest};
pub use report::ReportSpec;
