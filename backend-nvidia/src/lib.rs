#![doc = include_str!("../README.md")]

#[cfg(feature = "attester")]
mod attester;
mod bind;
pub mod checks;
mod claims;
mod endorsements;
mod error;
mod evidence;
mod inspect;
mod policy;
mod profile;
mod rims;
mod verify;

use async_trait::async_trait;
#[cfg(feature = "attester")]
pub use attester::{AttesterError, BootVerification, attest_at_boot};
use backend_api::{
    AttestationBackend, AttesterRole, BackendId, BackendPolicy, BindInput, Challenge, Commitment, Descriptor,
    EndorsementRequest, Endorsements, Evidence, EvidenceKind, Result, Role, RuntimeBinding, RuntimeMechanism,
    VerifiedEvidence, VerifyInput,
};
pub use bind::{GpuAttestation, checks as bind_checks};
pub use error::Error;
pub use evidence::{
    CcState, DeviceEvidence, Environment, MAX_DEVICES, MAX_PAYLOAD, MultiGpu, NvidiaEvidence,
};
use evidence_nvidia::checks as of_devices;
pub use policy::{GpuLane, Policy, RawPolicy, RimPolicy};
pub use profile::{Profile, media_type, profile_of, v1_commitment, v1_nonce};
pub use rims::RimDocument;

/// The id of this backend.
pub const ID: BackendId = BackendId::new("nvidia");

/// The checks of each profile: what ties the payload to the CPU, then the devices.
macro_rules! kinds {
    ($($profile:ident: $($group:expr),*;)*) => {
        &[$(EvidenceKind {
            media_type: media_type(Profile::$profile),
            verify_checks: &[
                checks::payload::ALL,
                $($group,)*
                checks::cpu::ALL,
                of_devices::device::ALL,
                of_devices::machine::ALL,
                checks::guest::ALL,
                evidence_rim::checks::ALL,
                checks::rim_status::ALL,
                of_devices::reference::ALL,
            ],
        }),*]
    };
}

static KINDS: &[EvidenceKind] = kinds! {
    V1: checks::lane::ALL;
    Boot: checks::lane::ALL;
    Raw: checks::raw::ALL;
};

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Device,
    summary: "NVIDIA GPUs and NVSwitches beside a CPU: signed measurements against NVIDIA's reference values, tied to the CPU's evidence",
    kinds: KINDS,
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::None {
        reason: "a device has no register for runtime events: the event gpu-attestation goes into the CPU's",
    },
    bind_checks: &[bind::checks::ALL],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but caches: of manifests, of devices' certificates, of OCSP responses, by all that was verified of each.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Nvidia;

#[async_trait]
impl AttestationBackend for Nvidia {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy> {
        Policy::from_section(section).map(BackendPolicy::new)
    }

    fn endorsements_for(&self, evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        endorsements::endorsements_for(evidence, have)
    }

    fn cpu_commitment(&self, evidence: &Evidence, challenge: &Challenge) -> Result<Option<Commitment>> {
        match profile_of(evidence.media_type()) {
            Some(Profile::V1) => Ok(Some(v1_commitment(challenge, evidence.bytes()))),
            Some(Profile::Boot | Profile::Raw) => Ok(None),
            None => {
                let error = Error::MediaType(evidence.media_type().to_string());
                Err(backend_api::Error::with_source(error.kind(), error).in_backend(ID))
            }
        }
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
}

backend_api::register!(&Nvidia);
