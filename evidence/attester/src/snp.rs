//! AMD SEV-SNP without configfs-TSM: the report by `/dev/sev-guest`.
//!
//! Source: Linux, `include/uapi/linux/sev-guest.h` and `Documentation/virt/coco/sev-guest.rst`; AMD
//! publication 56860, MSG_REPORT_RSP. The host's table is handed on in bytes: the host writes it, so its
//! offsets are read only where they are checked.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use evidence_ledger::ErrorKind;

use crate::io::IoFailure;
use crate::ioctl::{self, CERTIFICATES_LEN};
use crate::tsm::{self, TsmError};

/// The guest device, below the guest's root.
pub const DEVICE: &str = "dev/sev-guest";

/// Bytes of a report.
const REPORT_LEN: usize = 0x4A0;

/// MSG_REPORT_RSP: STATUS, REPORT_SIZE and 24 reserved bytes before the report.
const HEADER_LEN: usize = 32;

/// The hypervisor's error for a table that does not fit (`SNP_GUEST_VMM_ERR_INVALID_LEN`).
const INVALID_LEN: u32 = 1;

/// A report with the host's certificates. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedReport {
    /// ATTESTATION_REPORT, 1,184 bytes.
    pub report: Vec<u8>,
    /// The host's certificate table, perhaps with zeros behind it; `None` where the host gives none.
    pub certificates: Option<Vec<u8>>,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnpError {
    /// The host's table is larger than the driver takes.
    #[error("host's certificates have more than {CERTIFICATES_LEN} bytes")]
    CertificatesTooLong,
    /// The hypervisor or the firmware says no.
    #[error("request failed: firmware error {firmware:#x}, hypervisor error {hypervisor:#x}: {failure}")]
    Device {
        /// The firmware's code; 0xFF where it was not called.
        firmware: u32,
        /// The hypervisor's code.
        hypervisor: u32,
        /// What the driver said.
        failure: IoFailure,
    },
    /// The device cannot be opened.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// Not the length of a report.
    #[error("firmware's report has {0} bytes, expected {REPORT_LEN}")]
    ReportLength(u32),
    /// The firmware refuses the request, for instance a VMPL below the guest's.
    #[error("firmware refused the report with status {0:#x}")]
    Status(u32),
}

impl SnpError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::CertificatesTooLong => ErrorKind::LimitExceeded,
            Self::Device { .. } | Self::Io(_) | Self::Status(_) => ErrorKind::DeviceUnavailable,
            Self::ReportLength(_) => ErrorKind::MalformedEvidence,
        }
    }
}

/// The report that carries `report_data`, at `vmpl`, and the host's certificates: from the kernel, or from the guest device where the
/// kernel has no interface of its own. `check` sees the report before the caller does. Blocks, by the kernel's interface at most
/// until `deadline`.
///
/// # Errors
///
/// [`TsmError`], [`SnpError`], or what `check` returned.
pub fn report<E: From<TsmError> + From<SnpError>>(
    root: &Path,
    report_data: &[u8; 64],
    vmpl: u8,
    deadline: Duration,
    check: impl FnOnce(&[u8]) -> Result<(), E>,
) -> Result<ExtendedReport, E> {
    let reports = root.join(tsm::REPORTS);
    if reports.exists() {
        let request = tsm::Request { deadline, ..tsm::Request::snp(*report_data, vmpl) };
        let report = tsm::collect(&reports, &request, |report| check(&report.outblob))?;
        return Ok(ExtendedReport { report: report.outblob, certificates: report.auxblob });
    }
    let answer = extended_report(&root.join(DEVICE), report_data, vmpl)?;
    check(&answer.report)?;
    Ok(answer)
}

/// The report that carries `report_data`, at `vmpl`, and the host's certificates, from `device` ([`DEVICE`]
/// below the guest's root). Whether the report carries it is the caller's to check. Blocks.
///
/// # Errors
///
/// [`SnpError`].
pub fn extended_report(device: &Path, report_data: &[u8; 64], vmpl: u8) -> Result<ExtendedReport, SnpError> {
    let opened = OpenOptions::new().read(true).write(true).open(device);
    let file = opened.map_err(IoFailure::of("open", device))?;
    let answer = ioctl::snp_extended_report(&file, report_data, vmpl);
    if let Err(errno) = answer.result {
        let failure = IoFailure::new("request a report from", device, &errno.into());
        let [firmware, hypervisor] = halves(answer.exit_info);
        return Err(match hypervisor {
            INVALID_LEN => SnpError::CertificatesTooLong,
            _ => SnpError::Device { firmware, hypervisor, failure },
        });
    }
    // Some kernels report success although the table did not fit, and leave it out.
    if halves(answer.exit_info) == [0, INVALID_LEN] {
        return Err(SnpError::CertificatesTooLong);
    }
    let report = received(answer.response.as_slice())?;
    let empty = answer.certificates.iter().all(|byte| *byte == 0);
    Ok(ExtendedReport { report, certificates: (!empty).then(|| answer.certificates.to_vec()) })
}

/// The report of MSG_REPORT_RSP.
fn received(response: &[u8]) -> Result<Vec<u8>, SnpError> {
    let word = |offset: usize| {
        let bytes = response.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let (status, size) = (word(0), word(4));
    if status != 0 {
        return Err(SnpError::Status(status));
    }
    if usize::try_from(size) != Ok(REPORT_LEN) {
        return Err(SnpError::ReportLength(size));
    }
    Ok(response.iter().skip(HEADER_LEN).take(REPORT_LEN).copied().collect())
}

/// The lower and the upper half.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_a_status_a_size_and_a_report() {
        let mut response = vec![0; 4000];
        response[4..8].copy_from_slice(&1184_u32.to_le_bytes());
        response[32..1216].fill(7);
        assert_eq!(received(&response).unwrap(), [7; 1184]);
        response[4] = 0;
        assert_eq!(received(&response), Err(SnpError::ReportLength(0x400)));
        response[0] = 0x16;
        assert_eq!(received(&response), Err(SnpError::Status(0x16)));
    }

    #[test]
    fn errors_of_hypervisor_and_firmware_are_told_apart() {
        assert_eq!(halves(0x0000_0001_0000_00FF), [0xFF, INVALID_LEN]);
    }

    #[test]
    fn a_file_that_is_no_device_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("sev-guest");
        assert!(matches!(extended_report(&device, &[0; 64], 0), Err(SnpError::Io(_))));
        std::fs::write(&device, "").unwrap();
        // ENOTTY.
        let error = extended_report(&device, &[0; 64], 0).unwrap_err();
        assert!(matches!(error, SnpError::Device { failure: IoFailure { errno: Some(25), .. }, .. }));
    }
}
