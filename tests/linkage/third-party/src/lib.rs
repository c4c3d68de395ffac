//! A third party's backend.

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
        media_type: MediaType::new("application/vnd.example.third-party"),
        verify_checks: &[],
    }],
    attester: AttesterRole::Absent,
    runtime: RuntimeMechanism::None { reason: "a stub" },
    bind_checks: &[],
    trust_anchors: TrustAnchors::default,
};

register!(&Stub(&DESCRIPTOR));
