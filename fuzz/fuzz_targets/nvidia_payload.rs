//! The payload of NVIDIA's Evidence: decoded, encoded again, shown, asked for endorsements; and, of the lab's devices in it, never accepted
//! beside a CPU that commits to something else.
#![no_main]

use std::sync::LazyLock;

use backend_api::{
    AttestationBackend, Challenge, Endorsement, EndorsementKind, Endorsements, Evidence, Limits,
    TrustAnchors, VerifiedEvidence, VerifyInput,
};
use backend_nvidia::{Nvidia, NvidiaEvidence, Profile, media_type, v1_commitment};
use backend_tdx::{MEDIA_TYPE, TdxEvidence};
use fuzz_targets::now;
use lab::nvidia::Machine;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const CHALLENGE: [u8; 64] = [7; 64];

/// What NVIDIA says, the roots, and a CPU that was verified for the challenge alone.
static LAB: LazyLock<(Endorsements, TrustAnchors, VerifiedEvidence)> = LazyLock::new(|| {
    let endorsements = Machine::h100().endorsements().into_iter();
    let endorsements = endorsements.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
    (endorsements, Machine::pins().into_iter().collect(), cpu())
});

fuzz_target!(|data: &[u8]| {
    let backend = Nvidia::default();
    let (endorsements, anchors, cpu) = &*LAB;
    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let policy =
        json!({ "lanes": ["boot", "on-demand"], "raw": {}, "danger-accept-unreported-cc-mode": true });
    let policy = backend.policy(&policy).expect("a policy");
    if let Ok(payload) = NvidiaEvidence::decode(data) {
        assert_eq!(payload.encode(), data, "a payload has one encoding");
    }
    for profile in Profile::ALL {
        let evidence = Evidence::new(media_type(profile), data.to_vec());
        let _ = (backend.endorsements_for(&evidence, endorsements), backend.inspect(&evidence));
        let input = VerifyInput::new(&evidence, &challenge, endorsements, anchors, &policy, now(), &limits);
        let input = input.expect("within the limits").beside(cpu);
        let verdict = backend.verify(&input);
        if profile == Profile::V1 {
            assert!(verdict.is_err(), "the CPU commits to no payload");
            assert_ne!(v1_commitment(&challenge, data).challenge(), challenge);
        }
        if let Ok(verified) = verdict {
            assert_eq!(verified.challenge(), &challenge);
        }
    }
});

/// A TD of the lab's, verified.
fn cpu() -> VerifiedEvidence {
    let intel = &fuzz_targets::intel::LAB;
    let backend = backend_tdx::REGISTRATION.backend;
    let evidence = Evidence::new(MEDIA_TYPE, TdxEvidence::new(intel.quote.clone()).encode());
    let kinds = [
        (EndorsementKind::Certificate, &intel.certificates[..]),
        (EndorsementKind::Document, &intel.documents[..]),
        (EndorsementKind::RevocationList, &intel.revocation_lists[..]),
    ];
    let endorsements = kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |bytes| (kind, bytes)));
    let endorsements = endorsements.map(|(kind, bytes)| Endorsement::new(kind, bytes.to_vec())).collect();
    let anchors: TrustAnchors = intel.guest.pins().into_iter().collect();
    let policy = backend.policy(&json!({})).expect("a policy");
    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let input = VerifyInput::new(&evidence, &challenge, &endorsements, &anchors, &policy, now(), &limits);
    backend.verify(&input.expect("within the limits")).expect("a sound quote")
}
