#![doc = include_str!("../README.md")]

mod anchors;
mod attributes;
pub mod checks;
mod claims;
mod collateral;
mod dcap;
mod error;
pub mod inspect;
pub mod launch;
mod pck;
mod pcs;
mod platform;
mod policy;
mod profile;
mod quote;
mod tcb;
mod verify;

pub use anchors::{INTEL_PINS, intel_anchors};
pub use attributes::{TdAttributes, Xfam};
pub use collateral::{Collateral, MAX_CANDIDATES, MAX_DOCUMENT, is_document};
pub use error::Error;
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use pcs::{Item, ItemKind, fmspc, needed};
pub use platform::PlatformCache;
pub use policy::{Attribute, Date, PlatformFlag, Policy, PolicyError, TcbStatus};
pub use profile::{AZURE, BARE_METAL, GCP, Profile};
pub use quote::{BodyKind, Header, MAX_QUOTE, QeReport, Quote, TdReport};
pub use tcb::{Shortfall, Shortfalls, Tcb};
pub use verify::{VerifiedQuote, VerifyQuote};
