//! dstack's real runtime logs: what they replay to, and what their launches say.

use crate::support::{quoted_rtmrs, vector};
use evidence_event_log::launch::Launch;
use evidence_event_log::runtime::{EventVersion, RUNTIME_EVENT_TYPE, RuntimeEvent, RuntimeLog};
use serde_json::Value;

/// The runtime events of a capture, its digests compared with theirs, and the quote's RTMR3.
fn capture(test: &str, path: &str) -> Option<(RuntimeLog, [u8; 48])> {
    let capture: Value = serde_json::from_slice(&vector(test, path)?).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries: Vec<Value> = serde_json::from_str(&text(&capture["event_log"])).unwrap();
    let events = entries.iter().filter(|entry| entry["event_type"] == RUNTIME_EVENT_TYPE).map(|entry| {
        assert_eq!(entry["imr"], 3);
        let event = RuntimeEvent {
            name: text(&entry["event"]),
            payload: hex::decode(text(&entry["event_payload"])).unwrap(),
            version: EventVersion::V1,
        };
        let digest = text(&entry["digest"]);
        assert!(digest.is_empty() || digest == hex::encode(event.sha384()));
        event
    });
    let log = RuntimeLog::new(events.collect()).unwrap();
    let [.., rtmr3] = quoted_rtmrs(&hex::decode(text(&capture["quote"])).unwrap());
    Some((log, rtmr3))
}

#[test]
fn a_launch_with_a_kms() {
    let test = "runtime_logs::a_launch_with_a_kms";
    let Some((log, rtmr3)) = capture(test, "dstack/tdx-lite-getquote.json") else { return };
    assert_eq!(log.replay_sha384(), rtmr3);
    assert_eq!(log.replay_sha384_through("system-ready"), Some(rtmr3));
    let launch_events = log.launch_events().unwrap();
    assert_eq!(launch_events.events().len(), 8);
    assert_eq!(launch_events.before_boot_mr_done().unwrap().len(), 4);
    let launch = Launch::read(launch_events).unwrap();
    assert_eq!(hex::encode(launch.app_id), "86b0e55f2fa8e4fb69d890f14f54d5612707646e");
    assert_eq!(hex::encode(launch.instance_id.unwrap()), "050bf89570575fe8fab4cb8f0a62a9e64efe8ead");
    assert_eq!(
        hex::encode(launch.os_image_hash.unwrap()),
        "07a2388c7a6a1b6a646d443f1517990a4ec294471d63146cda9d56972765051d"
    );
    assert_eq!(launch.storage_fs.as_deref(), Some(b"zfs".as_slice()));
    assert!(launch.key_provider.starts_with(br#"{"name":"kms","id":"#));
    // The same launch, written again.
    assert_eq!(launch.to_events(EventVersion::V1).unwrap(), log.events());
}

#[test]
fn what_an_application_extends_is_no_identity() {
    let test = "runtime_logs::what_an_application_extends_is_no_identity";
    let Some((log, rtmr3)) = capture(test, "dstack/quote-report.json") else { return };
    assert_eq!(log.replay_sha384(), rtmr3);
    assert_ne!(log.replay_sha384_through("system-ready"), Some(rtmr3));
    assert_eq!(log.events().last().unwrap().name, "LIUM_MINER_HOTKEY");
    let launch_events = log.launch_events().unwrap();
    assert_eq!(launch_events.payload("LIUM_MINER_HOTKEY"), None);
    assert_eq!(launch_events.unknown().count(), 0);
    let launch = Launch::read(launch_events).unwrap();
    assert_eq!(hex::encode(launch.app_id), "3763bc34552cf3a27ff71ad5f7a90471562a1a2d");
    assert!(launch.key_provider.starts_with(br#"{"name":"local-sgx","id":"#));
    assert_eq!((launch.os_image_hash, launch.storage_fs), (None, None));
}

#[test]
fn lines_of_a_real_log() {
    let test = "runtime_logs::lines_of_a_real_log";
    let Some((log, _)) = capture(test, "dstack/quote-report.json") else { return };
    let lines: String = log.events().iter().map(RuntimeEvent::to_line).collect();
    assert_eq!(RuntimeLog::parse_lines(lines.as_bytes()), Ok(log));
}
