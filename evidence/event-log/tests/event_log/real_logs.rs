//! Real logs: what they replay to, and which of their data their digests vouch for.

use std::collections::BTreeMap;

use crate::support::{quoted_rtmrs, vector};
use evidence_event_log::{
    Bank, CcelTable, CcelTableError, EventLog, EventLogError, EventType, HashAlgorithm, Tie,
};

const LOGS: &str = "tpm-eventlog/eventlogs";

/// Replays each register that `meta.json` has the first six bytes of: found by an independent parser.
#[test]
fn registers_of_the_catalogue() {
    let test = "real_logs::registers_of_the_catalogue";
    let Some(meta) = vector(test, &format!("{LOGS}/meta.json")) else { return };
    let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
    let mut registers = 0;
    for verified in meta["verified"].as_array().unwrap() {
        let (name, verified) = verified.as_str().unwrap().split_once(": ").unwrap();
        let bytes = vector(test, &format!("{LOGS}/{name}")).unwrap();
        let Some((_, values)) = verified.split_once("replay {") else {
            // Debian 10's firmware wrote the SHA-1 form.
            let found = EventType::EV_S_CRTM_VERSION;
            assert_eq!(EventLog::parse(&bytes), Err(EventLogError::NotCryptoAgile { found }), "{name}");
            continue;
        };
        let log = EventLog::parse(&bytes).unwrap();
        let bank = if name.contains("tdx") || name.contains("ccel") { Bank::Sha384 } else { Bank::Sha256 };
        for value in values.trim_end_matches('}').split(", ") {
            let (register, value) = value.split_once(": ").unwrap();
            let replayed = log.replay(register.parse().unwrap(), bank).unwrap();
            assert_eq!(hex::encode(&replayed[..6]), value.trim_matches('\''), "{name} {register}");
            registers += 1;
        }
    }
    assert_eq!(registers, 5 * 11 - 1 + 5);
}

/// A GCP TDX guest with a UKI: the two registers that its backend compares.
#[test]
fn pcrs_of_google_cloud() {
    let Some(bytes) = vector("real_logs::pcrs_of_google_cloud", "dstack/tpm_eventlog.bin") else { return };
    let log = EventLog::parse(&bytes).unwrap();
    let replay = |register| hex::encode(log.replay(register, Bank::Sha256).unwrap());
    assert_eq!(replay(0), "0cca9ec161b09288802e5a112255d21340ed5b797f5fe29cecccfd8f67b9f802");
    assert_eq!(replay(2), "1f74355f18d9aab3a26faa060d2058726554207d040c63d25d501d97f5a41e0f");
    assert_eq!(log.events_of(2).count(), 4);
    // The confidential technology in EV_NONHOST_INFO is tied to PCR 0: the last byte says which.
    let tied: Vec<_> = log.events_of(0).filter_map(|event| event.tied_data(Bank::Sha256)).collect();
    let [_version, nonhost_info, separator] = tied.as_slice() else { panic!("three events") };
    assert!(nonhost_info.starts_with(b"GCE NonHostInfo\0"));
    assert_eq!(*separator, [0; 4]);
}

/// The quoted PCRs stand in the attestation as they are.
#[test]
fn pcrs_of_a_quoted_attestation() {
    let test = "real_logs::pcrs_of_a_quoted_attestation";
    for folder in ["gcp/vtpm-gce-cos-85-no-nonce", "gcp/vtpm-gce-cos-85-nonce9009"] {
        let Some(bytes) = vector(test, &format!("{folder}/eventlog.bin")) else { return };
        let attestation = vector(test, &format!("{folder}/attestation.pb")).unwrap();
        let log = EventLog::parse(&bytes).unwrap();
        for register in 0..10 {
            let value = log.replay(register, Bank::Sha256).unwrap();
            assert!(attestation.windows(value.len()).any(|window| window == value), "{folder} {register}");
        }
    }
}

#[test]
fn rtmrs_of_quotes() {
    let test = "real_logs::rtmrs_of_quotes";
    for (folder, file) in
        [("tdx/v4-gcp-cos113-ccel", "ccel_data.dat"), ("tdx/v4-attestation-rs-live-ccel", "ccel_live2.bin")]
    {
        let Some(bytes) = vector(test, &format!("{folder}/{file}")) else { return };
        let quote = vector(test, &format!("{folder}/quote.bin")).unwrap();
        let rtmrs = EventLog::parse(&bytes).unwrap().replay_rtmrs().unwrap();
        assert_eq!(rtmrs.values, quoted_rtmrs(&quote), "{folder}");
        assert_eq!(rtmrs.events.map(|events| events > 0), [true, true, true, false], "{folder}");
    }
}

#[test]
fn logs_of_other_boots_differ() {
    let test = "real_logs::logs_of_other_boots_differ";
    for (folder, file, same) in [
        // Another initrd.
        ("tdx/v4-attestation-rs-live-ccel", "ccel_live_MISMATCH.bin", [true, true, false, true]),
        // Another firmware, and the separator of RTMR1 logged as a second one of RTMR0.
        (
            "tdx/v4-gcp-cos113-ccel",
            "../../tpm-eventlog/eventlogs/cos-113-intel-tdx-dupe-separator.bin",
            [false, false, true, true],
        ),
    ] {
        let Some(bytes) = vector(test, &format!("{folder}/{file}")) else { return };
        let quote = vector(test, &format!("{folder}/quote.bin")).unwrap();
        let quoted = quoted_rtmrs(&quote);
        let values = EventLog::parse(&bytes).unwrap().replay_rtmrs().unwrap().values;
        assert_eq!([0, 1, 2, 3].map(|rtmr| values[rtmr] == quoted[rtmr]), same, "{file}");
    }
}

#[test]
fn a_ccel_table() {
    let Some(bytes) = vector("real_logs::a_ccel_table", "tdx/v4-gcp-cos113-ccel/ccel_table.dat") else {
        return;
    };
    let table = CcelTable::parse(&bytes).unwrap();
    assert_eq!((table.revision, table.subtype), (1, 0));
    assert_eq!((table.log_area_len, table.log_area_address), (262_144, 0xBEDB_F000));
    for offset in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 1;
        assert!(CcelTable::parse(&flipped).is_err(), "{offset}");
    }
    let error = CcelTableError::Length { found: 55 };
    assert_eq!(CcelTable::parse(&bytes[..55]), Err(error));
}

const FILES: [&str; 12] = [
    "tpm-eventlog/eventlogs/ccel.bin",
    "tpm-eventlog/eventlogs/cos-101-amd-sev.bin",
    "tpm-eventlog/eventlogs/cos-113-intel-tdx-dupe-separator.bin",
    "tpm-eventlog/eventlogs/rhel8-uefi.bin",
    "tpm-eventlog/eventlogs/tpm_eventlog.bin",
    "tpm-eventlog/eventlogs/ubuntu-2104-no-secure-boot.bin",
    "tpm-eventlog/eventlogs/ubuntu-2404-amd-sevsnp.bin",
    "gcp/vtpm-gce-cos-85-no-nonce/eventlog.bin",
    "gcp/vtpm-gce-cos-85-nonce9009/eventlog.bin",
    "tdx/v4-gcp-cos113-ccel/ccel_data.dat",
    "tdx/v4-attestation-rs-live-ccel/ccel_live2.bin",
    "tdx/v4-attestation-rs-live-ccel/ccel_live_MISMATCH.bin",
];

/// The README's table: events of each type that are tied, contradicted and opaque, in every bank.
#[test]
fn ties() {
    let mut found = BTreeMap::<String, [usize; 3]>::new();
    for file in FILES {
        let Some(bytes) = vector("real_logs::ties", file) else { return };
        let log = EventLog::parse(&bytes).unwrap();
        for event in log.events() {
            let ties: Vec<_> = [Bank::Sha256, Bank::Sha384]
                .into_iter()
                .filter(|bank| log.header().algorithms.contains(&bank.algorithm()))
                .map(|bank| event.tie(bank))
                .collect();
            assert!(ties.windows(2).all(|pair| pair[0] == pair[1]), "one answer in each bank");
            let column = match ties[0] {
                Tie::Tied(_) => 0,
                Tie::Contradicted => 1,
                Tie::Opaque => 2,
            };
            found.entry(event.event_type.to_string()).or_default()[column] += 1;
        }
    }
    let expected = [
        ("EV_EFI_ACTION", [37, 0, 0]),
        ("EV_EFI_BOOT_SERVICES_APPLICATION", [0, 0, 26]),
        ("EV_EFI_GPT_EVENT", [9, 0, 0]),
        ("EV_EFI_HANDOFF_TABLES2", [0, 0, 5]),
        ("EV_EFI_PLATFORM_FIRMWARE_BLOB2", [0, 0, 5]),
        ("EV_EFI_VARIABLE_AUTHORITY", [13, 4, 0]),
        ("EV_EFI_VARIABLE_BOOT", [39, 0, 0]),
        ("EV_EFI_VARIABLE_DRIVER_CONFIG", [60, 0, 0]),
        ("EV_EVENT_TAG", [0, 0, 7]),
        ("EV_IPL", [213, 0, 107]),
        ("EV_NONHOST_INFO", [7, 0, 0]),
        ("EV_NO_ACTION", [0, 0, 2]),
        ("EV_PLATFORM_CONFIG_FLAGS", [0, 0, 21]),
        ("EV_SEPARATOR", [66, 0, 0]),
        ("EV_S_CRTM_VERSION", [7, 0, 0]),
    ];
    assert_eq!(found, expected.map(|(name, counts)| (name.to_owned(), counts)).into());
}

#[test]
fn every_truncation_and_flip() {
    let Some(bytes) = vector("real_logs::every_truncation_and_flip", FILES[0]) else { return };
    let log = EventLog::parse(&bytes).unwrap();
    let rtmrs = log.replay_rtmrs().unwrap();
    // The header, then one cut behind each event; and cuts inside of the padding.
    let whole: Vec<_> = (0..=bytes.len()).filter(|&end| EventLog::parse(&bytes[..end]).is_ok()).collect();
    assert_eq!(whole.len(), 1 + log.events().len() + 64);
    for offset in 0..bytes.len() {
        for mask in [1, 0x80, 0xFF] {
            let mut flipped = bytes.clone();
            flipped[offset] ^= mask;
            let Ok(flipped) = EventLog::parse(&flipped) else { continue };
            for event in flipped.events() {
                let _ = event.tie(Bank::Sha384);
            }
            let same = flipped.replay_rtmrs().is_ok_and(|replayed| replayed == rtmrs);
            // What replays the same has the same digests, and so the same tied data, or it is no claim.
            let digests = |log: &EventLog<'_>| -> Vec<Vec<u8>> {
                log.events().iter().map(|e| e.digest(HashAlgorithm::Sha384).unwrap().to_vec()).collect()
            };
            assert!(!same || digests(&flipped) == digests(&log), "{offset}");
            if same {
                for (event, original) in flipped.events().iter().zip(log.events()) {
                    let tied = event.tied_data(Bank::Sha384);
                    assert!(tied.is_none() || tied == original.tied_data(Bank::Sha384), "{offset}");
                }
            }
        }
    }
}
