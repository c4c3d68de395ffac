#![doc = include_str!("../README.md")]

#[cfg(feature = "attester")]
mod attester;
mod bind;
pub mod checks;
mod claims;
mod endorsements;
mod error;
mod evidence;
pub mod hcl;
#[cfg(feature = "attester")]
mod imds;
mod inspect;
mod policy;
mod profile;
mod runtime_data;
pub mod td_report;
mod verify;

use async_trait::async_trait;
#[cfg(feature = "attester")]
pub use attester::AttesterError;
use backend_api::{
    AttestationBackend, AttesterRole, BackendId, BackendPolicy, BindInput, CheckInfo, Descriptor,
    EndorsementRequest, Endorsements, Evidence, EvidenceKind, Register, Result, Role, RuntimeBinding,
    RuntimeMechanism, VerifiedEvidence, VerifyInput,
};
pub use bind::checks as bind_checks;
pub use error::Error;
pub use evidence::{AzureEvidence, MAX_AK_CERTIFICATE, MAX_CERTIFICATES, MAX_PAYLOAD};
pub use policy::{LaunchPolicy, MICROSOFT_ID_KEYS, Policy, RawPolicy, VmConfigurationPolicy};
pub use profile::{Profile, Tee, V1_PCRS, kind_of, media_type, v1_extra_data};
pub use runtime_data::RuntimeData;

/// The id of this backend.
pub const ID: BackendId = BackendId::new("azure");

/// The checks of a guest on SEV-SNP, in the order in which they are made.
static SNP: &[&[CheckInfo]] = &[
    checks::paravisor::ALL,
    evidence_snp::checks::ALL,
    checks::runtime_data::ALL,
    evidence_tpm::checks::certificate::ALL,
    checks::ak_certificate::ALL,
    evidence_tpm::checks::quote::ALL,
    checks::vtpm::ALL,
];

/// The checks of a guest on TDX, in the order in which they are made.
static TDX: &[&[CheckInfo]] = &[
    checks::paravisor::ALL,
    evidence_tdx::checks::ALL,
    checks::td::ALL,
    checks::runtime_data::ALL,
    evidence_tpm::checks::certificate::ALL,
    checks::ak_certificate::ALL,
    evidence_tpm::checks::quote::ALL,
    checks::vtpm::ALL,
];

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Cpu,
    summary: "Azure confidential VMs (SEV-SNP, TDX): paravisor report, vTPM quote inside of the TEE, boot registers",
    kinds: &[
        EvidenceKind { media_type: media_type(Tee::Snp, Profile::V1), verify_checks: SNP },
        EvidenceKind { media_type: media_type(Tee::Snp, Profile::Coco), verify_checks: SNP },
        EvidenceKind { media_type: media_type(Tee::Snp, Profile::Raw), verify_checks: SNP },
        EvidenceKind { media_type: media_type(Tee::Tdx, Profile::V1), verify_checks: TDX },
        EvidenceKind { media_type: media_type(Tee::Tdx, Profile::Coco), verify_checks: TDX },
        EvidenceKind { media_type: media_type(Tee::Tdx, Profile::Raw), verify_checks: TDX },
    ],
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::Registers { registers: &[Register { name: "PCR14", hash: "sha256" }] },
    bind_checks: &[
        bind::checks::ALL,
        evidence_dstack::runtime::checks::ALL,
        evidence_dstack::application::checks::ALL,
    ],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but caches of AMD's chains and Intel's platforms, keyed by all that was verified.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Azure;

#[async_trait]
impl AttestationBackend for Azure {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy> {
        Policy::from_section(section).map(BackendPolicy::new)
    }

    fn endorsements_for(&self, evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        endorsements::endorsements_for(evidence, have)
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

backend_api::register!(&Azure);
