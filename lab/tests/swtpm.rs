//! The software TPM and its proxy, as a real process and real connections. Each test has a TPM of its own.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use lab::swtpm::{AK_HANDLE, Proxy, Swtpm, Wire, nv_read_at_start};
use lab::tpm::alg;
use lab::vectors::skipped;

/// TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD.
const BY_OWNER: u32 = 0x0002_0002;

const INDEX: u32 = 0x0140_0001;

/// TPM2_GetRandom of 8 bytes.
const GET_RANDOM: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8];

/// What "at once" means on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

fn tpm(test: &str) -> Option<Swtpm> {
    if Swtpm::is_installed() {
        return Some(Swtpm::start().unwrap());
    }
    skipped(test, "swtpm is not installed");
    None
}

fn passes_on(_command: &[u8], _tpm: &mut Wire) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

/// Nobody listens. A process that another test has just forked holds the listener until it runs its program.
fn assert_closed(port: u16) {
    let begun = Instant::now();
    for port in [port, port + 1] {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            assert!(begun.elapsed() < AT_ONCE, "port {port}");
            sleep(Duration::from_millis(5));
        }
    }
}

/// A response of the TPM, and not an error of the connection.
fn answers(wire: &mut Wire) {
    let response = wire.transmit(&GET_RANDOM).unwrap();
    assert_eq!(response.len(), 20);
    assert_eq!(response[6..10], [0; 4]);
}

#[test]
fn it_starts_and_leaves_nothing() {
    let Some(mut first) = tpm("it_starts_and_leaves_nothing") else { return };
    let second = Swtpm::start().unwrap();
    assert!(first.port().abs_diff(second.port()) > 1);
    assert_eq!(first.tcti(), format!("swtpm:host=127.0.0.1,port={}", first.port()));
    answers(&mut first.wire().unwrap());
    answers(&mut second.wire().unwrap());

    let (port, process) = (first.port(), format!("/proc/{}", first.pid()));
    let folder = first.folder().to_owned();
    assert!(Path::new(&process).exists() && folder.exists());
    // Also one that has a client and stands still.
    let _client = first.wire().unwrap();
    first.pause().unwrap();
    drop(first);
    assert!(!Path::new(&process).exists());
    assert_closed(port);
    assert!(!folder.exists());
    answers(&mut second.wire().unwrap());
}

#[test]
fn pcrs_are_extended_by_bank() {
    let Some(tpm) = tpm("pcrs_are_extended_by_bank") else { return };
    let mut wire = tpm.wire().unwrap();
    let banks: [(u16, &'static Algorithm, usize); 4] = [
        (alg::SHA1, &SHA1_FOR_LEGACY_USE_ONLY, 20),
        (alg::SHA256, &SHA256, 32),
        (alg::SHA384, &SHA384, 48),
        (alg::SHA512, &SHA512, 64),
    ];
    let values: Vec<_> = banks.iter().map(|(_, _, len)| vec![7; *len]).collect();
    let digests: Vec<_> = banks.iter().zip(&values).map(|((bank, ..), value)| (*bank, &value[..])).collect();
    wire.pcr_extend(14, &digests).unwrap();
    for (bank, algorithm, len) in banks {
        let expected = digest(algorithm, &[vec![0; len], vec![7; len]].concat());
        assert_eq!(wire.pcr_read(bank, 14).unwrap().unwrap(), expected.as_ref());
        assert_eq!(wire.pcr_read(bank, 13).unwrap().unwrap(), vec![0; len]);
    }
    // PCR 24 does not exist.
    let error = wire.pcr_extend(24, &digests).unwrap_err();
    assert_eq!(error.to_string(), "TPM2_PCR_Extend answers 0x184");
}

#[test]
fn banks_are_allocated() {
    let Some(mut tpm) = tpm("banks_are_allocated") else { return };
    let mut wire = tpm.wire().unwrap();
    wire.pcr_allocate(&[alg::SHA256], &[alg::SHA1, alg::SHA384, alg::SHA512]).unwrap();
    drop(wire);
    tpm.restart().unwrap();
    let mut wire = tpm.wire().unwrap();
    assert_eq!(wire.pcr_read(alg::SHA256, 14).unwrap().unwrap(), [0; 32]);
    for bank in [alg::SHA1, alg::SHA384, alg::SHA512] {
        assert_eq!(wire.pcr_read(bank, 14).unwrap(), None);
    }
}

#[test]
fn nv_indices_hold_what_was_written() {
    let Some(tpm) = tpm("nv_indices_hold_what_was_written") else { return };
    let mut wire = tpm.wire().unwrap();
    let data: Vec<u8> = (0..2048_u16).map(|at| at.to_le_bytes()[0]).collect();
    wire.nv_define(INDEX, BY_OWNER, 2048).unwrap();
    wire.nv_write(INDEX, &data).unwrap();
    assert_eq!(wire.nv_read(INDEX).unwrap(), data);
    wire.nv_write(INDEX, &[9; 513]).unwrap();
    assert_eq!(wire.nv_read(INDEX).unwrap(), [&[9; 513][..], &data[513..]].concat());

    let say = |error: io::Error| error.to_string();
    assert_eq!(say(wire.nv_define(INDEX, BY_OWNER, 1).unwrap_err()), "TPM2_NV_DefineSpace answers 0x14c");
    assert_eq!(
        say(wire.nv_define(INDEX + 1, BY_OWNER, 2049).unwrap_err()),
        "TPM2_NV_DefineSpace answers 0x2d5"
    );
    assert_eq!(say(wire.nv_read(INDEX + 1).unwrap_err()), "TPM2_NV_ReadPublic answers 0x18b");
    assert_eq!(say(wire.nv_write(INDEX + 1, &[1]).unwrap_err()), "TPM2_NV_Write answers 0x28b");
}

/// What is manufactured stays over a reset, and PCRs do not.
#[test]
fn a_restart_is_a_reset() {
    let Some(mut tpm) = tpm("a_restart_is_a_reset") else { return };
    let mut wire = tpm.wire().unwrap();
    let public = wire.create_primary_ak_rsa2048().unwrap();
    // The template, but for the modulus in the place of no unique bytes.
    let template = "0001000b00050472000000100014000b080000000000";
    assert_eq!(hex::encode(&public[..22]), template);
    assert_eq!(public[22..24], 256_u16.to_be_bytes());
    assert_eq!(public.len(), 24 + 256);
    wire.nv_define(INDEX, BY_OWNER, 3).unwrap();
    wire.nv_write(INDEX, b"abc").unwrap();
    wire.pcr_extend(14, &[(alg::SHA256, &[7; 32])]).unwrap();
    drop(wire);

    let (port, process) = (tpm.port(), tpm.pid());
    tpm.restart().unwrap();
    assert_eq!(tpm.port(), port);
    assert_ne!(tpm.pid(), process);
    let mut wire = tpm.wire().unwrap();
    assert_eq!(wire.nv_read(INDEX).unwrap(), b"abc");
    assert_eq!(wire.pcr_read(alg::SHA256, 14).unwrap().unwrap(), [0; 32]);
    // TPM2_ReadPublic of the key: its response has the same TPMT_PUBLIC.
    let command = [&[0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x73][..], &AK_HANDLE.to_be_bytes()].concat();
    let response = wire.transmit(&command).unwrap();
    assert_eq!(response[12..][..public.len()], public);
}

#[test]
fn a_killed_tpm_is_an_error_at_once() {
    let Some(mut tpm) = tpm("a_killed_tpm_is_an_error_at_once") else { return };
    let proxy = Proxy::start(&tpm, passes_on).unwrap();
    let mut through = Wire::connect(proxy.port()).unwrap();
    answers(&mut through);
    tpm.kill().unwrap();
    let begun = Instant::now();
    through.transmit(&GET_RANDOM).unwrap_err();
    assert_eq!(tpm.wire().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    // A new connection is closed before it has an answer.
    Wire::connect(proxy.port()).unwrap().transmit(&GET_RANDOM).unwrap_err();
    assert!(begun.elapsed() < AT_ONCE);
    assert_eq!(tpm.pause().unwrap_err().kind(), io::ErrorKind::NotFound);

    tpm.restart().unwrap();
    answers(&mut Wire::connect(proxy.port()).unwrap());
}

#[test]
fn a_paused_tpm_answers_when_it_goes_on() {
    let Some(mut tpm) = tpm("a_paused_tpm_answers_when_it_goes_on") else { return };
    let mut wire = tpm.wire().unwrap();
    tpm.pause().unwrap();
    let waiting = thread::spawn(move || answers(&mut wire));
    sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    tpm.resume().unwrap();
    waiting.join().unwrap();
}

/// What Azure's paravisor does: the report is made anew when a guest begins to read it.
#[test]
fn a_hook_rewrites_an_index_before_it_is_read() {
    let Some(tpm) = tpm("a_hook_rewrites_an_index_before_it_is_read") else { return };
    let mut wire = tpm.wire().unwrap();
    wire.nv_define(INDEX, BY_OWNER, 1300).unwrap();
    wire.nv_write(INDEX, &[0; 1300]).unwrap();
    drop(wire);

    let made = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&made);
    let hook = move |command: &[u8], tpm: &mut Wire| {
        if nv_read_at_start(command) == Some(INDEX) {
            let count = counter.fetch_add(1, Ordering::SeqCst).to_le_bytes()[0];
            tpm.nv_write(INDEX, &[count + 1; 1300])?;
        }
        Ok(None)
    };
    let proxy = Proxy::start(&tpm, hook).unwrap();
    assert!(proxy.port().abs_diff(tpm.port()) > 1);
    let mut guest = Wire::connect(proxy.port()).unwrap();
    // Read in three chunks, made once.
    assert_eq!(guest.nv_read(INDEX).unwrap(), [1; 1300]);
    assert_eq!(guest.nv_read(INDEX).unwrap(), [2; 1300]);
    drop(guest);
    assert_eq!(Wire::connect(proxy.port()).unwrap().nv_read(INDEX).unwrap(), [3; 1300]);
    assert_eq!(made.load(Ordering::SeqCst), 3);
    // What the hook wrote is in the TPM itself.
    assert_eq!(tpm.wire().unwrap().nv_read(INDEX).unwrap(), [3; 1300]);
}

#[test]
fn a_hook_answers_itself_or_hangs_up() {
    let Some(tpm) = tpm("a_hook_answers_itself_or_hangs_up") else { return };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let commands = Arc::clone(&seen);
    // TPM_RC_FAILURE.
    let failure = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01];
    let hook = move |command: &[u8], _: &mut Wire| {
        let mut commands = commands.lock().unwrap();
        commands.push(command.to_vec());
        match commands.len() {
            1 => Ok(Some(failure.to_vec())),
            2 => Ok(None),
            _ => Err(io::Error::other("enough")),
        }
    };
    let proxy = Proxy::start(&tpm, hook).unwrap();
    let mut guest = Wire::connect(proxy.port()).unwrap();
    assert_eq!(guest.transmit(&GET_RANDOM).unwrap(), failure);
    answers(&mut guest);
    guest.transmit(&GET_RANDOM).unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [GET_RANDOM; 3]);
}

/// CMD_GET_CAPABILITY: a result and the capabilities, on the port itself and through the proxy.
#[test]
fn the_control_port_is_passed_on() {
    let Some(tpm) = tpm("the_control_port_is_passed_on") else { return };
    let proxy = Proxy::start(&tpm, passes_on).unwrap();
    let ask = |port: u16| {
        let mut control = TcpStream::connect((Ipv4Addr::LOCALHOST, port + 1)).unwrap();
        control.set_read_timeout(Some(AT_ONCE)).unwrap();
        control.write_all(&[0, 0, 0, 1]).unwrap();
        let mut response = [0; 8];
        control.read_exact(&mut response).unwrap();
        response
    };
    let direct = ask(tpm.port());
    assert_eq!(direct[..4], [0; 4]);
    assert_ne!(direct[4..], [0; 4]);
    for _ in 0..3 {
        assert_eq!(ask(proxy.port()), direct);
    }
}

#[test]
fn a_dropped_proxy_leaves_nothing() {
    let Some(mut tpm) = tpm("a_dropped_proxy_leaves_nothing") else { return };
    let proxy = Proxy::start(&tpm, passes_on).unwrap();
    let port = proxy.port();
    let mut idle = Wire::connect(port).unwrap();
    answers(&mut idle);
    let mut control = TcpStream::connect((Ipv4Addr::LOCALHOST, port + 1)).unwrap();
    // A second client waits for the first, and a command for a TPM that stands still.
    let _second = Wire::connect(port).unwrap();
    tpm.pause().unwrap();
    let waiting = thread::spawn(move || idle.transmit(&GET_RANDOM).unwrap_err());
    sleep(Duration::from_millis(50));
    let begun = Instant::now();
    drop(proxy);
    waiting.join().unwrap();
    // Closed or reset.
    assert!(control.read(&mut [0; 1]).is_ok_and(|read| read == 0) || control.write_all(&[0; 4]).is_err());
    assert!(begun.elapsed() < AT_ONCE);
    assert_closed(port);
    tpm.resume().unwrap();
    answers(&mut tpm.wire().unwrap());
}
