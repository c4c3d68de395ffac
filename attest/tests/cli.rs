//! The command line as its users meet it: the real binary, its output, its exit codes.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws;
mod azure;
mod common;
mod demo;
mod dstack;
mod gcp;
mod guest;
mod nvidia;
mod policies;
mod tdx;

use std::{
    fs::{self, File},
    io::Read,
    ops::Deref,
    process::{Command, Stdio},
};

use backend_api::{Envelope, Evidence, MediaType};
use common::{Folder, attest, attest_with_input, words};
use lab::amd::{FirmwareSpec, Guest, Product};

const CHALLENGE: [u8; 64] = [7; 64];

/// A forged guest and its files: `report`, `vcek`, `chain.pem`, `table`, `mr_config`, `crl/`, and `evidence` of all that.
struct Scene {
    folder: Folder,
    guest: Guest,
}

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    fn new() -> Self {
        let guest = Guest::new(Product::Milan);
        let scene = Self { folder: Folder::new(), guest };
        let guest = &scene.guest;
        scene.put("report", guest.report_for(&CHALLENGE));
        let chain = guest.chain();
        scene.put("vcek", &chain[0]);
        let pem = |der: &[u8]| der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der).unwrap();
        scene.put("chain.pem", format!("{}{}", pem(&chain[1]), pem(&chain[2])));
        scene.put("table", guest.cert_table());
        scene.put("mr_config", &guest.mr_config);
        fs::create_dir(scene.path().join("crl")).unwrap();
        scene.put("crl/milan", guest.crl());
        scene.put("crl/README.md", "# A revocation list");
        scene.put("ovmf.fd", &guest.firmware);
        scene.put("bzImage", &guest.kernel);
        scene.put("initrd", &guest.initrd);
        let import = "import snp --report $/report --cert $/vcek --cert $/chain.pem --mr-config $/mr_config -o $/evidence";
        scene.run(import).expect(0);
        scene
    }

    /// Runs `verify` on a file with a proper challenge, at a time when all of the lab's certificates are valid.
    fn verify(&self, file: &str, more: &str) -> common::Run {
        let challenge = hex::encode(CHALLENGE);
        self.run(&format!(
            "verify $/{file} --accept baremetal-snp --challenge {challenge} --at 2026-06-01T00:00:00Z {more}"
        ))
    }
}

#[test]
fn help_and_version_are_no_errors() {
    assert!(attest(["--help"]).expect(0).text().contains("Exit codes: 0"));
    assert!(attest(["verify", "--help"]).expect(0).text().contains("--challenge"));
    assert!(attest(["--version"]).expect(0).text().starts_with("attest "));
}

#[test]
fn a_wrong_command_line_is_usage() {
    for line in [
        "",
        "nonsense",
        "backends --nonsense",
        "verify",
        "verify x",
        "import",
        "import snp",
        "measure snp",
        "import snp --report x",
        "measure snp --ovmf x --vcpus 1",
        "measure snp --ovmf x --vcpus -1 --vcpu-type EPYC",
        "measure snp --ovmf x --vcpus 1 --vcpu-type nonsense",
        "measure snp --ovmf x --vcpus 1 --vcpu-type EPYC --vmm xen",
        "measure snp --ovmf x --firmware y --vcpus 1 --vcpu-type EPYC",
        "measure snp --firmware x --firmware-only",
        "measure snp --ovmf x --vcpus 1 --vcpu-type EPYC --initrd y",
        "measure snp --ovmf x --vcpus 1 --vcpu-type EPYC --append y",
        "measure snp --ovmf x --vcpus 1 --vcpu-type EPYC --guest-features 1g",
        "import tdx",
        "import tdx --event-log x -o y",
        "import azure",
        "import azure --hcl-report x --quote x --signature x -o y",
        "import azure --hcl-report x --quote x --signature x --pcrs x",
        "import azure --hcl-report x --quote x --signature x --pcrs x --profile nonsense -o y",
        "import coco",
        "import coco x",
        "import aws",
        "import aws -o y",
        "import aws --report x",
        "import aws --report x --profile coco -o y",
        "import gcp",
        "import gcp --tee snp --report x --quote x --signature x --pcrs x -o y",
        "import gcp --tee sev --report x --quote x --signature x --pcrs x --ak-cert x -o y",
        "import gcp --tee tdx --report x --quote x --signature x --pcrs x --ak-cert x --profile coco -o y",
        "endorsement",
        "endorsement show",
        "endorsement verify x",
        "endorsement verify x --tee snp",
        "endorsement verify x --measurement 00",
        "endorsement verify x --tee sev --measurement 00",
        "measure tdx --measurement x --memory-size 2G",
        "measure tdx --measurement x --memory-size 2GB --event-log y",
        "measure tdx --measurement x --memory-size 2G --acpi loader=00 --event-log y",
        "measure tdx --measurement x --memory-size 2G --event-log y --two-pass --qemu-version 9.0.0",
        "measure tdx --measurement x --memory-size 2G --event-log y --qemu-version 7.0.0",
        "measure tdx --measurement x --memory-size 2G --acpi loader=00,rsdp=00,tables=00",
        "detect x",
        "collect -o x",
        "collect --challenge 00",
        "collect --challenge 00 -o x --backend tdx --allow tdx",
        "extend",
        "extend x --backend tdx --allow tdx",
        "demo --backend nonsense",
    ] {
        attest(line.split_whitespace()).expect(2);
    }
    let json = attest(["verify", "x", "--json"]).expect(2).json();
    assert_eq!(json["verdict"], "error");
    assert!(json["message"].as_str().unwrap().contains("--challenge"));
}

#[test]
fn backends_are_listed_with_their_checks() {
    let text = attest(["backends"]).expect(0).text();
    for part in [
        "aws: ",
        "azure: ",
        "baremetal-snp: ",
        "crl-current",
        "gcp: ",
        "gce-launch-endorsed",
        "launch-measurement",
        "tdx: ",
        "RTMR3",
        "build lacks: none",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = attest(["backends", "--json"]).expect(0).json();
    let ids: Vec<&str> =
        json["backends"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["aws", "azure", "baremetal-snp", "gcp", "nvidia", "tdx"]);
    let azure = &json["backends"][1];
    assert_eq!(azure["kinds"].as_array().unwrap().len(), 6);
    assert_eq!(azure["runtime"]["registers"][0]["name"], "PCR14");
    let backend = &json["backends"][2];
    assert_eq!(backend["role"], "cpu");
    assert_eq!(backend["attester"], "present");
    assert_eq!(backend["runtime"]["mechanism"], "none");
    let kind = &backend["kinds"][0];
    assert_eq!(kind["media-type"], "application/vnd.dstack.baremetal-snp.v1+cbor");
    assert_eq!(kind["checks"][0]["check"], "payload");
    assert_eq!(backend["checks"]["bind"][0]["check"], "measurement-known");
    assert_eq!(json["missing-features"], serde_json::json!([]));
}

#[test]
fn a_forgery_is_refused_under_the_vendors_roots() {
    let scene = Scene::new();
    let run = scene.verify("evidence", "--endorsements $/crl");
    let run = run.complains(1, "error: baremetal-snp: chain-signatures: ");
    assert!(run.text().contains("failed check  chain-signatures\n"));
    assert!(run.text().contains("of the attester"));
    assert!(run.stderr.contains("warning: ") && run.stderr.contains("README.md"), "{}", run.stderr);
    let json = scene.verify("evidence", "--json").expect(1).json();
    assert_eq!((&json["verdict"], &json["check"]), (&"refused".into(), &"chain-signatures".into()));
}

#[test]
fn verification_needs_proper_arguments() {
    let scene = Scene::new();
    let challenge = hex::encode(CHALLENGE);
    let run = scene.run(&format!("verify $/evidence --challenge {challenge}"));
    run.complains(2, "--accept is missing")
        .complains(2, "linked: aws, azure, baremetal-snp, gcp, nvidia, tdx");
    let run =
        scene.run(&format!("verify $/evidence --challenge {challenge} --accept baremetal-snp,nonsense"));
    run.complains(2, "\"nonsense\" is not linked (linked: aws, azure, baremetal-snp, gcp, nvidia, tdx)");
    for wrong in ["00", &challenge[1..], &format!("{challenge}00"), &challenge.replace("07", "0x")] {
        let run = scene.run(&format!("verify $/evidence --accept baremetal-snp --challenge {wrong}"));
        assert!(!run.complains(2, "expected 128 hex digits").stderr.contains("0707"));
    }
    for wrong in
        ["now", "2026-06-01", "2026-06-01T00:00:00", "2026-06-01T00:00:00+02:00", "1969-01-01T00:00:00Z"]
    {
        let run = scene
            .run(&format!("verify $/evidence --accept baremetal-snp --challenge {challenge} --at {wrong}"));
        run.complains(2, "expected a time in UTC");
    }
    scene.verify("evidence", "--measurement 00").complains(2, "expected 96 hex digits");
    scene.verify("evidence", &format!("--measurement {}", "zz".repeat(48))).complains(2, "is not hex");
    scene.verify("evidence", "--require-check nonsense").complains(2, "no linked backend makes the check");
}

#[test]
fn a_policy_is_read_strictly() {
    let scene = Scene::new();
    for (text, problem) in [
        ("version = 2", "expected 1"),
        ("version = 1\nnonsense = 1", "nonsense"),
        ("version = 1\nrequire-checks = []", "empty"),
        ("version = 1\n[backend.tdx]", "tdx, which is not accepted"),
        ("version = 1\n[backend.baremetal-snp.report]\nvmpl = 4", "vmpl is 4"),
        ("version = ", "policy"),
    ] {
        scene.put("policy", text);
        scene.verify("evidence", "--policy $/policy").complains(2, problem);
    }
    scene.put("policy", b"\xff");
    scene.verify("evidence", "--policy $/policy").complains(2, "is not UTF-8");
    scene.verify("evidence", "--policy $/missing").complains(2, "cannot read");
}

#[test]
fn files_are_bounded_and_regular() {
    let scene = Scene::new();
    File::create(scene.path().join("huge")).unwrap().set_len((16 << 20) + 1).unwrap();
    for (file, problem) in
        [("missing", "not found"), ("crl", "not a regular file"), ("huge", "more than 16777216 bytes")]
    {
        scene.verify(file, "").complains(2, problem);
        scene.run(&format!("inspect $/{file}")).complains(2, problem);
        scene.run(&format!("import dstack $/{file} -o $/none")).complains(2, problem);
        scene.run(&format!("import snp --report $/{file} -o $/none")).complains(2, problem);
        scene.run(&format!("import coco $/{file} -o $/none")).complains(2, problem);
        scene.run(&format!("measure snp --ovmf $/{file} --firmware-only")).complains(2, problem);
    }
    attest(["inspect", "/dev/zero"]).complains(2, "not a regular file");
    assert!(!scene.path().join("none").exists());
}

#[test]
fn a_malformed_envelope_is_refused() {
    let scene = Scene::new();
    let whole = scene.read("evidence");
    for bytes in [
        &[][..],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
        &[&whole[..], b"\0"].concat(),
        b"[",
        b"{}",
    ] {
        scene.put("malformed", bytes);
        assert_eq!(scene.verify("malformed", "--json").expect(1).json()["kind"], "malformed-evidence");
        scene.run("inspect $/malformed").expect(1);
    }
}

#[test]
fn evidence_of_another_kind_can_be_looked_at() {
    let scene = Scene::new();
    let evidence = Evidence::new(MediaType::new("application/vnd.example.other"), vec![1, 2, 3]);
    scene.put("other", Envelope::of_cpu(evidence).encode_json());
    let text = scene.run("inspect $/other").expect(0).text();
    assert_eq!(
        text,
        "  unverified  cpu.media-type  application/vnd.example.other\n  unverified  cpu.bytes       3\n"
    );
    scene.verify("other", "").complains(2, "no linked backend verifies application/vnd.example.other");
}

#[test]
fn standard_input_and_output_are_files_too() {
    let scene = Scene::new();
    let evidence = scene.read("evidence");
    let from_stdin = attest_with_input(["inspect", "-"], &evidence).expect(0);
    assert_eq!(from_stdin.stdout, scene.run("inspect $/evidence").stdout);
    let import = "import snp --report $/report --cert $/vcek --cert $/chain.pem --mr-config $/mr_config -o -";
    assert_eq!(scene.run(import).expect(0).stdout, evidence);
    let json = scene.run(&format!("{import} --json-envelope")).expect(0).stdout;
    assert_eq!(Envelope::decode(&json).unwrap(), Envelope::decode(&evidence).unwrap());
    attest_with_input(["inspect", "-"], &vec![0; (16 << 20) + 1]).complains(2, "more than 16777216 bytes");
}

#[test]
fn a_certificate_table_is_as_good_as_certificates() {
    let scene = Scene::new();
    scene.run("import snp --report $/report --cert-table $/table -o $/other").expect(0);
    let certificates = |file: &str| {
        let json = scene.run(&format!("inspect $/{file} --json")).expect(0).json();
        let all = json["cpu"]["certificates"].as_array().unwrap().clone();
        let mut subjects: Vec<String> =
            all.iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(certificates("other"), ["ARK-Milan", "SEV-Milan", "SEV-VCEK"]);
    assert_eq!(certificates("other"), certificates("evidence"));
}

#[test]
fn nothing_is_written_that_would_not_be_read() {
    let scene = Scene::new();
    scene.put("short", &scene.read("report")[..1183]);
    let nine = "--cert $/vcek ".repeat(9);
    for (arguments, problem) in [
        ("--report $/short".to_owned(), "report has 1183 bytes, expected 1184"),
        ("--report $/report --cert $/report".to_owned(), "expected one DER certificate"),
        ("--report $/report --cert-table $/report".to_owned(), "certificate table"),
        (format!("--report $/report {nine}"), "expected a list of at most 8 entries"),
    ] {
        scene.run(&format!("import snp {arguments} -o $/none")).complains(1, problem);
        assert!(!scene.path().join("none").exists(), "{arguments}");
    }
    scene.put("text", "nonsense");
    scene.run("import dstack $/text -o $/none").complains(1, "/text\": ");
    scene.run("import snp --report $/report -o $/missing/none").complains(2, "cannot write");
    scene.run("import snp --report $/report -o $/crl").complains(2, "not a regular file");
    let left = fs::read_dir(scene.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".attest-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn endorsements_are_bounded() {
    let scene = Scene::new();
    scene.verify("evidence", "--endorsements $/missing").complains(2, "cannot read");
    scene.verify("evidence", "--endorsements $/evidence").complains(2, "cannot read");
    fs::create_dir_all(scene.path().join("many/below")).unwrap();
    for index in 0..96 {
        scene.put(&format!("many/{index}"), "");
    }
    scene.verify("evidence", "--endorsements $/many").complains(1, "chain-signatures");
    scene.put("many/96", "");
    scene.verify("evidence", "--endorsements $/many").complains(2, "more than 96 files");
    scene.put("crl/large", vec![0; (1 << 20) + 1]);
    scene.verify("evidence", "--endorsements $/crl").complains(2, "more than 1048576 bytes");
}

#[test]
fn a_launch_is_measured() {
    let scene = Scene::new();
    let guest = &scene.guest;
    let expected = hex::encode(guest.measurement());
    // The command line has spaces, so that it comes last, as one argument.
    let measure = |firmware: &str, more: &str| {
        let line = "--kernel $/bzImage --initrd $/initrd --vcpus 2 --vcpu-type EPYC-v4";
        let mut arguments = words(&format!("measure snp {firmware} {line} {more}"), scene.path());
        arguments.extend(["--append".to_owned(), guest.cmdline.clone()]);
        attest(arguments)
    };
    assert_eq!(measure("--ovmf $/ovmf.fd", "").expect(0).text(), format!("{expected}\n"));
    let json = measure("--ovmf $/ovmf.fd", "--guest-features 0x1 --vmm qemu --json").expect(0).json();
    assert_eq!(json["measurement"], expected.as_str());
    assert_ne!(measure("--ovmf $/ovmf.fd", "--guest-features 21").expect(0).text().trim(), expected);

    let stored = scene.run("measure snp --ovmf $/ovmf.fd --firmware-only").expect(0);
    assert_eq!(
        stored.json(),
        scene.run("measure snp --ovmf $/ovmf.fd --firmware-only --json").expect(0).json()
    );
    scene.put("firmware.json", &stored.stdout);
    assert_eq!(measure("--firmware $/firmware.json", "").expect(0).text(), format!("{expected}\n"));

    scene.put("plain.fd", FirmwareSpec::without_kernel_hashes().bytes());
    measure("--ovmf $/plain.fd", "").complains(2, "SNP_KERNEL_HASHES");
    let json = measure("--ovmf $/plain.fd", "--json").complains(2, "SNP_KERNEL_HASHES").json();
    assert_eq!(json["verdict"], "error");
    scene.run("measure snp --ovmf $/plain.fd --vcpus 1 --vcpu-type EPYC-Turin").expect(0);
    scene.run("measure snp --ovmf $/plain.fd --vcpus 0 --vcpu-type EPYC").expect(2);
    scene.run("measure snp --ovmf $/plain.fd --vcpus 1 --vcpu-type EPYC --guest-features 2").expect(2);
    scene.run("measure snp --ovmf $/bzImage --firmware-only").complains(2, "firmware");
    scene
        .run("measure snp --firmware $/bzImage --vcpus 1 --vcpu-type EPYC")
        .complains(2, "no stored firmware");
    measure("--ovmf $/ovmf.fd --initrd $/crl", "").expect(2);
}

/// What each VMM depends on is asked for, and what it does not depend on is refused.
#[test]
fn each_vmm_has_its_own_inputs() {
    let scene = Scene::new();
    let measure = |line: &str| scene.run(&format!("measure snp --ovmf $/ovmf.fd --vcpus 2 {line}"));
    measure("--vmm qemu").complains(2, "--vcpu-type is missing: launches of qemu depend on it");
    measure("").complains(2, "--vcpu-type is missing");
    let mut measured = vec![measure("--vcpu-type EPYC-v4").expect(0).text()];
    for vmm in ["ec2", "gce"] {
        let run = measure(&format!("--vmm {vmm} --vcpu-type EPYC-v4"));
        run.complains(2, &format!("--vcpu-type is given, and launches of {vmm} do not depend on it"));
        let run = measure(&format!("--vmm {vmm} --kernel $/bzImage --append x"));
        run.complains(2, &format!("--kernel is given, and {vmm} boots its guests from a disk"));
        let json = measure(&format!("--vmm {vmm} --json")).expect(0).json();
        assert_eq!((&json["vmm"], &json["vcpu-type"]), (&vmm.into(), &serde_json::Value::Null));
        measured.push(format!("{}\n", json["measurement"].as_str().unwrap()));
        // The number of vCPUs and the guest features are inputs of every launch.
        measured.push(measure(&format!("--vmm {vmm} --guest-features 0x21")).expect(0).text());
        let three = format!("measure snp --ovmf $/ovmf.fd --vcpus 3 --vmm {vmm}");
        measured.push(scene.run(&three).expect(0).text());
        // A firmware image is read once and measured for every launch.
        let stored = scene.run("measure snp --ovmf $/ovmf.fd --firmware-only").expect(0).stdout;
        scene.put("firmware.json", stored);
        let again = scene.run(&format!("measure snp --firmware $/firmware.json --vcpus 3 --vmm {vmm}"));
        assert_eq!(again.expect(0).text(), *measured.last().unwrap());
    }
    let all: std::collections::BTreeSet<&String> = measured.iter().collect();
    assert_eq!(all.len(), measured.len());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    for line in ["backends", "demo", "demo --backend tdx", "--help"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_attest"))
            .args(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}: {stderr}");
        assert_eq!(stderr, "", "{line}");
    }
}
