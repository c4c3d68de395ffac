//! The payload of Google's Evidence: decoded, encoded again, and, around a sound report and a sound quote of what it says was booted and
//! extended, verified and bound.
#![no_main]

use std::sync::LazyLock;

use backend_api::{
    AttestationBackend, BindInput, Challenge, Endorsement, Endorsements, Evidence, Field, Limits,
    ReferenceValues, TrustAnchors, VerifyInput,
};
use backend_gcp::{Gcp, GcpEvidence, KINDS, MAX_PAYLOAD, SNP_V1, V1_PCRS, v1_extra_data};
use evidence_event_log::{
    Bank, EventLog,
    runtime::{RuntimeEvent, RuntimeLog},
};
use fuzz_targets::now;
use lab::{
    google::{Guest, guest::Parts},
    tpm::{AttestSpec, SelectionSpec, ecdsa_p256},
};
use libfuzzer_sys::fuzz_target;
use serde_bytes::ByteBuf;
use serde_json::json;

const CHALLENGE: [u8; 64] = [7; 64];
const OS_IMAGE_HASH: [u8; 32] = [0x1A; 32];

/// A guest of the lab's, and what a relying party has.
struct Lab {
    guest: Guest,
    parts: Parts,
    endorsements: Endorsements,
    anchors: TrustAnchors,
}

static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let guest = Guest::snp();
    let all = guest.endorsements().into_iter();
    Lab {
        parts: guest.v1_parts(&CHALLENGE),
        endorsements: all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect(),
        anchors: guest.pins().into_iter().collect(),
        guest,
    }
});

fuzz_target!(|data: &[u8]| {
    let backend = Gcp::default();
    let Ok(mut payload) = GcpEvidence::decode(data) else { return };
    assert_eq!(payload.encode(), data, "a payload has one encoding");
    for (_, _, media_type) in KINDS {
        let evidence = Evidence::new(media_type, data.to_vec());
        let _ = (backend.endorsements_for(&evidence, &LAB.endorsements), backend.inspect(&evidence));
    }

    // A sound quote of the registers as the payload's logs lead to, so that what reads its parts is reached.
    let Parts { report, ak_certificate, certificates, launch_endorsement, .. } = &LAB.parts;
    let pcrs: Vec<Vec<u8>> = V1_PCRS.into_iter().map(|pcr| register(&payload, pcr)).collect();
    let mut quote = AttestSpec::new(vec![0, 0x0B], SelectionSpec::sha256(&V1_PCRS), &pcrs);
    quote.extra_data = v1_extra_data(report, &CHALLENGE).to_vec();
    let quote = quote.bytes();
    payload.signature = ecdsa_p256(&LAB.guest.ak, &quote).into();
    payload.quote = quote.into();
    payload.pcrs = pcrs.iter().cloned().map(ByteBuf::from).collect();
    payload.report = report.clone().into();
    payload.ak_certificate = ak_certificate.clone().into();
    payload.certificates = certificates.iter().cloned().map(ByteBuf::from).collect();
    payload.launch_endorsement = Some(launch_endorsement.clone().into());
    let has_cc_log = payload.cc_log.is_some();
    let evidence = Evidence::new(SNP_V1, payload.encode());
    // Known by the registers of its boot, whatever they are.
    let value = |pcr: usize| json!([hex::encode(&pcrs[pcr])]);
    let image = json!({
        "2": value(1), "4": value(2), "7": value(3), "8": value(4), "9": value(5),
        "11": value(6), "12": value(7), "13": value(8),
    });
    let image = json!({ "os-image-hash": hex::encode(OS_IMAGE_HASH), "pcrs": image });
    let policy = backend.policy(&json!({ "launch": { "images": [image] } })).expect("a policy");

    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let input =
        VerifyInput::new(&evidence, &challenge, &LAB.endorsements, &LAB.anchors, &policy, now(), &limits);
    let verified = match backend.verify(&input.expect("within the limits")) {
        Ok(verified) => verified,
        // A payload near its limit may be above it with other parts, and a log of a TD's registers is none of this guest's.
        Err(error) => {
            let too_large = payload.encode().len() > MAX_PAYLOAD;
            assert!(too_large || has_cc_log, "a sound quote is verified: {error}");
            return;
        }
    };
    let references = ReferenceValues::new();
    if let Ok(binding) = backend.bind_runtime(&verified, &BindInput::new(&references, &policy)) {
        is_bound(&payload, |field| binding.identity().get(field));
    }
    let unlisted = backend.policy(&json!({})).expect("a policy");
    let unlisted = backend.bind_runtime(&verified, &BindInput::new(&references, &unlisted));
    assert!(unlisted.is_err(), "something must account for the boot");
});

/// What the payload's logs lead to: of the boot, and of the runtime events in PCR14. The lab's own boot, where there is no log; PCR0 is
/// always that.
fn register(payload: &GcpEvidence, pcr: u8) -> Vec<u8> {
    let events = payload.runtime_events.iter().map(RuntimeEvent::try_from).collect::<Result<Vec<_>, _>>();
    let log = events.ok().and_then(|events| RuntimeLog::new(events).ok()).unwrap_or_default();
    if pcr == 14 && !log.events().is_empty() {
        return log.replay_sha256().to_vec();
    }
    match &payload.boot_log {
        None if pcr == 14 => vec![0; 32],
        Some(log) if pcr != 0 => {
            let replayed = EventLog::parse(log).ok().and_then(|log| log.replay(u32::from(pcr), Bank::Sha256));
            replayed.unwrap_or_else(|| LAB.guest.boot.pcr(pcr.into()).to_vec())
        }
        _ => LAB.guest.boot.pcr(pcr.into()).to_vec(),
    }
}

/// What is bound is what the registers hold.
fn is_bound<'a>(payload: &GcpEvidence, bound: impl Fn(Field) -> Option<&'a [u8]>) {
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
}
