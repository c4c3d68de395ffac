//! dstack's own capture of a bare-metal guest, through the command line.

use std::{fs, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::{Envelope, Evidence};
use backend_baremetal_snp::{ImageDocuments, LaunchSource, MEDIA_TYPE, SnpEvidence};

use evidence_dstack::{snp_measurement::SnpMeasurement, wire::Attestation};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Run, attest, attest_with_input, policies, vectors};

const AT: &str = "2026-06-18T01:05:04Z";
const MEASUREMENT: &str =
    "7f51e17f72a04d5422cb2c00998166536019a217376f3aa45a630e59c805a599847ff250dbffcd07e1ba639771d6f05d";

/// The capture, imported by the command.
struct Imported {
    directory: TempDir,
    challenge: String,
    evidence: SnpEvidence,
}

impl Imported {
    fn new(test: &str) -> Option<Self> {
        let source = vectors(test)?.join("dstack/sev-snp-attestation.json");
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("evidence.cbor");
        let run = attest(["import", "dstack", path(&source), "-o", path(&target)]).expect(0);
        assert!(run.text().contains("nothing in it is verified"));
        let attestation = Attestation::decode(&fs::read(&source).unwrap()).unwrap();
        let envelope = Envelope::decode(&fs::read(&target).unwrap()).unwrap();
        let evidence = SnpEvidence::decode(envelope.cpu.bytes()).unwrap();
        Some(Self { directory, challenge: hex::encode(attestation.report_data), evidence })
    }

    /// Verifies a file at the time of the capture, under the policy for archives, with more arguments.
    fn verify(&self, file: &str, more: &[&str]) -> Run {
        let policy = policies().join("archived-evidence.toml");
        self.verify_under_default(file, &[&["--policy", path(&policy)], more].concat())
    }

    fn verify_under_default(&self, file: &str, more: &[&str]) -> Run {
        let file = self.directory.path().join(file);
        let common =
            ["verify", path(&file), "--accept", "baremetal-snp", "--challenge", &self.challenge, "--at", AT];
        attest([&common, more].concat())
    }

    /// Verifies a changed copy.
    fn verify_changed(&self, change: impl FnOnce(&mut SnpEvidence)) -> Run {
        let mut evidence = self.evidence.clone();
        change(&mut evidence);
        assert_ne!(evidence, self.evidence);
        let envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, evidence.encode()));
        fs::write(self.directory.path().join("changed.cbor"), envelope.encode_cbor()).unwrap();
        self.verify("changed.cbor", &[])
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn documents(evidence: &mut SnpEvidence) -> &mut ImageDocuments {
    match &mut evidence.launch.as_mut().unwrap().source {
        LaunchSource::Image(documents) => documents,
        other => panic!("{other:?}"),
    }
}

/// Changes the image's measurement document, and lists the changed one in its checksum file.
fn remeasure(evidence: &mut SnpEvidence, change: impl FnOnce(&mut SnpMeasurement)) {
    let documents = documents(evidence);
    let mut measurement = SnpMeasurement::parse(&documents.measurement).unwrap();
    change(&mut measurement);
    documents.measurement = measurement.encode().into();
    let hash = digest(&SHA256, &documents.measurement);
    documents.checksum_file = format!("{}  measurement.snp.cbor\n", hex::encode(hash)).into_bytes().into();
}

#[test]
fn the_capture_is_accepted_and_its_identity_printed() {
    let Some(imported) = Imported::new("the_capture_is_accepted_and_its_identity_printed") else { return };
    let text = imported.verify("evidence.cbor", &[]).expect(0).text();
    assert!(text.starts_with(&format!("accepted, as of {AT}\n")), "{text}");
    let line = |start: &str, part: &str| {
        let found = text.lines().any(|line| line.trim_start().starts_with(start) && line.contains(part));
        assert!(found, "no line {start} with {part} in\n{text}");
    };
    line("backend ", "baremetal-snp");
    line("product ", "Milan");
    line("tcb status ", "OutOfDate");
    line("measurement ", MEASUREMENT);
    line("app-id  ", "  86e59625be93207bc2351c4d1bba20037cec8e16");
    line("app-id  ", "  host-data  ");
    line("compose-hash  ", "86e59625be93207bc2351c4d1bba20037cec8e168da6b18f559af5af657b7a23");
    line("instance-id  ", "d378c00e65112c4235bfeb46c6a0f98fd02145a3");
    line("mr-system  ", "ebf2076a74c394bd8c68ac10f341dd24e0d80f0411bbeb43f062e2b658309054");
    line("mr-aggregated  ", "c7a8e492fcd0167c76f3c64ff20d96648403020f80b38e9384a7432077e4a7a7");
    line("os-image-hash  ", "launch-measurement");
    line("rootfs-hash  ", "measured-command-line");
    line("key-provider  ", "{\"name\":\"kms\"");
    line("launch-measurement  ", "passed");
    line("crl-current  ", "not performed: no current revocation list of ARK-Milan");
    line("acpi ", "unmeasured");
    line("report -> launch inputs", "tee-hardware");
}

#[test]
fn json_says_the_same() {
    let Some(imported) = Imported::new("json_says_the_same") else { return };
    let json = imported.verify("evidence.cbor", &["--json"]).expect(0).json();
    assert_eq!(json["verdict"], "accepted");
    assert_eq!(json["cpu"]["claims"]["measurement"], MEASUREMENT);
    let app_id = &json["cpu"]["identity"]["app-id"];
    assert_eq!(app_id["value"], "86e59625be93207bc2351c4d1bba20037cec8e16");
    assert_eq!(app_id["lane"], "host-data");

    let refused = imported.verify_under_default("evidence.cbor", &["--json"]).complains(1, "crl-current");
    let json = refused.json();
    assert_eq!(json["verdict"], "refused");
    assert_eq!(json["check"], "crl-current");
    assert_eq!(json["fault"], "endorser");
}

#[test]
fn the_default_policy_wants_to_know_of_revocation() {
    let Some(imported) = Imported::new("the_default_policy_wants_to_know_of_revocation") else { return };
    let run =
        imported.verify_under_default("evidence.cbor", &[]).complains(1, "baremetal-snp: crl-current: ");
    assert!(run.text().starts_with("refused\n"));
    assert!(run.text().contains("of the endorser"));
}

#[test]
fn one_changed_byte_is_refused_by_name() {
    let Some(imported) = Imported::new("one_changed_byte_is_refused_by_name") else { return };
    let refused = |check: &str, change: &dyn Fn(&mut SnpEvidence)| {
        let run = imported.verify_changed(change).complains(1, &format!("error: baremetal-snp: {check}: "));
        assert!(run.text().contains(&format!("failed check  {check}\n")), "{}", run.text());
    };
    refused("launch-measurement", &|evidence| remeasure(evidence, |image| image.kernel_hash[0] ^= 1));
    refused("launch-measurement", &|evidence| {
        remeasure(evidence, |image| image.cmdline = image.cmdline.replace("panic=1", "panic=0"));
    });
    refused("launch-measurement", &|evidence| evidence.launch.as_mut().unwrap().vcpus += 1);
    refused("appended-cmdline", &|evidence| {
        evidence.launch.as_mut().unwrap().append = Some("init=/bin/sh".to_owned());
    });
    refused("image-documents", &|evidence| {
        let mut image = SnpMeasurement::parse(&documents(evidence).measurement).unwrap();
        image.kernel_hash[0] ^= 1;
        documents(evidence).measurement = image.encode().into();
    });
    refused("host-data-document", &|evidence| {
        let document = evidence.mr_config.as_mut().unwrap();
        *document = document.replacen("86e5", "86e6", 1);
    });
    refused("report-signature", &|evidence| evidence.report[0x90] ^= 1);
    refused("chain-signatures", &|evidence| {
        *evidence.certificates[1].last_mut().unwrap() ^= 1;
    });
    refused("measurement-known", &|evidence| evidence.launch = None);
}

#[test]
fn what_the_relying_party_asks_for_counts() {
    let Some(imported) = Imported::new("what_the_relying_party_asks_for_counts") else { return };
    let verify = |more: &[&str]| imported.verify("evidence.cbor", more);
    let listed = verify(&["--measurement", MEASUREMENT]).expect(0);
    assert!(listed.text().contains("report -> reference value"), "{}", listed.text());
    verify(&["--measurement", &"00".repeat(48)]).complains(1, "measurement-listed: ");
    verify(&["--require-check", "launch-measurement"]).expect(0);
    verify(&["--require-check", "crl-current"])
        .complains(1, "required-checks: policy requires the check crl-current");
    let other = "00".repeat(64);
    let file = imported.directory.path().join("evidence.cbor");
    attest([
        "verify",
        path(&file),
        "--accept",
        "baremetal-snp",
        "--challenge",
        &other,
        "--at",
        AT,
        "--policy",
        path(&policies().join("archived-evidence.toml")),
    ])
    .complains(1, "report-data: REPORT_DATA is not what was expected");
}

#[test]
fn every_form_of_the_attestation_is_imported_alike() {
    let Some(imported) = Imported::new("every_form_of_the_attestation_is_imported_alike") else { return };
    let directory = imported.directory.path();
    let expected = fs::read(directory.join("evidence.cbor")).unwrap();
    let source = vectors("").unwrap().join("dstack/sev-snp-attestation.json");
    let attestation = Attestation::decode(&fs::read(&source).unwrap()).unwrap();
    let v0 = attestation.encode_v0().unwrap();
    let v1 = attestation.encode_v1().unwrap();
    let forms = [
        ("v0", v0.clone()),
        ("v1", v1.clone()),
        ("v0.hex", hex::encode(&v0).into_bytes()),
        ("v1.hex", {
            let mut text = format!("0x{}\n", hex::encode_upper(&v1));
            text.insert(0, '\n');
            text.into_bytes()
        }),
    ];
    for (name, bytes) in forms {
        let file = directory.join(name);
        fs::write(&file, &bytes).unwrap();
        let run = attest(["import", "dstack", path(&file), "-o", "-"]).expect(0);
        assert_eq!(run.stdout, expected, "{name}");
        let run = attest_with_input(["import", "dstack", "-", "-o", "-"], &bytes).expect(0);
        assert_eq!(run.stdout, expected, "{name} from standard input");
        fs::write(&file, &bytes[..bytes.len() - 2]).unwrap();
        let target = directory.join("none");
        attest(["import", "dstack", path(&file), "-o", path(&target)]).expect(1);
        assert!(!target.exists());
    }
    let file = vectors("").unwrap().join("dstack/nitro_attestation.bin");
    attest(["import", "dstack", path(&file), "-o", "-"]).complains(1, "dstack-nitro-enclave");

    let json = directory.join("evidence.json");
    let bin = path(&source);
    attest(["import", "dstack", bin, "-o", path(&json), "--json-envelope"]).expect(0);
    imported.verify("evidence.json", &[]).expect(0);
}

#[test]
fn certificates_may_come_as_endorsements() {
    let Some(imported) = Imported::new("certificates_may_come_as_endorsements") else { return };
    let directory = imported.directory.path();
    let source = vectors("").unwrap().join("dstack");
    let bare = directory.join("bare.cbor");
    // The same guest's attestation without its certificates.
    let binary = source.join("sev_snp_attestation.bin");
    attest(["import", "dstack", path(&binary), "-o", path(&bare)]).expect(0);
    imported.verify("bare.cbor", &[]).complains(1, "vek-present: ");
    let endorsements = directory.join("endorsements");
    fs::create_dir(&endorsements).unwrap();
    for name in ["sev_snp_vcek.pem", "sev_snp_ask.pem"] {
        fs::copy(source.join(name), endorsements.join(name)).unwrap();
    }
    let with = ["--endorsements", path(&endorsements)];
    imported.verify("bare.cbor", &with).expect(0);
}

#[test]
fn inspection_shows_it_unverified() {
    let Some(imported) = Imported::new("inspection_shows_it_unverified") else { return };
    let file = imported.directory.path().join("evidence.cbor");
    let text = attest(["inspect", path(&file)]).expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    for part in ["SEV-VCEK", "2033-06-17T01:05:04Z", "dstack.rootfs_hash=", "\"app_id\"", MEASUREMENT] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json: Value = attest(["inspect", path(&file), "--json"]).expect(0).json();
    assert_eq!(json["unverified"], true);
    assert_eq!(json["cpu"]["report"]["report-data"], imported.challenge.as_str());
    assert_eq!(json["cpu"]["certificates"][1]["subject"], "SEV-VCEK");
}
