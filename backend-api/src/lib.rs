#![doc = include_str!("../README.md")]

mod backend;
mod binding;
pub mod cbor;
mod challenge;
mod claims;
mod cmw;
mod cross_check;
mod descriptor;
mod endorsement;
mod error;
mod evidence;
mod graph;
mod guest;
mod input;
mod policy;
mod registration;
mod verified;

pub use backend::AttestationBackend;
pub use binding::{Bound, DeviceEvent, Field, Identity, Lane, RuntimeBinding};
pub use challenge::{Challenge, Commitment};
pub use claims::Claims;
pub use cmw::{Envelope, EnvelopeError, MAX_DEVICES, MAX_ENVELOPE};
pub use cross_check::{CrossCheck, innermost, one_line};
pub use descriptor::{
    AttesterRole, BackendId, Descriptor, EvidenceKind, MediaType, Register, Role, RuntimeMechanism,
    TrustAnchor, TrustAnchors,
};
pub use endorsement::{
    Endorsement, EndorsementKind, EndorsementRequest, EndorsementSource, Endorsements, OfflineBundle,
};
pub use error::{Error, Result};
pub use evidence::Evidence;
pub use evidence_ledger::{
    Check, CheckInfo, Entry, ErrorKind, Failed, Fault, Ledger, LedgerError, Outcome, checks,
};
pub use graph::{Authority, BindingGraph, Link};
pub use guest::{CollectRequest, Detection, Extension, Guest, Presence, Probe, RuntimeEvent};
pub use input::{BindInput, Limits, ReferenceValues, VerifyInput};
pub use pki_types::UnixTime;
pub use policy::BackendPolicy;
pub use registration::{Registration, linked};
pub use verified::VerifiedEvidence;

/// What [`register!`] expands to needs these; nothing else should.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
