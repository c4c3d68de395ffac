//! The payload of Azure's Evidence: decoded, encoded again, and, around a sound quote of what it says was booted and extended,
//! verified and bound.
#![no_main]

use backend_api::{
    AttestationBackend, BindInput, Challenge, Evidence, Field, Limits, ReferenceValues, VerifyInput,
};
use backend_azure::{Azure, AzureEvidence, MAX_PAYLOAD, Profile, Tee, media_type};
use evidence_event_log::{
    Bank, EventLog,
    runtime::{RuntimeEvent, RuntimeLog},
};
use fuzz_targets::{
    azure::{CHALLENGE, Lab, SNP, TDX},
    now,
};
use lab::azure::guest::V1_PCRS;
use libfuzzer_sys::fuzz_target;
use serde_bytes::ByteBuf;
use serde_json::json;

const OS_IMAGE_HASH: [u8; 32] = [0x1A; 32];

fuzz_target!(|data: &[u8]| {
    let backend = Azure::default();
    let Ok(mut payload) = AzureEvidence::decode(data) else { return };
    assert_eq!(payload.encode(), data, "a payload has one encoding");
    let (lab, tee): (&Lab, _) = if payload.td_quote.is_some() { (&TDX, Tee::Tdx) } else { (&SNP, Tee::Snp) };
    for profile in Profile::ALL {
        let evidence = Evidence::new(media_type(tee, profile), data.to_vec());
        let _ = (backend.endorsements_for(&evidence, &lab.endorsements), backend.inspect(&evidence));
    }

    // A sound quote of the registers as the payload's logs lead to, so that what reads its parts is reached.
    let pcrs: Vec<Vec<u8>> = V1_PCRS.into_iter().map(|pcr| register(lab, &payload, pcr)).collect();
    let (quote, signature) = lab.quote(&pcrs);
    (payload.quote, payload.signature) = (quote.into(), signature.into());
    payload.pcrs = pcrs.iter().cloned().map(ByteBuf::from).collect();
    payload.hcl_report = lab.hcl_report.clone().into();
    payload.td_quote = lab.td_quote.clone().map(ByteBuf::from);
    payload.ak_certificate = Some(lab.ak_certificate.clone().into());
    payload.certificates = lab.certificates.iter().cloned().map(ByteBuf::from).collect();
    let evidence = Evidence::new(media_type(tee, Profile::V1), payload.encode());
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
        VerifyInput::new(&evidence, &challenge, &lab.endorsements, &lab.anchors, &policy, now(), &limits);
    let verified = match backend.verify(&input.expect("within the limits")) {
        Ok(verified) => verified,
        // A payload near its limit may be above it with other parts.
        Err(error) => {
            assert!(payload.encode().len() > MAX_PAYLOAD, "a sound quote is verified: {error}");
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

/// What the payload's logs lead to: of the boot, and of the runtime events in PCR14. The lab's own boot, where there is no log.
fn register(lab: &Lab, payload: &AzureEvidence, pcr: u8) -> Vec<u8> {
    let events = payload.runtime_events.iter().map(RuntimeEvent::try_from).collect::<Result<Vec<_>, _>>();
    let log = events.ok().and_then(|events| RuntimeLog::new(events).ok()).unwrap_or_default();
    if pcr == 14 && !log.events().is_empty() {
        return log.replay_sha256().to_vec();
    }
    match &payload.boot_log {
        None if pcr == 14 => vec![0; 32],
        None => lab.guest.pcr(pcr).to_vec(),
        Some(log) => {
            let replayed = EventLog::parse(log)
                .ok()
                .and_then(|log| log.replay(u32::from(pcr), Bank::Sha256).map(|value| value.to_vec()));
            replayed.unwrap_or_else(|| lab.guest.pcr(pcr).to_vec())
        }
    }
}

/// What is bound is what the registers hold.
fn is_bound<'a>(payload: &AzureEvidence, bound: impl Fn(Field) -> Option<&'a [u8]>) {
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
