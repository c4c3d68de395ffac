//! dstack's formats, around what the simulated vendors forge.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence_dstack::{
    events::{EventVersion, RuntimeEvent, TdxEvent},
    wire::{Attestation, HostPlatform, PcrValue, Platform, TpmEvent, TpmQuote},
};
use lab::{amd::Guest, intel::TdGuest};
use serde_json::{Value, json};

use crate::Seeds;

/// The same launch in every form in which dstack attests it.
pub fn attestations(guest: &Guest) -> Vec<(&'static str, Attestation)> {
    let snp = Attestation {
        platform: Platform::AmdSevSnp {
            report: guest.report_for(&[7; 64]),
            cert_chain: guest.chain(),
            mr_config: guest.mr_config.clone(),
        },
        runtime_events: Vec::new(),
        report_data: [7; 64],
        config: snp_config(guest),
        pod_payload: None,
    };
    let event = |name: &str, version| RuntimeEvent { name: name.to_owned(), payload: vec![1, 2], version };
    let tdx_event = |imr, event_type, event: &str| TdxEvent {
        imr,
        event_type,
        digest: vec![3; 48],
        event: event.to_owned(),
        event_payload: vec![4; 4],
        version: EventVersion::V1,
        preimage: None,
    };
    let log = vec![tdx_event(0, 1, ""), tdx_event(3, 0x0800_0001, "app-id")];
    let quote = vec![5; 64];
    let tdx = Platform::Tdx { quote: quote.clone(), event_log: log.clone() };
    let tpm_quote = TpmQuote {
        message: vec![6; 32],
        signature: vec![7; 32],
        pcr_values: vec![PcrValue { index: 14, algorithm: "sha256".to_owned(), value: vec![8; 32] }],
        ak_cert: vec![9; 32],
        platform: HostPlatform::Gcp,
        event_log: vec![TpmEvent { pcr_index: 0, digest: vec![10; 32] }],
    };
    let gcp = Platform::GcpTdx { quote: quote.clone(), event_log: log, tpm_quote };
    let with = |platform, events: &[RuntimeEvent]| Attestation {
        platform,
        runtime_events: events.to_vec(),
        config: "{}".to_owned(),
        ..snp.clone()
    };
    let events = [event("app-id", EventVersion::V1), event("system-ready", EventVersion::V1)];
    let pod = Attestation {
        pod_payload: Some("{}".to_owned()),
        ..with(tdx.clone(), &[event("app-id", EventVersion::V2)])
    };
    vec![
        ("tdx", with(tdx, &events)),
        ("tdx-pod", pod),
        ("gcp", with(gcp, &events)),
        ("nitro-enclave", with(Platform::NitroEnclave { nsm_quote: quote.clone() }, &[])),
        ("nitro-tpm", with(Platform::AwsNitroTpm { attestation_doc: quote }, &events)),
        ("td", td(&TdGuest::new())),
        ("snp", snp),
    ]
}

fn snp_config(guest: &Guest) -> String {
    json!({
        "cpu_count": guest.vcpus,
        "mr_config": guest.mr_config,
        "os_image_hash": hex::encode(guest.os_image_hash()),
        "sev_snp_measurement": guest.sev_snp_measurement(),
    })
    .to_string()
}

/// A whole TDX guest of the lab.
fn td(guest: &TdGuest) -> Attestation {
    let event = |imr, event_type, digest: &[u8], name: &str, payload: &[u8]| TdxEvent {
        imr,
        event_type,
        digest: digest.to_vec(),
        event: name.to_owned(),
        event_payload: payload.to_vec(),
        version: EventVersion::V1,
        preimage: None,
    };
    let boot = guest.launch.boot_log.iter();
    let boot = boot.map(|logged| event(logged.rtmr.into(), 10, &logged.digest, logged.name, b""));
    let runtime = guest.launch.events.iter();
    let runtime = runtime.map(|logged| event(3, 0x0800_0001, b"", &logged.name, &logged.payload));
    Attestation {
        platform: Platform::Tdx {
            quote: guest.quote_for(&[7; 64]),
            event_log: boot.chain(runtime).collect(),
        },
        runtime_events: Vec::new(),
        report_data: [7; 64],
        config: td_config(guest).to_string(),
        pod_payload: None,
    }
}

fn td_config(guest: &TdGuest) -> Value {
    let launch = &guest.launch;
    json!({
        "cpu_count": 4,
        "memory_size": launch.memory_size,
        "mr_config": launch.mr_config,
        "os_image_hash": hex::encode(launch.os_image_hash()),
        "ovmf_variant": launch.image.ovmf,
        "qemu_single_pass_add_pages": launch.two_pass,
        "qemu_version": "9.1.0",
        "tdx_attestation_variant": "lite",
        "tdx_measurement": {
            "checksum_file": STANDARD.encode(&launch.checksum_file),
            "measurement": STANDARD.encode(&launch.measurement_cbor),
        },
    })
}

pub fn wire(guest: &Guest) -> Seeds {
    let mut seeds = Seeds::new();
    for (name, attestation) in attestations(guest) {
        for (encoding, bytes) in [("v0", attestation.encode_v0()), ("v1", attestation.encode_v1())] {
            let Ok(bytes) = bytes else { continue };
            let request = json!({ "attestation": hex::encode(&bytes) }).to_string();
            seeds.push((format!("{name}-{encoding}.json"), request.into_bytes()));
            seeds.push((format!("{name}-{encoding}"), bytes));
        }
    }
    let log = json!([{"imr": 3, "event_type": 134_217_729, "digest": "00", "event": "app-id", "event_payload": "0102"}]);
    let quote = json!({
        "quote": "0505", "event_log": log.to_string(), "report_data": "07".repeat(64), "vm_config": "{}",
    });
    seeds.push(("quote.json".to_owned(), quote.to_string().into_bytes()));
    seeds
}

/// The target chooses the document by the first byte.
pub fn documents(guest: &Guest) -> Seeds {
    let boot_info = json!({
        "teeVariant": "dstack-amd-sev-snp", "mrAggregated": "00".repeat(32), "osImageHash": "00".repeat(32),
        "mrSystem": "00".repeat(32), "appId": "00".repeat(20), "composeHash": "00".repeat(32),
        "instanceId": "00".repeat(20), "deviceId": "00".repeat(32), "keyProviderInfo": "7b7d",
        "tcbStatus": "UpToDate", "advisoryIds": ["INTEL-SA-00001"],
    });
    let identity = format!("{} dstack.app_id={}", guest.cmdline, "00".repeat(20));
    let (boot_info, vm_config) = (boot_info.to_string(), snp_config(guest));
    let td = td_config(&TdGuest::new());
    let (td_config, nested) = (td.to_string(), json!({ "vm_config": td.to_string() }).to_string());
    let documents: [(&str, u8, &[u8]); 8] = [
        ("boot-info", b'b', boot_info.as_bytes()),
        ("checksum-file", b'c', &guest.checksum_file),
        ("cmdline", b'l', identity.as_bytes()),
        ("measurement", b'm', &guest.measurement_cbor),
        ("mr-config", b'r', guest.mr_config.as_bytes()),
        ("vm-config", b'v', vm_config.as_bytes()),
        ("vm-config-td", b'v', td_config.as_bytes()),
        ("vm-config-td-nested", b'v', nested.as_bytes()),
    ];
    documents.map(|(name, choice, bytes)| (name.to_owned(), [&[choice], bytes].concat())).into()
}
