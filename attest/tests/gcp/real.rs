//! Halves of real VMs of Google's, each imported beside a half of the lab's. Under the vendors' own roots the lab's is refused; with its
//! roots beside them, all is judged.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::{
    AttestationBackend, Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, OfflineBundle,
    TrustAnchors, UnixTime,
};
use backend_gcp::{Error, Gcp, ID, firmware};
use evidence_event_log::Bank;
use evidence_x509::Certificate;
use lab::{
    google::{Guest, Hierarchy},
    tpm::{AttestSpec, SelectionSpec, ecdsa_p256},
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_json::Value;

use super::{CHALLENGE, Scene};
use crate::common::vectors;

/// A folder of the catalogue.
struct Capture(PathBuf);

impl Capture {
    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.join(file)).unwrap()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&self.read(file)).unwrap()
    }

    fn at(&self) -> String {
        self.json("meta.json")["verify_at"].as_str().unwrap().to_owned()
    }
}

/// `import`, and `verify` under the vendors' own roots, which must refuse the lab's half by `check`.
fn import(scene: &Scene, tee: &str, more: &str, policy: &str, at: &str, check: &str) {
    let line = "--report $/report --quote $/quote --signature $/signature --pcrs $/pcrs --ak-cert $/ak";
    scene.run(&format!("import gcp --tee {tee} {line} {more} -o $/evidence")).expect(0);
    let text = scene.run("inspect $/evidence").expect(0).text();
    assert!(!text.contains("malformed"), "{text}");
    scene.put("policy.toml", policy);
    let run = scene.run(&format!(
        "verify $/evidence --accept gcp --challenge {} --at {at} --endorsements $/endorsements --policy $/policy.toml",
        "00".repeat(64)
    ));
    run.complains(1, &format!("error: gcp: {check}: "));
}

/// Judges what was imported, with these of the lab's roots in the place of the vendors' of the same names.
fn judge(
    scene: &Scene,
    policy: &str,
    at: &str,
    lab: &[(String, [u8; 32])],
    endorsements: Endorsements,
) -> backend_api::Result<AttestationResult> {
    let at = humantime::parse_rfc3339(at).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let clock = Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(at)));
    let source = Arc::new(OfflineBundle::new(endorsements));
    let policy = AppraisalPolicy::from_toml(policy)?;
    let verifier =
        Verifier::new(Registry::linked()?.accept([ID.as_str()])?, source, policy)?.with_clock(clock);
    let mut anchors: TrustAnchors = (Gcp::default().descriptor().trust_anchors)();
    anchors.0.retain(|vendor| lab.iter().all(|(subject, _)| *subject != vendor.subject));
    anchors.0.extend(TrustAnchors::from_iter(lab.to_vec()).0);
    let verifier = verifier.danger_replace_trust_anchors(ID, anchors)?;
    let envelope = scene.read("evidence");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(verifier.verify_envelope(&Envelope::decode(&envelope).unwrap(), &Challenge::new([0; 64])))
}

/// What Google says in the lab, and what Intel says in the scene's folder of endorsements.
fn all_endorsements(scene: &Scene) -> Endorsements {
    let of_lab = Guest::snp().endorsements().into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes));
    let mut all: Endorsements = of_lab.collect();
    for file in fs::read_dir(scene.path().join("endorsements")).unwrap() {
        let json: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        let text = |key: &str| json[key].as_str().unwrap();
        for chain in ["tcb_info_issuer_chain", "qe_identity_issuer_chain"] {
            for certificate in Certificate::parse_der_or_pem(text(chain).as_bytes()).unwrap() {
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
    }
    all
}

/// A TD of Google's beside a vTPM of the lab's, in dstack's form: the zeros that the kernel put behind the quote are part of what the
/// vTPM's quote commits to.
#[test]
fn a_td_beside_a_vtpm_of_the_lab() {
    let Some(root) = vectors("a_td_beside_a_vtpm_of_the_lab") else { return };
    let capture = Capture(root.join("gcp/tdx-v4-flashbots"));
    let expected = |key: &str| capture.json("meta.json")["expected"][key].as_str().unwrap().to_owned();
    let outblob = capture.read("quote_outblob_8000.bin");
    let scene = Scene::tdx();
    let mut guest = Guest::tdx();
    guest.ak_spec.not_before = lab::time::utc_day(2025, 1, 1);
    let pcr0 = firmware::pcr0(2, firmware::Technology::Tdx, Bank::Sha256);
    let pcrs: BTreeMap<u8, Vec<u8>> = [(0, pcr0), (2, vec![0; 32]), (14, vec![0; 32])].into();
    let values: Vec<Vec<u8>> = pcrs.values().cloned().collect();
    let mut quote = AttestSpec::new(vec![0, 0x0B], SelectionSpec::sha256(&[0, 2, 14]), &values);
    quote.extra_data = digest(&SHA256, &outblob).as_ref().to_vec();
    let quote = quote.bytes();
    scene.put("report", &outblob);
    scene.put("quote", &quote);
    scene.put("signature", ecdsa_p256(&guest.ak, &quote));
    scene.put("pcrs", values.concat());
    scene.put("ak", guest.ak_certificate());
    fs::create_dir(scene.path().join("endorsements")).unwrap();
    scene.put("endorsements/collateral.json", capture.read("collateral.json"));

    let policy = format!(
        "version = 1\n[backend.gcp]\nlaunch.measurements = [\"{}\"]\n[[backend.gcp.launch.images]]\nrtmr1 = [\"{}\"]\nrtmr2 = [\"{}\"]\n",
        expected("mrtd"),
        expected("rtmr1"),
        expected("rtmr2")
    );
    let at = capture.at();
    let dstack = "--profile dstack --cert $/ca";
    // Intel's half holds under Intel's own roots.
    import(&scene, "tdx", dstack, &policy, &at, "ak-certificate-path");
    let all = all_endorsements(&scene);
    let pins = Hierarchy::new().pins();
    let result = judge(&scene, &policy, &at, &pins, all.clone()).unwrap();
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    assert_eq!(result.cpu.claims.measurement, expected("mrtd"));

    // Without the zeros it is another tool's evidence, and no dstack's.
    scene.put("report", capture.read("quote.bin"));
    import(&scene, "tdx", dstack, &policy, &at, "ak-certificate-path");
    let error = judge(&scene, &policy, &at, &pins, all).unwrap_err();
    assert_eq!(error.check().unwrap().name(), "tpm-extra-data");
}

/// A vTPM of Google's beside a report of the lab's. It says that its VM runs on SEV, and so that the report is of another.
#[test]
fn a_vtpm_beside_a_report_of_the_lab() {
    let Some(root) = vectors("a_vtpm_beside_a_report_of_the_lab") else { return };
    let capture = Capture(root.join("gcp/vtpm-snp-host-vaportpm"));
    let fixture = capture.json("fixture.json");
    let scene = Scene::snp();
    let chain = Certificate::parse_der_or_pem(&capture.read("ak_chain.pem")).unwrap();
    let [ak, above @ ..] = &chain[..] else { panic!("certificates") };
    scene.put("quote", capture.read("quote.msg"));
    scene.put("signature", capture.read("quote.sig.der"));
    scene.put("pcrs", fixture["pcrs"]["sha256"].to_string());
    scene.put("ak", ak.der());
    scene.put("above", above.iter().map(|it| crate::azure::pem(it.der())).collect::<String>());
    fs::create_dir(scene.path().join("endorsements")).unwrap();

    let nonce = fixture["nonce"].as_str().unwrap();
    let policy = format!(
        "version = 1\ndanger-accept-asserted = true\n[backend.gcp]\nlaunch.measurements = [\"{}\"]\n\
         instance.danger-accept-unknown-revocation = true\n\
         [backend.gcp.raw]\nreport-data = \"{}\"\nextra-data = \"{nonce}\"\n",
        "02".repeat(48),
        hex::encode(CHALLENGE)
    );
    let at = capture.at();
    import(&scene, "snp", "--cert $/chain --cert $/above", &policy, &at, "chain-signatures");
    let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
    assert_eq!(cpu["ak-certificate"]["subject"], capture.json("meta.json")["expected"]["ak_subject"]);
    assert_eq!(cpu["quote"]["extra-data"], nonce);

    let guest = Guest::snp();
    let mut of_lab = guest.pins();
    // Google's own root of attestation keys stays.
    of_lab.retain(|(subject, _)| !subject.contains("EK/AK"));
    let lists = guest.endorsements().into_iter().filter(|(kind, _)| *kind == EndorsementKind::RevocationList);
    // Without the list of the lab's root, which has the name of Google's.
    let lists: Endorsements = lists.skip(1).map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
    let error = judge(&scene, &policy, &at, &of_lab, lists.clone()).unwrap_err();
    assert_eq!(error.check().unwrap().name(), "vtpm-technology");
    let other = Error::OtherTechnology { expected: "SEV-SNP", found: "SEV" };
    assert_eq!(error.detail::<Error>(), Some(&other));
    let other = policy.replace(nonce, &"4e".repeat(32));
    let error = judge(&scene, &other, &at, &of_lab, lists).unwrap_err();
    assert_eq!(error.check().unwrap().name(), "tpm-extra-data");
}
