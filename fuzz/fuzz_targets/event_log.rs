//! A log of the boot and the table that names it: registers replayed, and data tied to digests, as computed here once more.
#![no_main]

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use evidence_event_log::{Bank, CCEL_TABLE_LEN, CcelTable, Event, EventLog};
use fuzz_targets::lies_in;
use libfuzzer_sys::fuzz_target;

const BANKS: [(Bank, &Algorithm); 3] =
    [(Bank::Sha256, &SHA256), (Bank::Sha384, &SHA384), (Bank::Sha512, &SHA512)];

fuzz_target!(|data: &[u8]| {
    table(data);
    check(data);
    check(&hashed(data));
});

/// The same log, in which each digest is of a part of its event's data, which its first two bytes choose: no mutation finds
/// a hash, and ties would not be reached.
fn hashed(data: &[u8]) -> Vec<u8> {
    let mut hashed = data.to_vec();
    let Ok(log) = EventLog::parse(data) else { return hashed };
    for event in log.events() {
        for (bank, algorithm) in BANKS {
            let Some(digest_of) = event.digest(bank.algorithm()) else { continue };
            let logged = event.unverified_data();
            let start = usize::from(digest_of[0]).min(logged.len());
            let end = logged.len().saturating_sub(usize::from(digest_of[1] & 1)).max(start);
            let offset = digest_of.as_ptr().addr() - data.as_ptr().addr();
            hashed[offset..][..digest_of.len()]
                .copy_from_slice(digest(algorithm, &logged[start..end]).as_ref());
        }
    }
    hashed
}

fn check(data: &[u8]) {
    let Ok(log) = EventLog::parse(data) else { return };
    let (whole, padding) = data.split_at(log.len_without_padding());
    assert_eq!(EventLog::parse(whole).as_ref(), Ok(&log), "padding says nothing");
    assert!(padding.iter().all(|byte| Some(byte) == padding.first() && matches!(byte, 0 | 0xFF)));
    for event in log.events() {
        assert!(lies_in(event.unverified_data(), data), "an event's data lies in the log");
        for (bank, algorithm) in BANKS {
            let digests = log.header().algorithms.contains(&bank.algorithm());
            assert_eq!(event.digest(bank.algorithm()).is_some(), digests);
            let Some(tied) = event.tied_data(bank) else { continue };
            assert!(lies_in(tied, event.unverified_data()), "tied data is a part of the event's");
            let hash = digest(algorithm, tied);
            assert_eq!(event.digest(bank.algorithm()), Some(hash.as_ref()), "a claim is what was hashed");
        }
    }
    for register in 0..=24 {
        for (bank, algorithm) in BANKS {
            let proves = register < 16 && log.header().algorithms.contains(&bank.algorithm());
            let replayed = proves.then(|| replayed(&log, register, bank, algorithm));
            assert_eq!(log.replay(register, bank), replayed, "{bank:?} {register}");
        }
    }
    let Ok(rtmrs) = log.replay_rtmrs() else { return };
    for (register, (value, events)) in (1..).zip(rtmrs.values.iter().zip(rtmrs.events)) {
        assert_eq!(value.as_slice(), replayed(&log, register, Bank::Sha384, &SHA384));
        assert_eq!(log.extends(register), events > 0);
    }
    assert_eq!(
        rtmrs.events.iter().sum::<usize>(),
        log.events().iter().filter(|event| event.extends()).count()
    );
}

/// The register after the events that extend it.
fn replayed(log: &EventLog<'_>, register: u32, bank: Bank, algorithm: &'static Algorithm) -> Vec<u8> {
    let mut value = vec![0; algorithm.output_len()];
    if register == 0 {
        *value.last_mut().expect("a digest") = log.startup_locality();
    }
    let extends = |event: &&Event<'_>| event.event_type.0 != 3 && event.register == register;
    for event in log.events().iter().filter(extends) {
        let extended = event.digest(bank.algorithm()).expect("every event has every digest");
        value = digest(algorithm, &[&value, extended].concat()).as_ref().to_vec();
    }
    value
}

/// As it is, and with a checksum that holds.
fn table(data: &[u8]) {
    let _ = CcelTable::parse(data);
    let Ok(mut table) = <[u8; CCEL_TABLE_LEN]>::try_from(data) else { return };
    table[9] = table.iter().fold(table[9], |sum, byte| sum.wrapping_sub(*byte));
    if let Ok(parsed) = CcelTable::parse(&table) {
        assert_eq!(parsed.log_area_len.to_le_bytes(), table[40..48]);
        assert_eq!(parsed.log_area_address.to_le_bytes(), table[48..]);
    }
}
