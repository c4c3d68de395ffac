//! Intel TDX through the command line: forged guests, and real captures where they are at hand.

mod real;

use std::{fs, ops::Deref};

use backend_tdx::{BootLog, TdxEvidence};
use lab::intel::TdGuest;
use serde_json::{Value, json};

use crate::common::{Folder, Run};

const CHALLENGE: [u8; 64] = [7; 64];

/// A forged guest and its files: `quote`, `ccel`, `log.json`, `mr_config`, `measurement`, `collateral/`.
struct Scene {
    folder: Folder,
    guest: TdGuest,
}

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: Folder::new(), guest: TdGuest::new() };
        let launch = &scene.guest.launch;
        scene.put("quote", scene.guest.quote_for(&CHALLENGE));
        scene.put("ccel", launch.ccel());
        scene.put("log.json", scene.dstack_log().to_string());
        scene.put("mr_config", &launch.mr_config);
        scene.put("measurement", &launch.measurement_cbor);
        fs::create_dir(scene.path().join("collateral")).unwrap();
        scene.put("collateral/all.json", scene.guest.collateral().dcap_qvl_json());
        scene
    }

    /// The log as dstack writes it.
    fn dstack_log(&self) -> Value {
        let launch = &self.guest.launch;
        let boot = launch.boot_log.iter().map(|event| {
            json!({
                "imr": event.rtmr,
                "event_type": 1,
                "digest": hex::encode(event.digest),
                "event": event.name,
                "event_payload": "",
            })
        });
        let runtime = launch.events.iter().map(|event| {
            json!({
                "imr": 3,
                "event_type": 0x0800_0001,
                "digest": hex::encode(event.sha384()),
                "event": event.name,
                "event_payload": hex::encode(&event.payload),
            })
        });
        boot.chain(runtime).collect()
    }

    fn imported(&self, name: &str) -> TdxEvidence {
        let envelope = self.envelope(name);
        TdxEvidence::decode(envelope.cpu.bytes()).unwrap()
    }

    fn verify(&self, file: &str) -> Run {
        let challenge = hex::encode(CHALLENGE);
        self.run(&format!(
            "verify $/{file} --accept tdx --challenge {challenge} --at 2026-06-01T00:00:00Z \
             --endorsements $/collateral"
        ))
    }
}

#[test]
fn a_bare_quote_is_imported_without_its_padding() {
    let scene = Scene::new();
    let quote = scene.guest.quote_for(&CHALLENGE);
    scene.put("padded", [&quote[..], &[0; 3065]].concat());
    let text = scene.run("import tdx --quote $/padded -o $/evidence").expect(0).text();
    assert!(text.contains("zeros cut after the quote  3065\n"), "{text}");
    assert!(text.contains("nothing in it is verified"), "{text}");
    let evidence = scene.imported("evidence");
    assert_eq!((evidence.quote.len(), evidence.boot_log), (quote.len(), None));
    let json = scene.run("import tdx --quote $/quote -o $/evidence --json").expect(0).json();
    assert_eq!((&json["zeros-cut"], &json["boot-log"]), (&0.into(), &false.into()));
    assert_eq!(json["unverified-report-data"], hex::encode(CHALLENGE));
    scene.verify("evidence").complains(1, "error: tdx: root-pinned: ");

    for (name, bytes, problem) in [
        ("short", &quote[..600], "quote ends within its"),
        ("more", &[&quote[..], b"x"].concat(), "1 bytes after the end"),
        ("empty", b"", "quote ends within its header"),
    ] {
        scene.put(name, bytes);
        scene.run(&format!("import tdx --quote $/{name} -o $/none")).complains(1, problem);
    }
    scene.run("import tdx --quote $/missing -o $/none").complains(2, "not found");
    assert!(!scene.path().join("none").exists());
}

#[test]
fn logs_are_imported_in_either_form() {
    let scene = Scene::new();
    scene
        .run("import tdx --quote $/quote --event-log $/ccel --mr-config $/mr_config -o $/evidence")
        .expect(0);
    let evidence = scene.imported("evidence");
    assert_eq!(evidence.boot_log, Some(BootLog::Ccel(scene.guest.launch.ccel().into())));
    assert_eq!(evidence.mr_config.as_ref(), Some(&scene.guest.launch.mr_config));
    assert!(evidence.runtime_events.is_empty());

    let json =
        scene.run("import tdx --quote $/quote --event-log $/log.json -o $/evidence --json").expect(0).json();
    assert_eq!((&json["boot-log"], &json["runtime-events"]), (&true.into(), &8.into()));
    let evidence = scene.imported("evidence");
    assert!(matches!(evidence.boot_log, Some(BootLog::Digests(events)) if events.len() == 20));
    assert_eq!(evidence.runtime_events.last().unwrap().name, "application-started");

    let with = |change: &dyn Fn(&mut Value)| {
        let mut log = scene.dstack_log();
        change(&mut log);
        log.to_string().into_bytes()
    };
    for (bytes, problem) in [
        (b"no log".to_vec(), "/log\": "),
        (scene.guest.launch.ccel()[..40].to_vec(), "/log\": "),
        (b"[{}]".to_vec(), "key \"imr\" expected"),
        (b"[".to_vec(), "/log\": "),
        (b"[\xff]".to_vec(), "utf-8"),
        (with(&|log| log[0]["more"] = 1.into()), "more"),
        (with(&|log| log[0]["digest"] = "zz".into()), "digest"),
        (with(&|log| log[0]["imr"] = 256.into()), "RTMR"),
    ] {
        scene.put("log", &bytes);
        scene.run("import tdx --quote $/quote --event-log $/log -o $/none").complains(1, problem);
    }
    scene.run("import tdx --quote $/quote --event-log $/missing -o $/none").complains(2, "not found");
    assert!(!scene.path().join("none").exists());
}

#[test]
fn dstacks_attestation_chooses_its_backend() {
    let scene = Scene::new();
    let mut request = json!({
        "quote": hex::encode(scene.guest.quote_for(&CHALLENGE)),
        "event_log": scene.dstack_log().to_string(),
        "vm_config": "{}",
    });
    // The guest's answer without the challenge that was asked for.
    scene.put("request", request.to_string());
    let text = scene.run("import dstack $/request -o $/evidence").expect(0).text();
    assert!(text.contains("application/vnd.dstack.tdx.v1+cbor"), "{text}");
    assert_eq!(scene.imported("evidence").runtime_events.len(), 8);
    let plain = scene.read("evidence");
    request["report_data"] = hex::encode(CHALLENGE).into();
    scene.put("request", request.to_string());
    assert_eq!(scene.run("import dstack $/request -o -").expect(0).stdout, plain);
    for (key, value) in [("quote", "00"), ("event_log", "{}"), ("vm_config", ""), ("more", "")] {
        let mut wrong = request.clone();
        wrong[key] = value.into();
        scene.put("wrong", wrong.to_string());
        scene.run("import dstack $/wrong -o $/none").complains(1, "/wrong\": ");
    }
}

#[test]
fn inspection_spells_out_a_quote_and_its_logs() {
    let scene = Scene::new();
    scene
        .run("import tdx --quote $/quote --event-log $/ccel --mr-config $/mr_config -o $/evidence")
        .expect(0);
    let text = scene.run("inspect $/evidence").expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
    let report = &cpu["quote"]["td-report"];
    assert_eq!(report["mrtd"], hex::encode(scene.guest.quote.body.mrtd));
    assert_eq!(report["rtmr3"], hex::encode(scene.guest.launch.rtmr3()));
    assert_eq!(report["report-data"], hex::encode(CHALLENGE));
    assert_eq!((&report["td-attributes-set"], &report["debug"]), (&"SEPT_VE_DISABLE".into(), &false.into()));
    assert_eq!(cpu["quote"]["version"], 4);
    assert_eq!(cpu["fmspc"], hex::encode(&scene.guest.pck_spec.fmspc));
    assert_eq!(cpu["certificates"][2]["subject"], "Intel SGX Root CA");
    assert_eq!(cpu["mr-config"], scene.guest.launch.mr_config);
    assert_eq!(cpu["boot-log"]["form"], "ccel");
    let events = cpu["boot-log"]["events"].as_array().unwrap();
    let separator = events.iter().find(|event| event["type"] == "EV_SEPARATOR").unwrap();
    assert!(separator["tie"].as_str().unwrap().starts_with("tied"));
    let acpi = events.iter().find(|event| event["data"] == "ACPI DATA").unwrap();
    assert!(acpi["tie"].as_str().unwrap().starts_with("opaque"));
    assert_eq!(acpi["register"], "RTMR0");

    scene.run("import tdx --quote $/quote --event-log $/log.json -o $/evidence").expect(0);
    let cpu = scene.run("inspect $/evidence --json").expect(0).json()["cpu"].take();
    assert_eq!(cpu["boot-log"]["form"], "digests");
    let runtime = cpu["runtime-events"].as_array().unwrap();
    let boundary: Vec<_> = runtime.iter().filter(|event| event["boundary"].is_string()).collect();
    let names: Vec<_> = boundary.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["boot-mr-done", "system-ready"]);
    assert_eq!(runtime[7]["phase"], "running");
    assert_eq!(runtime[7]["digest"], hex::encode(scene.guest.launch.events[7].sha384()));
}

#[test]
fn a_launch_of_tdx_is_measured() {
    let scene = Scene::new();
    let body = &scene.guest.quote.body;
    let expected = [("MRTD", body.mrtd), ("RTMR0", body.rtmr0), ("RTMR1", body.rtmr1), ("RTMR2", body.rtmr2)];
    let line = |name: &str, value: [u8; 48]| format!("  {name:<5}  {}\n", hex::encode(value));
    let expected: String = expected.into_iter().map(|(name, value)| line(name, value)).collect();
    let [loader, rsdp, tables] =
        [scene.guest.launch.acpi.loader, scene.guest.launch.acpi.rsdp, scene.guest.launch.acpi.tables]
            .map(hex::encode);
    let common = "measure tdx --measurement $/measurement --memory-size";
    for (size, acpi) in [
        ("4G", format!("--acpi loader={loader},rsdp={rsdp},tables={tables}")),
        ("4294967296", "--event-log $/ccel".to_owned()),
        ("4096M", "--event-log $/log.json --qemu-version 9.1.0".to_owned()),
    ] {
        assert_eq!(scene.run(&format!("{common} {size} {acpi}")).expect(0).text(), expected);
    }
    let json = scene.run(&format!("{common} 4G --event-log $/ccel --json")).expect(0).json();
    assert_eq!(
        (&json["mrtd"], &json["rtmr2"]),
        (&hex::encode(body.mrtd).into(), &hex::encode(body.rtmr2).into())
    );
    let two_pass = hex::encode(scene.guest.launch.image.mrtd_two_pass);
    for option in ["--two-pass", "--qemu-version 8.2.1"] {
        let json = scene.run(&format!("{common} 4G --event-log $/ccel --json {option}")).expect(0).json();
        assert_eq!(
            (&json["mrtd"], &json["rtmr0"]),
            (&two_pass.clone().into(), &hex::encode(body.rtmr0).into())
        );
    }
    let other = scene.run(&format!("{common} 8G --event-log $/ccel --json")).expect(0).json();
    assert_ne!(other["rtmr0"], hex::encode(body.rtmr0));

    scene.run(&format!("{common} 2560M --event-log $/ccel")).complains(2, "memory");
    scene.run(&format!("{common} 4G --event-log $/missing")).complains(2, "not found");
    scene.run(&format!("{common} 4G --event-log $/quote")).complains(1, "/quote\": ");
    scene.put("empty.json", "[]");
    scene.run(&format!("{common} 4G --event-log $/empty.json")).complains(2, "0 digests of ACPI files");
    scene
        .run("measure tdx --measurement $/ccel --memory-size 4G --event-log $/ccel")
        .complains(2, "tdx measurement");
    scene
        .run("measure tdx --measurement $/missing --memory-size 4G --event-log $/ccel")
        .complains(2, "not found");
}

#[test]
fn collateral_is_recognised_among_other_files() {
    let scene = Scene::new();
    scene.run("import tdx --quote $/quote -o $/evidence").expect(0);
    let all = scene.guest.collateral();
    for (name, bytes) in [
        ("README.md", b"# Collateral".to_vec()),
        ("tcb.json", all.tcb_info.json().into_bytes()),
        ("chain.pem", all.tcb_info_issuer_chain.clone().into_bytes()),
        ("root_crl.hex", hex::encode(&all.root_ca_crl).into_bytes()),
        ("unrelated.json", b"{\"a\":1}".to_vec()),
    ] {
        scene.put(&format!("collateral/{name}"), bytes);
    }
    let run = scene.verify("evidence").complains(1, "root-pinned");
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 2, "{}", run.stderr);
    assert!(warnings[0].contains("README.md") && warnings[1].contains("unrelated.json"), "{}", run.stderr);
}
