#![doc = include_str!("../README.md")]

#[cfg(feature = "attester")]
mod attester;
mod bind;
mod boot;
mod claims;
mod dstack;
mod error;
mod evidence;
mod identity;
mod inspect;
mod launch_inputs;
mod policy;
mod verify;

use async_trait::async_trait;
#[cfg(feature = "attester")]
pub use attester::AttesterError;
use backend_api::{
    AttestationBackend, AttesterRole, BackendId, BackendPolicy, BindInput, Descriptor, EndorsementRequest,
    Endorsements, Evidence, EvidenceKind, MediaType, Register, Result, Role, RuntimeBinding,
    RuntimeMechanism, VerifiedEvidence, VerifyInput,
};
pub use bind::checks as bind_checks;
pub use error::Error;
pub use evidence::{BootEvent, BootLog, LaunchEvidence, MAX_PAYLOAD, TdxEvidence};
pub use evidence_dstack::application::Phase;
use evidence_dstack::{application, runtime};
pub use evidence_event_log::runtime::LoggedEvent;
pub use launch_inputs::LaunchDocument;
pub use policy::{LaunchPolicy, Policy};
pub use verify::checks as verify_checks;

/// The id of this backend.
pub const ID: BackendId = BackendId::new("tdx");

/// The media type of this backend's Evidence: REPORTDATA is the challenge.
pub const MEDIA_TYPE: MediaType = MediaType::new("application/vnd.dstack.tdx.v1+cbor");

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Cpu,
    summary: "Intel TDX on bare metal: DCAP quote, RTMR3 replayed, image measured without downloading it",
    kinds: &[EvidenceKind {
        media_type: MEDIA_TYPE,
        verify_checks: &[verify::checks::ALL, evidence_tdx::checks::ALL],
    }],
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::Registers { registers: &[Register { name: "RTMR3", hash: "sha384" }] },
    bind_checks: &[
        bind::checks::ALL,
        runtime::checks::ALL,
        application::checks::ALL,
        bind::checks::known::ALL,
    ],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but a cache of verified platforms, keyed by all that was verified.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Tdx;

#[async_trait]
impl AttestationBackend for Tdx {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy> {
        Policy::from_section(section).map(BackendPolicy::new)
    }

    fn endorsements_for(&self, evidence: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        verify::endorsements_for(evidence)
    }

    fn verify(&self, input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        verify::verify(input)
    }

    fn bind_runtime(&self, verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
        bind::bind_runtime(verified, input)
    }

    fn inspect(&self, evidence: &Evidence) -> Result<serde_json::Value> {
        inspect::inspect(evidence)
    }

    #[cfg(feature = "attester")]
    fn detect(&self, guest: &backend_api::Guest) -> backend_api::Detection {
        attester::detect(guest)
    }

    #[cfg(feature = "attester")]
    async fn collect(
        &self,
        guest: &backend_api::Guest,
        request: &backend_api::CollectRequest,
    ) -> Result<Evidence> {
        attester::collect(guest, request).await
    }

    #[cfg(feature = "attester")]
    async fn extend_runtime(
        &self,
        guest: &backend_api::Guest,
        event: &backend_api::RuntimeEvent,
    ) -> Result<backend_api::Extension> {
        attester::extend_runtime(guest, event).await
    }
}

backend_api::register!(&Tdx);
