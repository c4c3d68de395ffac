//! AWS's confidential VMs through the command line: forged guests, and real halves where they are at hand.

mod real;

use std::{fs, ops::Deref, path::Path, process::Command};

use backend_api::MediaType;
use backend_aws::{AwsEvidence, Profile, media_type};
use evidence_event_log::runtime::{LoggedEvent, RuntimeEvent};
use lab::{
    amd::{CertTable, FirmwareSpec, guid},
    aws::{Guest, guest::Parts},
};

use crate::common::Folder;

/// What the guest commits to.
const CHALLENGE: [u8; 64] = [0xC4; 64];

/// A forged guest and its files: `report`, `document`, `vlek`, `table`, `log`, `events`, and `crl/` of what AMD says.
struct Scene {
    folder: Folder,
    guest: Guest,
    parts: Parts,
}

/// All that `import aws` takes, and the same with a table in the place of the certificate.
const ALL: &str =
    "import aws --report $/report --document $/document --cert $/vlek --boot-log $/log --events $/events";
const BY_TABLE: &str = "import aws --report $/report --document $/document --cert-table $/table --boot-log $/log --events $/events";

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    fn new() -> Self {
        let guest = Guest::new();
        let parts = guest.v1_parts(&CHALLENGE);
        let scene = Self { folder: Folder::new(), guest, parts };
        let parts = &scene.parts;
        scene.put("report", &parts.report);
        scene.put("document", &parts.document);
        scene.put("vlek", &parts.certificates[0]);
        scene.put("table", CertTable::default().with(guid::VLEK, &parts.certificates[0]).bytes());
        scene.put("log", &parts.boot_log);
        let event = |event: &lab::events::Event| {
            let version = Default::default();
            RuntimeEvent { name: event.name.clone(), payload: event.payload.clone(), version }.to_line()
        };
        scene.put("events", scene.guest.events.iter().map(event).collect::<String>());
        fs::create_dir(scene.path().join("crl")).unwrap();
        for (index, (_, bytes)) in scene.guest.endorsements().iter().enumerate() {
            scene.put(&format!("crl/{index}"), bytes);
        }
        scene
    }

    fn imported(&self, name: &str) -> (MediaType, AwsEvidence) {
        let envelope = self.envelope(name);
        (envelope.cpu.media_type().clone(), AwsEvidence::decode(envelope.cpu.bytes()).unwrap())
    }

    /// What the parts make.
    fn evidence(&self) -> AwsEvidence {
        let Parts { report, document, certificates, boot_log } = self.parts.clone();
        let logged = |event: &lab::events::Event| LoggedEvent {
            name: event.name.clone(),
            payload: event.payload.clone().into(),
            version: event.version,
        };
        AwsEvidence {
            report: Some(report.into()),
            document: Some(document.into()),
            certificates: certificates.into_iter().map(Into::into).collect(),
            boot_log: Some(boot_log.into()),
            runtime_events: self.guest.events.iter().map(logged).collect(),
            ek_public: None,
        }
    }
}

#[test]
fn parts_of_a_guest_are_imported() {
    let scene = Scene::new();
    let text = scene.run(&format!("{ALL} -o $/evidence")).expect(0).text();
    for part in ["nothing in it is verified", "aws-snp.raw", "i-01cfb383223e42522-tpm0000000000000000"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(scene.imported("evidence"), (media_type(Profile::Raw), scene.evidence()));
    let written = scene.read("evidence");
    assert_eq!(scene.run(&format!("{BY_TABLE} -o -")).expect(0).stdout, written);
    let json = scene.run(&format!("{ALL} --profile v1 -o $/evidence --json")).expect(0).json();
    assert_eq!(scene.imported("evidence"), (media_type(Profile::V1), scene.evidence()));
    assert_eq!(json["unverified-user-data"], hex::encode(CHALLENGE));
    assert_eq!((&json["report"], &json["document"]), (&true.into(), &true.into()));

    // One half alone.
    scene.run("import aws --document $/document --profile nitrotpm-only -o $/evidence").expect(0);
    let alone = AwsEvidence { document: scene.evidence().document, ..AwsEvidence::default() };
    assert_eq!(scene.imported("evidence"), (media_type(Profile::NitroTpmOnly), alone));
    scene.run("import aws --report $/report --cert $/vlek -o $/evidence").expect(0);
    let Parts { report, certificates, .. } = scene.parts.clone();
    let certificates = certificates.into_iter().map(Into::into).collect();
    let alone = AwsEvidence { report: Some(report.into()), certificates, ..AwsEvidence::default() };
    assert_eq!(scene.imported("evidence"), (media_type(Profile::Raw), alone));
}

#[test]
fn halves_that_a_profile_does_not_have_are_named() {
    let scene = Scene::new();
    for (halves, problem) in [
        ("--document $/document --profile v1", "--report is missing: evidence of the profile v1 has both"),
        ("--report $/report --profile v1", "--document is missing: evidence of the profile v1 has both"),
        (
            "--report $/report --document $/document --profile nitrotpm-only",
            "--report is given, and evidence of the profile nitrotpm-only has none",
        ),
    ] {
        scene.run(&format!("import aws {halves} -o $/none")).complains(2, problem);
    }
    assert!(!scene.path().join("none").exists());
}

#[test]
fn a_forged_guest_is_shown_and_refused_under_the_vendors_roots() {
    let scene = Scene::new();
    scene.run(&format!("{ALL} --profile v1 -o $/evidence")).expect(0);
    let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
    assert_eq!(cpu["document"]["user-data"], hex::encode(CHALLENGE));
    assert!(!cpu.to_string().contains("malformed"), "{cpu}");
    let text = scene.run("inspect $/evidence").expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    let run = scene.run(&format!(
        "verify $/evidence --accept aws --challenge {} --at 2026-06-01T00:00:00Z --endorsements $/crl",
        hex::encode(CHALLENGE)
    ));
    run.complains(1, "error: aws: nitro-root-pinned: ");
}

#[test]
fn parts_that_are_none_are_named() {
    let scene = Scene::new();
    let parts = scene.parts.clone();
    let mut of_enclave = Guest::new();
    of_enclave.edit_document.push(|document| document.registers = "pcrs".to_owned());
    let events = scene.read("events");
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("report", parts.report[..1183].to_vec(), "report has 1183 bytes, expected 1184"),
        ("report", parts.document.clone(), "expected 1184"),
        ("document", Vec::new(), "document"),
        ("document", parts.document[..parts.document.len() - 1].to_vec(), "document"),
        ("document", [&parts.document[..], b"\0"].concat(), "document"),
        ("document", vec![0; 16 * 1024 + 1], "16384"),
        ("document", of_enclave.document_for(None, None), "Nitro Enclave"),
        ("vlek", b"x".to_vec(), "expected one DER certificate"),
        ("log", b"x".to_vec(), "log"),
        ("events", events[..events.len() - 1].to_vec(), "a newline at the end"),
    ];
    for (name, bytes, problem) in cases {
        let bad = format!("bad-{name}");
        scene.put(&bad, bytes);
        let line = format!("{ALL} -o $/none").replace(&format!("$/{name} "), &format!("$/{bad} "));
        assert!(line.contains("bad-"), "{line}");
        let run = scene.run(&line).complains(1, problem);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("/{bad}\"")), "{}", run.stderr);
    }
    scene.put("bad-table", b"x");
    let line = format!("{BY_TABLE} -o $/none").replace("$/table", "$/bad-table");
    scene.run(&line).complains(1, "certificate table");
    let many = "--cert $/vlek ".repeat(17);
    scene.run(&format!("{ALL} {many} -o $/none")).complains(1, "expected a list of at most 16 entries");

    fs::File::create(scene.path().join("huge")).unwrap().set_len((16 << 20) + 1).unwrap();
    for (file, problem) in
        [("missing", "not found"), ("crl", "not a regular file"), ("huge", "more than 16777216 bytes")]
    {
        for part in ["report", "document", "vlek", "log", "events"] {
            let line = format!("{ALL} -o $/none").replace(&format!("$/{part} "), &format!("$/{file} "));
            let run = scene.run(&line).complains(2, problem);
            assert!(run.stderr.contains(&format!("/{file}\"")), "{}", run.stderr);
        }
        let line = format!("{BY_TABLE} -o $/none").replace("$/table", &format!("$/{file}"));
        scene.run(&line).complains(2, problem);
    }
    assert!(!scene.path().join("none").exists());
}

/// What docs/aws-measurements.md tells people to run makes sections that a policy takes, with the measurements of `attest measure`.
#[test]
fn the_documented_list_of_measurements_is_a_policy() {
    let scene = Scene::new();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/aws-measurements.md");
    let document = fs::read_to_string(document).unwrap();
    let mut blocks = document.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let script = blocks.find(|block| block.contains("for vcpus in")).unwrap();
    scene.put("ovmf_img.fd", FirmwareSpec::without_kernel_hashes().bytes());
    let programs = Path::new(env!("CARGO_BIN_EXE_attest")).parent().unwrap();
    let path = format!("{}:{}", programs.to_str().unwrap(), std::env::var("PATH").unwrap());
    let ended =
        Command::new("sh").args(["-c", script]).env("PATH", path).current_dir(scene.path()).status().unwrap();
    assert!(ended.success());

    let list = fs::read_to_string(scene.path().join("measurements.toml")).unwrap();
    let measured = scene.run("measure snp --vmm ec2 --ovmf $/ovmf_img.fd --vcpus 4").expect(0).text();
    let of_four = list.split("[[backend.aws.launch.measurements]]").nth(2).unwrap();
    assert!(of_four.contains(measured.trim()) && of_four.contains("vcpus = 4\n"), "{list}");
    scene.put("policy.toml", format!("version = 1\n{list}"));
    scene.run(&format!("{ALL} --profile v1 -o $/evidence")).expect(0);
    let run = scene.run(&format!(
        "verify $/evidence --accept aws --challenge {} --at 2026-06-01T00:00:00Z --policy $/policy.toml",
        hex::encode(CHALLENGE)
    ));
    // The policy is read, and the lab is refused.
    run.complains(1, "error: aws: nitro-root-pinned: ");
}
