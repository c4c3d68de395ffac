//! Real captures under Intel's own root.

use std::{fs, path::Path};

use backend_tdx::TdxEvidence;
use evidence_dstack::wire::Attestation;
use evidence_tdx::Quote;
use tempfile::TempDir;

use crate::common::{Run, attest, vectors};

/// What one capture is verified with.
struct Capture {
    directory: TempDir,
    challenge: String,
}

impl Capture {
    /// Imports a capture of dstack's by the command.
    fn dstack(file: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("evidence");
        attest(["import", "dstack", path(file), "-o", path(&target)]).expect(0);
        let attestation = Attestation::decode(&fs::read(file).unwrap()).unwrap();
        let quote = TdxEvidence::from_dstack(&attestation).unwrap().quote;
        let challenge = hex::encode(Quote::parse(&quote).unwrap().report.report_data);
        Self { directory, challenge }
    }

    fn verify(&self, collateral: &Path, at: &str, more: &[&str]) -> Run {
        let file = self.directory.path().join("evidence");
        let common = ["verify", path(&file), "--accept", "tdx", "--challenge", &self.challenge, "--at", at];
        attest([&common[..], &["--endorsements", path(collateral)], more].concat())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn dstacks_lite_guest_is_accepted() {
    let Some(root) = vectors("dstacks_lite_guest_is_accepted") else { return };
    // One has Intel's answers as files of their own, the other all of them in one.
    let files = root.join("dstack/collateral");
    let one = tempfile::tempdir().unwrap();
    fs::copy(root.join("tdx/v4-dstack-lite/collateral.json"), one.path().join("all.json")).unwrap();
    for file in ["dstack/tdx-lite-attestation.json", "dstack/tdx-lite-getquote.json"] {
        let capture = Capture::dstack(&root.join(file));
        for (collateral, at) in [(&*files, "2026-04-15T12:00:00Z"), (one.path(), "2026-06-08T12:42:41Z")] {
            let run = capture.verify(collateral, at, &["--require-check", "launch-measurement"]).expect(0);
            assert_eq!(run.stderr, "");
            for part in [
                "e6f5cfec20c02e7b97baa213d0f718020b55e040172d90ccbcb946d56c8b09db",
                "86b0e55f2fa8e4fb69d890f14f54d5612707646e",
                "UpToDate",
            ] {
                assert!(run.text().contains(part), "{part} is not in\n{}", run.text());
            }
        }
        // Later, the same collateral is out of date.
        capture.verify(one.path(), "2026-09-01T00:00:00Z", &[]).complains(1, "error: tdx: ");
    }
}

#[test]
fn every_form_of_dstacks_attestation_is_imported_alike() {
    let Some(root) = vectors("every_form_of_dstacks_attestation_is_imported_alike") else { return };
    let source = root.join("dstack/simulator-attestation.bin");
    let attestation = Attestation::decode(&fs::read(&source).unwrap()).unwrap();
    let expected = attest(["import", "dstack", path(&source), "-o", "-"]).expect(0).stdout;
    let directory = tempfile::tempdir().unwrap();
    let (v0, v1) = (attestation.encode_v0().unwrap(), attestation.encode_v1().unwrap());
    let request = serde_json::json!({ "attestation": hex::encode(&v1) }).to_string().into_bytes();
    for (name, bytes) in
        [("v0", v0.clone()), ("v1", v1), ("hex", hex::encode(v0).into_bytes()), ("json", request)]
    {
        let file = directory.path().join(name);
        fs::write(&file, bytes).unwrap();
        assert_eq!(attest(["import", "dstack", path(&file), "-o", "-"]).expect(0).stdout, expected, "{name}");
    }
    let getquote = root.join("dstack/tdx-lite-getquote.json");
    let json =
        attest(["import", "dstack", path(&getquote), "-o", path(&directory.path().join("e")), "--json"]);
    assert_eq!(json.expect(0).json()["launch-inputs"], true);
}

#[test]
fn a_real_launch_is_measured() {
    let Some(root) = vectors("a_real_launch_is_measured") else { return };
    let file = root.join("dstack/tdx-lite-getquote.json");
    let attestation = Attestation::decode(&fs::read(&file).unwrap()).unwrap();
    let evidence = TdxEvidence::from_dstack(&attestation).unwrap();
    let (report, launch) = (Quote::parse(&evidence.quote).unwrap().report, evidence.launch.unwrap());
    let directory = tempfile::tempdir().unwrap();
    let [document, log] = ["measurement", "log"].map(|name| directory.path().join(name));
    fs::write(&document, &launch.measurement).unwrap();
    let request: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    fs::write(&log, request["event_log"].as_str().unwrap()).unwrap();
    let size = launch.memory_size.to_string();
    let mut line = vec!["measure", "tdx", "--measurement", path(&document), "--memory-size", &size];
    line.extend(["--event-log", path(&log), "--json"]);
    line.extend(launch.two_pass.then_some("--two-pass"));
    let json = attest(line).expect(0).json();
    let [rtmr0, rtmr1, rtmr2, _] = report.rtmrs.map(hex::encode);
    let expected = serde_json::json!({
        "mrtd": hex::encode(report.mr_td), "rtmr0": rtmr0, "rtmr1": rtmr1, "rtmr2": rtmr2,
    });
    assert_eq!(json, expected);
}

#[test]
fn real_quotes_and_logs_can_be_looked_at() {
    let Some(root) = vectors("real_quotes_and_logs_can_be_looked_at") else { return };
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("evidence");
    for (quote, log, fmspc, events) in [
        ("v4-gcp-cos113-ccel/quote.bin", "v4-gcp-cos113-ccel/ccel_data.dat", "00806f050000", 40),
        (
            "v4-attestation-rs-live-ccel/quote.bin",
            "v4-attestation-rs-live-ccel/ccel_live2.bin",
            "b0c06f000000",
            19,
        ),
    ] {
        let [quote, log] = [quote, log].map(|name| root.join("tdx").join(name));
        let import =
            ["import", "tdx", "--quote", path(&quote), "--event-log", path(&log), "-o", path(&target)];
        attest(import).expect(0);
        let cpu = attest(["inspect", path(&target), "--json"]).expect(0).json()["cpu"].take();
        assert_eq!(cpu["fmspc"], fmspc);
        let log = cpu["boot-log"]["events"].as_array().unwrap();
        assert!(log.len() > events, "{}", log.len());
        assert!(log.iter().all(|event| event["digest"].as_str().unwrap().len() == 96));
        assert!(log.iter().any(|event| event["tie"].as_str().unwrap().starts_with("tied")));
    }
    let quote = root.join("tdx/v4-debug-trustee/quote.bin");
    attest(["import", "tdx", "--quote", path(&quote), "-o", path(&target)]).expect(0);
    let report =
        attest(["inspect", path(&target), "--json"]).expect(0).json()["cpu"]["quote"]["td-report"].take();
    assert_eq!(
        (&report["debug"], &report["td-attributes-set"]),
        (&true.into(), &"DEBUG, SEPT_VE_DISABLE".into())
    );
}
