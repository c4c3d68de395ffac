//! Another third party's backend, with the id of the first.

use backend_api::{
    AttesterRole, BackendId, Descriptor, EvidenceKind, MediaType, Role, RuntimeMechanism, TrustAnchors,
    register,
};
use stub::Stub;

static DESCRIPTOR: Descriptor = Descriptor {
    id: BackendId::new("third-party"),
    role: Role::Cpu,
    summary: "verifies nothing",
    kinds: &[EvidenceKind {
        media_type: MediaType::new("application/vnd.example.same-id"),
        verify_checks: &[],
    }],
    attester: AttesterRole::Absent,
    runtime: RuntimeMechanism::None { reason: "a stub" },
    bind_checks: &[],
    trust_anchors: TrustAnchors::default,
};

register!(&Stub(&DESCRIPTOR));
