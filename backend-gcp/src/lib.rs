#![doc = include_str!("../README.md")]

#[cfg(feature = "attester")]
mod attester;
mod bind;
pub mod checks;
mod claims;
mod endorsements;
mod error;
mod evidence;
pub mod firmware;
mod inspect;
#[cfg(feature = "instance-identity")]
pub mod instance_identity;
mod policy;
mod profile;
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
pub use evidence::{GcpEvidence, MAX_AK_CERTIFICATE, MAX_CERTIFICATES, MAX_PAYLOAD};
use evidence_event_log::Bank;
pub use policy::{Image, LaunchPolicy, Policy, RawPolicy};
pub use profile::{
    DSTACK_PCRS, KINDS, Profile, SNP_RAW, SNP_V1, TDX_DSTACK, TDX_RAW, TDX_V1, Tee, V1_PCRS, kind_of,
    media_type, v1_extra_data, v1_report_data,
};

/// The id of this backend.
pub const ID: BackendId = BackendId::new("gcp");

/// The bank of the vTPM that counts.
pub(crate) const BANK: Bank = Bank::Sha256;

/// The checks of a guest on SEV-SNP, in the order in which they are made.
static SNP: &[&[CheckInfo]] = &[
    checks::payload::ALL,
    evidence_snp::checks::ALL,
    checks::endorsement::ALL,
    evidence_gce::checks::endorsement::ALL,
    evidence_tpm::checks::certificate::ALL,
    evidence_gce::checks::ak::ALL,
    evidence_tpm::checks::quote::ALL,
    checks::vtpm::ALL,
];

/// The checks of a guest on TDX, in the order in which they are made.
static TDX: &[&[CheckInfo]] = &[
    checks::payload::ALL,
    evidence_tdx::checks::ALL,
    checks::endorsement::ALL,
    evidence_gce::checks::endorsement::ALL,
    evidence_tpm::checks::certificate::ALL,
    evidence_gce::checks::ak::ALL,
    evidence_tpm::checks::quote::ALL,
    checks::vtpm::ALL,
];

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Cpu,
    summary: "Google Cloud's confidential VMs (SEV-SNP, TDX): hardware report, launch endorsement, vTPM quote outside of the TEE",
    kinds: &[
        EvidenceKind { media_type: SNP_V1, verify_checks: SNP },
        EvidenceKind { media_type: SNP_RAW, verify_checks: SNP },
        EvidenceKind { media_type: TDX_V1, verify_checks: TDX },
        EvidenceKind { media_type: TDX_DSTACK, verify_checks: TDX },
        EvidenceKind { media_type: TDX_RAW, verify_checks: TDX },
    ],
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::Registers {
        registers: &[Register { name: "PCR14", hash: "sha256" }, Register { name: "RTMR3", hash: "sha384" }],
    },
    bind_checks: &[
        bind::checks::ALL,
        evidence_dstack::runtime::checks::ALL,
        evidence_dstack::application::checks::ALL,
    ],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but caches of AMD's chains, Intel's platforms and Google's certificates, keyed by all that was verified.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Gcp;

#[async_trait]
impl AttestationBackend for Gcp {
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

backend_api::register!(&Gcp);
