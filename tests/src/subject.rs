//! What the author of a backend states about it.

use std::ops::Range;

use backend_api::{
    AttestationBackend, Challenge, DeviceEvent, Endorsement, ErrorKind, Evidence, Field, ReferenceValues,
    Registration, RuntimeBinding, TrustAnchors, UnixTime, VerifiedEvidence,
};
use serde_json::Value;

/// A backend with Evidence to try it on.
pub trait Subject: Sync {
    /// The `REGISTRATION` that [`backend_api::register!`] exported. Naming it is what links the backend's crate.
    fn registration(&self) -> &'static Registration;

    /// Evidence that is accepted: at least one case for each media type, and for each form that verification tells apart.
    fn golden(&self) -> Vec<Case>;

    /// Evidence that is refused. Each differs from a golden case by one defect.
    fn negative(&self) -> Vec<Forgery>;

    /// Evidence of other backends. The suite adds the golden cases' bytes under media types that are not this backend's.
    fn foreign(&self) -> Vec<Evidence> {
        Vec::new()
    }

    /// The backend.
    fn backend(&self) -> &'static dyn AttestationBackend {
        self.registration().backend
    }
}

/// Evidence with everything that its verdict depends on, and what is known of it.
///
/// Every byte of the Evidence counts as covered: with any one of them flipped, `verify` or `bind_runtime` must refuse it.
/// What no signature and no hash covers is declared in [`loose`](Self::loose), with the reason.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is, in a few words: failures name it.
    pub name: String,
    /// The Evidence.
    pub evidence: Evidence,
    /// What it commits to.
    pub challenge: Challenge,
    /// The Endorsements that it is verified with.
    pub endorsements: Vec<Given>,
    /// Whose roots are trusted: the vendor's, or a test laboratory's.
    pub trust_anchors: TrustAnchors,
    /// The backend's section of the policy; an empty object is the default policy.
    pub policy: Value,
    /// What the relying party expects of the identity.
    pub reference_values: ReferenceValues,
    /// The CPU beside it, verified and bound, for the case of a device.
    pub cpu: Option<Cpu>,
    /// The time of verification.
    pub at: UnixTime,
    /// When the case is accepted.
    pub validity: Validity,
    /// Parts of the Evidence that nothing covers.
    pub loose: Vec<Loose>,
    /// Claims: JSON pointer (RFC 6901) into the serialised [`Claims`](backend_api::Claims), and the value there.
    pub claims: Vec<(&'static str, Value)>,
    /// Fields of the bound identity.
    pub identity: Vec<(Field, Vec<u8>)>,
    /// What the guest measured of devices beside its CPU, where its binding says so.
    pub device_event: Option<DeviceEvent>,
}

/// A CPU that was accepted, beside which a device is judged.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// Its verified Evidence.
    pub verified: VerifiedEvidence,
    /// Its identity.
    pub binding: RuntimeBinding,
}

impl Case {
    /// A case under the default policy, in the middle of `validity`, with nothing declared beyond that.
    pub fn new(
        name: impl Into<String>,
        evidence: Evidence,
        challenge: Challenge,
        trust_anchors: TrustAnchors,
        validity: Validity,
    ) -> Self {
        let Validity { not_before, not_after, .. } = validity;
        Self {
            name: name.into(),
            evidence,
            challenge,
            endorsements: Vec::new(),
            trust_anchors,
            policy: Value::Object(serde_json::Map::new()),
            reference_values: ReferenceValues::new(),
            cpu: None,
            at: at(not_before.midpoint(not_after)),
            validity,
            loose: Vec::new(),
            claims: Vec::new(),
            identity: Vec::new(),
            device_event: None,
        }
    }

    /// The same case with other bytes of Evidence.
    #[must_use]
    pub fn with_bytes(&self, bytes: Vec<u8>) -> Self {
        Self { evidence: Evidence::new(self.evidence.media_type().clone(), bytes), ..self.clone() }
    }

    /// The same case at another time, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at_second(&self, second: u64) -> Self {
        Self { at: at(second), ..self.clone() }
    }
}

fn at(second: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(second))
}

/// When a case is accepted: the first and the last second in which every certificate and list that it needs is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second, since 1970-01-01T00:00:00Z.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
    /// The kind of the refusal one second earlier.
    pub earlier: ErrorKind,
    /// The kind of the refusal one second later.
    pub later: ErrorKind,
}

impl Validity {
    /// Bounded by certificates on both sides. A list that is out of date gives `StaleEndorsements` instead: set the field.
    pub const fn new(not_before: u64, not_after: u64) -> Self {
        Self { not_before, not_after, earlier: ErrorKind::NotYetValid, later: ErrorKind::Expired }
    }
}

/// An Endorsement of a case, and what happens without it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The Endorsement.
    pub endorsement: Endorsement,
    /// What happens without it.
    pub removal: Removal,
    /// Parts of it that nothing covers. Every other byte counts as covered.
    pub loose: Vec<Loose>,
}

impl Given {
    /// One without which the case is refused as [`ErrorKind::MissingEndorsements`].
    pub const fn needed(endorsement: Endorsement) -> Self {
        Self::needed_or(endorsement, ErrorKind::MissingEndorsements)
    }

    /// One without which the case is refused with the given kind.
    pub const fn needed_or(endorsement: Endorsement, kind: ErrorKind) -> Self {
        Self { endorsement, removal: Removal::Refused(kind), loose: Vec::new() }
    }

    /// One that nothing needs, for the reason given. Damage to it may be refused or passed over.
    pub const fn redundant(endorsement: Endorsement, why: &'static str) -> Self {
        Self { endorsement, removal: Removal::Accepted(why), loose: Vec::new() }
    }
}

/// What happens to a case without one of its Endorsements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is refused, with this kind.
    Refused(ErrorKind),
    /// It is accepted, for this reason.
    Accepted(&'static str),
}

/// A part of Evidence or of an Endorsement that no signature and no hash covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// Which bytes.
    pub range: Range<usize>,
    /// What a flipped bit there does, where it is not refused.
    pub flip: Flip,
    /// Why that is harmless.
    pub why: &'static str,
}

/// What a flipped bit does in a part that nothing covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Nothing: claims and identity stay the same.
    Ignored,
    /// Another identity results, which the relying party compares with its reference values.
    ChangesIdentity,
}

/// Evidence that is refused.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// The Evidence; its name says the defect.
    pub case: Case,
    /// How it is refused.
    pub expect: Expect,
}

impl Forgery {
    /// A case and how it is refused.
    pub const fn new(case: Case, check: &'static str, kind: ErrorKind) -> Self {
        Self { case, expect: Expect { check, kind } }
    }
}

/// How Evidence is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The name of the check that fails. The descriptor says whether it is one of `verify` or of `bind_runtime`.
    pub check: &'static str,
    /// The kind of the error.
    pub kind: ErrorKind,
}
