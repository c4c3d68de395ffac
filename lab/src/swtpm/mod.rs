//! A real software TPM: `swtpm` on loopback, with a fresh state, manufactured by the lab.
//!
//! swtpm serves one client of its data port at a time: who comes second waits until the first one is gone.
//! The vendor's own part, such as Azure's paravisor, is a [`Proxy`] in front of it. libtpms lets an NV index
//! have at most 2048 bytes.

mod message;
mod proxy;
mod wire;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use message::nv_read_at_start;
pub use proxy::{Hook, Proxy};
pub use wire::{AK_HANDLE, Wire};

/// How long a start may take.
const START: Duration = Duration::from_secs(10);

/// How often another pair of ports, or the same one again, is tried.
const TRIES: u32 = 50;

/// A running software TPM. Dropped, it is killed, reaped, and its state removed.
pub struct Swtpm {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl fmt::Debug for Swtpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swtpm").field("port", &self.port).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        // Also one that stands still takes this signal.
        let _ = self.kill();
    }
}

impl Swtpm {
    /// Whether the program `swtpm` can be run. A test without it calls [`crate::vectors::skipped`].
    #[must_use]
    pub fn is_installed() -> bool {
        let mut version = Command::new("swtpm");
        version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    /// Starts a TPM that nobody has used, on two free ports of loopback, and waits until it answers.
    ///
    /// # Errors
    ///
    /// The system's; of the kind `TimedOut` where it does not answer in ten seconds.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("lab-swtpm-").tempdir()?;
        let start = || {
            // Freed before swtpm takes them: who is faster makes it exit, and another pair is tried.
            let port = listen_on_two()?.0.local_addr()?.port();
            run(&folder, port).map(|child| (port, child))
        };
        let (port, child) = repeat(start)?;
        Ok(Self { folder, port, child })
    }

    /// The data port. The control port is the next one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process, also when that is gone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its state, which is removed with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How libtss2 reaches it.
    #[must_use]
    pub fn tcti(&self) -> String {
        tcti(self.port)
    }

    /// A connection to its data port. Until it is dropped, nobody else is served.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wire(&self) -> io::Result<Wire> {
        Wire::connect(self.port)
    }

    /// Kills it (SIGKILL): a TPM whose power is cut. What it had not written to its state is lost.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Starts it again on the same ports with the same state, after a [`Swtpm::kill`] if it still runs: a TPM
    /// reset. NV indices and persistent keys stay, PCRs are zeros.
    ///
    /// # Errors
    ///
    /// As [`Swtpm::start`].
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.child = repeat(|| run(&self.folder, self.port))?;
        Ok(())
    }

    /// Makes it stand still (SIGSTOP): its ports take connections and bytes, and nothing answers.
    ///
    /// # Errors
    ///
    /// The system's; of the kind `NotFound` where it was killed.
    pub fn pause(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// As [`Swtpm::pause`].
    pub fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        // The number of a process that was reaped may be somebody else's.
        if self.child.try_wait()?.is_some() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "swtpm does not run"));
        }
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

/// How libtss2 reaches a data port and the control port after it.
fn tcti(port: u16) -> String {
    format!("swtpm:host=127.0.0.1,port={port}")
}

/// Two listeners on loopback, on a free port and the one after it.
fn listen_on_two() -> io::Result<(TcpListener, TcpListener)> {
    repeat(|| {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let next = first.local_addr()?.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((first, TcpListener::bind((Ipv4Addr::LOCALHOST, next))?))
    })
}

/// Tries a few times, as long as ports are taken; then the last error.
fn repeat<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut left = TRIES;
    loop {
        left = left.saturating_sub(1);
        match attempt() {
            Err(error) if left > 0 && is_taken(&error) => sleep(Duration::from_millis(5)),
            outcome => return outcome,
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Runs swtpm on `port` and the next one, and waits until it answers. Where it exits at once, the error is of
/// the kind `AddrInUse`.
fn run(folder: &TempDir, port: u16) -> io::Result<Child> {
    let control = port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
    let pid = folder.path().join("pid");
    let log = folder.path().join("log");
    // What an earlier one left says nothing of this one.
    let _ = fs::remove_file(&pid);
    let mut swtpm = Command::new("swtpm");
    swtpm.args(["socket", "--tpm2", "--tpmstate"]).arg(format!("dir={}", folder.path().display()));
    swtpm.arg("--server").arg(format!("type=tcp,port={port},bindaddr=127.0.0.1"));
    swtpm.arg("--ctrl").arg(format!("type=tcp,port={control},bindaddr=127.0.0.1"));
    swtpm.args(["--flags", "not-need-init,startup-clear", "--seccomp", "action=none", "--pid"]);
    swtpm.arg(format!("file={}", pid.display()));
    swtpm.arg("--log").arg(format!("file={},level=1,truncate", log.display()));
    swtpm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = swtpm.spawn()?;
    let ready = wait_until_ready(&mut child, &pid, port).map_err(|error| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        io::Error::new(error.kind(), format!("swtpm on port {port}: {error}: {}", said.trim()))
    });
    if ready.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    ready.map(|()| child)
}

fn wait_until_ready(child: &mut Child, pid: &Path, port: u16) -> io::Result<()> {
    let begun = Instant::now();
    // It writes its number after it has bound both ports: a connection alone could reach another program.
    while fs::read_to_string(pid).ok().and_then(|text| text.trim().parse().ok()) != Some(child.id()) {
        if child.try_wait()?.is_some() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "exited"));
        }
        if begun.elapsed() > START {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "not ready"));
        }
        sleep(Duration::from_millis(1));
    }
    Wire::connect(port)?.self_test()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start on ports that another TPM has fails, and does not take the other one for its own.
    #[test]
    fn taken_ports_are_not_mistaken_for_its_own() {
        if !Swtpm::is_installed() {
            return crate::vectors::skipped(
                "taken_ports_are_not_mistaken_for_its_own",
                "swtpm is not installed",
            );
        }
        let other = Swtpm::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for port in [other.port - 1, other.port, other.port + 1] {
            let error = run(&folder, port).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        other.wire().unwrap().self_test().unwrap();
    }
}
