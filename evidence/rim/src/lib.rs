#![doc = include_str!("../README.md")]

mod anchors;
mod c14n;
pub mod checks;
mod document;
mod dsig;
mod error;
pub mod inspect;
mod rim;
mod verify;
mod xml;

#[cfg(test)]
mod tests;

pub use anchors::{RIM_PINS, ROOT_NAME, rim_anchors};
pub use document::{Edition, GoldenValues, MAX_ALTERNATIVES, NVIDIA_ENTERPRISE};
pub use error::Error;
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use rim::{Rim, canonical_form, danger_verify_signature_alone};
pub use verify::{RimTime, VerifiedRim, VerifyRim};
pub use xml::MAX_RIM;
