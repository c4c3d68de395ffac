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
#[cfg(feature = "instance-identity")]
pub mod instance_identity;
mod policy;
mod profile;
mod region;
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
pub use evidence::{AwsEvidence, MAX_CERTIFICATES, MAX_PAYLOAD};
pub use policy::{
    ChallengeMember, DocumentPolicy, LaunchPolicy, ListedMeasurement, Member, Policy, RawPolicy,
};
pub use profile::{Profile, media_type, profile_of, v1_nonce, v1_report_data};

/// The id of this backend.
pub const ID: BackendId = BackendId::new("aws");

/// The checks of a document and a report.
static BOTH: &[&[CheckInfo]] = &[
    checks::payload::ALL,
    evidence_nitro::checks::ALL,
    evidence_snp::checks::ALL,
    checks::vlek::ALL,
    checks::document::ALL,
];

/// The same on the relying party's word.
static RAW: &[&[CheckInfo]] = &[
    checks::payload::ALL,
    checks::raw::ALL,
    evidence_nitro::checks::ALL,
    evidence_snp::checks::ALL,
    checks::vlek::ALL,
    checks::document::ALL,
];

/// The checks of a document alone.
static DOCUMENT: &[&[CheckInfo]] =
    &[checks::payload::ALL, evidence_nitro::checks::ALL, checks::document::ALL];

static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    role: Role::Cpu,
    summary: "AWS confidential VMs (SEV-SNP under AWS's VLEK) with a NitroTPM outside of the TEE: report, document, boot registers",
    kinds: &[
        EvidenceKind { media_type: media_type(Profile::V1), verify_checks: BOTH },
        EvidenceKind { media_type: media_type(Profile::Raw), verify_checks: RAW },
        EvidenceKind { media_type: media_type(Profile::NitroTpmOnly), verify_checks: DOCUMENT },
    ],
    attester: if cfg!(feature = "attester") { AttesterRole::Present } else { AttesterRole::Absent },
    runtime: RuntimeMechanism::Registers { registers: &[Register { name: "PCR14", hash: "sha384" }] },
    bind_checks: &[
        bind::checks::ALL,
        evidence_dstack::runtime::checks::ALL,
        evidence_dstack::application::checks::ALL,
    ],
    trust_anchors: verify::trust_anchors,
};

/// The backend. It has no state but a cache of AMD's chains, keyed by all that was verified.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Aws;

#[async_trait]
impl AttestationBackend for Aws {
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

backend_api::register!(&Aws);
