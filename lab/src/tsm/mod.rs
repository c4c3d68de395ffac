//! The files of a confidential guest that its kernel would serve, as a real file system (FUSE): configfs-TSM,
//! the measurement registers of a trust domain, the ACPI event log, the guest device.
//!
//! Semantics are those of Linux: `drivers/virt/coco/guest/report.c` with
//! `Documentation/ABI/testing/configfs-tsm-report`, and `drivers/virt/coco/tdx-guest` with
//! `Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest`. So `mkdir` makes an entry with its
//! attributes, `rmdir` takes it with them, each write advances `generation`, what is written to `inblob`
//! takes effect when the file is closed, and a failure then is not reported.
//!
//! Served are `sys/` and `dev/` below the guest's root; all else there is an ordinary folder. Any process of
//! the same user can use the tree. Only on Linux, and only where `/dev/fuse` can be mounted.

mod fs;
mod state;

use std::fmt;
use std::fs::create_dir_all;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use crate::tsm::fs::Tree;
use crate::tsm::state::State;

/// What a platform's report is made by: 64 bytes of `inblob` and the privilege level in; `outblob` and
/// `auxblob` out. An error's errno is the reader's.
pub type Maker = Box<dyn Fn(&[u8; 64], u32) -> io::Result<(Vec<u8>, Vec<u8>)> + Send + Sync>;

/// What `outblob` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outblob {
    /// What the maker made.
    #[default]
    Whole,
    /// Its first bytes, so many.
    Truncated(usize),
    /// Nothing.
    Empty,
    /// What the maker made, with zeros up to so many bytes.
    Padded(usize),
    /// What the maker makes for an `inblob` whose first byte is another. The guest device's TDREPORT is so,
    /// too.
    OtherChallenge,
}

/// What an extension of a register does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extension {
    /// It extends.
    #[default]
    Works,
    /// Nothing, and EIO.
    Fails,
    /// It extends, and EIO is returned all the same.
    FailsAfterwards,
    /// Nothing, and success is returned.
    IsLost,
}

/// Where an extension stands still until [`TsmTree::let_go`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Before the register is extended. Let go, it fails with EINTR and has not extended.
    BeforeExtension,
    /// After it.
    AfterExtension,
}

/// How the tree behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// What `provider` says: `tdx_guest` or `sev_guest`. Decides which attributes and which device there are.
    /// Empty where no driver makes reports.
    pub provider: String,
    /// The lowest level that `privlevel` takes.
    pub privlevel_floor: u32,
    /// So many readings of `outblob` fail with EBUSY.
    pub busy: u32,
    /// How long making a report takes.
    pub delay: Duration,
    /// What `outblob` holds.
    pub outblob: Outblob,
    /// After so many readings of `outblob`, another writer writes to the entry.
    pub intruders: u32,
    /// So many writes of `inblob` are lost when the file is closed.
    pub lost_writes: u32,
    /// `rmdir` of an entry fails with EBUSY.
    pub sticky: bool,
    /// Whether RTMRs are files of sysfs, as they are since Linux 6.16.
    pub measurements: bool,
    /// What an extension does.
    pub extension: Extension,
    /// Where an extension stands still.
    pub hold: Option<Hold>,
    /// The ACPI table CCEL and the event log that it names.
    pub ccel: Option<(Vec<u8>, Vec<u8>)>,
    /// Other files: path below `sys`, content.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Behaviour {
    /// An undamaged Intel TDX guest.
    #[must_use]
    pub fn tdx() -> Self {
        Self {
            provider: "tdx_guest".to_owned(),
            privlevel_floor: 0,
            busy: 0,
            delay: Duration::ZERO,
            outblob: Outblob::Whole,
            intruders: 0,
            lost_writes: 0,
            sticky: false,
            measurements: true,
            extension: Extension::Works,
            hold: None,
            ccel: None,
            files: Vec::new(),
        }
    }

    /// An undamaged AMD SEV-SNP guest.
    #[must_use]
    pub fn snp() -> Self {
        Self { provider: "sev_guest".to_owned(), measurements: false, ..Self::tdx() }
    }
}

/// A mounted tree. It is unmounted when dropped.
pub struct TsmTree {
    /// Each with its folder.
    sessions: Vec<(PathBuf, BackgroundSession)>,
    state: Arc<State>,
}

impl Drop for TsmTree {
    fn drop(&mut self) {
        self.let_go();
        for (folder, session) in self.sessions.drain(..) {
            if session.umount_and_join().is_err() {
                // Some process still has a file open: the folder is freed now, and the rest when it closes
                // it.
                for command in [["umount", "-l"], ["fusermount3", "-uz"]] {
                    let [program, option] = command;
                    let _ = Command::new(program).arg(option).arg(&folder).stderr(Stdio::null()).status();
                }
            }
        }
    }
}

impl fmt::Debug for TsmTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsmTree").finish_non_exhaustive()
    }
}

impl TsmTree {
    /// Serves `sys/` and `dev/` below `root`, which is an ordinary folder. Which files there are is fixed by
    /// `behaviour` now; what they do, by [`TsmTree::change`] later.
    ///
    /// # Errors
    ///
    /// Where FUSE cannot be mounted, the system's: a test then calls [`crate::vectors::skipped`].
    pub fn mount(root: &Path, behaviour: Behaviour, maker: Maker) -> io::Result<Self> {
        let trees = [("sys", Tree::sys(&behaviour)), ("dev", Tree::dev(&behaviour))];
        let state = Arc::new(State::new(behaviour, maker));
        // What is mounted is unmounted, also where a later mount fails.
        let mut mounted = Self { sessions: Vec::new(), state: Arc::clone(&state) };
        for (folder, tree) in trees {
            let folder = root.join(folder);
            create_dir_all(&folder)?;
            let mut config = Config::default();
            config.mount_options = vec![MountOption::FSName("lab-tsm".to_owned())];
            config.acl = fuser::SessionACL::Owner;
            // One reader waits for a slow report while others go on.
            config.n_threads = Some(4);
            let session = fuser::spawn_mount(tree.over(Arc::clone(&state)), &folder, &config)
                .map_err(|error| io::Error::new(error.kind(), format!("cannot mount FUSE: {error}")))?;
            mounted.sessions.push((folder, session));
        }
        Ok(mounted)
    }

    /// Changes what the files do from now on.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.lock().behaviour);
    }

    /// The names of the entries that there are.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.state.lock().entries.values().map(|entry| entry.name.clone()).collect()
    }

    /// How many entries were made since the tree was mounted.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.state.lock().made
    }

    /// RTMR `index`, 0 to 3; `None` for another.
    #[must_use]
    pub fn rtmr(&self, index: usize) -> Option<[u8; 48]> {
        self.state.lock().rtmrs.get(index).copied()
    }

    /// Sets RTMR `index` to zeros, as a reset of the guest does.
    pub fn reset(&self, index: usize) {
        if let Some(rtmr) = self.state.lock().rtmrs.get_mut(index) {
            *rtmr = [0; 48];
        }
    }

    /// Extends RTMR `index` behind everybody's back: RTMR = SHA-384(RTMR ‖ digest).
    pub fn extend(&self, index: usize, digest: &[u8; 48]) {
        self.state.lock().extend(index, digest);
    }

    /// Waits until an extension stands still at the [`Hold`], at most for `timeout`. Whether it does.
    #[must_use]
    pub fn wait_held(&self, timeout: Duration) -> bool {
        self.state.wait_held(timeout)
    }

    /// Lets the extension go on that stands still, and no later one stand.
    pub fn let_go(&self) {
        self.state.let_go();
    }
}
