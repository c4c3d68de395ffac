//! Another third party's backend, with the id of the first.

use backend_api::{
    AttesterRole, BackendId, Descriptor, MediaType, Role, RuntimeMechanism, TrustAnchors, register,
};
use stub::Stub;

static DESCRIPTOR: Descriptor = Descriptor {
    id: BackendId::new("third-party"),
    role: Role::Cpu,
    summary: "verifies nothing",
    media_types: &[MediaType::new("application/vnd.example.same-id")],
    attester: AttesterRole::Absent,
    runtime: RuntimeMechanism::None { reason: "a stub" },
    verify_checks: &[],
    bind_checks: &[],
    trust_anchors: TrustAnchors::default,
};

register!(&Stub(&DESCRIPTOR));
