//! TDREPORT: what the TDX module says of a trust domain to its own platform.

use std::fs::OpenOptions;
use std::path::Path;

use crate::io::IoFailure;
use crate::ioctl;

/// Bytes of TDREPORT_STRUCT (Intel TDX Module ABI Reference, TDREPORT_STRUCT).
pub const TDREPORT_LEN: usize = 1024;

/// REPORTMACSTRUCT.REPORTTYPE.TYPE of TDX.
const TYPE_TDX: u8 = 0x81;

/// REPORTMACSTRUCT.REPORTDATA.
const REPORTDATA: usize = 128;

/// TDINFO_STRUCT.RTMR: TDINFO_STRUCT begins at 512, RTMR in it at 208.
const RTMR: usize = 512 + 208;

/// Bytes of an RTMR.
const RTMR_LEN: usize = 48;

/// A TDREPORT. Its MAC means something to this platform only, so nothing of it is verified here.
#[derive(Clone, PartialEq, Eq)]
pub struct TdReport([u8; TDREPORT_LEN]);

impl std::fmt::Debug for TdReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TdReport").finish_non_exhaustive()
    }
}

/// Why there is no TDREPORT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TdReportError {
    /// The device says no.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The report commits to something else.
    #[error("REPORTDATA of the TDREPORT is not what was asked for")]
    OtherReportData,
    /// Not a TDREPORT.
    #[error("report is of type {0:#x}, expected {TYPE_TDX:#x} (TDX)")]
    Type(u8),
}

impl TdReport {
    /// The report that commits to `reportdata`, from `device` (`dev/tdx_guest` below the guest's root).
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`TdReportError`], also where the device answers with another report.
    pub fn request(device: &Path, reportdata: &[u8; 64]) -> Result<Self, TdReportError> {
        let opened = OpenOptions::new().read(true).write(true).open(device);
        let file = opened.map_err(IoFailure::of("open", device))?;
        let bytes = ioctl::tdx_report(&file, reportdata)
            .map_err(|errno| IoFailure::new("request a TDREPORT from", device, &errno.into()))?;
        let report = Self::parse(bytes)?;
        if report.reportdata() != reportdata {
            return Err(TdReportError::OtherReportData);
        }
        Ok(report)
    }

    /// The bytes of a TDREPORT.
    ///
    /// # Errors
    ///
    /// [`TdReportError::Type`] for another structure.
    pub fn parse(bytes: [u8; TDREPORT_LEN]) -> Result<Self, TdReportError> {
        let [found, ..] = bytes;
        if found != TYPE_TDX {
            return Err(TdReportError::Type(found));
        }
        Ok(Self(bytes))
    }

    /// All of it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TDREPORT_LEN] {
        &self.0
    }

    /// The 64 bytes from the guest.
    #[must_use]
    pub fn reportdata(&self) -> &[u8] {
        self.field(REPORTDATA, 64)
    }

    /// RTMR `index`, 48 bytes; `None` above 3.
    #[must_use]
    pub fn rtmr(&self, index: u8) -> Option<&[u8]> {
        let offset = usize::from(index).checked_mul(RTMR_LEN)?.checked_add(RTMR)?;
        (index < 4).then(|| self.field(offset, RTMR_LEN))
    }

    fn field(&self, offset: usize, len: usize) -> &[u8] {
        self.0.get(offset..offset.saturating_add(len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_module_puts_them() {
        let mut bytes = [0; TDREPORT_LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(index % 251).unwrap();
        }
        bytes[0] = 0x81;
        let report = TdReport::parse(bytes).unwrap();
        assert_eq!(report.reportdata(), &bytes[128..192]);
        assert_eq!(report.rtmr(0).unwrap(), &bytes[720..768]);
        assert_eq!(report.rtmr(3).unwrap(), &bytes[864..912]);
        assert_eq!(report.rtmr(4), None);
        bytes[0] = 0;
        assert_eq!(TdReport::parse(bytes), Err(TdReportError::Type(0)));
    }
}
