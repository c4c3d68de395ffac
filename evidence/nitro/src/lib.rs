#![doc = include_str!("../README.md")]

mod anchors;
mod cbor;
pub mod checks;
mod document;
mod error;
mod module_id;
mod verify;

pub use anchors::{NITRO_PINS, ROOT_NAME, nitro_anchors};
pub use document::{Document, MAX_CABUNDLE, MAX_CERTIFICATE, MAX_DOCUMENT, MAX_MEMBER, Pcrs};
pub use error::Error;
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use module_id::ModuleId;
pub use verify::{Expected, VerifiedDocument, VerifyDocument, is_region};
