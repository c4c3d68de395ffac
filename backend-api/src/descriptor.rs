//! Who a backend is, as data.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use serde::{Serialize, Serializer};

use crate::{CheckInfo, Error, ErrorKind, Result};

/// The name of a backend: equal to the feature that links it and to the suffix of its crate, such as `baremetal-snp`.
///
/// A string and no enumeration, so that others can add their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(&'static str);

impl BackendId {
    /// Names a backend: `[a-z0-9-]{1,64}`, which the registry checks.
    pub const fn new(id: &'static str) -> Self {
        Self(id)
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether it keeps to the grammar.
    pub fn is_valid(self) -> bool {
        (1..=64).contains(&self.0.len())
            && self.0.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }
}

impl fmt::Debug for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for BackendId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// The kind of some Evidence: a media type that names the format and the transcript profile, that is, how the challenge
/// enters each signed field. No verifier guesses either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    /// A media type that a backend declares.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A media type that was received: lower-case `type/subtype` in the characters of RFC 6838 §4.2, at most 127 bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::MalformedEvidence`].
    pub fn parse(name: &str) -> Result<Self> {
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&-^_.+".contains(&byte)
                })
        };
        match name.split_once('/') {
            Some((kind, subtype)) if name.len() <= 127 && is_name(kind) && is_name(subtype) => {
                Ok(Self(Cow::Owned(name.to_owned())))
            }
            _ => Err(Error::new(
                ErrorKind::MalformedEvidence,
                "expected a lower-case media type type/subtype of at most 127 characters",
            )),
        }
    }

    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a backend speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The confidential VM itself.
    Cpu,
    /// A device beside it: verified only together with a CPU's [`VerifiedEvidence`](crate::VerifiedEvidence).
    Device,
}

/// Whether this build can collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttesterRole {
    /// Verification only: built without the backend's `attester` feature.
    Absent,
    /// Collects Evidence.
    Present,
}

/// Where events of a running guest go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "mechanism")]
pub enum RuntimeMechanism {
    /// Nowhere: the platform measures the launch only. `extend_runtime` is `Unsupported`.
    None {
        /// Why, in one sentence.
        reason: &'static str,
    },
    /// Registers that the guest can extend and never reset; an event goes into all of them.
    Registers {
        /// Each register.
        registers: &'static [Register],
    },
}

/// A register for runtime events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Register {
    /// Its name, such as `RTMR3`.
    pub name: &'static str,
    /// Its hash, such as `sha384`.
    pub hash: &'static str,
}

/// A pin: whose certificate, and which key. A certificate that matches no pin is never a root, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The subject's common name.
    pub subject: Cow<'static, str>,
    /// SHA-256 of the DER SubjectPublicKeyInfo; of the DER certificate where a vendor's root is pinned as a whole (Google's
    /// `GCE-cc-tcb-root`).
    pub spki_sha256: [u8; 32],
}

/// The roots of one verification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustAnchors(pub Vec<TrustAnchor>);

impl TrustAnchors {
    /// Each as the common name of its subject, and SHA-256 of its DER SubjectPublicKeyInfo.
    pub fn pins(&self) -> impl Iterator<Item = (Cow<'static, str>, [u8; 32])> {
        self.0.iter().map(|anchor| (anchor.subject.clone(), anchor.spki_sha256))
    }
}

impl<S: Into<Cow<'static, str>>> FromIterator<(S, [u8; 32])> for TrustAnchors {
    fn from_iter<I: IntoIterator<Item = (S, [u8; 32])>>(pins: I) -> Self {
        let anchor = |(subject, spki_sha256): (S, _)| TrustAnchor { subject: subject.into(), spki_sha256 };
        Self(pins.into_iter().map(anchor).collect())
    }
}

/// One kind of Evidence that a backend verifies, and the checks that `verify` makes of it.
///
/// A backend whose platform exists with two technologies, or with several transcript profiles, declares each kind with
/// its own checks.
#[derive(Debug)]
pub struct EvidenceKind {
    /// Its media type. No other backend may claim it.
    pub media_type: MediaType,
    /// The checks of `verify`, in groups (the backend's own, then a format crate's). A name that several kinds share
    /// means the same in each.
    pub verify_checks: &'static [&'static [CheckInfo]],
}

/// Who a backend is and what it checks.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name.
    pub id: BackendId,
    /// CPU or device.
    pub role: Role,
    /// One line for people.
    pub summary: &'static str,
    /// The kinds of Evidence that it verifies, each with its checks.
    pub kinds: &'static [EvidenceKind],
    /// Whether this build collects.
    pub attester: AttesterRole,
    /// Where runtime events go.
    pub runtime: RuntimeMechanism,
    /// The checks of `bind_runtime`, whichever the kind of Evidence.
    pub bind_checks: &'static [&'static [CheckInfo]],
    /// The vendor's roots, which apply unless a caller replaces them.
    pub trust_anchors: fn() -> TrustAnchors,
}

impl Descriptor {
    /// The media types of its kinds of Evidence.
    pub fn media_types(&self) -> impl Iterator<Item = &'static MediaType> {
        self.kinds.iter().map(|kind| &kind.media_type)
    }

    /// The kind of Evidence that has this media type, if the backend declares it.
    pub fn kind(&self, media_type: &MediaType) -> Option<&'static EvidenceKind> {
        self.kinds.iter().find(|kind| kind.media_type == *media_type)
    }

    /// Whether it declares a check of this name.
    pub fn makes(&self, name: &str) -> bool {
        self.checks().any(|info| info.check.name() == name)
    }

    /// Every check of `verify`, of any kind of Evidence, and of `bind_runtime`: each name once, where it first stands.
    pub fn checks(&self) -> impl Iterator<Item = &'static CheckInfo> {
        let mut seen = BTreeSet::new();
        let of_kinds = self.kinds.iter().flat_map(|kind| kind.verify_checks);
        let all = of_kinds.chain(self.bind_checks).flat_map(|group| group.iter());
        all.filter(move |info| seen.insert(info.check))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Check;

    const fn info(name: &'static str) -> CheckInfo {
        CheckInfo { check: Check::new(name), establishes: "something", source: "this file" }
    }

    const FIRST: MediaType = MediaType::new("application/first");
    const SECOND: MediaType = MediaType::new("application/second");

    static DESCRIPTOR: Descriptor = Descriptor {
        id: BackendId::new("two-kinds"),
        role: Role::Cpu,
        summary: "verifies two kinds of Evidence",
        kinds: &[
            EvidenceKind { media_type: FIRST, verify_checks: &[&[info("payload")], &[info("report")]] },
            EvidenceKind { media_type: SECOND, verify_checks: &[&[info("payload"), info("quote")]] },
        ],
        attester: AttesterRole::Absent,
        runtime: RuntimeMechanism::None { reason: "for tests" },
        bind_checks: &[&[info("listed"), info("report")]],
        trust_anchors: TrustAnchors::default,
    };

    #[test]
    fn a_check_of_several_kinds_is_told_once_and_where_it_first_stands() {
        let names: Vec<&str> = DESCRIPTOR.checks().map(|info| info.check.name()).collect();
        assert_eq!(names, ["payload", "report", "quote", "listed"]);
    }

    #[test]
    fn a_kind_is_found_by_its_media_type() {
        assert_eq!(DESCRIPTOR.media_types().collect::<Vec<_>>(), [&FIRST, &SECOND]);
        assert!(std::ptr::eq(DESCRIPTOR.kind(&SECOND).unwrap(), &DESCRIPTOR.kinds[1]));
        assert!(DESCRIPTOR.kind(&MediaType::new("application/third")).is_none());
    }
}
