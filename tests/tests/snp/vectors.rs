//! Real reports: each gives the verdict that the catalogue of evidence states, at the time that it states.

use conformance::named::failed_check;
use std::path::Path;

use backend_baremetal_snp::{Error, LaunchSource, SnpEvidence};
use evidence_dstack::wire::Attestation;
use evidence_snp::read_certificates;
pub(crate) use lab::vectors::root as vectors;
use serde_bytes::ByteBuf;

use crate::scene::{judge_real, june_2026};

/// One real report with its certificate, and the time at which it is to be verified.
pub(crate) struct Vector {
    pub(crate) evidence: SnpEvidence,
    pub(crate) report_data: [u8; 64],
    pub(crate) at: u64,
}

impl Vector {
    pub(crate) fn read(folder: &Path, certificate: &str) -> Self {
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let meta: serde_json::Value = serde_json::from_slice(&read("meta.json")).unwrap();
        let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
        let at = humantime::parse_rfc3339(&at).unwrap();
        let report = read("report.bin");
        Self {
            report_data: report[0x50..0x90].try_into().unwrap(),
            evidence: SnpEvidence::new(report, read_certificates(&[read(certificate)]).unwrap()),
            at: at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
        }
    }

    pub(crate) fn verdict(&self) -> String {
        failed_check(judge_real(&self.evidence, self.report_data, self.at))
    }
}

/// Folder, certificate, verdict.
pub(crate) const VERDICTS: &[(&str, &str, &str)] = &[
    ("snp/milan-v2-virtee", "vcek.der", "accepted"),
    ("snp/milan-v2-debug-policy-gosevguest", "vcek.der", "no-debug"),
    ("snp/milan-v2-azure-raw-trustee", "vcek.der", "accepted"),
    ("snp/milan-v2-azure-raw-trustee", "vcek-invalid-legacy.der", "chain-validity"),
    ("snp/milan-v2-azure-raw-trustee", "vcek-invalid-new.der", "vek-extensions"),
    ("snp/milan-v3-dstack-e2e", "vcek.der", "accepted"),
    ("snp/bergamo-siena-v5-attestation-rs", "vcek.der", "accepted"),
    ("snp/turin-v5-oak", "vcek.der", "accepted"),
    ("snp/milan-ms-aci", "vcek.der", "accepted"),
    ("snp/genoa-ms-aci", "vcek.der", "accepted"),
    ("snp/genoa-v3-veraison-tsm", "vcek.der", "accepted"),
    ("snp/milan-v2-vmpl1-gcp", "vcek.der", "vmpl"),
    ("aws/vlek-v2-useast2-2024-trustee-history", "vlek.der", "signing-key"),
    ("aws/vlek-v3-useast2-2025-trustee", "vlek.der", "signing-key"),
    ("aws/vlek-v5-useast2-2026-geoar", "vlek.der", "signing-key"),
];

#[test]
fn every_real_report_gives_its_stated_verdict() {
    let Some(root) = vectors("every_real_report_gives_its_stated_verdict") else { return };
    for (folder, certificate, verdict) in VERDICTS {
        let vector = Vector::read(&root.join(folder), certificate);
        assert_eq!(vector.verdict(), *verdict, "{folder} with {certificate}");
    }
}

/// One of the two tampered certificates starts after the report's stated time: later it fails by its signature.
#[test]
fn a_tampered_certificate_fails_by_its_signature() {
    let Some(root) = vectors("a_tampered_certificate_fails_by_its_signature") else { return };
    let mut vector = Vector::read(&root.join("snp/milan-v2-azure-raw-trustee"), "vcek-invalid-legacy.der");
    vector.at = june_2026();
    assert_eq!(vector.verdict(), "chain-signatures");
}

#[test]
fn every_real_report_is_refused_outside_of_its_certificates_validity() {
    let Some(root) = vectors("every_real_report_is_refused_outside_of_its_certificates_validity") else {
        return;
    };
    for (folder, certificate, _) in VERDICTS.iter().filter(|(.., verdict)| *verdict == "accepted") {
        let mut vector = Vector::read(&root.join(folder), certificate);
        let window = evidence_x509::Certificate::parse(&vector.evidence.certificates[0]).unwrap().window();
        for at in [window.not_before, window.not_after] {
            vector.at = at;
            assert_eq!(vector.verdict(), "accepted", "{folder} at {at}");
        }
        for at in [window.not_before - 1, window.not_after + 1] {
            vector.at = at;
            assert_eq!(vector.verdict(), "chain-validity", "{folder} at {at}");
        }
    }
}

#[test]
fn one_chip_s_certificate_is_not_another_s() {
    let Some(root) = vectors("one_chip_s_certificate_is_not_another_s") else { return };
    let mut vector = Vector::read(&root.join("snp/milan-v3-dstack-e2e"), "vcek.der");
    let other = Vector::read(&root.join("snp/milan-ms-aci"), "vcek.der");
    vector.evidence.certificates = other.evidence.certificates;
    assert_eq!(vector.verdict(), "vek-tcb");
    let genoa = Vector::read(&root.join("snp/genoa-ms-aci"), "vcek.der");
    vector.evidence.certificates = genoa.evidence.certificates;
    assert_eq!(vector.verdict(), "cpuid-product");
}

/// 2026-06-18T01:05:04Z.
const DSTACK_AT: u64 = 1_781_744_704;

fn dstack(root: &Path) -> (SnpEvidence, [u8; 64]) {
    let bytes = std::fs::read(root.join("dstack/sev-snp-attestation.json")).unwrap();
    let attestation = Attestation::decode(&bytes).unwrap();
    (SnpEvidence::from_dstack(&attestation).unwrap(), attestation.report_data)
}

#[test]
fn dstack_s_own_capture_binds_its_identity() {
    let Some(root) = vectors("dstack_s_own_capture_binds_its_identity") else { return };
    let (evidence, challenge) = dstack(&root);
    let result = judge_real(&evidence, challenge, DSTACK_AT).unwrap();
    let info = result.boot_info.unwrap();
    let expected = [
        ("app id", hex::encode(info.app_id), "86e59625be93207bc2351c4d1bba20037cec8e16"),
        ("instance id", hex::encode(info.instance_id.unwrap()), "d378c00e65112c4235bfeb46c6a0f98fd02145a3"),
        (
            "mr_system",
            hex::encode(info.mr_system),
            "ebf2076a74c394bd8c68ac10f341dd24e0d80f0411bbeb43f062e2b658309054",
        ),
        (
            "mr_aggregated",
            hex::encode(info.mr_aggregated),
            "c7a8e492fcd0167c76f3c64ff20d96648403020f80b38e9384a7432077e4a7a7",
        ),
        (
            "device id",
            hex::encode(info.device_id),
            "310f86e9970d2b625f8a1024f05ea59d540743de63e9017c8c4c0f50a14a10a6",
        ),
    ];
    for (what, found, stated) in expected {
        assert_eq!(found, stated, "{what}");
    }
    let compose = hex::encode(info.compose_hash);
    assert!(compose.starts_with("86e59625") && compose.ends_with("657b7a23"));
    assert!(hex::encode(info.os_image_hash).starts_with("f69c8e50"));
    assert_eq!(info.tcb_status, "OutOfDate");
    assert!(String::from_utf8(info.key_provider_info).unwrap().starts_with(r#"{"name":"kms","id":"3059"#));
    assert_eq!(result.cpu.notes["acpi"].split(':').next(), Some("unmeasured"));
}

/// The older schema of the same launch: no image's documents, so that no image hash is bound.
#[test]
fn dstack_s_older_configuration_binds_no_image() {
    let Some(root) = vectors("dstack_s_older_configuration_binds_no_image") else { return };
    let bytes = std::fs::read(root.join("dstack/sev_snp_attestation.bin")).unwrap();
    let attestation = Attestation::decode(&bytes).unwrap();
    let mut evidence = SnpEvidence::from_dstack(&attestation).unwrap();
    evidence.certificates = read_certificates(&[
        std::fs::read(root.join("dstack/sev_snp_vcek.pem")).unwrap(),
        std::fs::read(root.join("dstack/sev_snp_ask.pem")).unwrap(),
    ])
    .unwrap()
    .into_iter()
    .map(ByteBuf::from)
    .collect();
    let result = judge_real(&evidence, attestation.report_data, DSTACK_AT).unwrap();
    assert!(result.cpu.ledger.passed(backend_baremetal_snp::bind_checks::LAUNCH_MEASUREMENT));
    assert!(result.cpu.identity.get(backend_api::Field::OsImageHash).is_none());
    assert!(result.boot_info.is_none());
}

#[test]
fn one_byte_changed_in_dstack_s_capture_names_its_check() {
    let Some(root) = vectors("one_byte_changed_in_dstack_s_capture_names_its_check") else { return };
    let (good, challenge) = dstack(&root);
    type Change = fn(&mut SnpEvidence);
    fn document(evidence: &mut SnpEvidence) -> &mut [u8] {
        match &mut evidence.launch.as_mut().unwrap().source {
            LaunchSource::Image(documents) => documents.measurement.as_mut(),
            _ => panic!("the capture has an image's documents"),
        }
    }
    fn flip(bytes: &mut [u8], needle: &[u8]) {
        let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        bytes[at + needle.len() + 4] ^= 1;
    }
    let changes: [(&str, Change, &str); 7] = [
        ("kernel hash", |evidence| flip(document(evidence), b"kernel_hash"), "image-documents"),
        ("command line", |evidence| flip(document(evidence), b"console="), "image-documents"),
        (
            "mr_config",
            |evidence| {
                let document = evidence.mr_config.as_mut().unwrap();
                *document = document.replacen("86e5", "86e4", 1);
            },
            "host-data-document",
        ),
        ("vcpus", |evidence| evidence.launch.as_mut().unwrap().vcpus += 1, "launch-measurement"),
        ("report", |evidence| evidence.report[0x90] ^= 1, "report-signature"),
        ("certificate", |evidence| evidence.certificates[1][900] ^= 1, "chain-signatures"),
        (
            "a listed image with another kernel",
            |evidence| {
                flip(document(evidence), b"kernel_hash");
                let hash = evidence_dstack::image::os_image_hash(document(evidence));
                if let LaunchSource::Image(documents) = &mut evidence.launch.as_mut().unwrap().source {
                    let line = format!("{}  measurement.snp.cbor\n", hex::encode(hash));
                    documents.checksum_file = ByteBuf::from(line);
                }
            },
            "launch-measurement",
        ),
    ];
    for (what, change, check) in changes {
        let mut evidence = good.clone();
        change(&mut evidence);
        assert_eq!(failed_check(judge_real(&evidence, challenge, DSTACK_AT)), check, "{what}");
    }
}

#[test]
fn the_other_platforms_of_dstack_are_not_sev_snp() {
    let Some(root) = vectors("the_other_platforms_of_dstack_are_not_sev_snp") else { return };
    for file in ["simulator-attestation.bin", "nitro_attestation.bin"] {
        let attestation =
            Attestation::decode(&std::fs::read(root.join("dstack").join(file)).unwrap()).unwrap();
        assert!(matches!(SnpEvidence::from_dstack(&attestation), Err(Error::NotSevSnp(_))));
    }
}
