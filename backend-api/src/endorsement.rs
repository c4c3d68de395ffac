//! Endorsements: what the vendor says about the hardware, and where it comes from.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::{Limits, Result};

/// The form of an Endorsement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EndorsementKind {
    /// One X.509 certificate, DER.
    Certificate,
    /// A document in the vendor's format, such as TCB information or a reference integrity manifest.
    Document,
    /// One X.509 certificate revocation list, DER.
    RevocationList,
    /// One response about the status of certificates (OCSP, RFC 6960), DER. A location is that of a GET request (RFC 6960, A.1).
    StatusResponse,
}

/// What a backend asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct EndorsementRequest {
    /// The form.
    pub kind: EndorsementKind,
    /// What it is, for people and logs: one line.
    pub what: String,
    /// The vendor's address for it.
    pub location: String,
}

impl EndorsementRequest {
    /// A request for something of this form, which people call `what` and the vendor has at `location`.
    pub fn new(kind: EndorsementKind, what: impl Into<String>, location: impl Into<String>) -> Self {
        Self { kind, what: what.into(), location: location.into() }
    }
}

/// One Endorsement as received: a form and bytes. Nothing about it is verified.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endorsement {
    /// The form.
    pub kind: EndorsementKind,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Endorsement {
    /// Labels bytes with their form.
    pub const fn new(kind: EndorsementKind, bytes: Vec<u8>) -> Self {
        Self { kind, bytes }
    }
}

impl fmt::Debug for Endorsement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endorsement({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

/// The Endorsements of one verification, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endorsements(Vec<Endorsement>);

impl Endorsements {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds what is not yet there.
    pub fn add(&mut self, endorsement: Endorsement) {
        if !self.0.contains(&endorsement) {
            self.0.push(endorsement);
        }
    }

    /// The bytes of every Endorsement of one form.
    pub fn of(&self, kind: EndorsementKind) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |endorsement| endorsement.kind == kind).map(|item| item.bytes.as_slice())
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they keep to `limits`.
    pub fn within(&self, limits: &Limits) -> bool {
        self.0.len() <= limits.endorsements
            && self.0.iter().all(|endorsement| endorsement.bytes.len() <= limits.endorsement_bytes)
    }
}

impl FromIterator<Endorsement> for Endorsements {
    fn from_iter<I: IntoIterator<Item = Endorsement>>(items: I) -> Self {
        let mut all = Self::new();
        items.into_iter().for_each(|item| all.add(item));
        all
    }
}

/// Where Endorsements come from: the only place in a verification where there is I/O.
#[async_trait]
pub trait EndorsementSource: fmt::Debug + Send + Sync {
    /// Fetches what `request` asks for. Several answers are candidates, among which verification chooses; none means that
    /// the source has nothing, which verification judges.
    ///
    /// # Errors
    ///
    /// [`SourceUnavailable`](crate::ErrorKind::SourceUnavailable) if the source cannot tell.
    async fn fetch(&self, request: &EndorsementRequest) -> Result<Vec<Endorsement>>;
}

/// A source that answers from what it holds: every Endorsement of the form that is asked for.
#[derive(Debug, Clone, Default)]
pub struct OfflineBundle(Endorsements);

impl OfflineBundle {
    /// Holds `endorsements`.
    pub const fn new(endorsements: Endorsements) -> Self {
        Self(endorsements)
    }
}

#[async_trait]
impl EndorsementSource for OfflineBundle {
    async fn fetch(&self, request: &EndorsementRequest) -> Result<Vec<Endorsement>> {
        let kind = request.kind;
        Ok(self.0.of(kind).map(|bytes| Endorsement::new(kind, bytes.to_vec())).collect())
    }
}
