//! The verdict.

use std::collections::{BTreeMap, BTreeSet};

use backend_api::{
    BackendId, BindingGraph, Claims, Field, Identity, Ledger, MediaType, RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::boot_info::BootInfo;
use serde::Serialize;

/// An Attestation Result: Evidence that was verified, bound and appraised. There is none for Evidence that was refused.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct AttestationResult {
    /// The time for which the verdict holds, in seconds since 1970-01-01T00:00:00Z.
    pub verified_at: u64,
    /// The backends whose vendor's roots were replaced: whoever holds the keys of the others can make any Evidence.
    pub danger_replaced_trust_anchors: BTreeSet<BackendId>,
    /// The CPU.
    pub cpu: Appraised,
    /// The devices beside it.
    pub devices: Vec<Appraised>,
    /// dstack's view of the identity; absent unless each field that dstack needs is bound.
    pub boot_info: Option<BootInfo>,
}

/// What was established about one item of Evidence.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Appraised {
    /// Who verified it.
    pub backend: BackendId,
    /// Its kind.
    pub media_type: MediaType,
    /// What it says.
    pub claims: Claims,
    /// What runs, field by field, and what bound each.
    pub identity: Identity,
    /// Every check of the backend, and whether it was performed.
    pub ledger: Ledger,
    /// What holds the parts together, on whose word.
    pub graph: BindingGraph,
    /// What is not covered.
    pub notes: BTreeMap<&'static str, String>,
}

impl Appraised {
    pub(crate) fn new(verified: &VerifiedEvidence, binding: &RuntimeBinding) -> Self {
        let mut ledger = verified.ledger().clone();
        ledger.append(binding.ledger().clone());
        let mut graph = verified.graph().clone();
        graph.append(binding.graph().clone());
        Self {
            backend: verified.backend(),
            media_type: verified.media_type().clone(),
            claims: verified.claims().clone(),
            identity: binding.identity().clone(),
            ledger,
            graph,
            notes: binding.notes().clone(),
        }
    }

    /// dstack's BootInfo, if every field that it must have is bound.
    pub(crate) fn boot_info(&self) -> Option<BootInfo> {
        let field = |field| self.identity.get(field);
        Some(BootInfo {
            tee_variant: self.claims.tee_variant.to_owned(),
            mr_aggregated: field(Field::MrAggregated)?.try_into().ok()?,
            os_image_hash: field(Field::OsImageHash)?.try_into().ok()?,
            mr_system: field(Field::MrSystem)?.try_into().ok()?,
            app_id: field(Field::AppId)?.try_into().ok()?,
            compose_hash: field(Field::ComposeHash)?.try_into().ok()?,
            instance_id: field(Field::InstanceId).and_then(|id| id.try_into().ok()),
            device_id: field(Field::DeviceId)?.try_into().ok()?,
            key_provider_info: field(Field::KeyProvider).unwrap_or_default().to_vec(),
            tcb_status: self.claims.tcb_status.clone(),
            advisory_ids: self.claims.advisory_ids.clone(),
        })
    }
}
