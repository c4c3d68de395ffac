//! Real logs of boots, under a quote of the registers that they lead to.

use std::fs;

use evidence_event_log::{Event, EventLog, EventType};
use evidence_tpm::{
    Bank, Error, HashAlgorithm, Pcrs, Selection,
    boot::{Expected, ExpectedEvent, ExpectedEvents, ReplayedLog},
};
use lab::tpm::{AttestSpec, SelectionSpec};

use crate::quotes::signed;

const BANK: Bank = Bank::Sha256;

/// A quote of PCR0 to PCR9 with the values to which the log leads, but for what `edit` does to them.
fn quoted(log: &EventLog<'_>, edit: impl FnOnce(&mut Vec<Vec<u8>>)) -> Pcrs {
    let mut values: Vec<Vec<u8>> = (0..10).map(|pcr| log.replay(pcr, BANK).unwrap().to_vec()).collect();
    edit(&mut values);
    let pcrs: Vec<u8> = (0..10).collect();
    let mut spec = AttestSpec::new(Vec::new(), SelectionSpec::sha256(&pcrs), &values);
    spec.extra_data = b"challenge".to_vec();
    let mut quote = signed(&spec);
    quote.pcrs = values;
    quote.selections = vec![Selection::new(HashAlgorithm::Sha256, pcrs)];
    quote.verify().unwrap().pcrs().clone()
}

/// The list of what the log says of a register, with a partition table as policies write it.
fn listed(log: &EventLog<'_>, pcr: u8) -> Vec<ExpectedEvent> {
    let listed = |event: &Event<'_>| match event.event_type {
        EventType::EV_EFI_GPT_EVENT => ExpectedEvent::PartitionTable,
        _ => ExpectedEvent::try_from(hex::encode(event.digest(HashAlgorithm::Sha256).unwrap())).unwrap(),
    };
    log.events_of(u32::from(pcr)).map(listed).collect()
}

#[test]
fn real_boots_are_known_by_their_events() {
    let Some(root) = lab::vectors::root("real_boots_are_known_by_their_events") else { return };
    let names = [
        "cos-101-amd-sev.bin",
        "rhel8-uefi.bin",
        "ubuntu-2104-no-secure-boot.bin",
        "ubuntu-2404-amd-sevsnp.bin",
        "tpm_eventlog.bin",
    ];
    let mut tables = 0;
    for name in names {
        let bytes = fs::read(root.join("tpm-eventlog/eventlogs").join(name)).unwrap();
        let log = EventLog::parse(&bytes).unwrap();
        let pcrs = quoted(&log, |_| {});
        let replayed = ReplayedLog::replay(&log, &pcrs, BANK, &[]).unwrap();
        for pcr in [4, 5, 8, 9] {
            let events = listed(&log, pcr);
            tables += events.iter().filter(|event| **event == ExpectedEvent::PartitionTable).count();
            let holds = |events: &[ExpectedEvent]| {
                let expected = Expected::Events(ExpectedEvents { events: events.to_vec() });
                assert!(expected.is_satisfiable(pcr, BANK), "{name} {pcr}");
                expected.holds(pcr, BANK, &pcrs, Some(&replayed))
            };
            holds(&events).unwrap_or_else(|error| panic!("{name} {pcr}: {error}"));
            if events.is_empty() {
                continue;
            }
            assert!(holds(&events[1..]).is_err(), "{name} {pcr}");
            assert!(holds(&events[..events.len() - 1]).is_err(), "{name} {pcr}");
            assert!(holds(&[&events[..], &events[..1]].concat()).is_err(), "{name} {pcr}");
            let mut reordered = events.clone();
            reordered.rotate_left(1);
            assert_eq!(holds(&reordered).is_ok(), reordered == events, "{name} {pcr}");
            // A partition table in the place of something else.
            if let Some(other) = events.iter().position(|event| *event != ExpectedEvent::PartitionTable) {
                let mut loose = events;
                loose[other] = ExpectedEvent::PartitionTable;
                assert_eq!(holds(&loose), Err(Error::BootEvents { pcr }), "{name} {pcr}");
            }
        }
        for pcr in 0..10 {
            let other = quoted(&log, |values| values[usize::from(pcr)][0] ^= 1);
            let failed = ReplayedLog::replay(&log, &other, BANK, &[]).unwrap_err();
            assert!(matches!(failed, Error::BootReplay { pcr: found, .. } if found == pcr), "{name} {pcr}");
            ReplayedLog::replay(&log, &other, BANK, &[pcr]).unwrap();
        }
    }
    assert!(tables > 0, "no partition table");
}
