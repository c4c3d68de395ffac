//! The trait.

use std::fmt;

use async_trait::async_trait;

use crate::{
    BackendPolicy, BindInput, Challenge, CollectRequest, Commitment, Descriptor, Detection,
    EndorsementRequest, Endorsements, Error, ErrorKind, Evidence, Extension, Guest, Result, RuntimeBinding,
    RuntimeEvent, RuntimeMechanism, VerifiedEvidence, VerifyInput,
};

/// One platform's Evidence: how a guest collects it, how it is verified, and how it binds an identity.
///
/// # Writing one
///
/// 1. Give it a [`Descriptor`]: id, media types, every check by name.
/// 2. [`verify`](Self::verify): parse the Evidence's bytes once into a type of yours; make each check through a
///    [`Ledger`](crate::Ledger), so that a failure names the check; hand the result to
///    [`VerifiedEvidence::assertion`], which refuses a ledger that misses a declared check.
/// 3. [`bind_runtime`](Self::bind_runtime): take your own type back out of the [`VerifiedEvidence`] and say which
///    application runs, field by field, and what bound each.
/// 4. [`register!`](crate::register) it, and run the conformance suite over it.
///
/// # Rules
///
/// - `Ok` means accepted. There is no flag that a caller could forget to look at.
/// - [`verify`](Self::verify) and [`bind_runtime`](Self::bind_runtime) are pure: no I/O, no clock, no environment. Everything
///   that the verdict depends on is in their input; a cache keyed by every input byte is no exception to that.
/// - Input is hostile. No method panics, and none allocates more than a small multiple of its input.
/// - What weakens a check has `danger` in its name and shows in the ledger.
/// - The methods of the attester side do their device work off the async threads, with a deadline and one lock per device. They
///   run under a Tokio runtime with timers.
#[async_trait]
pub trait AttestationBackend: fmt::Debug + Send + Sync + 'static {
    /// Who this backend is and what it checks.
    fn descriptor(&self) -> &'static Descriptor;

    /// Reads this backend's section of an appraisal policy; an empty object is the default policy.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) for an unknown key, a wrong type, an empty allow-list.
    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy>;

    /// What is needed to verify the Evidence beyond `have`: asked before [`verify`](Self::verify), on bytes that are not
    /// verified, and again with what was fetched, until nothing new is asked for.
    ///
    /// # Errors
    ///
    /// [`MalformedEvidence`](crate::ErrorKind::MalformedEvidence) for Evidence that cannot be read that far.
    fn endorsements_for(&self, evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>>;

    /// Verifies Evidence: that genuine hardware made it, for this challenge, in a state that the policy accepts.
    ///
    /// # Errors
    ///
    /// [`Error`], whose [`check`](Error::check) names the check that failed.
    fn verify(&self, input: &VerifyInput<'_>) -> Result<VerifiedEvidence>;

    /// What the CPU's Evidence must commit to in place of `challenge`, because this Evidence of a device stands beside it: asked before
    /// anything is verified. By default nothing: the CPU's Evidence does not know of the device, and commits to the challenge.
    ///
    /// A backend of devices that gives a commitment holds it, in [`verify`](Self::verify), against [`VerifiedEvidence::challenge`] of the
    /// CPU.
    ///
    /// # Errors
    ///
    /// [`Error`] for Evidence that is not of this backend.
    fn cpu_commitment(&self, evidence: &Evidence, challenge: &Challenge) -> Result<Option<Commitment>> {
        let (_, _) = (evidence, challenge);
        Ok(None)
    }

    /// Binds the identity of what runs to verified Evidence.
    ///
    /// # Errors
    ///
    /// [`Error`], whose [`check`](Error::check) names the check that failed.
    fn bind_runtime(&self, verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding>;

    /// What Evidence says, for people to look at: none of it is verified, and nothing may be decided by it. An
    /// object of named values; a part that cannot be read says so in its place.
    ///
    /// # Errors
    ///
    /// [`MalformedEvidence`](crate::ErrorKind::MalformedEvidence) or
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) for Evidence whose outermost form cannot be read.
    fn inspect(&self, evidence: &Evidence) -> Result<serde_json::Value> {
        Ok(serde_json::json!({ "bytes": evidence.bytes().len() }))
    }

    /// Whether `guest` is this backend's platform: read-only, ranked, with reasons.
    fn detect(&self, guest: &Guest) -> Detection {
        let _ = guest;
        Detection::absent("this build only verifies: it was made without the backend's `attester` feature")
    }

    /// Collects Evidence in the guest, for the challenge of `request`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the descriptor says [`AttesterRole::Absent`](crate::AttesterRole);
    /// [`DeviceUnavailable`](crate::ErrorKind::DeviceUnavailable) and others where the device fails.
    async fn collect(&self, guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
        let _ = (guest, request);
        Err(Error::verify_only(self.descriptor(), "collect"))
    }

    /// Extends the platform's register with `event`, then appends it to the event log.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the platform has no register, as the descriptor says beforehand.
    async fn extend_runtime(&self, guest: &Guest, event: &RuntimeEvent) -> Result<Extension> {
        let _ = (guest, event);
        let descriptor = self.descriptor();
        Err(match descriptor.runtime {
            RuntimeMechanism::None { reason } => {
                Error::new(ErrorKind::Unsupported, reason).in_backend(descriptor.id)
            }
            RuntimeMechanism::Registers { .. } => Error::verify_only(descriptor, "extend_runtime"),
        })
    }
}
