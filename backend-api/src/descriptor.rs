//! Who a backend is, as data.

use std::{borrow::Cow, fmt};

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
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
}

/// The roots of one verification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustAnchors(pub Vec<TrustAnchor>);

/// Who a backend is and what it checks.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name.
    pub id: BackendId,
    /// CPU or device.
    pub role: Role,
    /// One line for people.
    pub summary: &'static str,
    /// The kinds of Evidence that it verifies. No other backend may claim them.
    pub media_types: &'static [MediaType],
    /// Whether this build collects.
    pub attester: AttesterRole,
    /// Where runtime events go.
    pub runtime: RuntimeMechanism,
    /// The checks of `verify`, in groups (a format crate's, then the backend's own).
    pub verify_checks: &'static [&'static [CheckInfo]],
    /// The checks of `bind_runtime`.
    pub bind_checks: &'static [&'static [CheckInfo]],
    /// The vendor's roots, which apply unless a caller replaces them.
    pub trust_anchors: fn() -> TrustAnchors,
}

impl Descriptor {
    /// Every check of `verify` and `bind_runtime`, in order.
    pub fn checks(&self) -> impl Iterator<Item = &'static CheckInfo> {
        self.verify_checks.iter().chain(self.bind_checks).flat_map(|group| group.iter())
    }
}
