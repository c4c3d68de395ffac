//! The payload of TDX Evidence: decoded, encoded again, and, around a sound quote of its registers, verified and bound.
#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::{
    AttestationBackend, BackendPolicy, BindInput, Challenge, Endorsement, EndorsementKind, Endorsements,
    Evidence, Field, Limits, ReferenceValues, TrustAnchors, VerifyInput,
};
use backend_tdx::{BootLog, LaunchPolicy, MEDIA_TYPE, Policy, Tdx, TdxEvidence};
use evidence_dstack::{
    mr_config::{MrConfigV3, mr_config_id_v3},
    tdx_measurement::TdxMeasurement,
};
use evidence_event_log::{
    EventLog,
    replay::replay_sha384,
    runtime::{RuntimeEvent, RuntimeLog},
};
use evidence_ledger::Hex;
use fuzz_targets::{
    intel::{CHALLENGE, LAB},
    now,
};
use lab::intel::TdBody;
use libfuzzer_sys::fuzz_target;
use serde_bytes::ByteBuf;

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| LAB.guest.pins().into_iter().collect());

static ENDORSEMENTS: LazyLock<Endorsements> = LazyLock::new(|| {
    let certificates = LAB.certificates.iter().map(|part| (EndorsementKind::Certificate, part));
    let documents = LAB.documents.iter().map(|part| (EndorsementKind::Document, part));
    let lists = LAB.revocation_lists.iter().map(|part| (EndorsementKind::RevocationList, part));
    let all = certificates.chain(documents).chain(lists);
    all.map(|(kind, part)| Endorsement::new(kind, part.to_vec())).collect()
});

fuzz_target!(|data: &[u8]| {
    let backend = Tdx::default();
    let evidence = Evidence::new(MEDIA_TYPE, data.to_vec());
    let _ = (backend.endorsements_for(&evidence, &ENDORSEMENTS), backend.inspect(&evidence));
    let Ok(mut payload) = TdxEvidence::decode(data) else { return };
    assert_eq!(payload.encode(), data, "a payload has one encoding");

    // A sound quote of what the payload says was extended, so that what reads its parts is reached.
    let mut quote = LAB.guest.quote.clone();
    quote.body.report_data = CHALLENGE;
    extend(&mut quote.body, &payload);
    payload.quote = ByteBuf::from(LAB.sign(&quote.signed_part(), LAB.qe_report()));
    let evidence = Evidence::new(MEDIA_TYPE, payload.encode());
    // Known by its registers, whatever they are, where the relying party lists them; by its launch inputs where not.
    let TdBody { mrtd, rtmr1, rtmr2, .. } = quote.body;
    let of = |value| Some(BTreeSet::from([Hex(value)]));
    let launch = LaunchPolicy { rtmr1: of(rtmr1), rtmr2: of(rtmr2), ..LaunchPolicy::default() };
    let listed = BackendPolicy::new(Policy { launch, ..Policy::default() });
    let mut references = ReferenceValues::new();
    references.measurements.insert(mrtd.to_vec());

    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let input = VerifyInput::new(&evidence, &challenge, &ENDORSEMENTS, &ANCHORS, &listed, now(), &limits);
    // A payload near its limit may be above it with another quote.
    let Ok(verified) = backend.verify(&input.expect("within the limits")) else {
        assert!(payload.encode().len() > backend_tdx::MAX_PAYLOAD, "a sound quote is verified");
        return;
    };
    if let Ok(binding) = backend.bind_runtime(&verified, &BindInput::new(&references, &listed)) {
        is_bound(&payload, &quote.body, |field| binding.identity().get(field));
    }
    let unlisted = BackendPolicy::new(Policy::default());
    let unlisted = backend.bind_runtime(&verified, &BindInput::new(&ReferenceValues::new(), &unlisted));
    assert!(payload.launch.is_some() || unlisted.is_err(), "something must account for MRTD");
});

/// Sets the registers to what the payload's logs replay to, and MRCONFIGID to its document.
fn extend(body: &mut TdBody, payload: &TdxEvidence) {
    let events = payload.runtime_events.iter().map(RuntimeEvent::try_from).collect::<Result<Vec<_>, _>>();
    let log = events.ok().and_then(|events| RuntimeLog::new(events).ok()).unwrap_or_default();
    body.rtmr3 = log.replay_sha384();
    body.mr_config_id = payload.mr_config.as_ref().map_or([0; 48], |text| mr_config_id_v3(text.as_bytes()));
    let boot = match &payload.boot_log {
        Some(BootLog::Ccel(bytes)) => {
            let log = EventLog::parse(bytes).ok().and_then(|log| log.replay_rtmrs().ok());
            log.map(|log| [log.values[0], log.values[1], log.values[2]])
        }
        Some(BootLog::Digests(events)) => Some([0, 1, 2].map(|rtmr| {
            let digests = events.iter().filter(|event| event.rtmr == rtmr);
            replay_sha384(digests.filter_map(|event| event.digest.as_slice().try_into().ok()))
        })),
        // The registers of the lab's own launch.
        _ => None,
    };
    if let Some(boot) = boot {
        [body.rtmr0, body.rtmr1, body.rtmr2] = boot;
    }
}

/// What is bound is what the registers hold.
fn is_bound<'a>(payload: &TdxEvidence, body: &TdBody, bound: impl Fn(Field) -> Option<&'a [u8]>) {
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
    if let (Some(text), false) = (&payload.mr_config, payload.runtime_events.is_empty()) {
        let document = MrConfigV3::parse(text).expect("a document that binds");
        assert_eq!(bound(Field::ComposeHash), Some(&document.compose_hash[..]));
    }
    let Some(launch) = &payload.launch else {
        assert_eq!(bound(Field::OsImageHash), None, "no image without launch inputs");
        return;
    };
    assert_eq!(bound(Field::OsImageHash), Some(digest(&SHA256, &launch.checksum_file).as_ref()));
    let listed = String::from_utf8_lossy(&launch.checksum_file).to_ascii_lowercase();
    assert!(listed.contains(&hex::encode(digest(&SHA256, &launch.measurement))), "the list has the document");
    let image = TdxMeasurement::parse(&launch.measurement).expect("a document that is measured");
    assert_eq!(body.rtmr2, replay_sha384([image.cmdline_sha384, image.initrd_sha384]));
    assert!([image.mrtd_single_pass, image.mrtd_two_pass].contains(&body.mrtd));
}
