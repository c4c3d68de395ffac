//! Reports through configfs-TSM: one interface of the Linux kernel to several platforms.
//!
//! Source: Linux, `Documentation/ABI/testing/configfs-tsm-report` and `drivers/virt/coco/guest/report.c`.
//! Each write of an attribute advances `generation` by one, and reading `outblob` makes a report for what was
//! written last. What is written to `inblob` takes effect when the file is closed, where no failure can be
//! reported: `generation` shows it.

use std::fmt;
use std::fs::{OpenOptions, create_dir, remove_dir};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence_ledger::ErrorKind;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::deadline::Deadline;
use crate::io::{IoFailure, read_up_to};

/// Where the tree lies, below the guest's root.
pub const REPORTS: &str = "sys/kernel/config/tsm/report";

/// So often a report is asked for when another process writes to the entry.
const ATTEMPTS: u32 = 3;

/// The most bytes of an attribute that is text.
const TEXT_LIMIT: usize = 128;

/// `mkdir` without a driver that makes reports: ENXIO.
const NO_DRIVER: i32 = 6;

/// The driver that makes reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// AMD SEV-SNP: `outblob` is an attestation report, `auxblob` the host's certificate table.
    SevGuest,
    /// Intel TDX: `outblob` is a quote.
    TdxGuest,
}

impl Provider {
    /// What the attribute `provider` says.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SevGuest => "sev_guest",
            Self::TdxGuest => "tdx_guest",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The driver that must answer.
    pub provider: Provider,
    /// The 64 bytes that the report shall carry: REPORT_DATA, REPORTDATA.
    pub inblob: [u8; 64],
    /// The privilege level (VMPL) of the report, 0 to 3; the driver's own choice where `None`. SEV-SNP only.
    pub privlevel: Option<u8>,
    /// Whether `auxblob` is asked for too.
    pub auxblob: bool,
    /// The fewest and the most bytes of `outblob`.
    pub outblob_len: (usize, usize),
    /// The most bytes of `auxblob`.
    pub auxblob_limit: usize,
    /// How long all of it may take.
    pub deadline: Duration,
}

impl Request {
    /// An attestation report of 1,184 bytes at `vmpl` with the host's certificates, of at most 64 KiB, within
    /// 30 s.
    #[must_use]
    pub const fn snp(report_data: [u8; 64], vmpl: u8) -> Self {
        Self {
            provider: Provider::SevGuest,
            inblob: report_data,
            privlevel: Some(vmpl),
            auxblob: true,
            outblob_len: (1184, 1184),
            auxblob_limit: 64 * 1024,
            deadline: Duration::from_secs(30),
        }
    }

    /// A quote of 1,020 bytes (Intel's `QUOTE_MIN_SIZE`) to 64 KiB, within 30 s.
    #[must_use]
    pub const fn tdx(reportdata: [u8; 64]) -> Self {
        Self {
            provider: Provider::TdxGuest,
            inblob: reportdata,
            privlevel: None,
            auxblob: false,
            outblob_len: (1020, 64 * 1024),
            auxblob_limit: 0,
            deadline: Duration::from_secs(30),
        }
    }
}

/// What the driver made. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The report.
    pub outblob: Vec<u8>,
    /// What the host adds; `None` where it was not asked for or the host gives nothing.
    pub auxblob: Option<Vec<u8>>,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TsmError {
    /// The device did not get free.
    #[error("device was busy for {} ms: {last}", .waited.as_millis())]
    Busy {
        /// How long it was tried.
        waited: Duration,
        /// What the last try said.
        last: IoFailure,
    },
    /// `outblob` is empty.
    #[error("outblob is empty, expected at least {minimum} bytes")]
    Empty {
        /// By the request.
        minimum: usize,
    },
    /// The entry could not be removed, whatever came before.
    #[error("entry is left behind: {failure}{}", what_came_before(.after.as_deref()))]
    EntryLeft {
        /// What removing it said.
        failure: IoFailure,
        /// What had gone wrong before, if anything.
        after: Option<Box<Self>>,
    },
    /// Somebody else writes to the entry, or what was written got lost; several times.
    #[error(
        "generation is {found}, expected {expected}: the entry was written to by others, or a write was lost"
    )]
    GenerationChanged {
        /// By the writes of ours.
        expected: u64,
        /// The attribute's.
        found: u64,
    },
    /// The system said no.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The kernel has no configfs-TSM, or configfs is not mounted.
    #[error("no folder {}: the kernel has no configfs-TSM, or configfs is not mounted", .0.display())]
    NoDirectory(PathBuf),
    /// No driver makes reports.
    #[error("no driver makes reports in {}", .0.display())]
    NoProvider(PathBuf),
    /// An attribute is not what the kernel writes there.
    #[error("attribute {attribute} is {found:?}, expected a number")]
    NotANumber {
        /// Its name.
        attribute: &'static str,
        /// What it says, at most 128 bytes.
        found: String,
    },
    /// The report came, and too late.
    #[error("report took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// An attribute is longer than allowed.
    #[error("{attribute} has more than {limit} bytes")]
    TooLong {
        /// Its name.
        attribute: &'static str,
        /// By the request.
        limit: usize,
    },
    /// `outblob` is shorter than a report can be.
    #[error("outblob has {found} bytes, expected at least {minimum}")]
    Truncated {
        /// By the request.
        minimum: usize,
        /// Bytes found.
        found: usize,
    },
    /// Another platform's driver.
    #[error("provider is {found:?}, expected {expected}")]
    WrongProvider {
        /// By the request.
        expected: Provider,
        /// What the attribute says, at most 128 bytes.
        found: String,
    },
}

/// What had gone wrong before, for the end of a message.
fn what_came_before(error: Option<&TsmError>) -> String {
    error.map_or_else(String::new, |error| format!(", after: {error}"))
}

impl TsmError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoDirectory(_) | Self::NoProvider(_) | Self::WrongProvider { .. } => ErrorKind::Unsupported,
            Self::TooLong { .. } => ErrorKind::LimitExceeded,
            Self::Empty { .. } | Self::NotANumber { .. } | Self::Truncated { .. } => {
                ErrorKind::MalformedEvidence
            }
            Self::Busy { .. }
            | Self::EntryLeft { .. }
            | Self::GenerationChanged { .. }
            | Self::Io(_)
            | Self::TimedOut(_) => ErrorKind::DeviceUnavailable,
        }
    }
}

/// Asks the driver behind `directory` ([`REPORTS`] below the guest's root) for a report. Blocks, at most
/// until the request's deadline and as long as one access to the device takes: [`crate::device::run`] keeps
/// it off the threads of an async program.
///
/// `check` sees the report before the caller does and compares it with what was asked for. The entry that was
/// made for this request is removed on every path.
///
/// # Errors
///
/// [`TsmError`], or what `check` returned.
pub fn collect<E: From<TsmError>>(
    directory: &Path,
    request: &Request,
    check: impl FnOnce(&Report) -> Result<(), E>,
) -> Result<Report, E> {
    let deadline = Deadline::after(request.deadline);
    let mut attempts = ATTEMPTS;
    let report = loop {
        attempts = attempts.saturating_sub(1);
        let entry = Entry::make(directory)?;
        let outcome = ask(&entry, request, &deadline);
        match (entry.remove(), outcome) {
            (Err(failure), outcome) => {
                Err(TsmError::EntryLeft { failure, after: outcome.err().map(Box::new) })?;
            }
            (Ok(()), Err(TsmError::GenerationChanged { .. })) if attempts > 0 && !deadline.has_passed() => {}
            (Ok(()), outcome) => break outcome?,
        }
    };
    check(&report)?;
    Ok(report)
}

/// One request to one entry.
fn ask(entry: &Entry, request: &Request, deadline: &Deadline) -> Result<Report, TsmError> {
    let found = entry.text("provider")?;
    if found != request.provider.name() {
        return Err(TsmError::WrongProvider { expected: request.provider, found });
    }

    let mut generation = entry.generation()?;
    if let Some(level) = request.privlevel {
        patiently(deadline, || entry.write("privlevel", level.to_string().as_bytes()))?;
        generation = generation.wrapping_add(1);
    }
    patiently(deadline, || entry.write("inblob", &request.inblob))?;
    generation = generation.wrapping_add(1);
    entry.expect_generation(generation)?;

    let (minimum, limit) = request.outblob_len;
    let outblob = patiently(deadline, || entry.read("outblob", limit))?;
    let outblob = outblob.ok_or(TsmError::TooLong { attribute: "outblob", limit })?;
    let auxblob = if request.auxblob { auxblob(entry, request.auxblob_limit, deadline)? } else { None };
    // Nobody wrote between our writes and the end of our readings: both blobs are for our `inblob`.
    entry.expect_generation(generation)?;

    match outblob.len() {
        0 => Err(TsmError::Empty { minimum }),
        found if found < minimum => Err(TsmError::Truncated { minimum, found }),
        _ => Ok(Report { outblob, auxblob }),
    }
}

/// `auxblob`, which the host may leave empty and a driver may lack.
fn auxblob(entry: &Entry, limit: usize, deadline: &Deadline) -> Result<Option<Vec<u8>>, TsmError> {
    match patiently(deadline, || entry.read("auxblob", limit)) {
        Ok(Some(bytes)) => Ok((!bytes.is_empty()).then_some(bytes)),
        Ok(None) => Err(TsmError::TooLong { attribute: "auxblob", limit }),
        Err(TsmError::Io(failure)) if failure.kind == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tries again while the device is busy. What comes after the deadline is too late, even if it worked.
fn patiently<T>(deadline: &Deadline, attempt: impl FnMut() -> Result<T, IoFailure>) -> Result<T, TsmError> {
    match deadline.retry(IoFailure::is_busy, attempt) {
        Err(last) if last.is_busy() => Err(TsmError::Busy { waited: deadline.allowed(), last }),
        Err(failure) => Err(failure.into()),
        Ok(_) if deadline.has_passed() => Err(TsmError::TimedOut(deadline.allowed())),
        Ok(value) => Ok(value),
    }
}

/// An entry of our own. Its name cannot be guessed, so that nobody writes to it by mistake.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    made: bool,
}

impl Entry {
    fn make(directory: &Path) -> Result<Self, TsmError> {
        let mut random = [0; 16];
        getrandom(&mut random, GetRandomFlags::empty())
            .map_err(|errno| IoFailure::new("draw random bytes for", directory, &errno.into()))?;
        let name = format!("attester-{}-{}", std::process::id(), hex::encode(random));
        let path = directory.join(name);
        match create_dir(&path) {
            Ok(()) => Ok(Self { path, made: true }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(TsmError::NoDirectory(directory.to_owned()))
            }
            Err(error) if error.raw_os_error() == Some(NO_DRIVER) => {
                Err(TsmError::NoProvider(directory.to_owned()))
            }
            Err(error) => Err(IoFailure::new("create", &path, &error).into()),
        }
    }

    fn read(&self, attribute: &str, limit: usize) -> Result<Option<Vec<u8>>, IoFailure> {
        read_up_to(&self.path.join(attribute), limit)
    }

    /// In one piece: the kernel takes a part for the whole. Attributes are never created.
    fn write(&self, attribute: &str, value: &[u8]) -> Result<(), IoFailure> {
        let path = self.path.join(attribute);
        let mut file = OpenOptions::new().write(true).open(&path).map_err(IoFailure::of("open", &path))?;
        let written = file.write(value).map_err(IoFailure::of("write", &path))?;
        if written == value.len() {
            return Ok(());
        }
        Err(IoFailure::new("write", &path, &io::ErrorKind::WriteZero.into()))
    }

    fn text(&self, attribute: &'static str) -> Result<String, TsmError> {
        let bytes = self.read(attribute, TEXT_LIMIT)?;
        let bytes = bytes.ok_or(TsmError::TooLong { attribute, limit: TEXT_LIMIT })?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    fn generation(&self) -> Result<u64, TsmError> {
        let found = self.text("generation")?;
        found.parse().map_err(|_number| TsmError::NotANumber { attribute: "generation", found })
    }

    fn expect_generation(&self, expected: u64) -> Result<(), TsmError> {
        match self.generation()? {
            found if found == expected => Ok(()),
            found => Err(TsmError::GenerationChanged { expected, found }),
        }
    }

    /// Removes the entry and says whether that worked.
    fn remove(mut self) -> Result<(), IoFailure> {
        self.made = false;
        remove_dir(&self.path).map_err(IoFailure::of("remove", &self.path))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.made {
            // Only when a panic unwinds: there is nobody to tell.
            let _ = remove_dir(&self.path);
        }
    }
}
