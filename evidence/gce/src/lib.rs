#![doc = include_str!("../README.md")]

mod ak;
mod anchors;
pub mod checks;
pub mod endorsement;
mod error;
mod instance;
mod locations;
mod policy;

pub use ak::{VerifiedAk, VerifyAk};
pub use anchors::{
    AK_ALGORITHMS, AK_PINS, AK_PURPOSE, ENDORSEMENT_ALGORITHMS, ENDORSEMENT_PINS, EndorsementRoots, RootPin,
    ak_anchors,
};
pub use endorsement::{EndorsementCache, Launch, VerifiedEndorsement, VerifyEndorsement};
pub use error::Error;
pub use evidence_tpm::AkCache;
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use instance::{INSTANCE_INFO, Instance, MAX_INSTANCE_INFO, SecurityProperties};
pub use locations::{Item, ItemKind, ak_items, endorsement_items};
pub use policy::{EndorsementPolicy, InstancePolicy, PolicyError};
