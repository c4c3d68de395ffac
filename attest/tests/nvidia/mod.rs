//! NVIDIA's devices through the command line: forged ones, and real captures where they are at hand.

mod real;
mod rim;

use std::{fs, ops::Deref};

use backend_api::{Envelope, Evidence};
use backend_nvidia::{CcState, Environment, MultiGpu, NvidiaEvidence, Profile, media_type};
use backend_tdx::TdxEvidence;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lab::{
    intel::TdGuest,
    nvidia::{Chip, Device, Machine},
    x509::pem_chain,
};
use serde_json::{Value, json};

use crate::common::{Folder, Run, attest_with_input, words};

const NONCE: [u8; 32] = [9; 32];

/// A forged CPU and devices: `cpu`, `report`, `chain`, `report-1`, `chain-1` (another GPU), `switch`, `switch-chain`.
struct Scene {
    folder: Folder,
    gpu: Device,
    other: Device,
    switch: Device,
}

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    fn new() -> Self {
        let device = |chip, number| Device::new(chip, number);
        let scene = Self {
            folder: Folder::new(),
            gpu: device(Chip::Gh100, 0),
            other: device(Chip::Gh100, 1),
            switch: device(Chip::Ls10, 0),
        };
        let quote = TdxEvidence::new(TdGuest::new().quote_for(&[7; 64]));
        let cpu = Envelope::of_cpu(Evidence::new(backend_tdx::MEDIA_TYPE, quote.encode()));
        scene.put("cpu", cpu.encode_cbor());
        scene.put("cpu.json", cpu.encode_json());
        for (report, chain, device) in [
            ("report", "chain", &scene.gpu),
            ("report-1", "chain-1", &scene.other),
            ("switch", "switch-chain", &scene.switch),
        ] {
            scene.put(report, device.report_for(&NONCE));
            scene.put(chain, pem(device));
        }
        scene
    }

    /// Imports with these options, into `evidence`.
    fn import(&self, options: &str) -> Run {
        self.run(&format!("import nvidia {options} --beside $/cpu -o $/evidence"))
    }

    /// The import was refused, and nothing was written.
    #[track_caller]
    fn refuses(&self, options: &str, code: i32, problem: &str) {
        self.import(options).complains(code, problem);
        assert!(!self.path().join("evidence").exists());
    }

    fn imported(&self, profile: Profile) -> NvidiaEvidence {
        let devices = self.envelope("evidence").devices;
        assert_eq!(devices.len(), 1);
        assert_eq!(*devices[0].media_type(), media_type(profile));
        NvidiaEvidence::decode(devices[0].bytes()).unwrap()
    }
}

fn pem(device: &Device) -> String {
    pem_chain(device.chain().iter().map(Vec::as_slice))
}

/// A device as NVIDIA's tools write it, of these two files.
fn item(scene: &Scene, [report, chain]: [&str; 2], arch: &str) -> Value {
    let read = |name: &str| STANDARD.encode(scene.read(name));
    json!({ "arch": arch, "nonce": hex::encode(NONCE), "evidence": read(report), "certificate": read(chain) })
}

const GPU: [&str; 2] = ["report", "chain"];
const SWITCH: [&str; 2] = ["switch", "switch-chain"];

const RAW: &str = "--report $/report --cert-chain $/chain";

#[test]
fn raw_parts_stand_beside_their_cpu() {
    let scene = Scene::new();
    let text = scene.import(RAW).expect(0).text();
    for part in [
        "nothing in it is verified",
        "application/vnd.dstack.nvidia.raw+cbor",
        "GH100 (driver 550.90.07, video BIOS 96.00.9F.00.01)",
        &hex::encode(NONCE),
        "not said",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let evidence = scene.imported(Profile::Raw);
    assert_eq!((evidence.nonce, evidence.cc_state, evidence.devices.len()), (None, None, 1));
    assert_eq!(evidence.devices[0].report, scene.read("report"));
    assert_eq!(evidence.devices[0].certificates.len(), 5);
    assert_eq!(scene.envelope("evidence").cpu, scene.envelope("cpu").cpu);

    // A CPU in JSON, and from standard input; an envelope in JSON on standard output.
    let cbor = scene.read("evidence");
    let line = format!("import nvidia {RAW} --beside $/cpu.json -o -");
    assert_eq!(scene.run(&line).expect(0).stdout, cbor);
    let line = words(&format!("import nvidia {RAW} --beside - --json-envelope -o -"), scene.path());
    let json = attest_with_input(line, &scene.read("cpu")).expect(0).stdout;
    assert_eq!(Envelope::decode(&json).unwrap(), scene.envelope("evidence"));

    // What NVML adds to the text of a chain.
    let chain = fs::read_to_string(scene.path().join("chain")).unwrap();
    scene.put("chain", format!("{chain}\n\0"));
    scene.import(RAW).expect(0);
    assert_eq!(scene.imported(Profile::Raw), evidence);
}

#[test]
fn several_devices_are_one_payload() {
    let scene = Scene::new();
    let all = format!(
        "{RAW} --report $/report-1 --cert-chain $/chain-1 --report $/switch --cert-chain $/switch-chain"
    );
    let nonce = hex::encode(NONCE);
    let boot = format!("{all} --nonce {nonce} --profile boot --cc-state production,off,protected-pcie");
    let json = scene.import(&format!("{boot} --json")).expect(0).json();
    assert_eq!((&json["devices"], &json["unverified-nonce"]), (&3.into(), &nonce.clone().into()));
    let listed = json["unverified-devices"].as_str().unwrap();
    assert!(
        listed.starts_with("2 x GH100 (driver") && listed.ends_with("LS_10 (BIOS 96.10.55.00.01)"),
        "{listed}"
    );
    let evidence = scene.imported(Profile::Boot);
    assert_eq!(evidence.nonce.as_deref(), Some(&NONCE));
    let pcie = CcState {
        environment: Environment::Production,
        feature: false,
        devtools: false,
        multi_gpu: MultiGpu::ProtectedPcie,
    };
    assert_eq!((evidence.cc_state, evidence.devices.len()), (Some(pcie), 3));
    scene.import(&format!("{all} --nonce {nonce} --nonce {nonce} --nonce {nonce} --profile v1")).expect(0);
    assert_eq!(scene.imported(Profile::V1).nonce, None);

    // Other nonces: each with its own, if nothing has one nonce for all of them.
    scene.put("report-1", scene.other.report_for(&[8; 32]));
    fs::remove_file(scene.path().join("evidence")).unwrap();
    let other = hex::encode([8; 32]);
    scene.refuses(&boot, 1, "the report's own nonce is 0808");
    for profile in ["boot", "v1"] {
        scene.refuses(&format!("{all} --profile {profile}"), 1, "expected one nonce of all devices");
    }
    scene.refuses(&format!("{all} --nonce {nonce} --nonce {other}"), 2, "2 of --nonce for 3 devices");
    scene.import(&format!("{all} --nonce {nonce} --nonce {other} --nonce {nonce}")).expect(0);
}

#[test]
fn every_form_of_json_has_the_same_devices() {
    let scene = Scene::new();
    let pair = format!("{RAW} --report $/switch --cert-chain $/switch-chain");
    scene.import(&pair).expect(0);
    let expected = scene.imported(Profile::Raw);
    let devices = [item(&scene, GPU, "HOPPER"), item(&scene, SWITCH, "LS10")];
    let coco = |[report, chain]: [&str; 2], arch| {
        let read = |name: &str| hex::encode(scene.read(name));
        json!({ "arch": arch, "uuid": "unknown", "evidence": read(report), "certificate": read(chain) })
    };
    let mut of_version_1 = [in_version_1(&devices[0]), devices[1].clone()];
    of_version_1[1]["version"] = json!("1.0");
    for form in [
        json!(devices),
        json!({ "evidences": of_version_1, "result_code": 0, "result_message": "Ok" }),
        json!({ "device_evidence_list": devices }),
        json!({ "device_evidence_list": [coco(GPU, "HOPPER"), coco(SWITCH, "LS10")] }),
    ] {
        scene.put("devices.json", form.to_string());
        scene.import("--devices $/devices.json").expect(0);
        assert_eq!(scene.imported(Profile::Raw), expected, "{form}");
    }
    scene.put("devices.json", devices[0].to_string());
    scene.import("--devices $/devices.json").expect(0);
    assert_eq!(scene.imported(Profile::Raw).devices, expected.devices[..1]);
    let input = words("import nvidia --devices - --beside $/cpu -o -", scene.path());
    let written = attest_with_input(input, devices[0].to_string().as_bytes()).expect(0).stdout;
    assert_eq!(written, scene.read("evidence"));
}

/// A GPU as early versions of `nvattest` wrote it.
fn in_version_1(gpu: &Value) -> Value {
    let mut gpu = gpu.clone();
    for (key, value) in
        [("version", "1.0"), ("driver_version", "550.90.07"), ("vbios_version", "96.00.9F.00.01")]
    {
        gpu[key] = value.into();
    }
    gpu
}

/// NVIDIA's tool writes GPUs and switches to a file each.
#[test]
fn devices_of_several_files_are_one_payload() {
    let scene = Scene::new();
    let both = "--devices $/gpus.json --devices $/switches.json";
    scene.import(&format!("{RAW} --report $/switch --cert-chain $/switch-chain")).expect(0);
    let expected = scene.imported(Profile::Raw);
    scene.put("gpus.json", item(&scene, GPU, "HOPPER").to_string());
    scene.put("switches.json", json!({ "evidences": [item(&scene, SWITCH, "LS10")] }).to_string());
    scene.import(both).expect(0);
    assert_eq!(scene.imported(Profile::Raw), expected);
    fs::remove_file(scene.path().join("evidence")).unwrap();

    // The file that is at fault is named, and the device in it.
    scene.put("switches.json", json!([item(&scene, SWITCH, "HOPPER")]).to_string());
    scene.refuses(both, 1, "switches.json\": device 0: arch is \"HOPPER\"");
    scene.put("switches.json", json!([{}]).to_string());
    scene.refuses(both, 1, "switches.json\": device 0: ");
    scene.refuses("--devices $/gpus.json --devices $/none", 2, "cannot read");
    scene.put("gpus.json", json!(vec![item(&scene, GPU, "HOPPER"); 17]).to_string());
    scene.refuses(
        "--devices $/gpus.json --devices $/gpus.json",
        1,
        "all devices up to this file: 34 devices, expected 1 to 32",
    );
    for twice in ["--devices - --devices -", "--devices $/gpus.json --devices - --devices -"] {
        scene.refuses(twice, 2, "expected `-` at most once in --devices and --beside");
    }
    scene
        .run("import nvidia --devices - --beside - -o $/evidence")
        .complains(2, "expected `-` at most once in --devices and --beside");

    // One nonce for each, in the order of the files.
    let mut other = item(&scene, SWITCH, "LS10");
    other["evidence"] = json!(STANDARD.encode(scene.switch.report_for(&[8; 32])));
    other["nonce"] = json!("08".repeat(32));
    scene.put("gpus.json", item(&scene, GPU, "HOPPER").to_string());
    scene.put("switches.json", other.to_string());
    let (first, second) = (hex::encode(NONCE), "08".repeat(32));
    scene.refuses(&format!("{both} --nonce {second} --nonce {first}"), 1, "as --nonce says");
    scene.refuses(&format!("{both} --nonce {first}"), 1, "as --nonce says");
    scene.refuses(
        &format!("{both} --nonce {first} --nonce {second} --nonce {first}"),
        2,
        "3 of --nonce for 2",
    );
    scene.import(&format!("{both} --nonce {first} --nonce {second}")).expect(0);
}

#[test]
fn what_a_wrapper_says_is_not_trusted() {
    let scene = Scene::new();
    for (key, value, problem) in [
        ("arch", json!("BLACKWELL"), "device 0: arch is \"BLACKWELL\", and the certificates are of HOPPER"),
        ("arch", json!("hopper"), "arch is \"hopper\""),
        ("nonce", json!("0a".repeat(32)), "expected 0a0a0a"),
        ("nonce", json!("0a"), "32 bytes expected in \"nonce\""),
        ("evidence", json!(STANDARD.encode(b"report")), "expected a report of SPDM 1.1"),
        ("evidence", json!(STANDARD.encode(scene.switch.report_for(&NONCE))), "certificates are of a GPU"),
        ("certificate", json!(STANDARD.encode(b"PEM")), "certificates: "),
        ("driver", json!("550.90.07"), "found \"driver\""),
        (
            "driver_version",
            json!("550.90.08"),
            "driver_version is \"550.90.08\", and the report has 550.90.07",
        ),
        (
            "vbios_version",
            json!("96.00.9f.00.01"),
            "vbios_version is \"96.00.9f.00.01\", and the report has 96",
        ),
    ] {
        let mut wrong = item(&scene, GPU, "HOPPER");
        wrong[key] = value;
        scene.put("devices.json", wrong.to_string());
        scene.refuses("--devices $/devices.json", 1, problem);
    }
    for (key, value, problem) in [
        ("driver_version", "550.90.07", "driver_version is \"550.90.07\", and the report has none"),
        ("vbios_version", "96.10.55.00.02", "\"96.10.55.00.02\", and the report has 96.10.55.00.01"),
    ] {
        let mut switch = item(&scene, SWITCH, "LS10");
        switch[key] = json!(value);
        scene.put("devices.json", switch.to_string());
        scene.refuses("--devices $/devices.json", 1, problem);
    }
    scene.put("devices.json", item(&scene, GPU, "HOPPER").to_string());
    scene.refuses(&format!("--devices $/devices.json --nonce {}", "0a".repeat(32)), 1, "as --nonce says");
    scene.put("devices.json", json!({ "evidences": null, "result_code": 7 }).to_string());
    scene.refuses("--devices $/devices.json", 1, "result_code is 7, expected 0");
    scene.put("devices.json", "{\"evidences\": [");
    scene.refuses("--devices $/devices.json", 1, "well-formed json expected");
    scene.put("devices.json", "no JSON");
    scene.refuses("--devices $/devices.json", 1, "well-formed json expected");
    scene.put("devices.json", json!(vec![item(&scene, GPU, "HOPPER"); 33]).to_string());
    scene.refuses("--devices $/devices.json", 1, "33 devices, expected 1 to 32");
    scene.put("devices.json", [0xFF, 0xFE]);
    scene.refuses("--devices $/devices.json", 2, "is not UTF-8 text");
}

#[test]
fn parts_that_are_not_in_their_format_are_refused() {
    let scene = Scene::new();
    let report = scene.gpu.report_for(&NONCE);
    for (bytes, problem) in [
        ([&report[..], &[0]].concat(), "found one byte 00 behind it, as old wrappers of NVML add"),
        ([&report[..], &[1]].concat(), "no byte behind the signature"),
        ([&report[..], &[0, 0]].concat(), "no byte behind the signature"),
        (report[..report.len() - 1].to_vec(), "a signature of 96 bytes"),
        (Vec::new(), "SPDM version 1.1 of the request"),
        (vec![0x11; 8193], "at most 8192 are read"),
    ] {
        scene.put("report", bytes);
        scene.refuses(RAW, 1, problem);
    }
    scene.put("report", &report);
    let chain = pem(&scene.gpu);
    let four = pem_chain(scene.gpu.chain().iter().take(4).map(Vec::as_slice));
    for (text, problem) in [
        (String::new(), "certificates: "),
        (chain[..chain.len() / 2].to_owned(), "certificates: "),
        (four, "4 certificates"),
        (pem(&scene.switch), "the certificates are of a switch, and the report is of a GPU"),
    ] {
        scene.put("chain", text);
        scene.refuses(RAW, 1, problem);
    }
    scene.put("chain", chain);
    scene.refuses(&format!("{RAW} --nonce 00"), 2, "--nonce has 2 characters, expected 64 hex digits");
    scene.refuses(&format!("{RAW} --report $/report-1"), 2, "2 of --report and 1 of --cert-chain");
    scene.refuses("--report $/missing --cert-chain $/chain", 2, "cannot read");
    scene.refuses("--devices $/missing", 2, "cannot read");

    // Beside something that is no CPU's.
    let beside = |file: &str| scene.run(&format!("import nvidia {RAW} --beside $/{file} -o $/written"));
    beside("missing").complains(2, "cannot read");
    beside("report").complains(1, "expected an envelope with the evidence of a CPU");
    scene.import(RAW).expect(0);
    beside("evidence").complains(2, "has devices of NVIDIA's already");
    let devices = scene.envelope("evidence").devices.remove(0);
    scene.put("devices-alone", Envelope::of_cpu(devices).encode_cbor());
    beside("devices-alone").complains(2, "found devices in its place");
    assert!(!scene.path().join("written").exists());
}

#[test]
fn a_wrong_command_line_is_usage() {
    let scene = Scene::new();
    for line in [
        "import nvidia",
        "import nvidia --beside $/cpu -o y",
        "import nvidia --report $/report --beside $/cpu -o y",
        "import nvidia --cert-chain $/chain --beside $/cpu -o y",
        "import nvidia --report $/report --cert-chain $/chain -o y",
        "import nvidia --report $/report --cert-chain $/chain --beside $/cpu",
        "import nvidia --report $/report --cert-chain $/chain --devices x --beside $/cpu -o y",
        "import nvidia --cert-chain $/chain --devices x --beside $/cpu -o y",
        "import nvidia --report $/report --devices x --beside $/cpu -o y",
        "import nvidia --devices x --beside $/cpu --profile coco -o y",
        "import nvidia --devices x --beside $/cpu --cc-state on -o y",
        "rim",
        "rim show",
        "rim verify",
        "rim verify x --pinned-time 2026-06-01T00:00:00Z --danger-ignore-expiry",
    ] {
        let run = scene.run(line).expect(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("--help"), "{line}: {run:?}");
    }
}

#[test]
fn devices_are_shown_as_unverified() {
    let scene = Scene::new();
    scene.import(RAW).expect(0);
    let text = scene.run("inspect $/evidence").expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    for (key, value) in [
        ("devices.0.media-type", "application/vnd.dstack.nvidia.raw+cbor"),
        ("devices.0.devices.0.report.device.driver-version", "550.90.07"),
        ("devices.0.devices.0.report.nonce", &hex::encode(NONCE)),
        ("devices.0.devices.0.certificates.0.subject", "GH100 A01 GSP FMC LF"),
    ] {
        let line = text.lines().find(|line| line.contains(&format!(" {key} ")));
        assert!(line.is_some_and(|line| line.ends_with(value)), "{key}: {text}");
    }
}

#[test]
fn the_lab_is_neither_intel_nor_nvidia() {
    let scene = Scene::new();
    scene.import(RAW).expect(0);
    fs::create_dir(scene.path().join("said")).unwrap();
    for (number, (_, bytes)) in Machine::h100().endorsements().into_iter().enumerate() {
        scene.put(&format!("said/{number}"), bytes);
    }
    let challenge = "07".repeat(64);
    let verify = |accept: &str| {
        scene.run(&format!(
            "verify $/evidence --accept {accept} --challenge {challenge} --at 2026-06-01T00:00:00Z --endorsements $/said"
        ))
    };
    let run = verify("tdx,nvidia").expect(1);
    // Manifests and status responses are all recognised.
    assert!(!run.stderr.contains("passed over"), "{}", run.stderr);
    verify("tdx").complains(1, "the backend nvidia, which is linked but not accepted");
}
