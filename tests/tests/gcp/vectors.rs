//! Real Evidence of Google's VMs, through the whole pipeline. No capture has both halves: a real one is joined by a forged one, and the
//! profile or the relying party says what ties them. Each gives the verdict that the catalogue of evidence states for the real half.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, MediaType, OfflineBundle,
    Result, TrustAnchors, UnixTime,
};
use backend_gcp::{Error, Gcp, GcpEvidence, ID, SNP_RAW, TDX_DSTACK, TDX_RAW, firmware};
use conformance::named::failed_check;
use evidence_event_log::{Bank, EventLog};
use evidence_tpm::Signature;
use evidence_x509::Certificate;
use lab::{
    google::Guest,
    tpm::{AttestSpec, SelectionSpec, ecdsa_p256},
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_json::Value;

use crate::{payload::payload, scene::Scene};

/// Evidence, and a relying party that trusts the vendors' roots beside the lab's.
struct Real {
    evidence: GcpEvidence,
    media_type: MediaType,
    challenge: [u8; 64],
    endorsements: Endorsements,
    /// Of the lab's roots those that are trusted, in the place of the vendors' of the same names.
    lab: Vec<(String, [u8; 32])>,
    at: u64,
}

impl Real {
    fn judge(&self, policy: &str) -> Result<AttestationResult> {
        let clock = Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(self.at)));
        let accepted = Registry::linked()?.accept([ID.as_str()])?;
        let source = Arc::new(OfflineBundle::new(self.endorsements.clone()));
        let policy =
            AppraisalPolicy::from_toml(&format!("version = 1\ndanger-accept-asserted = true\n{policy}"))?;
        let verifier = Verifier::new(accepted, source, policy)?.with_clock(clock);
        let descriptor = backend_api::AttestationBackend::descriptor(&Gcp::default());
        let mut anchors: TrustAnchors = (descriptor.trust_anchors)();
        anchors.0.retain(|vendor| self.lab.iter().all(|(subject, _)| *subject != vendor.subject));
        anchors.0.extend(TrustAnchors::from_iter(self.lab.clone()).0);
        let verifier = verifier.danger_replace_trust_anchors(ID, anchors)?;
        let envelope = Envelope::of_cpu(Evidence::new(self.media_type.clone(), self.evidence.encode()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(verifier.verify_envelope(&envelope, &Challenge::new(self.challenge)))
    }
}

fn list(der: &[u8]) -> Endorsement {
    Endorsement::new(EndorsementKind::RevocationList, der.to_vec())
}

/// What the lab's vendors say.
fn of_lab(guest: &Guest) -> Endorsements {
    guest.endorsements().into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
}

fn time(meta: &Value) -> u64 {
    let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
    humantime::parse_rfc3339(&at).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The collateral in a file of `dcap-qvl`'s layout.
fn add_collateral(file: &Path, all: &mut Endorsements) {
    let json = json(file);
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

/// The forged half beside a real TD quote: a vTPM of the lab that has these registers of SHA-256 and quotes `extra_data`.
fn beside(report: Vec<u8>, pcrs: &BTreeMap<u8, Vec<u8>>, extra_data: &[u8]) -> GcpEvidence {
    let mut guest = Guest::tdx();
    guest.ak_spec.not_before = lab::time::utc_day(2025, 1, 1);
    let selection = SelectionSpec::sha256(&pcrs.keys().copied().collect::<Vec<_>>());
    let values: Vec<Vec<u8>> = pcrs.values().cloned().collect();
    let mut quote = AttestSpec::new(vec![0, 0x0B], selection, &values);
    quote.extra_data = extra_data.to_vec();
    let quote = quote.bytes();
    let signature = ecdsa_p256(&guest.ak, &quote);
    let mut evidence = GcpEvidence::new(report, quote, signature, values, guest.ak_certificate());
    evidence.certificates = vec![guest.hierarchy.ca().to_vec().into()];
    evidence
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

/// PCR0 of a TD of Google's, and registers that nothing extended.
fn td_pcrs(more: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let pcr0 = firmware::pcr0(2, firmware::Technology::Tdx, Bank::Sha256);
    [(0, pcr0)].into_iter().chain(more.iter().map(|pcr| (*pcr, vec![0; 32]))).collect()
}

fn folder(test: &str, name: &str) -> Option<PathBuf> {
    Some(lab::vectors::root(test)?.join(name))
}

/// A TD of Google's of 2026 with Intel's collateral of that hour: accepted in dstack's form, which is over the 8000 bytes that the kernel
/// handed out, and as another tool's.
#[test]
fn a_td_with_its_collateral() {
    let Some(folder) = folder("a_td_with_its_collateral", "gcp/tdx-v4-flashbots") else { return };
    let meta = json(&folder.join("meta.json"));
    let outblob = fs::read(folder.join("quote_outblob_8000.bin")).unwrap();
    let mut endorsements = of_lab(&Guest::snp());
    add_collateral(&folder.join("collateral.json"), &mut endorsements);
    let expected = |key: &str| meta["expected"][key].as_str().unwrap().to_owned();
    let known = format!(
        "[backend.gcp]\nlaunch.measurements = [\"{}\"]\n[[backend.gcp.launch.images]]\nrtmr1 = [\"{}\"]\nrtmr2 = [\"{}\"]\n",
        expected("mrtd"),
        expected("rtmr1"),
        expected("rtmr2")
    );
    let mut real = Real {
        evidence: beside(outblob.clone(), &td_pcrs(&[2, 14]), &sha256(&outblob)),
        media_type: TDX_DSTACK,
        challenge: [0; 64],
        endorsements,
        lab: Guest::tdx().pins().split_off(1),
        at: time(&meta),
    };
    let result = real.judge(&known).unwrap();
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    assert_eq!(result.cpu.claims.measurement, expected("mrtd"));
    // Google's own endorsement of this firmware is not at hand.
    let without = known.replace(&expected("mrtd"), &"00".repeat(48));
    assert_eq!(failed_check(real.judge(&without)), "launch-endorsement");
    assert_eq!(
        failed_check(real.judge(&known.replace(&expected("rtmr2"), &"00".repeat(48)))),
        "boot-registers"
    );
    // The zeros are part of what is quoted.
    let unpadded = fs::read(folder.join("quote.bin")).unwrap();
    real.evidence.report = unpadded.clone().into();
    assert_eq!(failed_check(real.judge(&known)), "tpm-extra-data");

    real.media_type = TDX_RAW;
    real.evidence = beside(unpadded, &td_pcrs(&[2, 14]), &[0x4E; 32]);
    let raw = format!(
        "{known}[backend.gcp.raw]\nreport-data = \"{}\"\nextra-data = \"{}\"\npcrs = [0, 2, 14]\n",
        expected("report_data"),
        "4e".repeat(32)
    );
    real.judge(&raw).unwrap();
    assert_eq!(failed_check(real.judge(&known)), "transcript-profile");
}

/// A TD of Google's with the log of its registers, whose platform is out of date: refused for that by default, and where the policy takes
/// it the log replays to RTMR0, RTMR1 and RTMR2.
#[test]
fn a_td_with_the_log_of_its_registers() {
    let Some(folder) = folder("a_td_with_the_log_of_its_registers", "tdx/v4-gcp-cos113-ccel") else { return };
    let meta = json(&folder.join("meta.json"));
    let quote = fs::read(folder.join("quote.bin")).unwrap();
    let quote = evidence_tdx::Quote::trim_padding(&quote).unwrap().to_vec();
    let report = evidence_tdx::Quote::parse(&quote).unwrap().report;
    let mut endorsements = of_lab(&Guest::snp());
    add_collateral(&folder.join("collateral.json"), &mut endorsements);
    let mut evidence = beside(quote, &td_pcrs(&[2, 14]), &[0x4E; 32]);
    evidence.cc_log = Some(fs::read(folder.join("ccel_data.dat")).unwrap().into());
    let real = Real {
        evidence,
        media_type: TDX_RAW,
        challenge: [0; 64],
        endorsements,
        lab: Guest::tdx().pins().split_off(1),
        at: time(&meta),
    };
    let [_, rtmr1, rtmr2, _] = report.rtmrs.map(hex::encode);
    let policy = |quote: &str| {
        format!(
            "[backend.gcp]\nlaunch.measurements = [\"{}\"]\n{quote}\n[[backend.gcp.launch.images]]\nrtmr1 = [\"{rtmr1}\"]\nrtmr2 = [\"{rtmr2}\"]\n\
             [backend.gcp.raw]\nreport-data = \"{}\"\nextra-data = \"{}\"\npcrs = [0, 2, 14]\n",
            hex::encode(report.mr_td),
            hex::encode(report.report_data),
            "4e".repeat(32)
        )
    };
    assert_eq!(failed_check(real.judge(&policy(""))), "tcb-accepted");
    let taken = policy("td-quote.accept-tcb-status = [\"UpToDate\", \"OutOfDate\"]");
    let result = real.judge(&taken).unwrap_or_else(|error| panic!("{error}"));
    let links = result.cpu.graph.links().iter();
    assert!(links.clone().any(|link| link.to == "log of the TD's registers"));
    // The same log with one event fewer.
    let mut other = real.evidence.clone();
    let log = other.cc_log.as_mut().unwrap();
    let at = log.len() / 2;
    log[at] ^= 1;
    let other = Real { evidence: other, ..real };
    assert!(["cc-log", "cc-log-replay"].contains(&&*failed_check(other.judge(&taken))));
}

/// A vTPM of Google's, whose key Google certified. It says that the VM runs on SEV, and not on SEV-SNP as its catalogue has it: a report of
/// SEV-SNP does not go with it.
#[test]
fn a_vtpm_with_the_certificate_of_its_key() {
    let Some(folder) = folder("a_vtpm_with_the_certificate_of_its_key", "gcp/vtpm-snp-host-vaportpm") else {
        return;
    };
    let meta = json(&folder.join("meta.json"));
    let fixture = json(&folder.join("fixture.json"));
    let pcrs = |pcr: u8| hex::decode(fixture["pcrs"]["sha256"][pcr.to_string()].as_str().unwrap()).unwrap();
    let chain = Certificate::parse_der_or_pem(&fs::read(folder.join("ak_chain.pem")).unwrap()).unwrap();
    let [ak, intermediate, root] = &chain[..] else { panic!("three certificates") };
    let nonce = fixture["nonce"].as_str().unwrap();
    let guest = Guest::snp();
    let mut evidence = payload(&guest, &[0xC4; 64]);
    evidence.report = guest.report(&[0xC4; 64]).into();
    evidence.quote = fs::read(folder.join("quote.msg")).unwrap().into();
    evidence.signature =
        Signature::ecdsa_sha256(&fs::read(folder.join("quote.sig.der")).unwrap()).unwrap().into();
    evidence.pcrs = (0..24).map(|pcr| pcrs(pcr).into()).collect();
    evidence.ak_certificate = ak.der().to_vec().into();
    evidence.certificates.push(intermediate.der().to_vec().into());
    evidence.certificates.push(root.der().to_vec().into());
    (evidence.boot_log, evidence.runtime_events) = (None, Vec::new());
    // The lab's endorsement was made later: the relying party lists the firmware.
    let policy = format!(
        "[backend.gcp]\nlaunch.measurements = [\"{}\"]\ninstance.danger-accept-unknown-revocation = true\n\
         [backend.gcp.raw]\nreport-data = \"{}\"\nextra-data = \"{nonce}\"\n",
        "02".repeat(48),
        "c4".repeat(64)
    );
    let mut real = Real {
        evidence,
        media_type: SNP_RAW,
        challenge: [0; 64],
        // Without the list of the lab's root, which has the name of Google's.
        endorsements: of_lab(&guest).of(EndorsementKind::RevocationList).skip(1).map(list).collect(),
        lab: guest.pins().into_iter().filter(|(subject, _)| !subject.contains("EK/AK")).collect(),
        at: time(&meta),
    };
    let error = real.judge(&policy).unwrap_err();
    assert_eq!(error.check().unwrap().name(), "vtpm-technology");
    let expected = Error::OtherTechnology { expected: "SEV-SNP", found: "SEV" };
    assert_eq!(error.detail::<Error>(), Some(&expected));
    // All before it holds, and each of it counts.
    assert_eq!(
        failed_check(real.judge(&policy.replace("instance.danger", "# instance.danger"))),
        "gce-authorities-current"
    );
    assert_eq!(failed_check(real.judge(&policy.replace(nonce, &"4e".repeat(32)))), "tpm-extra-data");
    let elsewhere = policy.replace("instance.danger", "instance.projects = [\"another\"]\ninstance.danger");
    assert_eq!(failed_check(real.judge(&elsewhere)), "gce-project");
    real.evidence.pcrs[0][0] ^= 1;
    assert_eq!(failed_check(real.judge(&policy)), "pcr-digest");
}

/// The boot of a guest of dstack's at Google: PCR4 has one boot option and nothing else, PCR2 the image, the kernel in it, and nothing
/// else; the log replays to both.
#[test]
fn the_log_of_a_boot_of_dstack_s() {
    let Some(folder) = folder("the_log_of_a_boot_of_dstack_s", "tpm-eventlog/eventlogs") else { return };
    let bytes = fs::read(folder.join("tpm_eventlog.bin")).unwrap();
    let log = EventLog::parse(&bytes).unwrap();
    let replayed = |pcr: u8| log.replay(pcr.into(), Bank::Sha256).unwrap();
    assert_eq!(firmware::named_by(&replayed(0), Bank::Sha256), Some((2, firmware::Technology::Tdx)));
    // dstack's constants, and what its image documents name.
    assert_eq!(hex::encode(replayed(4)), "7a94ffe8a7729a566d3d3c577fcb4b6b1e671f31540375f80eae6382ab785e35");
    let digests = |pcr: u32| -> Vec<String> {
        log.events_of(pcr).map(|event| hex::encode(event.digest(Bank::Sha256.algorithm()).unwrap())).collect()
    };
    let [separator, _, uki, kernel] = &digests(2)[..] else { panic!("four events") };
    assert_eq!(uki, "9ab14a46f858662a89adc102d2a57a13f52f75c1769d65a4c34edbbfc8855f0f");

    let mut scene = Scene::of(Guest::tdx());
    scene.guest.events.clear();
    for pcr in backend_gcp::V1_PCRS {
        scene.guest.pcrs.push((pcr, replayed(pcr).try_into().unwrap()));
    }
    let mut evidence = scene.payload();
    evidence.boot_log = Some(bytes.clone().into());
    evidence.cc_log = None;
    let image = |last: &str| {
        let values =
            [4, 9, 11].map(|pcr| format!("pcrs.{pcr} = [\"{}\"]", hex::encode(replayed(pcr)))).join("\n");
        format!("{values}\npcrs.2 = {{ events = [\"{separator}\", \"gpt\", \"{uki}\"{last}] }}")
    };
    scene.image = Some(image(&format!(", \"{kernel}\"")));
    scene.judge_by(&scene.verifier().unwrap(), &evidence).unwrap_or_else(|error| panic!("{error}"));
    scene.image = Some(image(""));
    assert_eq!(failed_check(scene.judge_by(&scene.verifier().unwrap(), &evidence)), "boot-registers");
}

/// What PCR0 of Google's VMs names, by logs of several.
#[test]
fn pcr0_of_google_s_vms() {
    use firmware::Technology::{Sev, SevSnp, Tdx};
    let Some(folder) = folder("pcr0_of_google_s_vms", "tpm-eventlog/eventlogs") else { return };
    for (name, expected) in [
        ("ubuntu-2404-amd-sevsnp.bin", Some((2, SevSnp))),
        ("tpm_eventlog.bin", Some((2, Tdx))),
        // Firmware of before this form.
        ("ubuntu-2104-no-secure-boot.bin", None),
        ("rhel8-uefi.bin", None),
    ] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let log = EventLog::parse(&bytes).unwrap();
        let pcr0 = log.replay(0, Bank::Sha256).unwrap();
        let named = firmware::named_by(&pcr0, Bank::Sha256);
        match expected {
            Some(_) => assert_eq!(named, expected, "{name}"),
            None => assert_eq!(named.filter(|(version, _)| *version == 2), None, "{name}"),
        }
        assert_ne!(named.map(|(_, of)| of), Some(Sev), "{name}");
    }
}
