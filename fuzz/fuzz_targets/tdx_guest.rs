//! What a TD reads of its surroundings: the first byte chooses between the answer of the quote generation service, its
//! configuration, a TDREPORT, and the files that a crash left of the journal.
#![no_main]

use std::{
    fs,
    io::{Read, Result as IoResult, Write},
};

use aws_lc_rs::digest::{SHA384, digest};
use evidence_attester::{
    Journal, Register, RegisterError, TdReport,
    journal::FOLDER,
    qgs::{self, CONFIGURATION},
    tdreport::TDREPORT_LEN,
};
use evidence_event_log::{
    Bank,
    replay::replay_sha384,
    runtime::{RuntimeEvent, RuntimeLog},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A guest's file system, in memory where there is such a place: the journal asks for its files to be durable.
fn guest() -> TempDir {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    for folder in [FOLDER, "etc"] {
        fs::create_dir_all(root.path().join(folder)).expect("a folder in it");
    }
    root
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    match choice {
        b'q' => drop(answer(input)),
        b'Q' => message(input),
        b'c' => {
            let root = guest();
            fs::write(root.path().join(CONFIGURATION), input).expect("a file");
            if let Ok(port) = qgs::port(root.path()) {
                assert!(String::from_utf8_lossy(input).contains(&port.to_string()));
            }
        }
        b'r' => {
            let Ok(bytes) = <[u8; TDREPORT_LEN]>::try_from(input) else { return };
            let Ok(report) = TdReport::parse(bytes) else { return };
            assert_eq!((report.as_bytes(), report.reportdata()), (&bytes, &bytes[128..192]));
            assert_eq!((report.rtmr(3), report.rtmr(4)), (Some(&bytes[864..912]), None));
        }
        b'j' => {
            let mut parts = input.splitn(2, |byte| *byte == 0);
            let (log, intent) = (parts.next().unwrap_or_default(), parts.next());
            journal(log, intent);
        }
        _ => {}
    }
});

/// The host's end of a connection: it says this, and hears everything.
struct Host<'a>(&'a [u8]);

impl Read for Host<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.0.read(buffer)
    }
}

impl Write for Host<'_> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// The quote in a framed answer.
fn answer(framed: &[u8]) -> Option<Vec<u8>> {
    let mut report = [0; TDREPORT_LEN];
    report[0] = 0x81;
    let report = TdReport::parse(report).expect("of TDX");
    let quote = qgs::exchange(&mut Host(framed), &report).ok()?;
    assert!(!quote.is_empty() && quote.len() + 4 + 16 + 8 <= framed.len());
    Some(quote)
}

/// An answer whose length and size are its own.
fn message(message: &[u8]) {
    let length = u32::try_from(message.len()).expect("an input is short");
    let mut message = message.to_vec();
    if let Some(size) = message.get_mut(8..12) {
        size.copy_from_slice(&length.to_le_bytes());
    }
    let Some(quote) = answer(&[&length.to_be_bytes()[..], &message].concat()) else { return };
    assert!(message.ends_with(&quote), "the quote ends the answer");
    let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("4 bytes"));
    assert_eq!((word(4), word(12), word(20) as usize), (1, 0, quote.len()));
}

/// RTMR3 as a value in memory.
struct Rtmr3([u8; 48]);

impl Register for Rtmr3 {
    fn name(&self) -> &str {
        "RTMR3"
    }

    fn bank(&self) -> Bank {
        Bank::Sha384
    }

    fn read(&mut self) -> Result<Vec<u8>, RegisterError> {
        Ok(self.0.to_vec())
    }

    fn extend(&mut self, extended: &[u8]) -> Result<(), RegisterError> {
        let value = digest(&SHA384, &[&self.0, extended].concat());
        self.0.copy_from_slice(value.as_ref());
        Ok(())
    }
}

/// Whatever a crash left: what is read accounts for the register, which nobody extended, and is read the same again.
fn journal(log: &[u8], intent: Option<&[u8]>) {
    let root = guest();
    let journal = Journal::at(root.path());
    let path = journal.log_path();
    let intent_path = path.with_extension("intent");
    let intent = intent.map(|intent| of_this_log(log, intent));
    for register in registers(log, intent.as_ref()) {
        fs::write(&path, log).expect("a file");
        let _ = fs::remove_file(&intent_path);
        if let Some((intent, _)) = &intent {
            fs::write(&intent_path, intent).expect("a file");
        }
        let mut rtmr3 = Rtmr3(register);
        // A snapshot holds the lock: what it says is taken out of it.
        let mut load =
            || journal.load(&mut [&mut rtmr3]).map(|read| (read.log.clone(), read.recovered.clone()));
        let Ok((read, recovered)) = load() else { continue };
        assert_eq!(read.replay_sha384(), register, "the log accounts for the register");
        assert!(recovered.is_none() || read.events().last() == recovered.as_ref());
        assert_eq!(load(), Ok((read, None)), "what was settled is read the same again");
        assert_eq!(rtmr3.0, register, "nothing is extended to read");
    }
}

/// An intent that names the value of the register before it, and the event that it is about, if it is one of `log`.
fn of_this_log(log: &[u8], intent: &[u8]) -> (Vec<u8>, Option<RuntimeEvent>) {
    let as_it_is = || (intent.to_vec(), None);
    let Ok(mut value) = serde_json::from_slice::<Value>(intent) else { return as_it_is() };
    let length = value["log_len"].as_u64().and_then(|length| usize::try_from(length).ok());
    let Some(before) = length.and_then(|length| log.get(..length)) else { return as_it_is() };
    let Ok(before) = RuntimeLog::parse_lines(before) else { return as_it_is() };
    if let Some(members) = value.as_object_mut() {
        let found = hex::encode(before.replay_sha384());
        members.insert("registers".to_owned(), json!([{ "name": "RTMR3", "value": found }]));
    }
    let line = value["line"].as_str().unwrap_or_default();
    let event = RuntimeLog::parse_lines(line.as_bytes()).ok().and_then(|log| log.events().last().cloned());
    (value.to_string().into_bytes(), event)
}

/// The values of the register that are worth a try: after the whole lines of the log, and after the intent's event.
fn registers(log: &[u8], intent: Option<&(Vec<u8>, Option<RuntimeEvent>)>) -> Vec<[u8; 48]> {
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let log = RuntimeLog::parse_lines(&log[..whole]).unwrap_or_default();
    let digests: Vec<_> = log.events().iter().map(RuntimeEvent::sha384).collect();
    let event = intent.and_then(|(_, event)| event.as_ref()).map(RuntimeEvent::sha384);
    let after = event.map(|event| replay_sha384(digests.iter().copied().chain([event])));
    [replay_sha384(digests.iter().copied())].into_iter().chain(after).collect()
}
