//! The journal's files. What is written is durable when a function returns.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError, remove_file, rename};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence_event_log::runtime::{MAX_PAYLOAD_LEN, MAX_TEXT_LEN};

use super::JournalError;
use super::intent::Intent;
use crate::deadline::Deadline;
use crate::io::{IoFailure, read_up_to};

/// The log.
pub(super) const LOG: &str = "runtime_events.log";

/// dstack's own lock has this name: both exclude each other.
const LOCK: &str = "runtime_event.lock";

const INTENT: &str = "runtime_events.intent";

/// An intent that is not whole yet, so that one under its own name always is.
const NEW_INTENT: &str = "runtime_events.intent.new";

/// A payload in hex, its name, and some registers.
const INTENT_LIMIT: usize = MAX_PAYLOAD_LEN * 4;

/// The folder of the files.
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The folder, made for its owner alone where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self, IoFailure> {
        if !folder.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(IoFailure::of("create", folder))?;
            folder.parent().map_or(Ok(()), sync)?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The lock, held as long as its file is open. Neither a crash nor a kill leaves it locked.
    pub(super) fn lock(&self, allowed: Duration) -> Result<File, JournalError> {
        let path = self.folder.join(LOCK);
        let options = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = options.map_err(IoFailure::of("open", &path))?;
        let held = |error: &TryLockError| matches!(error, TryLockError::WouldBlock);
        match Deadline::after(allowed).retry(held, || file.try_lock()) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path, waited: allowed }),
            Err(TryLockError::Error(error)) => Err(IoFailure::new("lock", &path, &error).into()),
        }
    }

    /// The log's text; empty where there is no log.
    pub(super) fn read_log(&self) -> Result<Vec<u8>, JournalError> {
        let path = self.folder.join(LOG);
        let text = if_there(read_up_to(&path, MAX_TEXT_LEN))?.unwrap_or_else(|| Some(Vec::new()));
        text.ok_or(JournalError::TooLong { path, limit: MAX_TEXT_LEN })
    }

    /// The log, so that nothing is extended where none can be written.
    pub(super) fn create_log(&self) -> Result<(), IoFailure> {
        let path = self.folder.join(LOG);
        if path.exists() {
            return Ok(());
        }
        self.open_log()?;
        sync(&self.folder)
    }

    /// Makes the log its first `log_len` bytes and `line`.
    pub(super) fn complete(&self, log_len: usize, line: &str) -> Result<(), IoFailure> {
        let path = self.folder.join(LOG);
        let mut file = self.open_log()?;
        let log_len = u64::try_from(log_len).map_err(|_len| too_long(&path))?;
        file.set_len(log_len).map_err(IoFailure::of("cut", &path))?;
        file.write_all(line.as_bytes()).map_err(IoFailure::of("append to", &path))?;
        file.sync_all().map_err(IoFailure::of("sync", &path))
    }

    /// The intent, if there is one.
    pub(super) fn read_intent(&self) -> Result<Option<Intent>, JournalError> {
        let path = self.folder.join(INTENT);
        match if_there(read_up_to(&path, INTENT_LIMIT))? {
            None => Ok(None),
            Some(None) => Err(JournalError::TooLong { path, limit: INTENT_LIMIT }),
            Some(Some(bytes)) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|_json| JournalError::IntentUnreadable)
            }
        }
    }

    /// Writes the intent: whole under its name, or not at all.
    pub(super) fn write_intent(&self, intent: &Intent) -> Result<(), IoFailure> {
        let new = self.folder.join(NEW_INTENT);
        let path = self.folder.join(INTENT);
        let json =
            serde_json::to_vec(intent).map_err(|error| IoFailure::new("write", &new, &error.into()))?;
        if json.len() > INTENT_LIMIT {
            return Err(too_long(&new));
        }
        let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
        let written = written.and_then(|mut file| file.write_all(&json).and_then(|()| file.sync_all()));
        if let Err(error) = written {
            // What is left of it says nothing, but takes room.
            let _ = remove_file(&new);
            return Err(IoFailure::new("write", &new, &error));
        }
        rename(&new, &path).map_err(IoFailure::of("rename", &new))?;
        sync(&self.folder)
    }

    /// Removes the intent. One that a power failure brings back is settled once more, or was replaced by a
    /// later one.
    pub(super) fn remove_intent(&self) -> Result<(), IoFailure> {
        let path = self.folder.join(INTENT);
        remove_file(&path).map_err(IoFailure::of("remove", &path))
    }

    fn open_log(&self) -> Result<File, IoFailure> {
        let path = self.folder.join(LOG);
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        opened.map_err(IoFailure::of("open", &path))
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<(), IoFailure> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(IoFailure::of("sync", folder))
}

/// What was read, `None` where there is no such file.
fn if_there<T>(read: Result<T, IoFailure>) -> Result<Option<T>, IoFailure> {
    match read {
        Err(failure) if failure.kind == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn too_long(path: &Path) -> IoFailure {
    IoFailure::new("write", path, &io::ErrorKind::FileTooLarge.into())
}
