//! What a verdict depends on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    BackendPolicy, Challenge, Endorsements, Error, ErrorKind, Evidence, Field, Result, RuntimeBinding,
    TrustAnchors, UnixTime, VerifiedEvidence,
};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest Evidence item, in bytes.
    pub evidence_bytes: usize,
    /// The largest Endorsement, in bytes.
    pub endorsement_bytes: usize,
    /// The most Endorsements.
    pub endorsements: usize,
    /// How often a backend is asked what more it needs.
    pub rounds: usize,
}

impl Default for Limits {
    /// 4 MiB of Evidence, 96 Endorsements of 1 MiB, 4 rounds.
    fn default() -> Self {
        Self { evidence_bytes: 4 << 20, endorsement_bytes: 1 << 20, endorsements: 96, rounds: 4 }
    }
}

/// Everything that the verdict of [`verify`](crate::AttestationBackend::verify) depends on. No field is optional in the sense
/// of "skip the check".
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VerifyInput<'a> {
    /// The Evidence.
    pub evidence: &'a Evidence,
    /// What it must commit to.
    pub challenge: &'a Challenge,
    /// What the vendor says about the hardware.
    pub endorsements: &'a Endorsements,
    /// Whose roots are trusted.
    pub trust_anchors: &'a TrustAnchors,
    /// The backend's part of the appraisal policy.
    pub policy: &'a BackendPolicy,
    /// The time at which everything must be valid.
    pub at: UnixTime,
    cpu: Option<&'a VerifiedEvidence>,
}

impl<'a> VerifyInput<'a> {
    /// The input for a CPU backend.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LimitExceeded`] if the Evidence is above `limits`, [`ErrorKind::InvalidConfig`] if the caller's
    /// Endorsements are.
    pub fn new(
        evidence: &'a Evidence,
        challenge: &'a Challenge,
        endorsements: &'a Endorsements,
        trust_anchors: &'a TrustAnchors,
        policy: &'a BackendPolicy,
        at: UnixTime,
        limits: &Limits,
    ) -> Result<Self> {
        let found = evidence.bytes().len();
        if found > limits.evidence_bytes {
            let limit = limits.evidence_bytes;
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format_args!("evidence of {found} bytes, at most {limit} are read"),
            ));
        }
        if !endorsements.within(limits) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format_args!(
                    "expected at most {} endorsements of at most {} bytes",
                    limits.endorsements, limits.endorsement_bytes
                ),
            ));
        }
        Ok(Self { evidence, challenge, endorsements, trust_anchors, policy, at, cpu: None })
    }

    /// The same input for a device backend, beside the CPU whose Evidence was verified and accepted before.
    #[must_use]
    pub const fn beside(mut self, cpu: &'a VerifiedEvidence) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// The CPU beside which a device is verified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if there is none: a device alone cannot be verified.
    pub fn cpu(&self) -> Result<&'a VerifiedEvidence> {
        self.cpu.ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "a device is verified only beside verified CPU evidence")
        })
    }
}

/// What the relying party expects, from its own sources and never from the Evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReferenceValues {
    /// Launch measurements that are known to be good (MEASUREMENT of SEV-SNP, MRTD of TDX).
    pub measurements: BTreeSet<Vec<u8>>,
    /// Allowed values of identity fields; a field without an entry is the relying party's to judge from the result.
    pub identity: BTreeMap<Field, BTreeSet<Vec<u8>>>,
}

impl ReferenceValues {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Everything that the outcome of [`bind_runtime`](crate::AttestationBackend::bind_runtime) depends on, beside the verified
/// Evidence.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BindInput<'a> {
    /// What the relying party expects.
    pub reference_values: &'a ReferenceValues,
    /// The backend's part of the appraisal policy.
    pub policy: &'a BackendPolicy,
    cpu: Option<&'a RuntimeBinding>,
}

impl<'a> BindInput<'a> {
    /// The input.
    pub const fn new(reference_values: &'a ReferenceValues, policy: &'a BackendPolicy) -> Self {
        Self { reference_values, policy, cpu: None }
    }

    /// The same input for a device backend, beside the CPU whose identity was bound before.
    #[must_use]
    pub const fn beside(mut self, cpu: &'a RuntimeBinding) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// The CPU beside which a device is bound.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if there is none: a device alone binds nothing.
    pub fn cpu(&self) -> Result<&'a RuntimeBinding> {
        self.cpu.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "a device is bound only beside a CPU whose identity is bound",
            )
        })
    }
}
