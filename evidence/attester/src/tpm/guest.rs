//! A guest whose runtime events go into a PCR.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use evidence_event_log::EventLog;
use evidence_event_log::runtime::{EventVersion, RuntimeEvent};

use super::{Pcr, Tpm, TpmError};
use crate::io::{IoFailure, read_if_present};
use crate::journal::{Extended, Journal, JournalError, Snapshot};
use crate::register::Register;

/// The PCR of runtime events: firmware and kernel leave it alone, and no guest can reset it.
pub const RUNTIME_PCR: u8 = 14;

/// The log of the boot, below the guest's root.
const BOOT_LOG: &str = "sys/kernel/security/tpm0/binary_bios_measurements";

/// The largest log of a boot that is sent, in bytes: beside the largest log of runtime events it fits into a payload.
const MAX_BOOT_LOG: usize = 1 << 20;

/// How long the lock of the event log is waited for: less than callers wait for their turn at the device, so that it is named as
/// what was waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(45);

/// Where a guest's files and its TPM are reached.
#[derive(Debug, Clone)]
pub struct TpmGuest {
    pub(super) root: PathBuf,
    pub(super) tcti: Option<String>,
}

impl TpmGuest {
    /// The guest whose file system lies below `root`, and whose TPM `tcti` names ([`Tpm::open`]).
    #[must_use]
    pub fn new(root: &Path, tcti: Option<&str>) -> Self {
        Self { root: root.to_owned(), tcti: tcti.map(str::to_owned) }
    }

    /// Where its file system lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A connection to its TPM.
    ///
    /// # Errors
    ///
    /// As [`Tpm::open`].
    pub fn tpm(&self) -> Result<Tpm, TpmError> {
        Tpm::open(&self.root, self.tcti.as_deref())
    }

    /// What stands for the TPM where one at a time may work on it ([`crate::device::run`]).
    #[must_use]
    pub fn device(&self) -> PathBuf {
        let device = Tpm::device(&self.root).unwrap_or_else(|_| self.root.join("dev/tpmrm0"));
        self.tcti.as_ref().map_or(device, PathBuf::from)
    }

    /// What the TPM answers within `patience`; `None` for one that does not: it keeps a thread, and not the caller.
    #[must_use]
    pub fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl FnOnce(&mut Tpm) -> Result<T, TpmError> + Send + 'static,
    ) -> Option<Result<T, TpmError>> {
        let (guest, (answer, answered)) = (self.clone(), mpsc::channel());
        thread::spawn(move || answer.send(guest.tpm().and_then(|mut tpm| question(&mut tpm))));
        answered.recv_timeout(patience).ok()
    }

    /// Extends an event into [`RUNTIME_PCR`], in every bank, and into `others`, and logs it.
    ///
    /// The event is of the version that every dstack reads. A name holds no colon, so that name and payload cannot be taken for one
    /// another.
    ///
    /// # Errors
    ///
    /// The TPM's, or the journal's.
    pub fn extend<E: From<TpmError> + From<JournalError>>(
        &self,
        name: &str,
        payload: &[u8],
        others: &mut [&mut dyn Register],
    ) -> Result<Extended, E> {
        let event =
            RuntimeEvent { name: name.to_owned(), payload: payload.to_vec(), version: EventVersion::V1 };
        let tpm = Arc::new(Mutex::new(self.tpm()?));
        let mut pcrs = Pcr::all_banks(&tpm, RUNTIME_PCR)?;
        Ok(self.journal().extend(&event, &mut registers(&mut pcrs, others))?)
    }

    /// The log of runtime events, under its lock: while it lives nobody extends. `None` for a guest that has no log, and whose boot
    /// loader measured into [`RUNTIME_PCR`].
    ///
    /// # Errors
    ///
    /// The TPM's, or the journal's.
    pub fn snapshot<E: From<TpmError> + From<JournalError>>(
        &self,
        tpm: &Arc<Mutex<Tpm>>,
        others: &mut [&mut dyn Register],
    ) -> Result<Option<Snapshot>, E> {
        let journal = self.journal();
        let mut pcrs = Pcr::all_banks(tpm, RUNTIME_PCR)?;
        match journal.load(&mut registers(&mut pcrs, others)) {
            Err(JournalError::Diverged { .. }) if !journal.log_path().exists() => Ok(None),
            loaded => Ok(Some(loaded?)),
        }
    }

    /// The log of the boot, if it `replays` to what is known of the boot: a log of another boot explains nothing. One that is too
    /// large to be sent is left out.
    ///
    /// # Errors
    ///
    /// [`IoFailure`].
    pub fn boot_log(
        &self,
        replays: impl FnOnce(&EventLog<'_>) -> bool,
    ) -> Result<Option<Vec<u8>>, IoFailure> {
        let bytes = match read_if_present(&self.root.join(BOOT_LOG), MAX_BOOT_LOG) {
            Err(failure) if failure.kind == std::io::ErrorKind::FileTooLarge => None,
            read => read?,
        };
        Ok(bytes.filter(|bytes| EventLog::parse(bytes).is_ok_and(|log| replays(&log))))
    }

    fn journal(&self) -> Journal {
        Journal::at(&self.root).with_lock_deadline(LOCK_PATIENCE)
    }
}

/// The TPM's registers and `others`.
fn registers<'a>(pcrs: &'a mut [Pcr], others: &'a mut [&mut dyn Register]) -> Vec<&'a mut dyn Register> {
    let mut all: Vec<&mut dyn Register> = Vec::with_capacity(pcrs.len().saturating_add(others.len()));
    for pcr in pcrs {
        all.push(pcr);
    }
    for other in others {
        all.push(&mut **other);
    }
    all
}
