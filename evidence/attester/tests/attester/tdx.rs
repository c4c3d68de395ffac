//! RTMRs, TDREPORTs and the quote generation service.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use crate::guest::{LONG, guest};
use evidence_attester::qgs::{CONFIGURATION, QgsError, exchange, port};
use evidence_attester::tdx::{DEVICE, MEASUREMENTS, QuoteError, Rtmr, quote_by_vsock};
use evidence_attester::{Register as _, RegisterError, TdReport, TdReportError};
use lab::tsm::{Behaviour, Extension, Outblob};

/// SHA-384 of 96 zeros: a register of zeros after a digest of zeros (FIPS 180-4; `head -c 96 /dev/zero |
/// sha384sum`).
const ZEROS_EXTENDED: &str =
    "f57bb7ed82c6ae4a29e6c9879338c592c7d42a39135583e8ccbe3940f2344b0eb6eb8503db0ffd6a39ddd00cd07d8317";

#[test]
fn a_register_by_sysfs() {
    let Some(guest) = guest("a_register_by_sysfs", Behaviour::tdx()) else { return };
    let mut rtmr = Rtmr::of(guest.root(), 3).unwrap();
    assert_eq!((rtmr.name(), rtmr.path()), ("RTMR3", &*guest.root().join(MEASUREMENTS).join("rtmr3:sha384")));
    assert_eq!(rtmr.read().unwrap(), [0; 48]);
    rtmr.extend(&[0; 48]).unwrap();
    assert_eq!(hex::encode(rtmr.read().unwrap()), ZEROS_EXTENDED);
    assert_eq!(rtmr.read().unwrap(), guest.rtmr3());
    assert_eq!(guest.tree.rtmr(2), Some([0; 48]));

    let length = RegisterError::Length { register: "RTMR3".to_owned(), expected: 48, found: 32 };
    assert_eq!(rtmr.extend(&[0; 32]), Err(length));
    guest.tree.change(|tree| tree.extension = Extension::Fails);
    let Err(RegisterError::Io(failure)) = rtmr.extend(&[1; 48]) else { panic!() };
    assert_eq!((failure.operation, failure.errno), ("extend", Some(5)));
    assert_eq!(hex::encode(guest.rtmr3()), ZEROS_EXTENDED);

    for index in [0, 1, 4, 255] {
        let name = format!("RTMR{index}");
        assert_eq!(Rtmr::of(guest.root(), index).unwrap_err(), RegisterError::NotExtensible(name));
    }
}

#[test]
fn a_register_by_the_guest_device() {
    let old = Behaviour { measurements: false, ..Behaviour::tdx() };
    let Some(guest) = guest("a_register_by_the_guest_device", old) else { return };
    let mut rtmr = Rtmr::of(guest.root(), 3).unwrap();
    assert_eq!(rtmr.path(), guest.root().join(DEVICE));
    assert_eq!(rtmr.read().unwrap(), [0; 48]);
    guest.tree.extend(2, &[2; 48]);
    guest.tree.extend(3, &[3; 48]);
    assert_eq!(rtmr.read().unwrap(), guest.rtmr3());
    // Linux's own driver has no ioctl that extends: ENOTTY.
    let Err(RegisterError::Io(failure)) = rtmr.extend(&[1; 48]) else { panic!() };
    assert_eq!((failure.operation, failure.errno), ("extend", Some(25)));
}

#[test]
fn a_report_of_the_guest_device() {
    let Some(guest) = guest("a_report_of_the_guest_device", Behaviour::tdx()) else { return };
    guest.tree.extend(3, &[3; 48]);
    let report = TdReport::request(&guest.root().join(DEVICE), &[9; 64]).unwrap();
    assert_eq!(report.reportdata(), [9; 64]);
    assert_eq!(report.rtmr(3).unwrap(), guest.rtmr3());
    guest.tree.change(|tree| tree.outblob = Outblob::OtherChallenge);
    let other = TdReport::request(&guest.root().join(DEVICE), &[9; 64]);
    assert_eq!(other, Err(TdReportError::OtherReportData));
}

#[test]
fn a_guest_without_registers() {
    let folder = tempfile::tempdir().unwrap();
    let error = Rtmr::of(folder.path(), 3).unwrap_err();
    assert!(matches!(error, RegisterError::Missing { .. }), "{error}");
}

fn report() -> TdReport {
    let mut bytes = [0x5A; 1024];
    bytes[0] = 0x81;
    TdReport::parse(bytes).unwrap()
}

/// `qgs_msg_get_quote_resp_t` with its frame.
fn answer(id: &[u8], quote: &[u8]) -> Vec<u8> {
    let size = u32::try_from(24 + id.len() + quote.len()).unwrap();
    let mut answer = size.to_be_bytes().to_vec();
    answer.extend([1, 0, 1, 0]);
    let lengths = [id, quote].map(|part| u32::try_from(part.len()).unwrap());
    for word in [1, size, 0, lengths[0], lengths[1]] {
        answer.extend(u32::to_le_bytes(word));
    }
    [answer.as_slice(), id, quote].concat()
}

/// Asks a service that answers so, over a socket; what the service received, and the outcome.
fn ask(answer: Vec<u8>) -> (Vec<u8>, Result<Vec<u8>, QgsError>) {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let service = thread::spawn(move || {
        let mut request = vec![0; 4 + 16 + 8 + 1024];
        theirs.read_exact(&mut request).unwrap();
        theirs.write_all(&answer).unwrap();
        request
    });
    let outcome = exchange(&mut ours, &report());
    (service.join().unwrap(), outcome)
}

#[test]
fn a_quote_of_the_service() {
    let (request, quote) = ask(answer(&[], b"quote"));
    assert_eq!(quote.unwrap(), b"quote");
    // Length 1,048 big-endian; version 1.0, type 0, size, no error; 1,024 bytes of report, no ids.
    let head = [0, 0, 4, 24, 1, 0, 0, 0, 0, 0, 0, 0, 24, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
    assert_eq!(request[..28], head);
    assert_eq!(request[28..], *report().as_bytes());
    // With the id of the key that signed.
    assert_eq!(ask(answer(&[1; 16], b"quote")).1.unwrap(), b"quote");
}

#[test]
fn answers_that_are_none() {
    let good = answer(&[1; 16], b"quote");
    let changed = |at: usize, to: u8| {
        let mut answer = good.clone();
        answer[at] = to;
        answer
    };
    let framed = |length: u32, message: &[u8]| [&length.to_be_bytes(), message].concat();
    let length = |claimed, found| QgsError::Length { claimed, found };
    for (answer, expected) in [
        (changed(4, 2), QgsError::Version(2)),
        (changed(8, 3), QgsError::MessageType(3)),
        (changed(12, 44), length(44, 45)),
        (changed(16, 0x11), QgsError::Refused(0x11)),
        (changed(20, 15), length(44, 45)),
        (changed(24, 6), length(46, 45)),
        (changed(27, 0xFF), length(0xFF00_0005 + 40, 45)),
        (answer(&[1; 16], b""), QgsError::Empty),
        (framed(15, &good[4..19]), length(16, 15)),
        (framed(128 * 1024 + 1, &[]), QgsError::TooLong { what: "answer", limit: 128 * 1024 }),
        (good[..good.len() - 1].to_vec(), cut_off()),
        (good[..3].to_vec(), cut_off()),
        (Vec::new(), cut_off()),
    ] {
        assert_eq!(ask(answer).1, Err(expected));
    }
    // A refusal has no quote, and perhaps not even its sizes.
    let mut refusal = framed(16, &good[4..20]);
    refusal[12] = 16;
    refusal[16] = 7;
    assert_eq!(ask(refusal.clone()).1, Err(QgsError::Refused(7)));
    refusal[16] = 0;
    assert_eq!(ask(refusal).1, Err(length(24, 16)));
}

fn cut_off() -> QgsError {
    QgsError::Connection { operation: "receive", kind: ErrorKind::UnexpectedEof }
}

#[test]
fn the_service_s_port() {
    let folder = tempfile::tempdir().unwrap();
    let configured = |text: &str| {
        let path = folder.path().join(CONFIGURATION);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        port(folder.path())
    };
    assert_eq!(port(Path::new("/nowhere")), Err(QgsError::NoPort));
    assert_eq!(configured("port=4050"), Ok(4050));
    assert_eq!(configured("# comment\n\n  port \t=  4294967295 \nother = 1\n"), Ok(u32::MAX));
    for none in ["", "#port = 4050\n", "ports = 4050\n", "port 4050\n"] {
        assert_eq!(configured(none), Err(QgsError::NoPort), "{none}");
    }
    for unusable in ["0", "+1", "-1", "", "4294967296", "4050 x", "0x10", "1\nport = 1"] {
        assert_eq!(configured(&format!("port = {unusable}\n")), Err(QgsError::PortUnusable), "{unusable}");
    }
    let limit = 64 * 1024;
    assert_eq!(configured(&"#".repeat(limit + 1)), Err(QgsError::TooLong { what: CONFIGURATION, limit }));
}

#[test]
fn no_service_answers() {
    let Some(guest) = guest("no_service_answers", Behaviour::tdx()) else { return };
    let quote = || quote_by_vsock(guest.root(), &[1; 64], LONG);
    assert_eq!(quote(), Err(QuoteError::Qgs(QgsError::NoPort)));
    let path = guest.root().join(CONFIGURATION);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "port = 4294967294\n").unwrap();
    let error = quote().unwrap_err();
    assert!(matches!(error, QuoteError::Qgs(QgsError::Connection { operation: "connect", .. })), "{error}");
}
