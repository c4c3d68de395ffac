//! The guest's TPM on a real software TPM. Each test has one of its own.

#![cfg(all(feature = "tpm", target_os = "linux"))]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and `dyn` needs a cast"
)]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use evidence_attester::tpm::{Key, NV_ATTRIBUTES, Pcr, Quoted, Tpm, TpmError, TpmGuest};
use evidence_attester::{Journal, JournalError, Register, RegisterError, device};
use evidence_event_log::Bank;
use evidence_event_log::runtime::{EventVersion, RuntimeEvent};
use evidence_ledger::ErrorKind;
use lab::swtpm::{AK_HANDLE, Proxy, Swtpm, Wire};
use lab::tpm::alg;
use lab::vectors::skipped;

/// Azure's index of its report, and the one of what a guest wants in it.
const REPORT: u32 = 0x0140_0001;
const USER_DATA: u32 = 0x0140_0002;

/// TPMA_NV: OWNERWRITE with AUTHREAD, with POLICYREAD, and with OWNERREAD and NO_DA.
const AUTH_READ: u32 = 0x0004_0002;
const POLICY_READ: u32 = 0x0008_0002;
const OWNER_READ_NO_DA: u32 = 0x0202_0002;

/// TPM_CC (part 2, 6.5.2).
const CC_QUOTE: u32 = 0x158;
const CC_PCR_EXTEND: u32 = 0x182;

/// A response that is TPM_RC_FAILURE.
const FAILURE: [u8; 10] = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01];

fn swtpm(test: &str) -> Option<Swtpm> {
    if Swtpm::is_installed() {
        return Some(Swtpm::start().unwrap());
    }
    skipped(test, "swtpm is not installed");
    None
}

fn open(tcti: &str) -> Tpm {
    Tpm::open(Path::new("/nowhere"), Some(tcti)).unwrap()
}

fn shared(tcti: &str) -> Arc<Mutex<Tpm>> {
    Arc::new(Mutex::new(open(tcti)))
}

fn code(command: &[u8]) -> u32 {
    u32::from_be_bytes(command[6..10].try_into().unwrap())
}

fn words(error: TpmError) -> (ErrorKind, String) {
    (error.kind(), error.to_string())
}

const fn is_send<T: Send>() {}
const _: () = is_send::<Tpm>();
const _: () = is_send::<Pcr>();

#[test]
fn the_better_device_is_chosen() {
    let root = tempfile::tempdir().unwrap();
    let [better, other] = ["dev/tpmrm0", "dev/tpm0"].map(|device| root.path().join(device));
    let looked_for = format!("{} nor {}", better.display(), other.display());
    let missing = TpmError::Missing { looked_for: looked_for.clone() };
    assert_eq!(Tpm::open(root.path(), None).unwrap_err(), missing);
    assert_eq!(words(missing), (ErrorKind::Unsupported, format!("no tpm: neither {looked_for}")));

    fs::create_dir(root.path().join("dev")).unwrap();
    for device in [&other, &better] {
        fs::write(device, "").unwrap();
        assert_eq!(&Tpm::device(root.path()).unwrap(), device);
        // Not a TPM.
        match Tpm::open(root.path(), None).and_then(|mut tpm| tpm.banks()).unwrap_err() {
            TpmError::Open { name, .. } => assert_eq!(name, device.display().to_string()),
            error => assert_eq!(error.kind(), ErrorKind::DeviceUnavailable),
        }
    }
}

#[test]
fn what_names_no_tpm_is_refused() {
    let open = |tcti: &str| Tpm::open(Path::new("/nowhere"), Some(tcti)).unwrap_err();
    for tcti in ["", "tpm", "swtpm:host=127.0.0.1,port=many"] {
        assert_eq!(open(tcti), TpmError::Tcti(tcti.to_owned()));
        assert_eq!(open(tcti).kind(), ErrorKind::InvalidConfig);
    }
    // A port that nobody listens on.
    let (kind, said) = words(open("swtpm:host=127.0.0.1,port=1"));
    assert_eq!(kind, ErrorKind::DeviceUnavailable);
    assert!(said.starts_with("cannot open swtpm:host=127.0.0.1,port=1: "), "{said}");
}

#[test]
fn nv_indices_are_read_whole() {
    let Some(swtpm) = swtpm("nv_indices_are_read_whole") else { return };
    let data: Vec<u8> = (0..2048_u16).map(|at| (at % 251) as u8).collect();
    let mut wire = swtpm.wire().unwrap();
    let indices = [(REPORT, NV_ATTRIBUTES), (REPORT + 1, AUTH_READ), (REPORT + 2, POLICY_READ)];
    for (index, attributes) in indices {
        wire.nv_define(index, attributes, 2048).unwrap();
        wire.nv_write(index, &data).unwrap();
    }
    wire.nv_define(REPORT + 3, NV_ATTRIBUTES, 8).unwrap();
    drop(wire);

    let mut tpm = open(&swtpm.tcti());
    for index in [REPORT, REPORT + 1] {
        assert!(tpm.nv_exists(index).unwrap());
        assert_eq!(tpm.nv_read(index, 2048).unwrap().unwrap(), data);
        let too_large = TpmError::TooLarge { index, found: 2048, limit: 2047 };
        assert_eq!(tpm.nv_read(index, 2047).unwrap_err(), too_large);
    }
    // Between two that there are, and after the last one.
    for index in [REPORT - 1, REPORT + 4, 0x01c1_01d0] {
        assert!(!tpm.nv_exists(index).unwrap());
        assert_eq!(tpm.nv_read(index, 2048).unwrap(), None);
    }
    // WRITTEN is among the attributes.
    let not_readable = TpmError::NotReadable { index: REPORT + 2, attributes: POLICY_READ | 0x2000_0000 };
    assert_eq!(tpm.nv_read(REPORT + 2, 2048).unwrap_err(), not_readable);
    // Never written.
    assert!(tpm.nv_exists(REPORT + 3).unwrap());
    assert_eq!(tpm.nv_read(REPORT + 3, 2048).unwrap(), None);
    for handle in [0, 0x8140_0001, 0x0240_0001] {
        let no_index = TpmError::Handle { what: "NV index", handle };
        assert_eq!(tpm.nv_read(handle, 2048).unwrap_err(), no_index);
        assert_eq!(tpm.nv_exists(handle).unwrap_err(), no_index);
        assert_eq!(tpm.nv_define_and_write(handle, b"a").unwrap_err(), no_index);
    }
}

#[test]
fn an_index_is_defined_and_written() {
    let Some(swtpm) = swtpm("an_index_is_defined_and_written") else { return };
    let mut tpm = open(&swtpm.tcti());
    for data in [[1; 64], [2; 64]] {
        tpm.nv_define_and_write(USER_DATA, &data).unwrap();
        assert_eq!(tpm.nv_read(USER_DATA, 64).unwrap().unwrap(), data);
    }
    // More than one command moves.
    let long: Vec<u8> = (0..2048_u16).map(|at| (at % 251) as u8).collect();
    tpm.nv_define_and_write(REPORT, &long).unwrap();
    assert_eq!(tpm.nv_read(REPORT, 2048).unwrap().unwrap(), long);
    let too_long = TpmError::TooLong { what: "NV data", found: 65_536, most: 65_535 };
    assert_eq!(tpm.nv_define_and_write(REPORT + 5, &[0; 65_536]).unwrap_err(), too_long);
    // More than libtpms gives an index.
    let (kind, said) = words(tpm.nv_define_and_write(REPORT + 5, &[0; 2049]).unwrap_err());
    assert_eq!(kind, ErrorKind::DeviceUnavailable);
    assert!(said.starts_with("TPM2_NV_DefineSpace failed: ") && said.ends_with("(0x2d5)"), "{said}");
    drop(tpm);

    // By another hand: TPM2_NV_ReadPublic. Size of the public area, index, nameAlg, attributes with WRITTEN,
    // no policy, size of the data.
    let mut wire = swtpm.wire().unwrap();
    let read_public = [&[0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x69][..], &USER_DATA.to_be_bytes()].concat();
    let response = wire.transmit(&read_public).unwrap();
    assert_eq!(hex::encode(&response[10..26]), "000e01400002000b2002000200000040");
    assert_eq!(wire.nv_read(USER_DATA).unwrap(), [2; 64]);
}

#[test]
fn another_index_is_left_as_it_is() {
    let Some(swtpm) = swtpm("another_index_is_left_as_it_is") else { return };
    let mut wire = swtpm.wire().unwrap();
    for (index, attributes, size) in [(USER_DATA, NV_ATTRIBUTES, 63), (USER_DATA + 1, OWNER_READ_NO_DA, 64)] {
        wire.nv_define(index, attributes, size).unwrap();
        wire.nv_write(index, &vec![9; size.into()]).unwrap();
    }
    drop(wire);
    let mut tpm = open(&swtpm.tcti());
    for (index, found_size, found_attributes) in
        [(USER_DATA, 63, NV_ATTRIBUTES), (USER_DATA + 1, 64, OWNER_READ_NO_DA)]
    {
        let other = TpmError::OtherIndex { index, expected_size: 64, found_size, found_attributes };
        assert_eq!(tpm.nv_define_and_write(index, &[1; 64]).unwrap_err(), other);
        assert_eq!(other.kind(), ErrorKind::Unsupported);
        assert_eq!(tpm.nv_read(index, 64).unwrap().unwrap(), vec![9; found_size]);
    }
    let said = tpm.nv_define_and_write(USER_DATA, &[1; 64]).unwrap_err().to_string();
    let expected = "NV index 0x01400002 has 63 bytes and attributes 0x00020002, expected 64 and 0x00020002";
    assert_eq!(said, expected);
}

#[test]
fn banks_are_those_that_have_pcrs() {
    let Some(mut swtpm) = swtpm("banks_are_those_that_have_pcrs") else { return };
    let all = [alg::SHA1, alg::SHA256, alg::SHA384, alg::SHA512];
    assert_eq!(open(&swtpm.tcti()).banks().unwrap(), all);
    swtpm.wire().unwrap().pcr_allocate(&[alg::SHA384], &[alg::SHA1, alg::SHA256, alg::SHA512]).unwrap();
    swtpm.restart().unwrap();

    let mut tpm = open(&swtpm.tcti());
    assert_eq!(tpm.banks().unwrap(), [alg::SHA384]);
    assert_eq!(tpm.pcr_read(Bank::Sha384, &[0]).unwrap(), [vec![0; 48]]);
    let error = tpm.pcr_read(Bank::Sha256, &[3]).unwrap_err();
    assert_eq!(error, TpmError::NotAllocated { bank: Bank::Sha256, pcr: 3 });
    assert_eq!(words(error), (ErrorKind::Unsupported, "no PCR 3 in the bank of SHA-256".to_owned()));
}

#[test]
fn pcrs_are_read_in_ascending_order() {
    let Some(swtpm) = swtpm("pcrs_are_read_in_ascending_order") else { return };
    let mut wire = swtpm.wire().unwrap();
    for pcr in 0..16_u8 {
        let digests = [(alg::SHA256, &[pcr; 32][..]), (alg::SHA512, &[pcr; 64][..])];
        wire.pcr_extend(pcr.into(), &digests).unwrap();
    }
    drop(wire);
    let extended = |bank: Bank, pcr: u8| bank.extended(&bank.initial(), &vec![pcr; bank.algorithm().size()]);
    let mut tpm = open(&swtpm.tcti());
    for bank in [Bank::Sha256, Bank::Sha512] {
        let all: Vec<u8> = (0..24).collect();
        let values = tpm.pcr_read(bank, &all).unwrap();
        assert_eq!(values.len(), 24);
        for (pcr, value) in (0..16).zip(&values) {
            assert_eq!(value, &extended(bank, pcr));
        }
        let some = tpm.pcr_read(bank, &[15, 2, 15, 0, 9, 4, 11, 7, 8, 3]).unwrap();
        assert_eq!(some, [0, 2, 3, 4, 7, 8, 9, 11, 15].map(|pcr| extended(bank, pcr)));
    }
    assert_eq!(tpm.pcr_read(Bank::Sha256, &[]).unwrap(), Vec::<Vec<u8>>::new());
    for pcr in [24, 31, 32, 255] {
        let not_allocated = TpmError::NotAllocated { bank: Bank::Sha256, pcr };
        assert_eq!(tpm.pcr_read(Bank::Sha256, &[1, pcr]).unwrap_err(), not_allocated);
    }
}

/// Verifies the signature, and compares what was signed: magic, type, extra data, the selection of one bank,
/// the digest of the PCRs.
fn assert_quotes(quoted: &Quoted, public: &[u8], extra_data: &[u8], bank: Bank, select: [u8; 3]) {
    let Quoted { attest, signature, pcrs, .. } = quoted;
    // RSASSA, SHA-256, 256 bytes.
    assert_eq!(signature[..6], [0, 0x14, 0, 0x0b, 1, 0]);
    let key = RsaPublicKeyComponents { n: &public[24..], e: &[1, 0, 1] };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, attest, &signature[6..]).unwrap();

    assert_eq!(attest[..6], [0xff, 0x54, 0x43, 0x47, 0x80, 0x18]);
    let name = usize::from(u16::from_be_bytes([attest[6], attest[7]]));
    let rest = &attest[8 + name..];
    assert_eq!(rest[..2], u16::try_from(extra_data.len()).unwrap().to_be_bytes());
    assert_eq!(&rest[2..][..extra_data.len()], extra_data);
    // Clock (17 bytes), firmware version (8).
    let rest = &rest[2 + extra_data.len() + 25..];
    let algorithm = bank.algorithm().id().to_be_bytes();
    assert_eq!(rest[..10], [&[0, 0, 0, 1][..], &algorithm, &[3], &select].concat());
    assert_eq!(rest[10..12], [0, 32]);
    assert_eq!(rest[12..], Bank::Sha256.hash(&[&pcrs.concat()]));
}

#[test]
fn quotes_verify_outside_of_the_tpm() {
    let Some(swtpm) = swtpm("quotes_verify_outside_of_the_tpm") else { return };
    let mut wire = swtpm.wire().unwrap();
    let public = wire.create_primary_ak_rsa2048().unwrap();
    wire.pcr_extend(14, &[(alg::SHA256, &[7; 32])]).unwrap();
    drop(wire);
    // What the TPM itself said, beside what came of it.
    let said = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&said);
    let hook = move |command: &[u8], tpm: &mut Wire| {
        if code(command) != CC_QUOTE {
            return Ok(None);
        }
        let response = tpm.transmit(command)?;
        *record.lock().unwrap() = response.clone();
        Ok(Some(response))
    };
    let proxy = Proxy::start(&swtpm, hook).unwrap();
    let mut tpm = open(&proxy.tcti());
    assert_eq!(tpm.public(Key::Persistent(AK_HANDLE)).unwrap(), public);

    let all: Vec<u8> = (0..24).collect();
    let some: &[u8] = &[14, 0, 23, 8, 14];
    for extra_data in [&[][..], &[1; 32], &[2; 64]] {
        for bank in [Bank::Sha256, Bank::Sha384, Bank::Sha512] {
            for (pcrs, select) in [(&all[..], [0xff; 3]), (some, [0x01, 0x41, 0x80])] {
                let quoted = tpm.quote(Key::Persistent(AK_HANDLE), extra_data, bank, pcrs).unwrap();
                assert_eq!(quoted.pcrs, tpm.pcr_read(bank, pcrs).unwrap());
                assert_quotes(&quoted, &public, extra_data, bank, select);
                // Header and size of the parameters, a TPM2B, the signature, the session (5 bytes).
                let said = said.lock().unwrap();
                let len = usize::from(u16::from_be_bytes([said[14], said[15]]));
                assert_eq!(quoted.attest, said[16..][..len]);
                assert_eq!(quoted.signature, said[16 + len..said.len() - 5]);
            }
        }
    }

    let quote = |tpm: &mut Tpm, key: u32, extra_data: &[u8], pcrs: &[u8]| {
        tpm.quote(Key::Persistent(key), extra_data, Bank::Sha256, pcrs).unwrap_err()
    };
    let too_long = TpmError::TooLong { what: "extra data", found: 65, most: 64 };
    assert_eq!(quote(&mut tpm, AK_HANDLE, &[0; 65], &[0]), too_long);
    let not_allocated = TpmError::NotAllocated { bank: Bank::Sha256, pcr: 24 };
    assert_eq!(quote(&mut tpm, AK_HANDLE, &[], &[0, 24]), not_allocated);
    let no_key = TpmError::NoKey { handle: AK_HANDLE + 1 };
    assert_eq!(quote(&mut tpm, AK_HANDLE + 1, &[], &[0]), no_key);
    assert_eq!(tpm.public(Key::Persistent(AK_HANDLE + 1)).unwrap_err(), no_key);
    let no_handle = TpmError::Handle { what: "persistent key", handle: REPORT };
    assert_eq!(tpm.public(Key::Persistent(REPORT)).unwrap_err(), no_handle);
}

/// Between the reading of the PCRs and the quote somebody extends one, so many times.
#[test]
fn a_quote_is_made_again_while_pcrs_change() {
    let Some(swtpm) = swtpm("a_quote_is_made_again_while_pcrs_change") else { return };
    let public = swtpm.wire().unwrap().create_primary_ak_rsa2048().unwrap();
    for changes in [0, 1, 4, 5] {
        let quotes = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&quotes);
        let hook = move |command: &[u8], tpm: &mut Wire| {
            if code(command) == CC_QUOTE {
                let mut count = counter.lock().unwrap();
                if *count < changes {
                    tpm.pcr_extend(8, &[(alg::SHA256, &[7; 32])])?;
                }
                *count += 1;
            }
            Ok(None)
        };
        let proxy = Proxy::start(&swtpm, hook).unwrap();
        let mut tpm = open(&proxy.tcti());
        let quoted = tpm.quote(Key::Persistent(AK_HANDLE), &[1; 32], Bank::Sha256, &[8]);
        if changes < 5 {
            assert_quotes(&quoted.unwrap(), &public, &[1; 32], Bank::Sha256, [0, 1, 0]);
            assert_eq!(*quotes.lock().unwrap(), changes + 1);
        } else {
            let error = quoted.unwrap_err();
            assert_eq!(error, TpmError::PcrsChange { quotes: 5 });
            let said = "PCRs changed during each of 5 quotes".to_owned();
            assert_eq!(words(error), (ErrorKind::DeviceUnavailable, said));
            assert_eq!(*quotes.lock().unwrap(), 5);
        }
    }
}

/// The commands that extend a PCR, and after how many of them the others fail.
type Extensions = Arc<Mutex<(Vec<Vec<u8>>, usize)>>;

fn watched(swtpm: &Swtpm) -> (Proxy, Extensions) {
    let extensions: Extensions = Arc::new(Mutex::new((Vec::new(), usize::MAX)));
    let seen = Arc::clone(&extensions);
    let hook = move |command: &[u8], _: &mut Wire| {
        if code(command) != CC_PCR_EXTEND {
            return Ok(None);
        }
        let mut seen = seen.lock().unwrap();
        if seen.0.len() >= seen.1 {
            return Ok(Some(FAILURE.to_vec()));
        }
        seen.0.push(command.to_vec());
        Ok(None)
    };
    (Proxy::start(swtpm, hook).unwrap(), extensions)
}

fn registers(pcrs: &mut [Pcr]) -> Vec<&mut dyn Register> {
    pcrs.iter_mut().map(|pcr| pcr as &mut dyn Register).collect()
}

fn event(name: &str) -> RuntimeEvent {
    RuntimeEvent { name: name.to_owned(), payload: b"payload".to_vec(), version: EventVersion::V1 }
}

#[test]
fn events_are_extended_into_every_bank() {
    let Some(swtpm) = swtpm("events_are_extended_into_every_bank") else { return };
    let (proxy, extensions) = watched(&swtpm);
    let tpm = shared(&proxy.tcti());
    let mut pcrs = Pcr::all_banks(&tpm, 14).unwrap();
    let names: Vec<_> = pcrs.iter().map(|pcr| (pcr.name().to_owned(), pcr.bank())).collect();
    let expected =
        [("PCR14:sha256", Bank::Sha256), ("PCR14:sha384", Bank::Sha384), ("PCR14:sha512", Bank::Sha512)];
    assert_eq!(names, expected.map(|(name, bank)| (name.to_owned(), bank)));

    let root = tempfile::tempdir().unwrap();
    let journal = Journal::at(root.path());
    let event = event("a");
    journal.extend(&event, &mut registers(&mut pcrs)).unwrap();
    let snapshot = journal.load(&mut registers(&mut pcrs)).unwrap();
    assert_eq!(snapshot.log.events(), std::slice::from_ref(&event));
    for ((name, value), (expected, bank)) in snapshot.values.iter().zip(expected) {
        let digest = bank.hash(&[&event.preimage()]);
        assert_eq!((&**name, value), (expected, &bank.extended(&bank.initial(), &digest)));
    }
    // One command for each register; the first one has the digests of two banks.
    let counts: Vec<_> =
        extensions.lock().unwrap().0.iter().map(|command| command[27..31].to_vec()).collect();
    assert_eq!(counts, [[0, 0, 0, 2], [0, 0, 0, 1], [0, 0, 0, 1]]);

    drop((pcrs, tpm));
    // SHA-1, which is never read: the digest of SHA-256, cut.
    let cut = &Bank::Sha256.hash(&[&event.preimage()])[..20];
    let expected = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&[0; 20], cut].concat());
    assert_eq!(swtpm.wire().unwrap().pcr_read(alg::SHA1, 14).unwrap().unwrap(), expected.as_ref());
}

/// One bank extended and the others not: whoever comes next completes it.
#[test]
fn what_only_some_banks_have_is_completed() {
    let Some(swtpm) = swtpm("what_only_some_banks_have_is_completed") else { return };
    let (proxy, extensions) = watched(&swtpm);
    let mut pcrs = Pcr::all_banks(&shared(&proxy.tcti()), 14).unwrap();
    let root = tempfile::tempdir().unwrap();
    let journal = Journal::at(root.path());
    extensions.lock().unwrap().1 = 1;
    let error = journal.extend(&event("a"), &mut registers(&mut pcrs)).unwrap_err();
    let problem = "TPM2_PCR_Extend failed: commands not being accepted because of a TPM failure. NOTE: This \
                   may be returned by TPM2_GetTestResult() as the testResultparameter (0x101)";
    let (register, problem) = ("PCR14:sha384".to_owned(), problem.to_owned());
    let said = RegisterError::Device { register, problem };
    assert_eq!(error, JournalError::PartlyExtended(Some(said)));

    extensions.lock().unwrap().1 = usize::MAX;
    let snapshot = journal.load(&mut registers(&mut pcrs)).unwrap();
    assert_eq!(snapshot.recovered, Some(event("a")));
    assert_eq!(extensions.lock().unwrap().0.len(), 3);
}

#[test]
fn registers_are_those_of_the_banks_that_there_are() {
    let Some(mut swtpm) = swtpm("registers_are_those_of_the_banks_that_there_are") else { return };
    let no_bank = |pcr, found| TpmError::NoBank { pcr, found };
    let all = vec![alg::SHA1, alg::SHA256, alg::SHA384, alg::SHA512];
    let tpm = shared(&swtpm.tcti());
    for pcr in [24, 255] {
        assert_eq!(Pcr::all_banks(&tpm, pcr).unwrap_err(), no_bank(pcr, all.clone()));
    }
    let mut pcrs = Pcr::all_banks(&tpm, 15).unwrap();
    let length = RegisterError::Length { register: "PCR15:sha256".to_owned(), expected: 32, found: 33 };
    assert_eq!(pcrs[0].extend(&[0; 33]).unwrap_err(), length);
    assert_eq!(pcrs[0].read().unwrap(), [0; 32]);
    drop((pcrs, tpm));

    swtpm.wire().unwrap().pcr_allocate(&[alg::SHA512], &[alg::SHA1, alg::SHA256, alg::SHA384]).unwrap();
    swtpm.restart().unwrap();
    let tpm = shared(&swtpm.tcti());
    let mut pcrs = Pcr::all_banks(&tpm, 14).unwrap();
    assert_eq!(pcrs.len(), 1);
    pcrs[0].extend(&[7; 64]).unwrap();
    let expected = Bank::Sha512.extended(&Bank::Sha512.initial(), &[7; 64]);
    assert_eq!(pcrs[0].read().unwrap(), expected);
    assert_eq!(pcrs[0].name(), "PCR14:sha512");
    drop((pcrs, tpm));

    swtpm.wire().unwrap().pcr_allocate(&[alg::SHA1], &[alg::SHA256, alg::SHA384, alg::SHA512]).unwrap();
    swtpm.restart().unwrap();
    let error = Pcr::all_banks(&shared(&swtpm.tcti()), 14).unwrap_err();
    assert_eq!(error, no_bank(14, vec![alg::SHA1]));
    let said = "no bank of SHA-2 has PCR 14, found banks 0x0004".to_owned();
    assert_eq!(words(error), (ErrorKind::Unsupported, said));
}

#[test]
fn nothing_stays_loaded() {
    let Some(swtpm) = swtpm("nothing_stays_loaded") else { return };
    swtpm.wire().unwrap().create_primary_ak_rsa2048().unwrap();
    let mut tpm = open(&swtpm.tcti());
    // More often than a TPM has room for objects or sessions.
    for _ in 0..10 {
        tpm.nv_define_and_write(USER_DATA, &[1; 64]).unwrap();
        tpm.nv_read(USER_DATA, 64).unwrap().unwrap();
        tpm.public(Key::Persistent(AK_HANDLE)).unwrap();
        tpm.quote(Key::Persistent(AK_HANDLE), &[1; 32], Bank::Sha256, &[0]).unwrap();
    }
    drop(tpm);
    let mut wire = swtpm.wire().unwrap();
    // TPM2_GetCapability of the handles of transient objects, and of loaded and saved sessions.
    for first in [0x80_u8, 0x02, 0x03] {
        let command = [0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0, 0, 0, 1, first, 0, 0, 0, 0, 0, 0, 8];
        let response = wire.transmit(&command).unwrap();
        assert_eq!(response[6..10], [0; 4]);
        assert_eq!(response[15..], [0; 4], "{first:#x}");
    }
}

#[test]
fn a_killed_tpm_is_an_error_at_once() {
    let Some(mut swtpm) = swtpm("a_killed_tpm_is_an_error_at_once") else { return };
    let proxy = Proxy::start(&swtpm, |_: &[u8], _: &mut Wire| Ok(None)).unwrap();
    for through_proxy in [false, true] {
        let tcti = if through_proxy { proxy.tcti() } else { swtpm.tcti() };
        let tpm = shared(&tcti);
        let mut pcrs = Pcr::all_banks(&tpm, 14).unwrap();
        swtpm.kill().unwrap();
        let begun = Instant::now();
        let error = tpm.lock().unwrap().pcr_read(Bank::Sha256, &[0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeviceUnavailable, "{error}");
        for error in [pcrs[0].read().unwrap_err(), pcrs[0].extend(&[1; 32]).unwrap_err()] {
            assert!(error.to_string().starts_with("device of PCR14:sha256 answers: TPM2_PCR_"), "{error}");
            assert_eq!(error.kind(), ErrorKind::DeviceUnavailable);
        }
        drop((pcrs, tpm));
        assert!(begun.elapsed() < Duration::from_secs(5));
        swtpm.restart().unwrap();
        assert_eq!(open(&tcti).pcr_read(Bank::Sha256, &[0]).unwrap(), [[0; 32]]);
    }
}

/// A TPM that does not answer costs its caller the deadline and no more; the work goes on to its end.
#[test]
fn work_on_a_tpm_has_a_deadline() {
    let Some(mut swtpm) = swtpm("work_on_a_tpm_has_a_deadline") else { return };
    let tpm = shared(&swtpm.tcti());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let device = swtpm.folder().to_owned();
    let banks = |deadline: u64| {
        let tpm = Arc::clone(&tpm);
        let work = move || tpm.lock().unwrap().banks();
        runtime.block_on(device::run(&device, Duration::from_millis(deadline), work))
    };
    assert_eq!(banks(10_000).unwrap().len(), 4);
    swtpm.pause().unwrap();
    let error = banks(200).unwrap_err();
    assert_eq!(error.kind(TpmError::kind), ErrorKind::Unsettled);
    swtpm.resume().unwrap();
    assert_eq!(banks(10_000).unwrap().len(), 4);
}

/// A request that takes several writes: the software TPM checks the authorization of each, with nonces that change and a Name that
/// changes with the first.
#[test]
fn a_long_request_to_a_nitrotpm_is_authorized_write_by_write() {
    const TEST: &str = "a_long_request_to_a_nitrotpm_is_authorized_write_by_write";
    if !Swtpm::is_installed() {
        return skipped(TEST, "swtpm is not installed");
    }
    let machine = match lab::aws::Machine::start(lab::aws::Guest::new()) {
        Ok(machine) => machine,
        Err(error) => return skipped(TEST, &error.to_string()),
    };
    let guest = TpmGuest::new(&machine.root(), Some(&machine.tcti()));
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(1024).collect();
    let document = guest.nitro_document(Some(&[7; 48]), Some(&data)).unwrap();
    assert!(document.document.windows(data.len()).any(|window| window == data));
}
