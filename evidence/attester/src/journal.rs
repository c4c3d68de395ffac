//! Runtime events: extended into the registers, then logged, so that neither is ever without the other for
//! longer than a crash.
//!
//! One lock, held from the first reading to the last writing. Under it, for each event:
//!
//! 1. the log is read, replayed and compared with the registers,
//! 2. an intent (the event, the length of the log, the value of each register) is written durably beside it,
//! 3. each register is extended, and read again,
//! 4. the event is appended to the log, durably,
//! 5. the intent is removed.
//!
//! Whoever comes after a crash finds out from the intent what was done, and completes or discards it. What
//! neither log nor intent accounts for is an error, and nothing is extended or written then.

mod disk;
mod error;
mod intent;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence_event_log::Bank;
use evidence_event_log::runtime::{RuntimeEvent, RuntimeLog};

use crate::register::{Register, RegisterError};
use disk::Disk;
pub use error::JournalError;
use intent::{Before, Intent};

/// The folder of log, intent and lock, below the guest's root. dstack keeps its log there too.
pub const FOLDER: &str = "run/log/dstack";

/// How long the lock is waited for, unless [`Journal::with_lock_deadline`] says otherwise: longer than a
/// quote takes, for which others hold it.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);

/// The registers that every event is extended into: each gets the digest of its own bank.
pub type Registers<'a> = [&'a mut dyn Register];

/// The log of a guest's runtime events, and the way to extend one.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
    lock_deadline: Duration,
}

/// What an extension did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// Each register's name, and the digest that was folded into it.
    pub digests: Vec<(String, Vec<u8>)>,
    /// The event that a crashed process had extended and not logged; it is in the log now, before this one.
    pub recovered: Option<RuntimeEvent>,
}

/// A log that accounts for the registers. While it lives nobody extends through a journal, so that a quote
/// taken meanwhile quotes these values.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The log.
    pub log: RuntimeLog,
    /// Each register's name and value.
    pub values: Vec<(String, Vec<u8>)>,
    /// The event that a crashed process had extended and not logged; it is the log's last one now.
    pub recovered: Option<RuntimeEvent>,
    _lock: File,
}

/// What one event does to one register.
struct Step {
    register: String,
    before: Vec<u8>,
    digest: Vec<u8>,
    after: Vec<u8>,
}

/// Whether a register has been extended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Before,
    After,
}

/// A journal under its lock, whose log accounts for the registers.
struct Open {
    disk: Disk,
    text_len: usize,
    log: RuntimeLog,
    values: Vec<(String, Vec<u8>)>,
    recovered: Option<RuntimeEvent>,
    lock: File,
}

impl Journal {
    /// The journal of the guest whose file system lies below `root`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { folder: root.join(FOLDER), lock_deadline: LOCK_DEADLINE }
    }

    /// The same journal, whose lock is waited for at most this long.
    #[must_use]
    pub const fn with_lock_deadline(mut self, deadline: Duration) -> Self {
        self.lock_deadline = deadline;
        self
    }

    /// Where the log lies.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.join(disk::LOG)
    }

    /// Extends `event` into each of `registers`, and logs it. Blocks ([`crate::device::run`]).
    ///
    /// # Errors
    ///
    /// [`JournalError`]; its variants say whether the registers were extended.
    pub fn extend(
        &self,
        event: &RuntimeEvent,
        registers: &mut Registers<'_>,
    ) -> Result<Extended, JournalError> {
        let Open { disk, text_len, log, recovered, lock: _lock, .. } = self.open(registers)?;
        let line = line_of(event, &log)?;
        let steps = steps(&log, event, registers);

        disk.create_log()?;
        disk.write_intent(&Intent::new(text_len, &line, &steps))?;
        let said = extend_all(&steps, registers);
        let stands = stands(&steps, registers)?;
        if stands.iter().all(|stand| *stand == Stand::Before) {
            disk.remove_intent()?;
            return Err(JournalError::NotExtended(said.err()));
        }
        if stands.contains(&Stand::Before) {
            return Err(JournalError::PartlyExtended(said.err()));
        }
        // Every register has its new value, whatever the devices said.
        disk.complete(text_len, &line).map_err(JournalError::ExtendedNotLogged)?;
        // An intent that stays is settled by whoever comes next: extended and logged.
        let _ = disk.remove_intent();
        let digests = steps.into_iter().map(|step| (step.register, step.digest)).collect();
        Ok(Extended { digests, recovered })
    }

    /// The log, if it accounts for each of `registers`. Extends nothing, but for an event that a crash left
    /// in some banks and not in others; writes nothing, but for an event that a crash left out of the log.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub fn load(&self, registers: &mut Registers<'_>) -> Result<Snapshot, JournalError> {
        let Open { log, values, recovered, lock, .. } = self.open(registers)?;
        Ok(Snapshot { log, values, recovered, _lock: lock })
    }

    /// Takes the lock, settles what a crash left, and compares.
    fn open(&self, registers: &mut Registers<'_>) -> Result<Open, JournalError> {
        if registers.is_empty() {
            return Err(JournalError::NoRegister);
        }
        let disk = Disk::open(&self.folder)?;
        let lock = disk.lock(self.lock_deadline)?;
        let mut text = disk.read_log()?;
        let recovered = match disk.read_intent()? {
            Some(intent) => settle(&disk, &mut text, &intent, registers)?,
            None => None,
        };
        let log = RuntimeLog::parse_lines(&text)?;
        let mut values = Vec::new();
        for register in registers.iter_mut() {
            let logged = replay(&log, register.bank());
            let found = register.read()?;
            if found != logged {
                return Err(diverged(register.name(), &logged, &found));
            }
            values.push((register.name().to_owned(), found));
        }
        Ok(Open { disk, text_len: text.len(), log, values, recovered, lock })
    }
}

/// Finds out what was done of an intent, and completes or discards it. `text` is the log's, also afterwards.
/// Returns the event if it was extended and not logged.
fn settle(
    disk: &Disk,
    text: &mut Vec<u8>,
    intent: &Intent,
    registers: &mut Registers<'_>,
) -> Result<Option<RuntimeEvent>, JournalError> {
    // Of the intent's line the log has nothing, a part that a crash cut off, or all; and nothing else after
    // its old length.
    let (whole, part) = text.split_at_checked(intent.log_len).ok_or(JournalError::NotOfThisLog)?;
    let line = intent.line.as_bytes();
    if !line.starts_with(part) {
        return Err(JournalError::NotOfThisLog);
    }
    let event = intent.event()?;
    let log = RuntimeLog::parse_lines(whole)?;
    let steps = steps(&log, &event, registers);
    if !intent.is_before(&steps) {
        return Err(JournalError::NotOfThisLog);
    }
    let (logged, begun) = (part.len() == line.len(), !part.is_empty());

    let mut found = stands(&steps, registers)?;
    if found.contains(&Stand::After) && found.contains(&Stand::Before) && !begun {
        // Some banks have the event. The others get it: it did happen.
        let left = steps.iter().zip(&found).zip(registers.iter_mut());
        for ((step, _), register) in left.filter(|((_, stand), _)| **stand == Stand::Before) {
            register.extend(&step.digest)?;
        }
        found = stands(&steps, registers)?;
    }
    if found.iter().all(|stand| *stand == Stand::After) {
        disk.complete(intent.log_len, &intent.line).map_err(JournalError::ExtendedNotLogged)?;
        text.truncate(intent.log_len);
        text.extend(line);
        disk.remove_intent()?;
        return Ok((!logged).then_some(event));
    }
    match steps.iter().zip(&found).find(|(_, stand)| **stand == Stand::Before) {
        // The log has what the register lacks: it was reset, or another guest's log lies here.
        Some((step, _)) if begun => Err(diverged(&step.register, &step.after, &step.before)),
        _ if found.contains(&Stand::After) => Err(JournalError::PartlyExtended(None)),
        _ => disk.remove_intent().map(|()| None).map_err(JournalError::from),
    }
}

/// What `event` after `log` does to each register.
fn steps(log: &RuntimeLog, event: &RuntimeEvent, registers: &Registers<'_>) -> Vec<Step> {
    let step = |register: &&mut dyn Register| {
        let bank = register.bank();
        let before = replay(log, bank);
        let digest = bank.hash(&[&event.preimage()]);
        let after = bank.extended(&before, &digest);
        Step { register: register.name().to_owned(), before, digest, after }
    };
    registers.iter().map(step).collect()
}

/// The value of a register after the log's events.
fn replay(log: &RuntimeLog, bank: Bank) -> Vec<u8> {
    let digests = log.events().iter().map(|event| bank.hash(&[&event.preimage()]));
    digests.fold(bank.initial(), |value, digest| bank.extended(&value, &digest))
}

/// Extends each register, until one says no.
fn extend_all(steps: &[Step], registers: &mut Registers<'_>) -> Result<(), RegisterError> {
    steps.iter().zip(registers).try_for_each(|(step, register)| register.extend(&step.digest))
}

/// Where each register stands. A value that is neither the one before nor the one after is nobody's.
fn stands(steps: &[Step], registers: &mut Registers<'_>) -> Result<Vec<Stand>, JournalError> {
    let stand = |(step, register): (&Step, &mut &mut dyn Register)| match register.read()? {
        found if found == step.before => Ok(Stand::Before),
        found if found == step.after => Ok(Stand::After),
        found => Err(diverged(&step.register, &step.before, &found)),
    };
    steps.iter().zip(registers).map(stand).collect()
}

/// The event's line, if the log with it is still one that can be read.
fn line_of(event: &RuntimeEvent, log: &RuntimeLog) -> Result<String, JournalError> {
    let line = event.to_line();
    RuntimeLog::parse_lines(line.as_bytes()).map_err(JournalError::EventRefused)?;
    log.admits(event).map_err(JournalError::EventRefused)?;
    Ok(line)
}

fn diverged(register: &str, logged: &[u8], found: &[u8]) -> JournalError {
    JournalError::Diverged {
        register: register.to_owned(),
        logged: hex::encode(logged),
        found: hex::encode(found),
    }
}

impl Intent {
    fn new(log_len: usize, line: &str, steps: &[Step]) -> Self {
        let before = |step: &Step| Before { name: step.register.clone(), value: hex::encode(&step.before) };
        Self { log_len, line: line.to_owned(), registers: steps.iter().map(before).collect() }
    }

    /// Whether the intent was written for these registers, with these values.
    fn is_before(&self, steps: &[Step]) -> bool {
        self.registers == Self::new(self.log_len, &self.line, steps).registers
    }
}
