//! What runs in a guest, on simulated files of its kernel.

mod scene;
mod troubles;

use std::{fs, thread};

use backend_api::{Envelope, Field};
use backend_baremetal_snp::SnpEvidence;
use backend_tdx::{BootLog, TdxEvidence};
use lab::{
    intel::{TdBody, TdGuest},
    tsm::Extension,
};

use crate::common::attest;
use scene::{CHALLENGE, SnpScene, TdxScene};

#[test]
fn what_was_extended_is_collected_and_verified() {
    let Some(scene) = TdxScene::new("what_was_extended_is_collected_and_verified") else { return };
    scene.launch();
    let run = scene.run(&["extend", "application-event", "--payload", "6c61746572"]).expect(0);
    assert!(run.text().starts_with("extended application-event\n  RTMR3  "), "{}", run.text());
    let json = scene.run(&["extend", "no-payload", "--json"]).expect(0).json();
    assert_eq!((&json["backend"], &json["event"]), (&"tdx".into(), &"no-payload".into()));
    assert_eq!(json["registers"][0]["register"], "RTMR3");
    assert!(json["recovered"].is_null());

    let run = scene.collect("evidence", &[]).expect(0);
    assert!(run.text().contains("media type  application/vnd.dstack.tdx.v1+cbor\n"), "{}", run.text());
    assert_eq!(scene.tree.entries(), [""; 0]);
    let inspected = attest(["inspect", &scene.path("evidence"), "--json"]).expect(0).json();
    let events = inspected["cpu"]["runtime-events"].as_array().unwrap();
    let last: Vec<&str> = events.iter().rev().take(2).map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(last, ["no-payload", "application-event"]);
    assert_eq!(events[events.len() - 2]["payload"], "6c61746572");
    assert_eq!(events[events.len() - 1]["phase"], "running");

    // The lab's roots can be put in place by a program alone: the command has no way to.
    let result = scene.judge(&fs::read(scene.path("evidence")).unwrap()).unwrap();
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    let identity = |field| result.cpu.identity.get(field).map(hex::encode);
    assert_eq!(identity(Field::OsImageHash), Some(hex::encode(scene.guest.launch.os_image_hash())));
    assert!(identity(Field::AppId).is_some() && result.boot_info.is_some());

    let verify = |file: &str| {
        let (challenge, collateral) = (hex::encode(CHALLENGE), scene.path("collateral"));
        let at = "2026-06-01T00:00:00Z";
        let common = ["verify", file, "--accept", "tdx", "--challenge", &challenge, "--at", at];
        attest([&common[..], &["--endorsements", &collateral]].concat())
    };
    fs::create_dir(scene.path("collateral")).unwrap();
    fs::write(scene.path("collateral/all.json"), scene.guest.collateral().dcap_qvl_json()).unwrap();
    let run = verify(&scene.path("evidence")).complains(1, "error: tdx: root-pinned: ");
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let json = scene.collect("evidence.json", &["--json-envelope", "--json"]).expect(0).json();
    assert_eq!(json["backend"], "tdx");
    verify(&scene.path("evidence.json")).complains(1, "error: tdx: root-pinned: ");
}

#[test]
fn an_envelope_can_go_to_standard_output() {
    let Some(scene) = TdxScene::new("an_envelope_can_go_to_standard_output") else { return };
    scene.launch();
    let challenge = hex::encode(CHALLENGE);
    let run = scene.run(&["collect", "--challenge", &challenge, "-o", "-"]).expect(0);
    let envelope = Envelope::decode(&run.stdout).unwrap();
    assert_eq!(TdxEvidence::decode(envelope.cpu.bytes()).unwrap().runtime_events.len(), 8);
    scene.judge(&run.stdout).unwrap();
}

/// Where the log of the boot lies in memory is the host's word.
#[test]
fn what_is_no_log_of_this_boot_stays_in_the_guest() {
    let test = "what_is_no_log_of_this_boot_stays_in_the_guest";
    let collected = |guest: &TdGuest| {
        let scene = TdxScene::of(test, guest.clone())?;
        scene.launch();
        let run = scene.run(&["collect", "--challenge", &hex::encode(CHALLENGE), "-o", "-"]).expect(0);
        Some(TdxEvidence::decode(Envelope::decode(&run.stdout).unwrap().cpu.bytes()).unwrap().boot_log)
    };
    let guest = TdGuest::new();
    let Some(log) = collected(&guest) else { return };
    let Some(BootLog::Digests(events)) = log else { panic!("{log:?}") };
    // What the events' data says is in memory of which the guest cannot know whose it is: the digests alone are sent.
    for (found, event) in events.iter().zip(&guest.launch.boot_log) {
        assert_eq!((found.rtmr, &found.digest[..]), (event.rtmr, &event.digest[..]));
        let name = if event.name.starts_with("acpi-") { event.name } else { "" };
        assert_eq!(found.name, name);
    }
    assert_eq!(events.len(), guest.launch.boot_log.len());

    let registers = |body: &mut TdBody, index| match index {
        0 => body.rtmr0[0] ^= 1,
        1 => body.rtmr1[0] ^= 1,
        _ => body.rtmr2[0] ^= 1,
    };
    for index in 0..3 {
        let mut other = guest.clone();
        registers(&mut other.quote.body, index);
        assert_eq!(collected(&other), Some(None), "RTMR{index}");
    }
}

#[test]
fn two_can_collect_at_once() {
    let Some(scene) = TdxScene::new("two_can_collect_at_once") else { return };
    scene.launch();
    scene.tree.change(|behaviour| behaviour.delay = std::time::Duration::from_millis(500));
    thread::scope(|scope| {
        let scene = &scene;
        let collections = ["one", "two"].map(|name| scope.spawn(move || scene.collect(name, &[]).expect(0)));
        for collection in collections {
            collection.join().unwrap();
        }
    });
    for name in ["one", "two"] {
        scene.judge(&fs::read(scene.path(name)).unwrap()).unwrap();
    }
    assert_eq!((scene.tree.entries().len(), scene.tree.made()), (0, 2));
}

#[test]
fn an_event_that_was_not_extended_is_not_logged() {
    let Some(scene) = TdxScene::new("an_event_that_was_not_extended_is_not_logged") else { return };
    scene.launch();
    for behaviour in [Extension::Fails, Extension::IsLost] {
        scene.tree.change(|tree| tree.extension = behaviour);
        scene.run(&["extend", "lost"]).complains(2, "error: tdx: ");
    }
    scene.tree.change(|tree| tree.extension = Extension::Works);
    scene.collect("evidence", &[]).expect(0);
    scene.judge(&fs::read(scene.path("evidence")).unwrap()).unwrap();
    // Somebody extends behind the log's back: nothing can account for the register any more.
    scene.tree.extend(3, &[7; 48]);
    scene.collect("none", &[]).complains(2, "error: tdx: ");
    scene.run(&["extend", "later"]).complains(2, "error: tdx: ");
    assert!(!fs::exists(scene.path("none")).unwrap());
}

#[test]
fn a_guest_of_snp_is_the_operators_choice() {
    let Some(scene) = SnpScene::new("a_guest_of_snp_is_the_operators_choice") else { return };
    let text = scene.run(&["detect"]).complains(2, "baremetal-snp").text();
    for part in
        ["taken: none\n", "baremetal-snp: possible\n", "--allow baremetal-snp takes it", "tdx: absent\n"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = scene.run(&["detect", "--json"]).expect(2).json();
    assert_eq!((&json["verdict"], &json["kind"]), (&"error".into(), &"unsupported".into()));
    assert_eq!(
        (&json["backends"][0]["id"], &json["backends"][0]["presence"]),
        (&"baremetal-snp".into(), &"possible".into())
    );
    let json = scene.run(&["detect", "--json", "--allow", "baremetal-snp,tdx"]).expect(0).json();
    assert_eq!(json["taken"], "baremetal-snp");

    let challenge = hex::encode(CHALLENGE);
    let collect = ["collect", "--challenge", &challenge, "-o", "-"];
    scene.run(&collect).complains(2, "an operator must name or allow");
    for choice in [["--backend", "baremetal-snp"], ["--allow", "baremetal-snp"]] {
        let run = scene.run(&[&collect[..], &choice].concat()).expect(0);
        let envelope = Envelope::decode(&run.stdout).unwrap();
        let evidence = SnpEvidence::decode(envelope.cpu.bytes()).unwrap();
        assert_eq!(evidence.report[0x50..0x90], CHALLENGE);
        assert_eq!(evidence.certificates.len(), 3);
    }
    scene.run(&["extend", "x", "--backend", "baremetal-snp"]).complains(2, "measures the launch only");
    scene.run(&[&collect[..], &["--backend", "tdx"]].concat()).complains(2, "error: tdx: ");
    assert_eq!(scene.tree.entries(), [""; 0]);
}

#[test]
fn a_guest_of_tdx_is_detected() {
    let Some(scene) = TdxScene::new("a_guest_of_tdx_is_detected") else { return };
    let text = scene.run(&["detect"]).expect(0).text();
    for part in
        ["taken: tdx\n", "tdx: certain\n", "dev/tdx_guest is there", "  taken\n", "baremetal-snp: absent\n"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = scene.run(&["detect", "--json"]).expect(0).json();
    assert_eq!((&json["taken"], &json["backends"][0]["id"]), (&"tdx".into(), &"tdx".into()));
    assert_eq!(json["backends"][1]["fate"], "not taken: this is not its platform");
    assert_eq!(scene.tree.made(), 0, "detection makes no entry");
}

#[test]
fn nothing_is_taken_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let run = attest(["detect", "--guest-root", root]);
    run.complains(
        2,
        "no linked backend finds its platform in this guest (aws: absent, azure: absent, baremetal-snp: absent, gcp: absent, tdx: absent)",
    );
    let challenge = hex::encode(CHALLENGE);
    let collect = ["collect", "--guest-root", root, "--challenge", &challenge, "-o", "-"];
    attest(collect).complains(2, "no linked backend finds its platform");
    attest([&collect[..], &["--backend", "nonsense"]].concat())
        .complains(2, "\"nonsense\" is not linked (linked: aws, azure, baremetal-snp, gcp, nvidia, tdx)");
    attest([&collect[..], &["--allow", "nonsense"]].concat()).complains(2, "\"nonsense\" is not linked");
    attest(["detect", "--guest-root", &format!("{root}/missing")]).complains(2, "is not a folder");
    attest(["collect", "--challenge", "00", "-o", "-"]).complains(2, "expected 128 hex digits");
    let commitment = format!("{}{}", hex::encode("dstack-devices-1"), "00".repeat(48));
    attest(["collect", "--challenge", &commitment, "-o", "-"])
        .complains(2, "form of a commitment to devices");
    let extend = |name: &str, payload: &str| {
        attest(["extend", name, "--payload", payload, "--guest-root", root, "--backend", "tdx"])
    };
    extend("Upper", "").complains(2, "event name must be");
    extend("event", "0").complains(2, "--payload is no hex");
    extend("event", "").complains(2, "error: tdx: ");
    assert_eq!(fs::read_dir(root).unwrap().count(), 0, "nothing is written outside of a guest");
}
