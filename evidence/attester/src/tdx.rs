//! Intel TDX: the RTMRs of a trust domain, and quotes without configfs-TSM.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence_event_log::Bank;
use evidence_ledger::ErrorKind;

use crate::deadline::Deadline;
use crate::io::{IoFailure, read_up_to};
use crate::ioctl;
use crate::qgs::{self, QgsError};
use crate::register::{Register, RegisterError};
use crate::tdreport::{TdReport, TdReportError};
use crate::tsm::{self, TsmError};

/// The guest device, below the guest's root.
pub const DEVICE: &str = "dev/tdx_guest";

/// The registers as files, since Linux 6.16
/// (`Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest`).
pub const MEASUREMENTS: &str = "sys/devices/virtual/misc/tdx_guest/measurements";

/// Bytes of an RTMR, and of the digest that extends it.
const RTMR_LEN: usize = 48;

/// RTMR2 or RTMR3 of this guest.
#[derive(Debug)]
pub struct Rtmr {
    name: String,
    index: u8,
    way: Way,
}

/// How a register is reached.
#[derive(Debug)]
enum Way {
    /// A file: reading gives the value, writing a digest extends it.
    Sysfs(PathBuf),
    /// The guest device: the value is in a TDREPORT, and the driver has an ioctl of Intel's.
    Device(PathBuf),
}

impl Rtmr {
    /// RTMR `index` of the guest whose file system lies below `root`: by sysfs where the kernel has its file,
    /// otherwise by the guest device. Opens and changes nothing.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotExtensible`] but for 2 and 3; [`RegisterError::Missing`] where there is neither.
    pub fn of(root: &Path, index: u8) -> Result<Self, RegisterError> {
        let name = format!("RTMR{index}");
        if !(2..=3).contains(&index) {
            return Err(RegisterError::NotExtensible(name));
        }
        let file = root.join(MEASUREMENTS).join(format!("rtmr{index}:sha384"));
        let device = root.join(DEVICE);
        if file.exists() {
            Ok(Self { name, index, way: Way::Sysfs(file) })
        } else if device.exists() {
            Ok(Self { name, index, way: Way::Device(device) })
        } else {
            let looked_for = format!("{} nor {}", file.display(), device.display());
            Err(RegisterError::Missing { register: name, looked_for })
        }
    }

    /// Where it is read and extended.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.way {
            Way::Sysfs(path) | Way::Device(path) => path,
        }
    }

    fn length(&self, found: usize) -> RegisterError {
        RegisterError::Length { register: self.name.clone(), expected: RTMR_LEN, found }
    }
}

impl Register for Rtmr {
    fn name(&self) -> &str {
        &self.name
    }

    fn bank(&self) -> Bank {
        Bank::Sha384
    }

    fn read(&mut self) -> Result<Vec<u8>, RegisterError> {
        let value = match &self.way {
            // A file that says more than a register holds is as wrong as one that says less.
            Way::Sysfs(path) => read_up_to(path, RTMR_LEN)?.ok_or_else(|| self.length(RTMR_LEN + 1))?,
            Way::Device(path) => {
                let report = TdReport::request(path, &[0; 64]).map_err(|error| match error {
                    TdReportError::Io(failure) => RegisterError::Io(failure),
                    other => {
                        RegisterError::Device { register: self.name.clone(), problem: other.to_string() }
                    }
                })?;
                report.rtmr(self.index).unwrap_or_default().to_vec()
            }
        };
        if value.len() == RTMR_LEN { Ok(value) } else { Err(self.length(value.len())) }
    }

    fn extend(&mut self, digest: &[u8]) -> Result<(), RegisterError> {
        let digest: &[u8; RTMR_LEN] = digest.try_into().map_err(|_length| self.length(digest.len()))?;
        let path = self.path();
        let opened: io::Result<File> = OpenOptions::new().write(true).open(path);
        let mut file = opened.map_err(IoFailure::of("open", path))?;
        match &self.way {
            Way::Sysfs(path) => {
                // One write is one extension: a second one for what is left would be another.
                let written = file.write(digest).map_err(IoFailure::of("extend", path))?;
                if written == RTMR_LEN { Ok(()) } else { Err(self.length(written)) }
            }
            Way::Device(path) => ioctl::tdx_extend_rtmr(&file, self.index, digest)
                .map_err(|errno| IoFailure::new("extend", path, &errno.into()).into()),
        }
    }
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuoteError {
    /// The quote generation service did not give one.
    #[error(transparent)]
    Qgs(#[from] QgsError),
    /// The guest device did not give a TDREPORT.
    #[error(transparent)]
    Report(#[from] TdReportError),
}

impl QuoteError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Qgs(error) => error.kind(),
            Self::Report(TdReportError::Io(_)) => ErrorKind::DeviceUnavailable,
            Self::Report(_) => ErrorKind::MalformedEvidence,
        }
    }
}

/// A quote that commits to `reportdata`, perhaps with zeros behind it: from the kernel, or from the host's service where the kernel
/// has no interface for it. `check` sees it before the caller does. Blocks, at most until `deadline` and as long as one access to the
/// device takes.
///
/// # Errors
///
/// [`TsmError`], [`QuoteError`], or what `check` returned.
pub fn quote<E: From<TsmError> + From<QuoteError>>(
    root: &Path,
    reportdata: &[u8; 64],
    deadline: Duration,
    check: impl FnOnce(&[u8]) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let reports = root.join(tsm::REPORTS);
    if reports.exists() {
        let request = tsm::Request { deadline, ..tsm::Request::tdx(*reportdata) };
        return Ok(tsm::collect(&reports, &request, |report| check(&report.outblob))?.outblob);
    }
    let quote = quote_by_vsock(root, reportdata, deadline)?;
    check(&quote)?;
    Ok(quote)
}

/// A quote that commits to `reportdata`, from the host's quote generation service by vsock: for kernels that
/// have `/dev/tdx_guest` and no configfs-TSM. Whether the quote commits to it is the caller's to check.
/// Blocks.
///
/// # Errors
///
/// [`QuoteError`]; [`QgsError::NoPort`] where the guest is not configured for it.
pub fn quote_by_vsock(root: &Path, reportdata: &[u8; 64], deadline: Duration) -> Result<Vec<u8>, QuoteError> {
    let deadline = Deadline::after(deadline);
    let port = qgs::port(root)?;
    let report = TdReport::request(&root.join(DEVICE), reportdata)?;
    let mut stream = qgs::connect(port, deadline.left())?;
    Ok(qgs::exchange(&mut stream, &report)?)
}
