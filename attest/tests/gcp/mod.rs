//! Google's confidential VMs through the command line: forged guests, and the real halves of some where they are at hand.

mod endorsement;
mod real;

use std::{fs, ops::Deref};

use backend_api::MediaType;
use backend_gcp::{GcpEvidence, SNP_RAW, SNP_V1, TDX_DSTACK, TDX_RAW, TDX_V1};
use evidence_event_log::runtime::RuntimeEvent;
use evidence_tpm::Signature;
use lab::{
    google::{Guest, guest::Parts, guest::Tee},
    tpm::SelectionSpec,
};
use serde_json::{Value, json};

use crate::{
    azure::pem,
    common::{Folder, Run},
};

/// What the guest commits to; the vTPM's quote has the first half.
pub(crate) const CHALLENGE: [u8; 64] = [0xC4; 64];

/// Zeros behind the TD quote as the kernel hands it out.
const PADDING: usize = 60;

/// A forged guest and its files: `report`, `quote`, `signature`, `ecdsa.der`, `pcrs.json`, `all.json`, `values`, `ak`, `chain` (SNP),
/// `ca`, `endorsement`, `log`, `cc-log` (TDX), `events`.
pub(crate) struct Scene {
    folder: Folder,
    tee: &'static str,
    guest: Guest,
    parts: Parts,
}

/// What `import gcp` needs beside the technology, and all that it takes.
const NEEDED: &str =
    "--report $/report --quote $/quote --signature $/signature --pcrs $/pcrs.json --ak-cert $/ak";
const MORE: &str = "--cert $/ca --endorsement $/endorsement --boot-log $/log --events $/events";

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    pub(crate) fn snp() -> Self {
        Self::of(Guest::snp())
    }

    pub(crate) fn tdx() -> Self {
        Self::of(Guest::tdx())
    }

    /// The guest as other tools quote it: every register.
    pub(crate) fn of(mut guest: Guest) -> Self {
        guest.selection =
            SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
        let parts = guest.parts(guest.report(&CHALLENGE), &CHALLENGE[..32]);
        let tee = match guest.tee {
            Tee::Snp(_) => "snp",
            Tee::Tdx(_) => "tdx",
        };
        let scene = Self { folder: Folder::new(), tee, guest, parts };
        let parts = &scene.parts;
        let padding = if tee == "tdx" { PADDING } else { 0 };
        scene.put("report", [&parts.report[..], &vec![0; padding]].concat());
        scene.put("quote", &parts.quote);
        scene.put("signature", &parts.signature);
        scene.put("ecdsa.der", in_der(&parts.signature));
        scene.put("pcrs.json", scene.registers().to_string());
        scene.put("all.json", json!(parts.pcrs.iter().map(hex::encode).collect::<Vec<_>>()).to_string());
        scene.put("values", parts.pcrs.concat());
        scene.put("ak", &parts.ak_certificate);
        let (ca, chain) = parts.certificates.split_last().unwrap();
        scene.put("chain", chain.iter().map(|der| pem(der)).collect::<String>());
        scene.put("ca", ca);
        scene.put("endorsement", &parts.launch_endorsement);
        scene.put("log", &parts.boot_log);
        if let Some(log) = &parts.cc_log {
            scene.put("cc-log", log);
        }
        let event = |event: &lab::events::Event| {
            let version = Default::default();
            RuntimeEvent { name: event.name.clone(), payload: event.payload.clone(), version }.to_line()
        };
        scene.put("events", scene.guest.events.iter().map(event).collect::<String>());
        scene
    }

    /// The registers by number.
    fn registers(&self) -> Value {
        let values = self.parts.pcrs.iter().enumerate();
        values.map(|(pcr, value)| (pcr.to_string(), hex::encode(value))).collect()
    }

    /// Runs `import gcp` for the guest's technology.
    fn import(&self, line: &str) -> Run {
        self.run(&format!("import gcp --tee {} {line}", self.tee))
    }

    pub(crate) fn imported(&self, name: &str) -> (MediaType, GcpEvidence) {
        let envelope = self.envelope(name);
        (envelope.cpu.media_type().clone(), GcpEvidence::decode(envelope.cpu.bytes()).unwrap())
    }

    /// What the parts make.
    fn evidence(&self) -> GcpEvidence {
        let Parts { report, quote, signature, pcrs, ak_certificate, .. } = self.parts.clone();
        let mut evidence = GcpEvidence::new(report, quote, signature, pcrs, ak_certificate);
        evidence.certificates = self.parts.certificates.iter().map(|der| der.clone().into()).collect();
        evidence.launch_endorsement = Some(self.parts.launch_endorsement.clone().into());
        evidence.boot_log = Some(self.parts.boot_log.clone().into());
        evidence.cc_log = self.parts.cc_log.clone().map(Into::into);
        let logged = |event: &lab::events::Event| evidence_event_log::runtime::LoggedEvent {
            name: event.name.clone(),
            payload: event.payload.clone().into(),
            version: event.version,
        };
        evidence.runtime_events = self.guest.events.iter().map(logged).collect();
        evidence
    }
}

/// Ecdsa-Sig-Value of an ECDSA signature as a TPM writes it.
fn in_der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let sign: &[u8] = if number[0] & 0x80 == 0 { &[] } else { &[0] };
        let value = [sign, number].concat();
        [&[2, u8::try_from(value.len()).unwrap()], &value[..]].concat()
    };
    let numbers = [integer(&signature[6..38]), integer(&signature[40..72])].concat();
    [&[0x30, u8::try_from(numbers.len()).unwrap()], &numbers[..]].concat()
}

#[test]
fn parts_of_a_guest_on_snp_are_imported() {
    let scene = Scene::snp();
    let all = format!("{NEEDED} --cert $/chain {MORE}");
    let text = scene.import(&format!("{all} -o $/evidence")).expect(0).text();
    for part in
        ["nothing in it is verified", "technology  ", "SEV-SNP\n", "registers", "  24\n", "gcp-snp.raw"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("zeros cut"), "{text}");
    assert_eq!(scene.imported("evidence"), (SNP_RAW, scene.evidence()));

    // The same from other forms of the parts.
    let written = scene.read("evidence");
    scene.put("ak.pem", pem(&scene.parts.ak_certificate));
    for (part, other) in [
        ("$/signature", "$/ecdsa.der"),
        ("$/pcrs.json", "$/all.json"),
        ("$/pcrs.json", "$/values"),
        ("--ak-cert $/ak", "--ak-cert $/ak.pem"),
    ] {
        let line = format!("{} -o -", all.replacen(part, other, 1));
        assert_eq!(scene.import(&line).expect(0).stdout, written, "{other}");
    }
    scene.put("number", [7; 256]);
    scene.import(&format!("{} -o $/other", NEEDED.replace("$/signature", "$/number"))).expect(0);
    assert_eq!(scene.imported("other").1.signature, Signature::rsassa_sha256(&[7; 256]).unwrap());

    scene.import(&format!("{NEEDED} --profile v1 -o $/other")).expect(0);
    assert_eq!(scene.imported("other").0, SNP_V1);
    let json = scene.import(&format!("{NEEDED} -o $/other --json")).expect(0).json();
    assert_eq!((&json["launch-endorsement"], &json["certificates"]), (&false.into(), &0.into()));
    assert_eq!(json["unverified-report-data"], hex::encode(CHALLENGE));
    assert_eq!(json["unverified-extra-data"], hex::encode(&CHALLENGE[..32]));
    let run = scene.import(&format!("{NEEDED} --profile dstack -o $/none"));
    run.complains(2, "--profile dstack is not there for SEV-SNP");
    assert!(!scene.path().join("none").exists());
}

/// What the kernel hands out has zeros behind the TD quote, and dstack's vTPM quotes the hash of all of it.
#[test]
fn parts_of_a_guest_on_tdx_are_imported() {
    let scene = Scene::tdx();
    let all = format!("{NEEDED} {MORE} --cc-log $/cc-log");
    let padded = scene.read("report");
    for (profile, media_type, cut) in
        [("raw", TDX_RAW, Some(PADDING)), ("v1", TDX_V1, Some(PADDING)), ("dstack", TDX_DSTACK, None)]
    {
        let run = scene.import(&format!("{all} --profile {profile} -o $/evidence --json"));
        assert_eq!(run.expect(0).json()["zeros-cut"], json!(cut), "{profile}");
        let mut expected = scene.evidence();
        if cut.is_none() {
            expected.report = padded.clone().into();
        }
        assert_eq!(scene.imported("evidence"), (media_type, expected), "{profile}");
    }
}

#[test]
fn the_registers_that_were_quoted_are_taken() {
    let mut guest = Guest::snp();
    guest.selection = SelectionSpec::sha256(&[14, 4, 11]);
    let parts = guest.parts(guest.report(&CHALLENGE), &[]);
    let scene = Scene::snp();
    scene.put("quote", &parts.quote);
    let expected: Vec<Vec<u8>> = [4, 11, 14].map(|pcr| guest.pcr(pcr).to_vec()).to_vec();
    scene.put("values", expected.concat());
    for file in ["pcrs.json", "values"] {
        scene.import(&format!("{} -o $/evidence", NEEDED.replace("pcrs.json", file))).expect(0);
        assert_eq!(scene.imported("evidence").1.pcrs, expected);
    }
    scene.put("values", &expected.concat()[1..]);
    let run = scene.import(&format!("{} -o $/none", NEEDED.replace("pcrs.json", "values")));
    run.complains(2, "is not UTF-8 text");
}

#[test]
fn a_forged_guest_is_shown_and_refused_under_the_vendors_roots() {
    for (scene, more, check) in [
        (Scene::snp(), "--cert $/chain", "chain-signatures"),
        (Scene::tdx(), "--cc-log $/cc-log", "root-pinned"),
    ] {
        scene.import(&format!("{NEEDED} {MORE} {more} -o $/evidence")).expect(0);
        let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
        assert_eq!(cpu["quote"]["extra-data"], hex::encode(&CHALLENGE[..32]));
        assert_eq!(cpu["instance"]["project-id"], "lab-project");
        assert_eq!(cpu["launch-endorsement"]["sev-snp"]["svn"], 2);
        assert_eq!(cpu["pcrs"].as_array().unwrap().len(), 24);
        assert!(!cpu.to_string().contains("malformed"), "{cpu}");
        let text = scene.run("inspect $/evidence").expect(0).text();
        assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");

        fs::create_dir(scene.path().join("endorsements")).unwrap();
        if scene.tee == "tdx" {
            let collateral = lab::intel::TdGuest::new().collateral();
            scene.put("endorsements/all.json", collateral.dcap_qvl_json());
        }
        scene.put("policy.toml", "version = 1\ndanger-accept-asserted = true\n[backend.gcp.raw]\n");
        let run = scene.run(&format!(
            "verify $/evidence --accept gcp --challenge {} --at 2026-06-01T00:00:00Z --endorsements $/endorsements --policy $/policy.toml",
            hex::encode(CHALLENGE)
        ));
        run.complains(1, &format!("error: gcp: {check}: "));
    }
}

#[test]
fn parts_that_are_none_are_named() {
    let scene = Scene::snp();
    let td = Scene::tdx();
    let parts = scene.parts.clone();
    let registers = scene.registers().to_string();
    let changed = |bytes: &[u8], at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let mut unselecting = Guest::snp();
    unselecting.selection = SelectionSpec { pcrs: Vec::new(), ..SelectionSpec::sha256(&[]) };
    let unselecting = unselecting.parts(parts.report.clone(), &[]).quote;
    let ak_two = format!("{0}{0}", pem(&parts.ak_certificate));
    let events = scene.read("events");
    let cases: &[(&Scene, &str, &str, Vec<u8>, &str)] = &[
        (&scene, "report", "", parts.report[..1183].to_vec(), "report has 1183 bytes, expected 1184"),
        (&scene, "report", "", [&parts.report[..], b"\0"].concat(), "report has 1185 bytes, expected 1184"),
        (&td, "report", "", td.parts.report[..600].to_vec(), "quote ends within its"),
        (&td, "report", "", parts.report.clone(), "quote"),
        (&td, "report", "", [&td.parts.report[..], &[0, 1]].concat(), "2 bytes after the end, expected none"),
        (&scene, "quote", "", Vec::new(), "the magic number"),
        (&scene, "quote", "", [&parts.quote[..], b"x"].concat(), "its end, found more bytes"),
        (&scene, "quote", "", unselecting, "expected registers of sha256 alone"),
        (&scene, "signature", "", Vec::new(), "or an ECDSA signature in DER, found 0 bytes"),
        (&scene, "signature", "", [&parts.signature[..], b"x"].concat(), "found 73 bytes"),
        (
            &scene,
            "signature",
            "",
            [&in_der(&parts.signature)[..], b"x"].concat(),
            "ECDSA signature in DER, found",
        ),
        (
            &scene,
            "pcrs.json",
            "",
            registers.replacen("\"1\":", "\"24\":", 1).into(),
            "from 0 to 23, found \"24\"",
        ),
        (&scene, "pcrs.json", "", b"{\"0\":\"00\"}".to_vec(), "64 hex digits as the value of register 0"),
        (&scene, "pcrs.json", "", b"{}".to_vec(), "register 0, which the quote selects, found none"),
        (&scene, "pcrs.json", "", b"[]".to_vec(), "a list of 24 registers, found 0"),
        (&scene, "ak", "", Vec::new(), "certificate"),
        (&scene, "ak", "", [&parts.ak_certificate[..], b"\0\x01"].concat(), "else than zeros follows it"),
        (&scene, "ak", "", ak_two.into_bytes(), "one certificate of the attestation key, found 2"),
        (&scene, "ak", "", [&parts.ak_certificate[..], &[0; 4096]].concat(), "at most 4096 are read"),
        (&scene, "ca", "--cert $/ca", b"x".to_vec(), "expected one DER certificate"),
        (&scene, "endorsement", "--endorsement $/endorsement", b"x".to_vec(), "endorsement"),
        (
            &scene,
            "endorsement",
            "--endorsement $/endorsement",
            parts.launch_endorsement[..400].to_vec(),
            "endorsement",
        ),
        (&scene, "endorsement", "--endorsement $/endorsement", vec![0; 65_537], "at most 65536"),
        (&scene, "log", "--boot-log $/log", b"x".to_vec(), "log"),
        (&td, "cc-log", "--cc-log $/cc-log", b"x".to_vec(), "log"),
        (
            &scene,
            "log",
            "--cc-log $/log",
            parts.boot_log.clone(),
            "has a log of a TD's registers, expected none",
        ),
        (&scene, "events", "--events $/events", b"{}\n".to_vec(), "line 1: an event as this log writes it"),
        (&scene, "events", "--events $/events", changed(&events, 0, b'['), "line 1: an event"),
        (&scene, "events", "--events $/events", events[..events.len() - 1].to_vec(), "a newline at the end"),
    ];
    for (scene, name, more, bytes, problem) in cases {
        let bad = format!("bad-{name}");
        scene.put(&bad, bytes);
        let line = format!("{NEEDED} {more} -o $/none").replace(&format!("$/{name} "), &format!("$/{bad} "));
        assert!(line.contains("bad-"), "{line}");
        let run = scene.import(&line).complains(1, problem);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("/{bad}\"")) || bad == "bad-ak", "{}", run.stderr);
        assert!(!scene.path().join("none").exists(), "{line}");
    }
    let many = "--cert $/ca ".repeat(17);
    scene.import(&format!("{NEEDED} {many} -o $/none")).complains(1, "expected a list of at most 16 entries");
}

#[test]
fn files_of_parts_are_bounded_and_regular() {
    let scene = Scene::tdx();
    fs::File::create(scene.path().join("huge")).unwrap().set_len((16 << 20) + 1).unwrap();
    fs::create_dir(scene.path().join("folder")).unwrap();
    for (file, problem) in
        [("missing", "not found"), ("folder", "not a regular file"), ("huge", "more than 16777216 bytes")]
    {
        for part in ["report", "quote", "signature", "pcrs.json", "ak"] {
            let line = format!("{NEEDED} -o $/none").replace(&format!("$/{part} "), &format!("$/{file} "));
            let run = scene.import(&line).complains(2, problem);
            assert!(run.stderr.contains(&format!("/{file}\"")), "{}", run.stderr);
        }
        for option in ["cert", "endorsement", "boot-log", "cc-log", "events"] {
            scene.import(&format!("{NEEDED} --{option} $/{file} -o $/none")).complains(2, problem);
        }
    }
    assert!(!scene.path().join("none").exists());
}
