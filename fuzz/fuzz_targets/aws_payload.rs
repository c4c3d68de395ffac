//! The payload of AWS's Evidence: decoded, encoded again, and, around a sound report and a sound document of what it says was booted and
//! extended, verified and bound.
#![no_main]

use std::sync::LazyLock;

use backend_api::{
    AttestationBackend, BindInput, Challenge, Endorsement, Endorsements, Evidence, Field, Limits,
    ReferenceValues, TrustAnchors, VerifyInput,
};
use backend_aws::{Aws, AwsEvidence, MAX_PAYLOAD, Profile, media_type};
use evidence_event_log::{
    Bank, EventLog,
    runtime::{RuntimeEvent, RuntimeLog},
};
use fuzz_targets::now;
use lab::aws::{Guest, guest::Parts};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

const CHALLENGE: [u8; 64] = [7; 64];
const OS_IMAGE_HASH: [u8; 32] = [0x1A; 32];

/// The guest, what its host hands out, and what a verifier holds: made once in a process.
static LAB: LazyLock<(Guest, Parts, Endorsements, TrustAnchors)> = LazyLock::new(|| {
    let guest = Guest::new();
    let parts = guest.v1_parts(&CHALLENGE);
    let endorsements =
        guest.endorsements().into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
    let anchors = guest.pins().into_iter().collect();
    (guest, parts, endorsements, anchors)
});

fuzz_target!(|data: &[u8]| {
    let backend = Aws::default();
    let Ok(mut payload) = AwsEvidence::decode(data) else { return };
    assert_eq!(payload.encode(), data, "a payload has one encoding");
    let (guest, parts, endorsements, anchors) = &*LAB;
    for profile in Profile::ALL {
        let evidence = Evidence::new(media_type(profile), data.to_vec());
        let _ = (backend.endorsements_for(&evidence, endorsements), backend.inspect(&evidence));
    }

    // A sound document of the registers as the payload's logs lead to, so that what reads its parts is reached.
    let mut guest = guest.clone();
    guest.pcrs = (0..16).map(|pcr| (pcr, register(&guest, &payload, pcr))).collect();
    let nonce = backend_aws::v1_nonce(&parts.report);
    payload.document = Some(guest.document_for(Some(&nonce), Some(&CHALLENGE)).into());
    payload.report = Some(parts.report.clone().into());
    payload.certificates = parts.certificates.iter().cloned().map(Into::into).collect();
    let evidence = Evidence::new(media_type(Profile::V1), payload.encode());
    // Known by the registers of its boot, whatever they are.
    let value = |pcr: u8| (pcr.to_string(), json!([hex::encode(guest.pcr(pcr))]));
    let pcrs: Map<String, Value> = [2, 4, 7, 8, 9, 11, 12, 13].map(value).into_iter().collect();
    let launch = json!({
        "images": [{ "os-image-hash": hex::encode(OS_IMAGE_HASH), "pcrs": pcrs }],
        "measurements": [{ "measurement": hex::encode(guest.report.measurement), "firmware": "lab", "vcpus": 2 }],
    });
    let policy = backend.policy(&json!({ "launch": launch })).expect("a policy");

    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let input = VerifyInput::new(&evidence, &challenge, endorsements, anchors, &policy, now(), &limits);
    let verified = match backend.verify(&input.expect("within the limits")) {
        Ok(verified) => verified,
        // A payload near its limit may be above it with other parts.
        Err(error) => {
            assert!(payload.encode().len() > MAX_PAYLOAD, "sound halves are verified: {error}");
            return;
        }
    };
    let references = ReferenceValues::new();
    if let Ok(binding) = backend.bind_runtime(&verified, &BindInput::new(&references, &policy)) {
        is_bound(&payload, |field| binding.identity().get(field));
    }
    let unlisted = backend.policy(&json!({})).expect("a policy");
    let unlisted = backend.bind_runtime(&verified, &BindInput::new(&references, &unlisted));
    assert!(unlisted.is_err(), "something must account for the launch");
});

/// What the payload's logs lead to: of the boot, and of the runtime events in PCR14. The lab's own boot, where there is no log.
fn register(guest: &Guest, payload: &AwsEvidence, pcr: u8) -> [u8; 48] {
    let events = payload.runtime_events.iter().map(RuntimeEvent::try_from).collect::<Result<Vec<_>, _>>();
    let log = events.ok().and_then(|events| RuntimeLog::new(events).ok()).unwrap_or_default();
    let booted = guest.boot.pcr_sha384(pcr.into());
    if pcr == 14 && !log.events().is_empty() {
        return log.replay(Bank::Sha384).try_into().expect("48 bytes");
    }
    let Some(bytes) = &payload.boot_log else { return booted };
    let replayed = EventLog::parse(bytes).ok().and_then(|log| log.replay(pcr.into(), Bank::Sha384));
    replayed.and_then(|value| value.try_into().ok()).unwrap_or(booted)
}

/// What is bound is what the registers hold.
fn is_bound<'a>(payload: &AwsEvidence, bound: impl Fn(Field) -> Option<&'a [u8]>) {
    assert_eq!(bound(Field::OsImageHash), Some(&OS_IMAGE_HASH[..]));
    assert!(bound(Field::DeviceId).is_some());
    let launch =
        payload.runtime_events.split(|event| event.name == "system-ready").next().unwrap_or_default();
    let event = |name| launch.iter().find(|event| event.name == name).map(|event| event.payload.as_slice());
    for (field, name) in [
        (Field::AppId, "app-id"),
        (Field::ComposeHash, "compose-hash"),
        (Field::KeyProvider, "key-provider"),
        (Field::GpuPolicyHash, "gpu-policy-hash"),
    ] {
        assert_eq!(bound(field), event(name), "{name} is the event's");
    }
    assert_eq!(bound(Field::InstanceId), event("instance-id").filter(|id| !id.is_empty()));
}
