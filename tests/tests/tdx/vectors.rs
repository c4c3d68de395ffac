//! Real guests, through the whole pipeline: each gives the verdict that the catalogue of evidence states.

use std::{fs, path::Path, sync::Arc, time::Duration};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, Field, OfflineBundle, UnixTime,
};
use backend_tdx::{ID, MEDIA_TYPE, TdxEvidence};
use evidence_dstack::wire::Attestation;
use evidence_tdx::Quote;
use evidence_x509::Certificate;
pub(crate) use lab::vectors::root as vectors;
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_json::Value;

/// The collateral in a file of `dcap-qvl`'s layout.
pub(crate) fn collateral(file: &Path) -> Endorsements {
    let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let text = |key: &str| json[key].as_str().unwrap();
    let mut all = Endorsements::new();
    for key in ["tcb_info_issuer_chain", "qe_identity_issuer_chain"] {
        for certificate in Certificate::parse_der_or_pem(text(key).as_bytes()).unwrap() {
            all.add(Endorsement::new(EndorsementKind::Certificate, certificate.der().to_vec()));
        }
    }
    for (member, key) in [("tcbInfo", "tcb_info"), ("enclaveIdentity", "qe_identity")] {
        let (body, signature) = (text(key), text(&format!("{key}_signature")));
        let document = format!(r#"{{"{member}":{body},"signature":"{signature}"}}"#);
        all.add(Endorsement::new(EndorsementKind::Document, document.into_bytes()));
    }
    for key in ["root_ca_crl", "pck_crl"] {
        all.add(Endorsement::new(EndorsementKind::RevocationList, hex::decode(text(key)).unwrap()));
    }
    all
}

/// Intel's answers as files of their own.
fn collateral_files(folder: &Path) -> Endorsements {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let mut all = Endorsements::new();
    for name in ["tcb_signing_chain.pem", "qe_identity_signing_chain.pem"] {
        for certificate in Certificate::parse_der_or_pem(&read(name)).unwrap() {
            all.add(Endorsement::new(EndorsementKind::Certificate, certificate.der().to_vec()));
        }
    }
    for name in ["tcb_info_90c06f000000.json", "tcb_info_50806f000000.json", "td_qe_identity.json"] {
        all.add(Endorsement::new(EndorsementKind::Document, read(name)));
    }
    for name in ["pck_crl_platform.der", "root_ca_crl.der"] {
        all.add(Endorsement::new(EndorsementKind::RevocationList, read(name)));
    }
    all
}

/// The verdict on a real guest, under Intel's own root.
pub(crate) fn judge_real(
    evidence: &TdxEvidence,
    report_data: [u8; 64],
    endorsements: &Endorsements,
    at: &str,
    policy: &str,
) -> backend_api::Result<AttestationResult> {
    let time = humantime::parse_rfc3339(at).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock = Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs())));
    let accepted = Registry::linked().unwrap().accept([ID.as_str()]).unwrap();
    let source = Arc::new(OfflineBundle::new(endorsements.clone()));
    let policy = AppraisalPolicy::from_toml(&format!("version = 1\n{policy}")).unwrap();
    let verifier = Verifier::new(accepted, source, policy).unwrap().with_clock(clock);
    let envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, evidence.encode()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(verifier.verify_envelope(&envelope, &Challenge::new(report_data)))
}

/// A capture of dstack's, as the payload and the challenge that its quote commits to.
fn dstack(file: &Path) -> (TdxEvidence, [u8; 64]) {
    let attestation = Attestation::decode(&fs::read(file).unwrap()).unwrap();
    let evidence = TdxEvidence::from_dstack(&attestation).unwrap();
    let report_data = Quote::parse(&evidence.quote).unwrap().report.report_data;
    (evidence, report_data)
}

/// A policy that knows a guest by its registers.
fn known_by_registers(evidence: &TdxEvidence) -> String {
    let report = Quote::parse(&evidence.quote).unwrap().report;
    format!(
        "[reference-values]\nmeasurements = [\"{}\"]\n[backend.tdx.launch]\nrtmr1 = [\"{}\"]\nrtmr2 = [\"{}\"]\n",
        hex::encode(report.mr_td),
        hex::encode(report.rtmrs[1]),
        hex::encode(report.rtmrs[2])
    )
}

fn field(result: &AttestationResult, field: Field) -> String {
    hex::encode(result.cpu.identity.get(field).unwrap_or_default())
}

#[test]
fn the_lite_guest_is_measured_without_its_image() {
    let Some(root) = vectors("the_lite_guest_is_measured_without_its_image") else { return };
    let intel = collateral_files(&root.join("dstack/collateral"));
    let later = collateral(&root.join("tdx/v4-dstack-lite/collateral.json"));
    for file in ["dstack/tdx-lite-attestation.json", "dstack/tdx-lite-getquote.json"] {
        let (evidence, report_data) = dstack(&root.join(file));
        for (endorsements, at) in [(&intel, "2026-04-15T12:00:00Z"), (&later, "2026-06-08T12:42:41Z")] {
            let result = judge_real(&evidence, report_data, endorsements, at, "").unwrap();
            assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
            for (name, expected) in [
                (Field::MrSystem, "118f754a080ecb8527df65656ee4e7e97b891cf488ad6a38886ff0dbca0c8f70"),
                (Field::MrAggregated, "c758fa624b62536ca77504c4c52745e70880220a178a615a859c52f8b101d2ee"),
                (Field::OsImageHash, "e6f5cfec20c02e7b97baa213d0f718020b55e040172d90ccbcb946d56c8b09db"),
                (Field::AppId, "86b0e55f2fa8e4fb69d890f14f54d5612707646e"),
                (Field::InstanceId, "050bf89570575fe8fab4cb8f0a62a9e64efe8ead"),
            ] {
                assert_eq!(field(&result, name), expected, "{file}");
            }
            for check in ["launch-measurement", "runtime-replay", "mr-config-id", "tcb-level"] {
                assert!(result.cpu.ledger.entries().iter().any(|entry| {
                    entry.check.name() == check && entry.outcome == backend_api::Outcome::Passed
                }));
            }
            assert!(result.boot_info.is_some());
        }
    }
}

#[test]
fn the_legacy_guest_is_known_by_its_registers_and_not_by_lite() {
    let Some(root) = vectors("the_legacy_guest_is_known_by_its_registers_and_not_by_lite") else { return };
    let (evidence, report_data) = dstack(&root.join("dstack/quote-report.json"));
    // FMSPC 90c06f, collateral of February and March 2026.
    let endorsements = collateral(&root.join("tdx/v5-azure-tcb-unmatched/collateral.json"));
    let at = "2026-03-01T00:00:00Z";
    let result =
        judge_real(&evidence, report_data, &endorsements, at, &known_by_registers(&evidence)).unwrap();
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    for (name, expected) in [
        (Field::MrSystem, "e1ae776a1492d4f87937b7e563d265c16300be4aba5d748207587023bb7dbb75"),
        (Field::MrAggregated, "233c659f83048505bb1ef7f105245aa80f5d04e3d096c329da272d7ee13fbf38"),
    ] {
        assert_eq!(field(&result, name), expected);
    }
    assert!(field(&result, Field::AppId).starts_with("3763bc34"));
    assert!(field(&result, Field::InstanceId).starts_with("c3714eb6"));
    // What the application extended after system-ready is no part of the identity.
    let last = evidence.runtime_events.last().unwrap();
    assert_eq!(last.name, "LIUM_MINER_HOTKEY");
    let identity = serde_json::to_string(&result.cpu.identity).unwrap();
    assert!(!identity.contains(&hex::encode(&last.payload)));

    // Nothing explains it by itself; its log names no ACPI files, so that an image's document does not either.
    let refused =
        |evidence: &TdxEvidence| judge_real(evidence, report_data, &endorsements, at, "").unwrap_err();
    assert_eq!(refused(&evidence).check().unwrap().name(), "measurement-known");
    let (lite, _) = dstack(&root.join("dstack/tdx-lite-getquote.json"));
    let with_launch = TdxEvidence { launch: lite.launch, ..evidence };
    let error = refused(&with_launch);
    assert_eq!(error.check().unwrap().name(), "acpi-digests", "{error}");
}

#[test]
fn the_guest_of_the_sdk_is_known_by_its_registers() {
    let Some(root) = vectors("the_guest_of_the_sdk_is_known_by_its_registers") else { return };
    let (evidence, report_data) = dstack(&root.join("dstack/simulator-attestation.bin"));
    assert_eq!(evidence.runtime_events.len(), 9);
    let endorsements = sample("tdx_quote_td15ex_collateral.json");
    let Some(endorsements) = endorsements else { return };
    let at = "2026-10-20T00:00:00Z";
    let result =
        judge_real(&evidence, report_data, &endorsements, at, &known_by_registers(&evidence)).unwrap();
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
}

/// Collateral that the package of `dcap-qvl` carries as a sample, where cargo unpacked it.
fn sample(name: &str) -> Option<Endorsements> {
    let cargo = std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    let sources = fs::read_dir(cargo.join("registry/src")).ok()?;
    let file = sources
        .filter_map(Result::ok)
        .map(|index| index.path().join("dcap-qvl-0.7.1/sample").join(name))
        .find(|file| file.is_file());
    if file.is_none() {
        lab::vectors::skipped("the_guest_of_the_sdk", "the sources of dcap-qvl are not unpacked");
    }
    file.map(|file| collateral(&file))
}
