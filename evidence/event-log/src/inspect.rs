//! What logs say, for people to look at: none of it is verified.

use serde_json::{Value, json};

use crate::launch::names::{BOOT_MR_DONE, SYSTEM_READY};
use crate::runtime::{LoggedEvent, RuntimeEvent};
use crate::{Bank, Event, EventLog, Tie};

/// The most bytes of an event's data that are shown.
const SHOWN_DATA: usize = 64;

/// One event of a boot log, in one bank of `register`.
fn boot_event(event: &Event<'_>, register: &str, bank: Bank) -> Value {
    let tie = match event.tie(bank) {
        Tie::Tied(_) => "tied: the digest is the hash of the data",
        Tie::Contradicted => "contradicted: the digest is not the hash of the data",
        Tie::Opaque => "opaque: the digest says nothing about the data",
    };
    let data = event.unverified_data();
    json!({
        "register": register,
        "type": event.event_type.to_string(),
        "digest": event.digest(bank.algorithm()).map(hex::encode),
        "tie": tie,
        "bytes": data.len(),
        "data": shown(data),
    })
}

/// The events of a boot in a TPM's registers.
pub fn boot_log(log: &EventLog<'_>, bank: Bank) -> Value {
    let describe = |event: &Event<'_>| boot_event(event, &format!("PCR{}", event.register), bank);
    log.events().iter().map(describe).collect()
}

/// The events of a boot in a TD's registers.
pub fn cc_log(log: &EventLog<'_>) -> Value {
    let describe = |event: &Event<'_>| {
        let other = || format!("register {}", event.register);
        let register = event.rtmr().map_or_else(other, |rtmr| format!("RTMR{rtmr}"));
        boot_event(event, &register, Bank::Sha384)
    };
    log.events().iter().map(describe).collect()
}

/// The first bytes: as text, if that is what they are.
fn shown(data: &[u8]) -> String {
    let first = data.get(..SHOWN_DATA).unwrap_or(data);
    let text = std::str::from_utf8(first.strip_suffix(b"\0").unwrap_or(first)).ok();
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let rest = if data.len() > SHOWN_DATA { "…" } else { "" };
    format!("{}{rest}", text.map_or_else(|| hex::encode(first), str::to_owned))
}

/// Runtime events, with their digests in `bank`.
///
/// Identity comes of what was extended up to the first `system-ready`, or `boot-mr-done` while a guest waits for its
/// keys; later events are the application's own.
pub fn runtime_events(events: &[LoggedEvent], bank: Bank) -> Value {
    let first = |name| events.iter().position(|event| event.name == name);
    let (booted, ready) = (first(BOOT_MR_DONE), first(SYSTEM_READY));
    let describe = |(index, event): (usize, &LoggedEvent)| {
        let digest =
            RuntimeEvent::try_from(event).ok().map(|event| hex::encode(bank.hash(&[&event.preimage()])));
        let phase = if ready.is_some_and(|ready| index > ready) { "running" } else { "launch" };
        let boundary = match Some(index) {
            at if at == ready => Some("the launch ends here"),
            at if at == booted => Some("what releases keys looks no further"),
            _ => None,
        };
        json!({
            "name": event.name,
            "payload": hex::encode(&event.payload),
            "version": event.version,
            "digest": digest,
            "phase": phase,
            "boundary": boundary,
        })
    };
    events.iter().enumerate().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_text_or_hex_and_short() {
        assert_eq!(shown(b"ACPI DATA\0"), "ACPI DATA");
        assert_eq!(shown(b"\0\0\0\0"), "00000000");
        assert_eq!(shown(&[b'a'; 65]), format!("{}…", "a".repeat(64)));
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn the_launch_ends_with_the_first_system_ready() {
        let events = [BOOT_MR_DONE, SYSTEM_READY, SYSTEM_READY, "later"].map(|name| LoggedEvent {
            name: name.to_owned(),
            payload: vec![1].into(),
            version: 1,
        });
        let shown = runtime_events(&events, Bank::Sha384);
        let phases: Vec<_> = (0..4).filter_map(|index| shown[index]["phase"].as_str()).collect();
        assert_eq!(phases, ["launch", "launch", "running", "running"]);
        let bounds: Vec<_> = (0..4).map(|index| shown[index]["boundary"].is_string()).collect();
        assert_eq!(bounds, [true, true, false, false]);
    }
}
