//! Guests for the tests.

use std::path::Path;
use std::time::Duration;

use evidence_attester::tdx::Rtmr;
use evidence_attester::tsm::{Report, TsmError};
use evidence_attester::{Journal, JournalError, Register, Snapshot};
use evidence_event_log::runtime::{EventVersion, RuntimeEvent};
use lab::tsm::{Behaviour, TsmTree};
use tempfile::TempDir;

/// Long enough for anything that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A guest: its tree is unmounted before its folder is removed.
pub(crate) struct Guest {
    pub(crate) tree: TsmTree,
    pub(crate) folder: TempDir,
}

/// A guest that behaves so; `None`, said on the terminal, where FUSE cannot be mounted.
pub(crate) fn guest(test: &str, behaviour: Behaviour) -> Option<Guest> {
    let folder = tempfile::tempdir().unwrap();
    match TsmTree::mount(folder.path(), behaviour, Box::new(|inblob, level| Ok(blobs(inblob, level)))) {
        Ok(tree) => Some(Guest { tree, folder }),
        Err(error) => {
            lab::vectors::skipped(test, &error.to_string());
            None
        }
    }
}

/// What the guests' drivers make: a report of 1,184 bytes that begins with the challenge and the level, and
/// certificates.
fn blobs(inblob: &[u8; 64], level: u32) -> (Vec<u8>, Vec<u8>) {
    let mut outblob = inblob.to_vec();
    outblob.push(u8::try_from(level).unwrap());
    outblob.resize(1184, 0xA5);
    (outblob, b"certificates".to_vec())
}

/// Whether a report is for this challenge.
/// Why no report was handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CollectError {
    Tsm(TsmError),
    Check(&'static str),
}

impl From<TsmError> for CollectError {
    fn from(error: TsmError) -> Self {
        Self::Tsm(error)
    }
}

pub(crate) fn commits_to(challenge: [u8; 64]) -> impl Fn(&Report) -> Result<(), CollectError> {
    move |report| match report.outblob.get(..64) {
        Some(found) if found == challenge => Ok(()),
        _ => Err(CollectError::Check("another challenge")),
    }
}

impl Guest {
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn rtmr3(&self) -> [u8; 48] {
        self.tree.rtmr(3).unwrap()
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::at(self.root())
    }

    pub(crate) fn load(&self) -> Result<Snapshot, JournalError> {
        load(self.root())
    }

    pub(crate) fn extend(&self, event: &RuntimeEvent) -> Result<evidence_attester::Extended, JournalError> {
        let mut rtmr = Rtmr::of(self.root(), 3).unwrap();
        self.journal().extend(event, &mut [&mut rtmr as &mut dyn Register])
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        std::fs::read(self.journal().log_path()).unwrap_or_default()
    }
}

pub(crate) fn load(root: &Path) -> Result<Snapshot, JournalError> {
    let mut rtmr = Rtmr::of(root, 3).unwrap();
    Journal::at(root).load(&mut [&mut rtmr as &mut dyn Register])
}

pub(crate) fn event(name: &str) -> RuntimeEvent {
    RuntimeEvent { name: name.to_owned(), payload: name.as_bytes().to_vec(), version: EventVersion::V1 }
}
