//! What the tree remembers, and what its files do.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "counters of a test, and offsets that are constants"
)]

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA384};
use fuser::Errno;

use crate::tsm::{Behaviour, Extension, Hold, Maker, Outblob};

/// Bytes of an RTMR, and of the digest that extends it.
pub(super) const RTMR_LEN: usize = 48;

/// Bytes of `inblob` (`TSM_REPORT_INBLOB_MAX`).
const INBLOB_LEN: usize = 64;

/// The highest `privlevel` (`TSM_REPORT_PRIVLEVEL_MAX`).
const PRIVLEVEL_MAX: u32 = 3;

/// An attribute of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Auxblob,
    Generation,
    Inblob,
    Outblob,
    Privlevel,
    PrivlevelFloor,
    Provider,
}

impl Attribute {
    /// Every attribute, its name and its mode. The last three are the SEV driver's alone.
    pub(super) const ALL: [(Self, &str, u16); 7] = [
        (Self::Generation, "generation", 0o444),
        (Self::Inblob, "inblob", 0o200),
        (Self::Outblob, "outblob", 0o400),
        (Self::Provider, "provider", 0o444),
        (Self::Auxblob, "auxblob", 0o400),
        (Self::Privlevel, "privlevel", 0o200),
        (Self::PrivlevelFloor, "privlevel_floor", 0o444),
    ];

    /// Those that a provider has.
    pub(super) fn of(provider: &str) -> &'static [(Self, &'static str, u16)] {
        if provider == "tdx_guest" { &Self::ALL[..4] } else { &Self::ALL }
    }
}

/// One entry below `report/`.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    write_generation: u64,
    read_generation: u64,
    inblob: Vec<u8>,
    privlevel: u32,
    blobs: Option<(Vec<u8>, Vec<u8>)>,
}

/// The state of all files.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) behaviour: Behaviour,
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) made: u64,
    pub(super) rtmrs: [[u8; RTMR_LEN]; 4],
    held: bool,
}

impl Inner {
    /// RTMR = SHA-384(RTMR ‖ digest).
    pub(super) fn extend(&mut self, index: usize, digest: &[u8]) {
        if let Some(rtmr) = self.rtmrs.get_mut(index) {
            let mut context = Context::new(&SHA384);
            context.update(rtmr);
            context.update(digest);
            rtmr.copy_from_slice(context.finish().as_ref());
        }
    }

    fn entry(&mut self, id: u64) -> Result<&mut Entry, Errno> {
        self.entries.get_mut(&id).ok_or(Errno::ENOENT)
    }
}

/// The state of all files, shared by the threads that serve them.
pub(super) struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
    maker: Maker,
}

impl State {
    pub(super) fn new(behaviour: Behaviour, maker: Maker) -> Self {
        let inner =
            Inner { behaviour, entries: BTreeMap::new(), made: 0, rtmrs: [[0; RTMR_LEN]; 4], held: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), maker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `mkdir`: the entry's id.
    pub(super) fn make(&self, name: &str) -> Result<u64, Errno> {
        let mut inner = self.lock();
        if inner.behaviour.provider.is_empty() {
            return Err(Errno::ENXIO);
        }
        if inner.entries.values().any(|entry| entry.name == name) {
            return Err(Errno::EEXIST);
        }
        inner.made += 1;
        let id = inner.made;
        inner.entries.insert(id, Entry { name: name.to_owned(), ..Entry::default() });
        Ok(id)
    }

    /// `rmdir`: of the entry and its attributes.
    pub(super) fn remove(&self, name: &str) -> Result<(), Errno> {
        let mut inner = self.lock();
        if inner.behaviour.sticky {
            return Err(Errno::EBUSY);
        }
        let id = inner.entries.iter().find(|(_, entry)| entry.name == name).map(|(id, _)| *id);
        inner.entries.remove(&id.ok_or(Errno::ENOENT)?);
        Ok(())
    }

    /// What reading an attribute from its beginning gives.
    pub(super) fn read(&self, id: u64, attribute: Attribute) -> Result<Vec<u8>, Errno> {
        match attribute {
            Attribute::Inblob | Attribute::Privlevel => Err(Errno::EACCES),
            Attribute::Generation => {
                Ok(format!("{}\n", self.lock().entry(id)?.write_generation).into_bytes())
            }
            Attribute::Provider => Ok(format!("{}\n", self.lock().behaviour.provider).into_bytes()),
            Attribute::PrivlevelFloor => {
                Ok(format!("{}\n", self.lock().behaviour.privlevel_floor).into_bytes())
            }
            Attribute::Outblob => {
                self.report(id)?;
                let mut inner = self.lock();
                let intruded = take_one(&mut inner.behaviour.intruders);
                let entry = inner.entry(id)?;
                let outblob = entry.blobs.as_ref().map(|(outblob, _)| outblob.clone());
                if intruded {
                    entry.write_generation += 1;
                }
                outblob.ok_or(Errno::EIO)
            }
            Attribute::Auxblob => {
                self.report(id)?;
                let mut inner = self.lock();
                let auxblob = inner.entry(id)?.blobs.as_ref().map(|(_, auxblob)| auxblob.clone());
                auxblob.ok_or(Errno::EIO)
            }
        }
    }

    /// Makes the report, unless what was last written has one already.
    fn report(&self, id: u64) -> Result<(), Errno> {
        let mut inner = self.lock();
        if take_one(&mut inner.behaviour.busy) {
            return Err(Errno::EBUSY);
        }
        let (delay, damage) = (inner.behaviour.delay, inner.behaviour.outblob);
        let entry = inner.entry(id)?;
        if entry.blobs.is_some() && entry.read_generation == entry.write_generation {
            return Ok(());
        }
        let mut inblob: [u8; INBLOB_LEN] =
            entry.inblob.as_slice().try_into().map_err(|_length| Errno::EINVAL)?;
        let (privlevel, generation) = (entry.privlevel, entry.write_generation);
        drop(inner);

        sleep(delay);
        if damage == Outblob::OtherChallenge {
            inblob[0] ^= 1;
        }
        let (mut outblob, auxblob) = (self.maker)(&inblob, privlevel)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_i32))?;
        match damage {
            Outblob::Whole | Outblob::OtherChallenge => {}
            Outblob::Truncated(length) => outblob.truncate(length),
            Outblob::Empty => outblob.clear(),
            Outblob::Padded(length) => outblob.resize(length, 0),
        }

        let mut inner = self.lock();
        let entry = inner.entry(id)?;
        entry.blobs = Some((outblob, auxblob));
        entry.read_generation = generation;
        Ok(())
    }

    /// A write of `privlevel`.
    pub(super) fn write_privlevel(&self, id: u64, text: &[u8]) -> Result<(), Errno> {
        let text = str::from_utf8(text).map_err(|_text| Errno::EINVAL)?.trim_end_matches('\n');
        let level: u32 = text.parse().map_err(|_number| Errno::EINVAL)?;
        let mut inner = self.lock();
        if !(inner.behaviour.privlevel_floor..=PRIVLEVEL_MAX).contains(&level) {
            return Err(Errno::EINVAL);
        }
        let entry = inner.entry(id)?;
        entry.write_generation += 1;
        entry.privlevel = level;
        Ok(())
    }

    /// What was written to `inblob`, when its file is closed. The kernel reports no failure then.
    pub(super) fn close_inblob(&self, id: u64, inblob: Vec<u8>) {
        let mut inner = self.lock();
        if take_one(&mut inner.behaviour.lost_writes) || inblob.len() > INBLOB_LEN {
            return;
        }
        if let Ok(entry) = inner.entry(id) {
            entry.write_generation += 1;
            entry.inblob = inblob;
        }
    }

    /// A write of an RTMR's file: 0 and 1 are the firmware's and the boot loader's.
    pub(super) fn write_rtmr(&self, index: usize, offset: u64, digest: &[u8]) -> Result<(), Errno> {
        if !(2..4).contains(&index) {
            return Err(Errno::EIO);
        }
        if offset != 0 || digest.len() != RTMR_LEN {
            return Err(Errno::EINVAL);
        }
        let mut inner = self.lock();
        if inner.behaviour.hold == Some(Hold::BeforeExtension) {
            self.hold(inner);
            return Err(Errno::EINTR);
        }
        match inner.behaviour.extension {
            Extension::Fails => return Err(Errno::EIO),
            Extension::IsLost => return Ok(()),
            Extension::Works | Extension::FailsAfterwards => inner.extend(index, digest),
        }
        if inner.behaviour.extension == Extension::FailsAfterwards {
            return Err(Errno::EIO);
        }
        if inner.behaviour.hold == Some(Hold::AfterExtension) {
            self.hold(inner);
        }
        Ok(())
    }

    fn hold(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.held = true;
        self.changed.notify_all();
        let wait = self.changed.wait_while(inner, |inner| inner.held);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn wait_held(&self, timeout: Duration) -> bool {
        let wait = self.changed.wait_timeout_while(self.lock(), timeout, |inner| !inner.held);
        let (inner, _timed_out) = wait.unwrap_or_else(PoisonError::into_inner);
        inner.held
    }

    pub(super) fn let_go(&self) {
        let mut inner = self.lock();
        inner.behaviour.hold = None;
        inner.held = false;
        self.changed.notify_all();
    }

    /// The TDREPORT that the guest device gives: type, REPORTDATA and RTMRs (Intel TDX Module ABI,
    /// TDREPORT_STRUCT).
    pub(super) fn tdreport(&self, reportdata: &[u8]) -> Vec<u8> {
        let inner = self.lock();
        let mut report = vec![0; 1024];
        report[0] = 0x81;
        report[128..192].copy_from_slice(reportdata);
        if inner.behaviour.outblob == Outblob::OtherChallenge {
            report[128] ^= 1;
        }
        report[720..912].copy_from_slice(inner.rtmrs.as_flattened());
        report
    }
}

/// Whether one is left, and takes it.
fn take_one(left: &mut u32) -> bool {
    let one = *left > 0;
    *left = left.saturating_sub(1);
    one
}
