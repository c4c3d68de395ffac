//! Azure's confidential VMs through the command line: forged guests, and real ones where they are at hand.

mod coco;
mod real;

use std::{fs, ops::Deref};

use backend_api::Envelope;
use backend_azure::{AzureEvidence, Profile, Tee, media_type};
use lab::{
    azure::{Guest, guest, guest::Parts},
    tpm::SelectionSpec,
};
use serde_json::{Value, json};

use crate::common::Folder;

/// 48 bytes and 16 zeros: extraData leaves the zeros out.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| if index < 48 { 0xC4 } else { 0 })
}

/// A forged guest and its files: `hcl`, `quote`, `signature`, `number`, `pcrs.json`, `all.json`, `ak`, `chain` (SNP), `ca`, `td-quote`
/// (TDX), `log`.
pub(crate) struct Scene {
    folder: Folder,
    pub(crate) tee: Tee,
    pub(crate) parts: Parts,
}

/// What `import azure` needs, and all that it takes.
const NEEDED: &str =
    "import azure --hcl-report $/hcl --quote $/quote --signature $/signature --pcrs $/pcrs.json";
const MORE: &str = "--ak-cert $/ak --vcek $/chain --certificate $/ca --event-log $/log";

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

    /// The guest as other tools quote it: every register, and no runtime events.
    pub(crate) fn of(mut guest: Guest) -> Self {
        guest.events.clear();
        guest.selection =
            SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
        let parts = guest.parts(|_| challenge()[..48].to_vec());
        let tee = match guest.tee {
            guest::Tee::Snp(_) => Tee::Snp,
            guest::Tee::Tdx(_) => Tee::Tdx,
        };
        let scene = Self { folder: Folder::new(), tee, parts };
        let parts = &scene.parts;
        scene.put("hcl", &parts.hcl_report);
        scene.put("quote", &parts.quote);
        scene.put("signature", &parts.signature);
        scene.put("number", &parts.signature[6..]);
        scene.put("pcrs.json", scene.registers().to_string());
        scene.put("all.json", json!(parts.pcrs.iter().map(hex::encode).collect::<Vec<_>>()).to_string());
        scene.put("ak", &parts.ak_certificate);
        let (ca, chain) = parts.certificates.split_last().unwrap();
        scene.put("chain", chain.iter().map(|der| pem(der)).collect::<String>());
        scene.put("ca", ca);
        scene.put("log", &parts.boot_log);
        if let Some(quote) = &parts.td_quote {
            scene.put("td-quote", [&quote[..], &[0; 60]].concat());
        }
        scene
    }

    /// The registers by number.
    fn registers(&self) -> Value {
        let values = self.parts.pcrs.iter().enumerate();
        values.map(|(pcr, value)| (pcr.to_string(), hex::encode(value))).collect()
    }

    pub(crate) fn imported(&self, name: &str) -> (backend_api::MediaType, AzureEvidence) {
        let envelope = self.envelope(name);
        (envelope.cpu.media_type().clone(), AzureEvidence::decode(envelope.cpu.bytes()).unwrap())
    }

    /// What the parts make.
    pub(crate) fn evidence(&self) -> AzureEvidence {
        let Parts { hcl_report, td_quote, quote, signature, pcrs, ak_certificate, certificates, boot_log } =
            self.parts.clone();
        let mut evidence = AzureEvidence::new(hcl_report, quote, signature, pcrs);
        evidence.td_quote = td_quote.map(Into::into);
        evidence.ak_certificate = Some(ak_certificate.into());
        evidence.certificates = certificates.into_iter().map(Into::into).collect();
        evidence.boot_log = Some(boot_log.into());
        evidence
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der).unwrap()
}

#[test]
fn parts_of_a_guest_on_snp_are_imported() {
    let scene = Scene::snp();
    let text = scene.run(&format!("{NEEDED} {MORE} -o $/evidence")).expect(0).text();
    for part in
        ["nothing in it is verified", "technology  ", "SEV-SNP\n", "registers", "  24\n", "azure-snp.coco"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("zeros cut"), "{text}");
    let expected = (media_type(Tee::Snp, Profile::Coco), scene.evidence());
    assert_eq!(scene.imported("evidence"), expected);
    // Zeros at the end of the report are kept.
    assert_eq!(expected.1.hcl_report.len(), 2600);

    // The same from other forms of the parts.
    let numbers = NEEDED.replace("$/signature", "$/number").replace("pcrs.json", "all.json");
    let written = scene.read("evidence");
    assert_eq!(scene.run(&format!("{numbers} {MORE} -o -")).expect(0).stdout, written);
    let der = without_padding(&scene.parts.ak_certificate);
    scene.put("ak.pem", pem(der));
    scene.run(&format!("{NEEDED} --ak-cert $/ak.pem -o $/other")).expect(0);
    assert_eq!(scene.imported("other").1.ak_certificate.unwrap(), der);
    for (profile, expected) in [("v1", Profile::V1), ("coco", Profile::Coco), ("raw", Profile::Raw)] {
        scene.run(&format!("{NEEDED} --profile {profile} -o $/other")).expect(0);
        assert_eq!(scene.imported("other").0, media_type(Tee::Snp, expected));
    }
    let json = scene.run(&format!("{NEEDED} -o $/other --json")).expect(0).json();
    assert_eq!((&json["ak-certificate"], &json["certificates"]), (&false.into(), &0.into()));
    assert_eq!(json["unverified-extra-data"], hex::encode(&challenge()[..48]));
    let json = scene.run(&format!("{NEEDED} -o - --json-envelope")).expect(0).stdout;
    assert_eq!(Envelope::decode(&json).unwrap().cpu.media_type(), &media_type(Tee::Snp, Profile::Coco));
}

#[test]
fn parts_of_a_guest_on_tdx_are_imported() {
    let scene = Scene::tdx();
    let line = format!("{NEEDED} --ak-cert $/ak --certificate $/ca --event-log $/log --td-quote $/td-quote");
    let text = scene.run(&format!("{line} -o $/evidence")).expect(0).text();
    assert!(text.contains("zeros cut after the TD quote") && text.contains("  60\n"), "{text}");
    assert_eq!(scene.imported("evidence"), (media_type(Tee::Tdx, Profile::Coco), scene.evidence()));
}

#[test]
fn the_registers_that_were_quoted_are_taken() {
    let mut guest = Guest::snp();
    guest.selection = SelectionSpec::sha256(&[14, 4, 11]);
    let parts = guest.parts(|_| Vec::new());
    let scene = Scene::snp();
    scene.put("quote", &parts.quote);
    scene.put("signature", &parts.signature);
    let value = |pcr: u8| hex::encode(guest.pcr(pcr));
    let object = |pcrs: &[u8]| pcrs.iter().map(|pcr| (pcr.to_string(), value(*pcr))).collect::<Value>();
    scene.put("pcrs.json", object(&[4, 9, 11, 14]).to_string());
    scene.run(&format!("{NEEDED} -o $/evidence")).expect(0);
    let expected: Vec<Vec<u8>> = [4, 11, 14].map(|pcr| guest.pcr(pcr).to_vec()).to_vec();
    assert_eq!(scene.imported("evidence").1.pcrs, expected);
    scene.put("pcrs.json", object(&[4, 9, 14]).to_string());
    scene.run(&format!("{NEEDED} -o $/none")).complains(1, "register 11, which the quote selects");
}

#[test]
fn a_forged_guest_is_shown_and_refused_under_the_vendors_roots() {
    for (scene, more, roots, check) in [
        (Scene::snp(), MORE.to_owned(), "snp", "chain-signatures"),
        (
            Scene::tdx(),
            "--ak-cert $/ak --certificate $/ca --td-quote $/td-quote".to_owned(),
            "tdx",
            "root-pinned",
        ),
    ] {
        scene.run(&format!("{NEEDED} {more} -o $/evidence")).expect(0);
        let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
        assert_eq!(cpu["hcl-report"]["technology"], scene.tee.name(), "{roots}");
        assert_eq!(cpu["quote"]["extra-data"], hex::encode(&challenge()[..48]));
        assert_eq!(cpu["runtime-data"]["vm-configuration"]["tpm-enabled"], true);
        assert_eq!(cpu["ak-certificate"]["subject"], "353c6d9a70bc.ConfidentialVM.Azure.windows.net");
        assert_eq!(cpu["pcrs"].as_array().unwrap().len(), 24);
        let text = scene.run("inspect $/evidence").expect(0).text();
        assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");

        fs::create_dir(scene.path().join("endorsements")).unwrap();
        scene.put("endorsements/root.der", lab::azure::Hierarchy::new().root());
        if scene.tee == Tee::Tdx {
            let collateral = lab::intel::TdGuest::new().collateral();
            scene.put("endorsements/all.json", collateral.dcap_qvl_json());
        }
        let run = scene.run(&format!(
            "verify $/evidence --accept azure --challenge {} --at 2026-06-01T00:00:00Z --endorsements $/endorsements",
            hex::encode(challenge())
        ));
        run.complains(1, &format!("error: azure: {check}: "));
    }
}

/// The certificate without what the TPM has behind it.
fn without_padding(bytes: &[u8]) -> &[u8] {
    &bytes[..4 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))]
}

#[test]
fn parts_that_are_none_are_named() {
    let scene = Scene::snp();
    let parts = scene.parts.clone();
    let changed = |bytes: &[u8], at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let registers = scene.registers().to_string();
    let empty = SelectionSpec { pcrs: Vec::new(), ..SelectionSpec::sha256(&[]) };
    let mut unselecting = Guest::snp();
    unselecting.selection = empty;
    let unselecting = unselecting.parts(|_| Vec::new()).quote;
    let ak_two = format!("{0}{0}", pem(without_padding(&parts.ak_certificate)));
    let td_quote = Scene::tdx().parts.td_quote.unwrap();
    let cases: &[(&str, &str, Vec<u8>, &str)] = &[
        ("hcl", "", Vec::new(), "does not begin with HCLA"),
        ("hcl", "", parts.hcl_report[..1000].to_vec(), "1184 bytes of a processor's report"),
        ("hcl", "", changed(&parts.hcl_report, 2599, 1), "nothing but zeros behind the runtime data"),
        ("hcl", "", changed(&parts.hcl_report, 4, 3), "version 3, expected 1 or 2"),
        ("hcl", "", changed(&parts.hcl_report, 1224, 3), "type 3, expected 2 (SEV-SNP) or 4 (TDX)"),
        ("hcl", "", changed(&parts.hcl_report, 1224, 4), "evidence of TDX has no TD quote, expected one"),
        ("hcl", "", [&parts.hcl_report[..], &[0; 1497]].concat(), "size 4097, at most 4096"),
        ("quote", "", Vec::new(), "the magic number"),
        ("quote", "", changed(&parts.quote, 0, 0), "ff544347"),
        ("quote", "", [&parts.quote[..], b"x"].concat(), "its end, found more bytes"),
        ("quote", "", unselecting, "expected registers of sha256 alone"),
        (
            "signature",
            "",
            Vec::new(),
            "expected TPMT_SIGNATURE, an RSASSA signature of 256 bytes, or an ECDSA signature in DER, found 0",
        ),
        ("signature", "", parts.signature[6..261].to_vec(), "found 255 bytes"),
        ("signature", "", [&parts.signature[..], b"x"].concat(), "found 263 bytes"),
        ("pcrs.json", "", b"{".to_vec(), "well-formed json expected"),
        ("pcrs.json", "", registers.replacen("\"1\":", "\"0\":", 1).into(), "found \"0\" twice"),
        ("pcrs.json", "", registers.replacen("\"1\":", "\"24\":", 1).into(), "from 0 to 23, found \"24\""),
        ("pcrs.json", "", registers.replacen("\"1\":", "\"01\":", 1).into(), "from 0 to 23, found \"01\""),
        ("pcrs.json", "", b"{\"0\":\"00\"}".to_vec(), "64 hex digits as the value of register 0"),
        ("pcrs.json", "", b"{}".to_vec(), "register 0, which the quote selects, found none"),
        ("pcrs.json", "", b"[]".to_vec(), "a list of 24 registers, found 0"),
        ("pcrs.json", "", b"\"\"".to_vec(), "an object of register numbers and hex"),
        ("ak", "--ak-cert $/ak", Vec::new(), "certificate"),
        ("ak", "--ak-cert $/ak", changed(&parts.ak_certificate, 4095, 1), "else than zeros follows it"),
        ("ak", "--ak-cert $/ak", parts.ak_certificate[..200].to_vec(), "ends before its sequence does"),
        ("ak", "--ak-cert $/ak", ak_two.into_bytes(), "one certificate of the attestation key, found 2"),
        ("ak", "--ak-cert $/ak", [&parts.ak_certificate[..], b"\0"].concat(), "size 4097, at most 4096"),
        ("chain", "--vcek $/chain", b"x".to_vec(), "expected one DER certificate"),
        ("ca", "--certificate $/ca", b"-----BEGIN ".to_vec(), "PEM"),
        ("td", "--td-quote $/td", td_quote.clone(), "evidence of SEV-SNP has a TD quote, expected none"),
        ("td", "--td-quote $/td", td_quote[..600].to_vec(), "quote ends within its"),
        ("log", "--event-log $/log", b"x".to_vec(), "log"),
    ];
    for (name, more, bytes, problem) in cases {
        let name = format!("bad-{name}");
        scene.put(&name, bytes);
        let old = format!("$/{}", name.trim_start_matches("bad-"));
        let line = format!("{NEEDED} {more} -o $/none").replace(&format!("{old} "), &format!("$/{name} "));
        assert!(line.contains("bad-"), "{line}");
        let run = scene.run(&line).complains(1, problem);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(!scene.path().join("none").exists(), "{line}");
    }
    let many = "--vcek $/ca ".repeat(17);
    scene.run(&format!("{NEEDED} {many} -o $/none")).complains(1, "expected a list of at most 16 entries");
}

#[test]
fn files_of_parts_are_bounded_and_regular() {
    let scene = Scene::snp();
    fs::File::create(scene.path().join("huge")).unwrap().set_len((16 << 20) + 1).unwrap();
    fs::create_dir(scene.path().join("folder")).unwrap();
    for (file, problem) in
        [("missing", "not found"), ("folder", "not a regular file"), ("huge", "more than 16777216 bytes")]
    {
        for part in ["hcl", "quote", "signature", "pcrs.json"] {
            let line = NEEDED.replace(&format!("$/{part}"), &format!("$/{file}"));
            let run = scene.run(&format!("{line} -o $/none")).complains(2, problem);
            assert!(run.stderr.contains(&format!("/{file}\"")), "{}", run.stderr);
        }
        for option in ["ak-cert", "vcek", "certificate", "td-quote", "event-log"] {
            scene.run(&format!("{NEEDED} --{option} $/{file} -o $/none")).complains(2, problem);
        }
    }
    scene.put("pcrs.json", b"\xff");
    scene.run(&format!("{NEEDED} -o $/none")).complains(2, "is not UTF-8 text");
    assert!(!scene.path().join("none").exists());
}
