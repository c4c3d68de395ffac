//! What a log may look like: each refusal differs from an accepted log in one thing.

use crate::support::{
    EV_NO_ACTION, EV_SEPARATOR, SHA1, SHA256, SHA384, event, first, hashed, header, spec_id,
};
use evidence_event_log::tcg::{MAX_DATA_LEN, MAX_EVENTS, MAX_LOG_LEN};
use evidence_event_log::{Bank, EventLog, EventLogError, EventType, HashAlgorithm, Tie};

fn refused(log: &[u8]) -> EventLogError {
    EventLog::parse(log).unwrap_err()
}

fn with_header_byte(offset: usize, value: u8) -> EventLogError {
    let mut data = spec_id(&[SHA256, SHA384]);
    data[offset] = value;
    refused(&first(0, EV_NO_ACTION, 0, &data))
}

fn separator(register: u32) -> Vec<u8> {
    hashed(register, EV_SEPARATOR, &[0; 4])
}

fn sha256_log(events: &[Vec<u8>]) -> Vec<u8> {
    [header(&[SHA256]), events.concat()].concat()
}

#[test]
fn fields_of_an_event() {
    let log = sha256_log(&[event(5, 6, &[(SHA256.0, &[7; 32])], b"data")]);
    let log = EventLog::parse(&log).unwrap();
    assert_eq!(log.header().algorithms, [HashAlgorithm::Sha256]);
    assert_eq!((log.header().platform_class, log.header().errata), (0, 0));
    let [event] = log.events() else { panic!("one event") };
    assert_eq!((event.register, event.event_type), (5, EventType::EV_EVENT_TAG));
    assert_eq!(event.digest(HashAlgorithm::Sha256), Some([7; 32].as_slice()));
    assert_eq!(event.digest(HashAlgorithm::Sha384), None);
    assert_eq!(event.unverified_data(), b"data");
    assert_eq!((event.tie(Bank::Sha256), event.tied_data(Bank::Sha256)), (Tie::Opaque, None));
    assert!(log.extends(5) && !log.extends(4));
}

#[test]
fn the_header() {
    assert!(EventLog::parse(&header(&[SHA1, SHA256, SHA384, (0xD, 64), (0x12, 32)])).is_ok());
    assert!(EventLog::parse(&first(1, EV_NO_ACTION, 0, &spec_id(&[SHA384]))).is_ok());
    let vendor = [spec_id(&[SHA384]).strip_suffix(&[0]).unwrap(), &[2, 8, 9]].concat();
    let vendor = first(0, EV_NO_ACTION, 0, &vendor);
    assert_eq!(EventLog::parse(&vendor).unwrap().header().vendor_info, [8, 9]);

    let data = spec_id(&[SHA256]);
    assert_eq!(refused(&first(2, EV_NO_ACTION, 0, &data)), EventLogError::HeaderRegister { found: 2 });
    assert_eq!(refused(&first(0, EV_NO_ACTION, 1, &data)), EventLogError::HeaderDigest);
    let found = EventType::EV_SEPARATOR;
    assert_eq!(refused(&first(0, EV_SEPARATOR, 0, &data)), EventLogError::NotCryptoAgile { found });
    let found = EventType::EV_NO_ACTION;
    assert_eq!(with_header_byte(14, b'2'), EventLogError::NotCryptoAgile { found });
    assert_eq!(with_header_byte(16, 2), EventLogError::PlatformClass { found: 2 });
    assert_eq!(with_header_byte(20, 1), EventLogError::Version { major: 2, minor: 1 });
    assert_eq!(with_header_byte(21, 1), EventLogError::Version { major: 1, minor: 0 });
    assert_eq!(with_header_byte(23, 0), EventLogError::UintnSize { found: 0 });
    assert_eq!(with_header_byte(23, 3), EventLogError::UintnSize { found: 3 });
    assert_eq!(with_header_byte(24, 0), EventLogError::AlgorithmCount { found: 0 });
    assert_eq!(with_header_byte(24, 6), EventLogError::AlgorithmCount { found: 6 });
    assert_eq!(with_header_byte(27, 0xFF), EventLogError::AlgorithmCount { found: 0xFF00_0002 });
    assert_eq!(with_header_byte(28, 0x27), EventLogError::UnknownAlgorithm { found: 0x27 });
    let algorithm = HashAlgorithm::Sha256;
    assert_eq!(with_header_byte(30, 31), EventLogError::AlgorithmSize { algorithm, found: 31 });
    assert_eq!(refused(&header(&[SHA256, SHA256])), EventLogError::AlgorithmTwice { algorithm });

    // The vendor's information: more and fewer bytes than it says.
    assert_eq!(with_header_byte(36, 1), EventLogError::HeaderLength { found: 37 });
    for length in 16..data.len() {
        let error = EventLogError::HeaderLength { found: length };
        assert_eq!(refused(&first(0, EV_NO_ACTION, 0, &data[..length])), error);
    }
    let long = [data, vec![0]].concat();
    let error = EventLogError::HeaderLength { found: long.len() };
    assert_eq!(refused(&first(0, EV_NO_ACTION, 0, &long)), error);
}

#[test]
fn digests() {
    let log =
        |digests: &[(u16, &[u8])]| [header(&[SHA256, SHA384]), event(0, EV_SEPARATOR, digests, b"")].concat();
    let sha256 = (SHA256.0, [1; 32].as_slice());
    let sha384 = (SHA384.0, [2; 48].as_slice());
    for digests in [[sha256, sha384], [sha384, sha256]] {
        let log = log(&digests);
        let log = EventLog::parse(&log).unwrap();
        assert_eq!(log.events()[0].digest(HashAlgorithm::Sha256), Some(sha256.1));
        assert_eq!(log.events()[0].digest(HashAlgorithm::Sha384), Some(sha384.1));
    }
    let count = |found| EventLogError::DigestCount { event: 1, expected: 2, found };
    assert_eq!(refused(&log(&[])), count(0));
    assert_eq!(refused(&log(&[sha256])), count(1));
    assert_eq!(refused(&log(&[sha256, sha384, sha256])), count(3));
    let algorithm = HashAlgorithm::Sha256;
    assert_eq!(refused(&log(&[sha256, sha256])), EventLogError::DigestTwice { event: 1, algorithm });
    let undeclared = EventLogError::UndeclaredAlgorithm { event: 1, found: SHA1.0 };
    assert_eq!(refused(&log(&[(SHA1.0, &[0; 20]), sha256])), undeclared);
}

#[test]
fn registers() {
    assert!(EventLog::parse(&sha256_log(&[separator(23)])).is_ok());
    let error = EventLogError::Register { event: 2, found: 24 };
    assert_eq!(refused(&sha256_log(&[separator(0), separator(24)])), error);
    // What extends nothing may name no register at all.
    let no_action = event(u32::MAX, EV_NO_ACTION, &[(SHA256.0, &[0; 32])], b"");
    assert!(EventLog::parse(&sha256_log(&[no_action])).is_ok());
}

#[test]
fn the_end() {
    let log = sha256_log(&[separator(0)]);
    for padding in [0x00, 0xFF] {
        for length in [0, 1, 11, 12, 13, 5000] {
            let mut padded = [log.clone(), vec![padding; length]].concat();
            assert_eq!(EventLog::parse(&padded).unwrap().events().len(), 1);
            padded.push(7);
            let error = refused(&padded);
            if length >= 12 {
                assert_eq!(error, EventLogError::BehindPadding { padding, offset: padded.len() - 1 });
            }
        }
        // An event behind padding is no event.
        let hidden = [log.clone(), vec![padding; 64], separator(1)].concat();
        assert!(matches!(refused(&hidden), EventLogError::BehindPadding { .. }));
    }
    let mixed = [log.clone(), vec![0; 20], vec![0xFF; 20]].concat();
    let error = EventLogError::BehindPadding { padding: 0, offset: log.len() + 20 };
    assert_eq!(refused(&mixed), error);
}

#[test]
fn bounds() {
    let mut log = sha256_log(&[separator(0)]);
    log.resize(MAX_LOG_LEN, 0xFF);
    assert!(EventLog::parse(&log).is_ok());
    log.push(0xFF);
    assert_eq!(refused(&log), EventLogError::TooLarge { found: MAX_LOG_LEN + 1 });

    let many = |count| [header(&[SHA256]), separator(0).repeat(count)].concat();
    assert_eq!(EventLog::parse(&many(MAX_EVENTS - 1)).unwrap().events().len(), MAX_EVENTS - 1);
    assert_eq!(refused(&many(MAX_EVENTS)), EventLogError::TooManyEvents);

    let data = |length| sha256_log(&[hashed(0, EV_SEPARATOR, &vec![0; length])]);
    assert!(EventLog::parse(&data(MAX_DATA_LEN)).is_ok());
    let found = MAX_DATA_LEN + 1;
    assert_eq!(refused(&data(found)), EventLogError::DataTooLarge { event: 1, found });
}

fn startup_locality(register: u32, data: &[u8]) -> Vec<u8> {
    let data = [b"StartupLocality\0".as_slice(), data].concat();
    event(register, EV_NO_ACTION, &[(SHA256.0, &[0; 32])], &data)
}

#[test]
fn startup_locality_starts_pcr_0() {
    for locality in [0, 3, 4] {
        let bytes = sha256_log(&[startup_locality(0, &[locality])]);
        let log = EventLog::parse(&bytes).unwrap();
        assert_eq!(log.startup_locality(), locality);
        let mut start = vec![0; 32];
        assert_eq!(log.replay(1, Bank::Sha256), Some(start.clone()));
        start[31] = locality;
        assert_eq!(log.replay(0, Bank::Sha256), Some(start));
    }
    let wrong = EventLogError::StartupLocality { event: 1 };
    for event in [
        startup_locality(0, &[1]),
        startup_locality(0, &[]),
        startup_locality(0, &[3, 3]),
        startup_locality(1, &[3]),
    ] {
        assert_eq!(refused(&sha256_log(&[event])), wrong);
    }
    let late = EventLogError::StartupLocalityLate { event: 2 };
    assert_eq!(refused(&sha256_log(&[separator(0), startup_locality(0, &[3])])), late);
    assert_eq!(refused(&sha256_log(&[startup_locality(0, &[0]), startup_locality(0, &[0])])), late);
    assert!(EventLog::parse(&sha256_log(&[separator(1), startup_locality(0, &[3])])).is_ok());
    // The same bytes in an event that extends are no more than data.
    let data = b"StartupLocality\0\x03";
    assert_eq!(EventLog::parse(&sha256_log(&[hashed(0, 6, data)])).unwrap().startup_locality(), 0);
}

#[test]
fn what_does_not_replay() {
    let no_action = event(0, EV_NO_ACTION, &[(SHA256.0, &[9; 32])], b"");
    let bytes = sha256_log(&[no_action, separator(15), separator(16)]);
    let log = EventLog::parse(&bytes).unwrap();
    assert_eq!(log.replay(0, Bank::Sha256), Some(vec![0; 32]));
    assert!(!log.extends(0));
    assert!(log.replay(15, Bank::Sha256).is_some());
    assert_eq!(log.replay(16, Bank::Sha256), None);
    assert_eq!(log.replay(15, Bank::Sha384), None);
    let algorithm = HashAlgorithm::Sha384;
    assert_eq!(log.replay_rtmrs(), Err(EventLogError::NoDigests { algorithm }));
}

#[test]
fn rtmrs_are_registers_1_to_4() {
    let digest = [1; 48];
    let extend = |register, event_type| event(register, event_type, &[(SHA384.0, &digest)], b"");
    let log = |events: &[Vec<u8>]| [header(&[SHA384]), events.concat()].concat();
    let bytes = log(&[extend(1, 4), extend(4, 4), extend(4, 4), extend(0, EV_NO_ACTION)]);
    let rtmrs = EventLog::parse(&bytes).unwrap().replay_rtmrs().unwrap();
    let replay = |count| evidence_event_log::replay::replay_sha384(vec![digest; count]);
    assert_eq!(rtmrs.values, [replay(1), [0; 48], [0; 48], replay(2)]);
    assert_eq!(rtmrs.events, [1, 0, 0, 2]);
    for found in [0, 5] {
        let bytes = log(&[extend(1, 4), extend(found, 4)]);
        let error = EventLogError::NotAnRtmr { event: 2, found };
        assert_eq!(EventLog::parse(&bytes).unwrap().replay_rtmrs(), Err(error));
    }
}
