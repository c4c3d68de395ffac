#![doc = include_str!("../README.md")]

#[cfg(feature = "attester")]
mod attester;
mod bind;
mod claims;
mod dstack;
mod error;
mod evidence;
mod inspect;
mod policy;
mod verify;

use async_trait::async_trait;
#[cfg(feature = "attester")]
pub use attester::AttesterError;
use backend_api::{
    AttestationBackend, AttesterRole, BackendId, BackendPolicy, BindInput, Descriptor, EndorsementRequest,
    Endorsements, Evidence, EvidenceKind, MediaType, Result, Role, RuntimeBinding, RuntimeMechanism,
    VerifiedEvidence, VerifyInput,
};
pub use bind::checks as bind_checks;
pub use error::Error;
pub use evidence::{
    FirmwareParameters, ImageDocuments, LaunchEvidence, LaunchParameters, LaunchSource, MAX_PAYLOAD,
    SnpEvidence,
};
pub use policy::{LaunchPolicy, Policy};
pub use verify::checks as verify_checks;

/// The id of this backend.
pub const ID: BackendId = BackendId::new("baremetal-snp");

/// The media type of this backend's Evidence: REPORT_DATA is the challenge.
pub const MEDIA_TYPE: MediaType = MediaType::new("application/vnd.dstack.baremetal-snp.v1+cbor");

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Cpu,
    summary: "AMD SEV-SNP on bare metal: VCEK-signed report, launch measurement recomputed",
    kinds: &[EvidenceKind {
        media_type: MEDIA_TYPE,
        verify_checks: &[verify::checks::ALL, evidence_snp::checks::ALL],
    }],
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::None {
        reason: "SEV-SNP measures the launch only: a guest has no register that its host cannot reset",
    },
    bind_checks: &[bind::checks::ALL],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but a cache of verified certificate chains, keyed by all that was verified.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct BaremetalSnp;

#[async_trait]
impl AttestationBackend for BaremetalSnp {
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
}

backend_api::register!(&BaremetalSnp);
