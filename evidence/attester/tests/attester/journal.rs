//! Extending and logging on real files: every state that a crash can leave, and every one that it cannot.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::guest::{Guest, event, guest};
use evidence_attester::tdx::Rtmr;
use evidence_attester::{Journal, JournalError, Register, RegisterError};
use evidence_event_log::Bank;
use evidence_event_log::replay::{replay_sha256, replay_sha384};
use evidence_event_log::runtime::{MAX_PAYLOAD_LEN, RuntimeEvent, RuntimeLog, RuntimeLogError};
use evidence_ledger::ErrorKind as Kind;
use lab::tsm::{Behaviour, Extension};

/// The intent that `event` has after the log `text`, with RTMR3 at `before`.
fn intent(text: &[u8], event: &RuntimeEvent, before: &[u8]) -> String {
    let line = event.to_line().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let registers = format!(r#"[{{"name":"RTMR3","value":"{}"}}]"#, hex::encode(before));
    format!(r#"{{"log_len":{},"line":"{line}","registers":{registers}}}"#, text.len())
}

impl Guest {
    fn intent_path(&self) -> PathBuf {
        self.journal().log_path().with_file_name("runtime_events.intent")
    }

    /// What a crash leaves: this log, this intent.
    fn leave(&self, log: &[u8], intent: &str) {
        fs::create_dir_all(self.journal().log_path().parent().unwrap()).unwrap();
        fs::write(self.journal().log_path(), log).unwrap();
        fs::write(self.intent_path(), intent).unwrap();
    }

    /// Log and register are what these events make them, and nothing is left beside them.
    fn assert_holds(&self, events: &[RuntimeEvent]) {
        let snapshot = self.load().unwrap();
        assert_eq!(snapshot.log.events(), events);
        assert_eq!(snapshot.values, [("RTMR3".to_owned(), self.rtmr3().to_vec())]);
        assert_eq!(self.rtmr3(), replay_sha384(events.iter().map(RuntimeEvent::sha384)));
        assert_eq!(RuntimeLog::parse_lines(&self.log()).unwrap().events(), events);
        assert!(!self.intent_path().exists());
    }

    /// Neither reading nor extending is possible, and neither changes log, intent or register.
    fn assert_refused(&self, expected: &JournalError) {
        let state = || (self.log(), fs::read(self.intent_path()).ok(), self.rtmr3());
        let before = state();
        assert_eq!(&self.load().unwrap_err(), expected);
        assert_eq!(&self.extend(&event("more")).unwrap_err(), expected);
        assert_eq!(state(), before);
    }
}

fn tdx(test: &str) -> Option<Guest> {
    guest(test, Behaviour::tdx())
}

fn diverged(logged: [u8; 48], found: [u8; 48]) -> JournalError {
    let [logged, found] = [logged, found].map(hex::encode);
    JournalError::Diverged { register: "RTMR3".to_owned(), logged, found }
}

/// What was extended cannot be taken back: a guest whose launch is told twice could never be verified again.
#[test]
fn an_event_that_would_spoil_the_launch_is_not_extended() {
    let Some(guest) = tdx("an_event_that_would_spoil_the_launch_is_not_extended") else { return };
    let launch = ["app-id", "compose-hash"].map(event);
    for event in &launch {
        guest.extend(event).unwrap();
    }
    let refused = |problem| Err(JournalError::EventRefused(problem));
    let name = "app-id".to_owned();
    assert_eq!(guest.extend(&event("app-id")), refused(RuntimeLogError::LaunchNameTwice { event: 2, name }));
    let payload = RuntimeLogError::BoundaryPayload { event: 2, name: "boot-mr-done", found: 12 };
    assert_eq!(guest.extend(&event("boot-mr-done")), refused(payload));
    guest.assert_holds(&launch);
}

#[test]
fn events_are_extended_and_logged() {
    let Some(guest) = tdx("events_are_extended_and_logged") else { return };
    guest.assert_holds(&[]);
    let events = ["app-id", "compose-hash", "instance-id"].map(event);
    for event in &events {
        let extended = guest.extend(event).unwrap();
        assert_eq!(extended.digests, [("RTMR3".to_owned(), event.sha384().to_vec())]);
        assert_eq!(extended.recovered, None);
    }
    guest.assert_holds(&events);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let log = guest.journal().log_path();
    assert_eq!(log, guest.root().join("run/log/dstack/runtime_events.log"));
    assert_eq!((mode(&log), mode(log.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn an_intent_that_did_not_happen_is_discarded() {
    let Some(guest) = tdx("an_intent_that_did_not_happen_is_discarded") else { return };
    let [first, second] = ["first", "second"].map(event);
    guest.extend(&first).unwrap();
    guest.leave(&guest.log(), &intent(&guest.log(), &second, &guest.rtmr3()));
    assert_eq!(guest.load().unwrap().recovered, None);
    guest.assert_holds(&[first]);
}

#[test]
fn an_event_that_was_extended_and_not_logged_is_logged() {
    let Some(guest) = tdx("an_event_that_was_extended_and_not_logged_is_logged") else { return };
    let mut events = vec![event("first")];
    guest.extend(&events[0]).unwrap();
    // The crash cut the line off at every place, before its first byte and after its last.
    for cut in 0..=event("same").to_line().len() {
        let lost = event("same");
        let (log, before) = (guest.log(), guest.rtmr3());
        let line = lost.to_line();
        guest.leave(&[&log, &line.as_bytes()[..cut]].concat(), &intent(&log, &lost, &before));
        guest.tree.extend(3, &lost.sha384());
        events.push(lost);
        // Who comes next finds it, whether it reads or extends.
        let recovered = if cut % 2 == 0 {
            guest.load().unwrap().recovered
        } else {
            let next = event("next");
            let recovered = guest.extend(&next).unwrap().recovered;
            events.push(next);
            recovered
        };
        assert_eq!(recovered, (cut < line.len()).then(|| event("same")), "cut at {cut}");
        guest.assert_holds(&events);
    }
}

#[test]
fn half_an_intent_is_none() {
    let Some(guest) = tdx("half_an_intent_is_none") else { return };
    let events = ["first", "second"].map(event);
    guest.extend(&events[0]).unwrap();
    fs::write(guest.intent_path().with_extension("intent.new"), "{\"log_len\":").unwrap();
    guest.extend(&events[1]).unwrap();
    guest.assert_holds(&events);
}

#[test]
fn what_nobody_accounts_for_is_refused() {
    let Some(guest) = tdx("what_nobody_accounts_for_is_refused") else { return };
    let first = event("first");
    guest.extend(&first).unwrap();
    let (log, accounted) = (guest.log(), guest.rtmr3());

    // Somebody extends without logging.
    guest.tree.extend(3, &[7; 48]);
    guest.assert_refused(&diverged(accounted, guest.rtmr3()));
    // The same with an intent beside it, which is not what was extended.
    guest.leave(&log, &intent(&log, &event("other"), &accounted));
    guest.assert_refused(&diverged(accounted, guest.rtmr3()));
    fs::remove_file(guest.intent_path()).unwrap();
    // The register was reset: the log claims what is not there.
    guest.tree.reset(3);
    guest.assert_refused(&diverged(accounted, [0; 48]));
    // The same in the middle of an append, which is never begun before the extension.
    guest.tree.extend(3, &first.sha384());
    let lost = event("lost");
    let torn = [&log, &lost.to_line().as_bytes()[..5]].concat();
    guest.leave(&torn, &intent(&log, &lost, &accounted));
    let claimed = replay_sha384([first.sha384(), lost.sha384()]);
    guest.assert_refused(&diverged(claimed, accounted));
}

#[test]
fn damage_is_refused() {
    let Some(guest) = tdx("damage_is_refused") else { return };
    let first = event("first");
    guest.extend(&first).unwrap();
    let (log, register) = (guest.log(), guest.rtmr3());

    // A torn line without an intent is nobody's.
    fs::write(guest.journal().log_path(), [&log, b"{".as_slice()].concat()).unwrap();
    guest.assert_refused(&JournalError::Log(RuntimeLogError::TornLine { whole: log.len() }));
    fs::write(guest.journal().log_path(), b"{}\n").unwrap();
    guest.assert_refused(&JournalError::Log(RuntimeLogError::Line { line: 1 }));

    let next = event("next");
    let good = intent(&log, &next, &register);
    // A torn line that is not the intent's; a line after it; a log that is shorter.
    for text in [[&log, b"x".as_slice()].concat(), [&log, next.to_line().as_bytes(), b"{"].concat(), vec![]] {
        guest.leave(&text, &good);
        guest.assert_refused(&JournalError::NotOfThisLog);
    }
    // Other registers, another value before.
    for bad in [good.replace("RTMR3", "RTMR2"), intent(&log, &next, &[1; 48])] {
        guest.leave(&log, &bad);
        guest.assert_refused(&JournalError::NotOfThisLog);
    }
    let two_lines = good.replace("\\n", &format!("\\n{}", intent_line(&next)));
    for bad in
        ["", "{}", &good[1..], &(good.clone() + "{}"), &good.replace("{\"log", "{\"x\":1,\"log"), &two_lines]
    {
        guest.leave(&log, bad);
        guest.assert_refused(&JournalError::IntentUnreadable);
    }
    let path = guest.intent_path();
    let limit = 4 * MAX_PAYLOAD_LEN;
    guest.leave(&log, &" ".repeat(limit + 1));
    guest.assert_refused(&JournalError::TooLong { path, limit });
    // Undamaged, it is settled.
    guest.leave(&log, &good);
    guest.assert_holds(&[first]);
}

/// An event's line within a JSON string.
fn intent_line(event: &RuntimeEvent) -> String {
    event.to_line().replace('"', "\\\"").replace('\n', "\\n")
}

#[test]
fn devices_that_fail() {
    let Some(guest) = tdx("devices_that_fail") else { return };
    let mut events = vec![event("first")];
    guest.extend(&events[0]).unwrap();

    guest.tree.change(|tree| tree.extension = Extension::Fails);
    let Err(JournalError::NotExtended(Some(RegisterError::Io(failure)))) = guest.extend(&event("no")) else {
        panic!()
    };
    assert_eq!(failure.errno, Some(5));
    assert!(!guest.intent_path().exists(), "an intent of what is known not to have happened");
    guest.assert_holds(&events);
    // The device claims success and did nothing.
    guest.tree.change(|tree| tree.extension = Extension::IsLost);
    assert_eq!(guest.extend(&event("no")), Err(JournalError::NotExtended(None)));
    guest.assert_holds(&events);
    // The device claims failure and did extend: what counts is the register.
    guest.tree.change(|tree| tree.extension = Extension::FailsAfterwards);
    events.push(event("yes"));
    guest.extend(&events[1]).unwrap();
    guest.assert_holds(&events);
}

#[test]
fn events_that_no_log_holds_are_not_extended() {
    let Some(guest) = tdx("events_that_no_log_holds_are_not_extended") else { return };
    let large = RuntimeEvent { payload: vec![0; MAX_PAYLOAD_LEN + 1], ..event("large") };
    let found = MAX_PAYLOAD_LEN + 1;
    let expected = JournalError::EventRefused(RuntimeLogError::PayloadTooLarge { event: 0, found });
    assert_eq!(guest.extend(&large), Err(expected));
    guest.assert_holds(&[]);
    // The largest that one holds.
    let largest = RuntimeEvent { payload: vec![0; MAX_PAYLOAD_LEN], ..event("large") };
    guest.extend(&largest).unwrap();
    guest.assert_holds(&[largest]);
    let journal = guest.journal();
    assert_eq!(journal.load(&mut []).unwrap_err(), JournalError::NoRegister);
    assert_eq!(journal.extend(&event("none"), &mut []), Err(JournalError::NoRegister));
}

#[test]
fn the_lock_excludes_until_it_is_let_go() {
    let Some(guest) = tdx("the_lock_excludes_until_it_is_let_go") else { return };
    let snapshot = guest.load().unwrap();
    let waited = Duration::from_millis(100);
    let impatient = guest.journal().with_lock_deadline(waited);
    let mut rtmr = Rtmr::of(guest.root(), 3).unwrap();
    let registers: &mut [&mut dyn Register] = &mut [&mut rtmr];
    let path = guest.journal().log_path().with_file_name("runtime_event.lock");
    let locked = JournalError::Locked { path, waited };
    assert_eq!(impatient.extend(&event("now"), registers), Err(locked));
    drop(snapshot);
    impatient.extend(&event("now"), registers).unwrap();
    guest.assert_holds(&[event("now")]);
}

/// A bank of a PCR, in memory. Its next extensions fail, so many; of those after them, so many are lost.
struct Pcr {
    bank: Bank,
    value: Vec<u8>,
    failures: u32,
    losses: u32,
}

impl Pcr {
    fn new(bank: Bank) -> Self {
        Self { bank, value: vec![0; bank.algorithm().size()], failures: 0, losses: 0 }
    }
}

impl Register for Pcr {
    fn name(&self) -> &str {
        match self.bank {
            Bank::Sha256 => "PCR14:sha256",
            Bank::Sha384 => "PCR14:sha384",
            Bank::Sha512 => "PCR14:sha512",
        }
    }

    fn bank(&self) -> Bank {
        self.bank
    }

    fn read(&mut self) -> Result<Vec<u8>, RegisterError> {
        Ok(self.value.clone())
    }

    fn extend(&mut self, digest: &[u8]) -> Result<(), RegisterError> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(refusal());
        }
        if self.losses > 0 {
            self.losses -= 1;
            return Ok(());
        }
        let algorithm = match self.bank {
            Bank::Sha256 => &aws_lc_rs::digest::SHA256,
            Bank::Sha384 => &aws_lc_rs::digest::SHA384,
            Bank::Sha512 => &aws_lc_rs::digest::SHA512,
        };
        let joined = [self.value.as_slice(), digest].concat();
        self.value = aws_lc_rs::digest::digest(algorithm, &joined).as_ref().to_vec();
        Ok(())
    }
}

fn refusal() -> RegisterError {
    RegisterError::Device { register: "PCR14".to_owned(), problem: "TPM_RC_RETRY".to_owned() }
}

#[test]
fn each_bank_gets_its_own_digest_of_the_event() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::at(folder.path());
    let mut pcrs = [Bank::Sha256, Bank::Sha384, Bank::Sha512].map(Pcr::new);
    let events = ["one", "two", "three"].map(event);
    let [sha256, sha384, sha512] = &mut pcrs;

    let extended = journal.extend(&events[0], &mut [&mut *sha256, &mut *sha384, &mut *sha512]).unwrap();
    assert_eq!(extended.digests[0], ("PCR14:sha256".to_owned(), events[0].sha256().to_vec()));
    assert_eq!(extended.digests[1], ("PCR14:sha384".to_owned(), events[0].sha384().to_vec()));
    assert_eq!(extended.digests[2].1.len(), 64);

    // The second bank fails: the event is in the first one, and the next call puts it into the others.
    sha384.failures = 1;
    let outcome = journal.extend(&events[1], &mut [&mut *sha256, &mut *sha384, &mut *sha512]);
    assert_eq!(outcome, Err(JournalError::PartlyExtended(Some(refusal()))));
    // While it still fails, nothing else is extended.
    sha384.failures = 1;
    let outcome = journal.extend(&events[2], &mut [&mut *sha256, &mut *sha384, &mut *sha512]);
    assert_eq!(outcome, Err(JournalError::Register(refusal())));
    sha384.losses = 1;
    let outcome = journal.extend(&events[2], &mut [&mut *sha256, &mut *sha384, &mut *sha512]);
    assert_eq!(outcome, Err(JournalError::PartlyExtended(None)));
    let extended = journal.extend(&events[2], &mut [&mut *sha256, &mut *sha384, &mut *sha512]).unwrap();
    assert_eq!(extended.recovered.as_ref(), Some(&events[1]));

    let snapshot = journal.load(&mut [&mut *sha256, &mut *sha384, &mut *sha512]).unwrap();
    assert_eq!(snapshot.log.events(), events);
    assert_eq!(sha256.value, replay_sha256(events.iter().map(RuntimeEvent::sha256)));
    assert_eq!(sha384.value, replay_sha384(events.iter().map(RuntimeEvent::sha384)));
}

#[test]
fn a_log_line_of_what_some_bank_lacks_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::at(folder.path());
    let [mut sha256, mut sha384] = [Bank::Sha256, Bank::Sha384].map(Pcr::new);
    let lost = event("lost");
    sha384.failures = 1;
    let outcome = journal.extend(&lost, &mut [&mut sha256, &mut sha384]);
    assert_eq!(outcome, Err(JournalError::PartlyExtended(Some(refusal()))));
    // No crash leaves this: the log is begun only when every bank has the event.
    fs::write(journal.log_path(), &lost.to_line()[..9]).unwrap();
    let expected = JournalError::Diverged {
        register: "PCR14:sha384".to_owned(),
        logged: hex::encode(replay_sha384([lost.sha384()])),
        found: hex::encode([0; 48]),
    };
    assert_eq!(journal.load(&mut [&mut sha256, &mut sha384]).unwrap_err(), expected);
    assert_eq!(sha384.value, [0; 48]);
}

/// A memory file system of its own below a guest's root, unmounted in the end.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(test: &str, at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        lab::vectors::skipped(test, "cannot mount a tmpfs (needs root)");
        None
    }

    /// Leaves so many pages free.
    fn fill(&self, free: usize) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        // Up to the last page.
        let error = fs::write(&filler, vec![1; 64 * 1024]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let len = fs::metadata(&filler).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&filler).unwrap();
        file.set_len(len - 4096 * u64::try_from(free).unwrap()).unwrap();
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let Some(guest) = tdx("a_full_disk") else { return };
    let Some(disk) = Tmpfs::mount("a_full_disk", &guest.root().join("run")) else { return };
    let large = |name| RuntimeEvent { payload: vec![7; 1500], ..event(name) };
    let first = large("first");
    guest.extend(&first).unwrap();

    // No room for the intent: nothing is extended.
    disk.fill(0);
    let Err(JournalError::Io(failure)) = guest.extend(&large("second")) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("write", ErrorKind::StorageFull));
    let names = fs::read_dir(guest.journal().log_path().parent().unwrap()).unwrap();
    assert_eq!(names.count(), 2, "log and lock, and nothing that takes room");
    guest.assert_holds(std::slice::from_ref(&first));

    // Room for the intent and none for the line: extended, and logged once there is room.
    disk.fill(1);
    let second = large("second");
    let Err(JournalError::ExtendedNotLogged(failure)) = guest.extend(&second) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("append to", ErrorKind::StorageFull));
    assert_eq!(guest.rtmr3(), replay_sha384([first.sha384(), second.sha384()]));
    assert_eq!(JournalError::ExtendedNotLogged(failure).kind(), Kind::Unsettled);
    assert!(matches!(guest.extend(&large("third")), Err(JournalError::ExtendedNotLogged(_))));
    assert!(matches!(guest.load(), Err(JournalError::ExtendedNotLogged(_))));
    disk.clear();
    assert_eq!(guest.load().unwrap().recovered.as_ref(), Some(&second));
    guest.assert_holds(&[first, second]);
}

#[test]
fn a_disk_that_cannot_be_written() {
    let Some(guest) = tdx("a_disk_that_cannot_be_written") else { return };
    let Some(disk) = Tmpfs::mount("a_disk_that_cannot_be_written", &guest.root().join("run")) else { return };
    disk.remount("ro");
    let Err(JournalError::Io(failure)) = guest.extend(&event("first")) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("create", ErrorKind::ReadOnlyFilesystem));
    assert_eq!(guest.rtmr3(), [0; 48]);
    disk.remount("rw");
    guest.extend(&event("first")).unwrap();
    disk.remount("ro");
    let Err(JournalError::Io(failure)) = guest.extend(&event("second")) else { panic!() };
    assert_eq!(failure.kind, ErrorKind::ReadOnlyFilesystem);
    disk.remount("rw");
    guest.assert_holds(&[event("first")]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::at(folder.path());
    let mut pcr = Pcr::new(Bank::Sha256);
    journal.extend(&event("first"), &mut [&mut pcr]).unwrap();
    let log_folder = journal.log_path().parent().unwrap().to_owned();
    let allow = |mode| fs::set_permissions(&log_folder, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o500);
    if fs::write(log_folder.join("probe"), "").is_ok() {
        lab::vectors::skipped("a_folder_that_cannot_be_written", "root writes to any folder");
        return;
    }
    let before = pcr.value.clone();
    let Err(JournalError::Io(failure)) = journal.extend(&event("second"), &mut [&mut pcr]) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("write", ErrorKind::PermissionDenied));
    assert_eq!(pcr.value, before);
    // What is there can still be read.
    assert_eq!(journal.load(&mut [&mut pcr]).unwrap().log.events(), [event("first")]);
    allow(0o700);
    journal.extend(&event("second"), &mut [&mut pcr]).unwrap();
}
