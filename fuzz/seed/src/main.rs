//! Writes the seed corpus of every fuzz target, forged by the lab: `seed DIRECTORY`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use backend_api::{Envelope, Evidence};
use backend_baremetal_snp::{MEDIA_TYPE, SnpEvidence};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence_dstack::{
    events::{EventVersion, RuntimeEvent, TdxEvent},
    wire::{Attestation, HostPlatform, PcrValue, Platform, TpmEvent, TpmQuote},
};
use lab::amd::{
    CertTable, FirmwareDefect, FirmwareSpec, Guest, Hierarchy, Product, ReportSpec, TableDefect, VekKind,
    VekSpec, crl_spec,
};
use serde_json::json;

type Seeds = Vec<(String, Vec<u8>)>;

fn main() -> io::Result<()> {
    let Some(root) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seed DIRECTORY"));
    };
    let guest = Guest::new(Product::Milan);
    for (target, seeds) in [
        ("certificate", certificates()),
        ("certificate_table", certificate_tables()),
        ("dstack_documents", dstack_documents(&guest)),
        ("dstack_wire", dstack_wire(&guest)),
        ("envelope", envelopes()),
        ("ovmf", firmware()),
        ("policy", policies()),
        ("report", reports()),
        ("revocation_list", revocation_lists()),
        ("snp_payload", payloads(&guest)),
    ] {
        write(&root.join(target), seeds)?;
    }
    Ok(())
}

fn write(folder: &Path, seeds: Seeds) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

fn veks() -> impl Iterator<Item = VekSpec> {
    Product::ALL.into_iter().flat_map(|product| [VekSpec::vcek(product), VekSpec::vlek(product)])
}

fn reports() -> Seeds {
    let mut seeds = Seeds::new();
    for spec in veks() {
        let (product, vek) = (spec.product, spec.issue(&Hierarchy::new(spec.product)));
        for version in 2..=5 {
            let report = match spec.kind {
                VekKind::Vcek => ReportSpec::new(product, version),
                VekKind::Vlek => ReportSpec::new_vlek(product, version),
            };
            let name = format!("{}-{:?}-{version}", product.name(), spec.kind);
            seeds.push((name, report.sign(&vek)));
        }
    }
    seeds
}

fn certificates() -> Seeds {
    let mut seeds = Seeds::new();
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        for (name, der) in [("ark", hierarchy.ark()), ("ask", hierarchy.ask()), ("asvk", hierarchy.asvk())] {
            seeds.push((format!("{name}-{}", product.name()), der.to_vec()));
        }
    }
    for spec in veks() {
        let der = spec.issue(&Hierarchy::new(spec.product)).der;
        let name = format!("{:?}-{}", spec.kind, spec.product.name());
        seeds.push((format!("{name}.pem"), pem(&der).into_bytes()));
        seeds.push((name, der));
    }
    let chain = Guest::new(Product::Genoa).chain();
    seeds.push(("chain.pem".to_owned(), chain.iter().map(|der| pem(der)).collect::<String>().into_bytes()));
    seeds
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn certificate_tables() -> Seeds {
    let mut seeds = Seeds::new();
    for spec in veks() {
        let hierarchy = Hierarchy::new(spec.product);
        let table = CertTable::chain(&hierarchy, &spec.issue(&hierarchy), spec.kind);
        seeds.push((format!("{}-{:?}", spec.product.name(), spec.kind), table.bytes()));
    }
    for defect in TableDefect::ALL {
        let small = CertTable { defect: Some(defect), ..CertTable::default() };
        let small = small.with(lab::amd::guid::VCEK, b"one").with(lab::amd::guid::ASK, b"another");
        seeds.push((format!("{defect:?}"), small.bytes()));
    }
    seeds
}

fn revocation_lists() -> Seeds {
    let mut seeds = Seeds::new();
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        let list = crl_spec(&hierarchy);
        seeds.push((product.name().to_owned(), list.sign(hierarchy.ark_key())));
        let revoking = list.revoke(&hierarchy.ask_serial()).revoke(&hierarchy.asvk_serial());
        seeds.push((format!("{}-revoking", product.name()), revoking.sign(hierarchy.ark_key())));
    }
    seeds
}

fn envelopes() -> Seeds {
    let cpu = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, b"cpu".to_vec()));
    let device = Evidence::new(MEDIA_TYPE, b"device".to_vec());
    let composite = Envelope { devices: vec![device.clone(), device], ..cpu.clone() };
    let forms = |name: &str, envelope: &Envelope| {
        [
            (format!("{name}.cbor"), envelope.encode_cbor()),
            (format!("{name}.json"), envelope.encode_json().into()),
        ]
    };
    [forms("cpu", &cpu), forms("composite", &composite)].concat()
}

fn firmware() -> Seeds {
    // Two pages: as small as an image with its tables can be, because that is where inputs are read from.
    let spec = FirmwareSpec { size: 8192, ..FirmwareSpec::default() };
    let without = FirmwareSpec { size: 8192, ..FirmwareSpec::without_kernel_hashes() };
    let mut seeds =
        vec![("sound".to_owned(), spec.bytes()), ("without-kernel-hashes".to_owned(), without.bytes())];
    for defect in [
        FirmwareDefect::FooterGuid,
        FirmwareDefect::TableTooShort,
        FirmwareDefect::TableCutsEntry,
        FirmwareDefect::EntryTooShort,
        FirmwareDefect::EntryTooLong,
        FirmwareDefect::DuplicateEntry,
        FirmwareDefect::EntryDataLength,
        FirmwareDefect::MetadataTruncated,
        FirmwareDefect::MetadataVersion,
        FirmwareDefect::MetadataLength,
        FirmwareDefect::SectionCount,
    ] {
        seeds.push((format!("{defect:?}"), spec.clone().with_defect(defect).bytes()));
    }
    seeds
}

fn policies() -> Seeds {
    let minimal = "version = 1\n";
    let full = r#"version = 1
require-checks = ["crl-current"]
accept-tcb-status = ["UpToDate"]
danger-accept-asserted = true

[reference-values]
measurements = ["7f51"]
os-image-hash = ["f69c"]

[backend.baremetal-snp.launch]
danger-accept-unmeasured-rootfs = true

[backend.baremetal-snp.report]
vmpl = 0
minimum-tcb.milan = { bootloader = 4, tee = 0, snp = 23, microcode = 213 }
minimum-firmware = [1, 55, 0]
require-guest-policy = ["single-socket"]
forbid-platform-info = ["smt"]
require-mitigations = 1
minimum-guest-svn = 1
danger-accept-unknown-revocation = true
"#;
    [("minimal", minimal), ("full", full)].map(|(name, text)| (name.to_owned(), text.into())).into()
}

/// The same launch in every form in which dstack attests it.
fn attestations(guest: &Guest) -> Vec<(&'static str, Attestation)> {
    let snp = Attestation {
        platform: Platform::AmdSevSnp {
            report: guest.report_for(&[7; 64]),
            cert_chain: guest.chain(),
            mr_config: guest.mr_config.clone(),
        },
        runtime_events: Vec::new(),
        report_data: [7; 64],
        config: vm_config(guest),
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
        ("snp", snp),
    ]
}

fn vm_config(guest: &Guest) -> String {
    json!({
        "cpu_count": guest.vcpus,
        "mr_config": guest.mr_config,
        "os_image_hash": hex::encode(guest.os_image_hash()),
        "sev_snp_measurement": guest.sev_snp_measurement(),
    })
    .to_string()
}

fn dstack_wire(guest: &Guest) -> Seeds {
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
fn dstack_documents(guest: &Guest) -> Seeds {
    let boot_info = json!({
        "teeVariant": "dstack-amd-sev-snp", "mrAggregated": "00".repeat(32), "osImageHash": "00".repeat(32),
        "mrSystem": "00".repeat(32), "appId": "00".repeat(20), "composeHash": "00".repeat(32),
        "instanceId": "00".repeat(20), "deviceId": "00".repeat(32), "keyProviderInfo": "7b7d",
        "tcbStatus": "UpToDate", "advisoryIds": ["INTEL-SA-00001"],
    });
    let identity = format!("{} dstack.app_id={}", guest.cmdline, "00".repeat(20));
    let (boot_info, vm_config) = (boot_info.to_string(), vm_config(guest));
    let documents: [(&str, u8, &[u8]); 6] = [
        ("boot-info", b'b', boot_info.as_bytes()),
        ("checksum-file", b'c', &guest.checksum_file),
        ("cmdline", b'l', identity.as_bytes()),
        ("measurement", b'm', &guest.measurement_cbor),
        ("mr-config", b'r', guest.mr_config.as_bytes()),
        ("vm-config", b'v', vm_config.as_bytes()),
    ];
    documents.map(|(name, choice, bytes)| (name.to_owned(), [&[choice], bytes].concat())).into()
}

fn payloads(guest: &Guest) -> Seeds {
    let mut seeds = Seeds::new();
    let bare = SnpEvidence::new(guest.report_for(&[7; 64]), guest.chain());
    let converted = attestations(guest)
        .into_iter()
        .filter_map(|(_, attestation)| SnpEvidence::from_dstack(&attestation).ok());
    for (index, evidence) in converted.chain([bare]).enumerate() {
        // Without what the target puts in itself.
        let small = SnpEvidence { report: Default::default(), certificates: Vec::new(), ..evidence.clone() };
        seeds.push((format!("payload-{index}"), evidence.encode()));
        seeds.push((format!("payload-{index}-small"), small.encode()));
    }
    seeds
}
