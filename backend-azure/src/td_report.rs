//! The TD report in a report of the paravisor: what the TDX module said, before anyone signed it.

use evidence_tdx::TdReport;

use crate::{Error, hcl::HARDWARE_REPORT_LEN};

/// Bytes of TDREPORT_STRUCT (Intel TDX Module ABI).
pub const TD_REPORT_LEN: usize = 1024;

/// REPORTTYPE: a TD, with subtype 0 and version 0 or 1.
const TD: u8 = 0x81;

/// Fields of a TD report that a quote repeats: in the quote, and where they lie in the TD report.
const FIELDS: [(&str, usize, usize); 13] = [
    ("TEE_TCB_SVN", 264, 16),
    ("MRSEAM", 280, 48),
    ("MRSIGNERSEAM", 328, 48),
    ("SEAMATTRIBUTES", 376, 8),
    ("ATTRIBUTES", 512, 8),
    ("XFAM", 520, 8),
    ("MRTD", 528, 48),
    ("MRCONFIGID", 576, 48),
    ("MROWNER", 624, 48),
    ("MROWNERCONFIG", 672, 48),
    ("RTMR0 to RTMR3", 720, 192),
    ("MRSERVICETD", 912, 48),
    ("REPORTDATA", 128, 64),
];

/// A TDREPORT_STRUCT: nothing that a relying party can verify. The quote of it is what Intel signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdReportStruct<'a>(&'a [u8; TD_REPORT_LEN]);

impl<'a> TdReportStruct<'a> {
    /// Takes the TD report out of a paravisor's report of the processor: 1024 bytes, and zeros behind them.
    ///
    /// # Errors
    ///
    /// [`Error::TdReport`].
    pub fn parse(bytes: &'a [u8; HARDWARE_REPORT_LEN]) -> Result<Self, Error> {
        let (report, rest) = bytes.split_first_chunk::<TD_REPORT_LEN>().ok_or(Error::TdReport)?;
        let [kind, subtype, ..] = *report;
        if kind != TD || subtype != 0 || rest.iter().any(|byte| *byte != 0) {
            return Err(Error::TdReport);
        }
        Ok(Self(report))
    }

    /// The bytes, 1024.
    pub const fn bytes(&self) -> &'a [u8; TD_REPORT_LEN] {
        self.0
    }

    /// Whether `quoted` is the body of a quote of this report, field for field. A quote of version 4 does not repeat MRSERVICETD.
    ///
    /// # Errors
    ///
    /// [`Error::OtherTdReport`], naming the first field that differs.
    pub fn is_quoted(&self, quoted: &TdReport) -> Result<(), Error> {
        let (attributes, xfam) = (quoted.td_attributes.0.to_le_bytes(), quoted.xfam.0.to_le_bytes());
        let rtmrs = quoted.rtmrs.concat();
        let values: [Option<&[u8]>; FIELDS.len()] = [
            Some(&quoted.tee_tcb_svn),
            Some(&quoted.mr_seam),
            Some(&quoted.mr_signer_seam),
            Some(&quoted.seam_attributes),
            Some(&attributes),
            Some(&xfam),
            Some(&quoted.mr_td),
            Some(&quoted.mr_config_id),
            Some(&quoted.mr_owner),
            Some(&quoted.mr_owner_config),
            Some(&rtmrs),
            quoted.mr_service_td.as_ref().map(<[u8; 48]>::as_slice),
            Some(&quoted.report_data),
        ];
        let differs = |((_, offset, length), value): &((&str, usize, usize), Option<&[u8]>)| {
            let reported = self.0.get(*offset..offset.saturating_add(*length));
            value.is_some_and(|value| Some(value) != reported)
        };
        match FIELDS.into_iter().zip(values).find(differs) {
            Some(((field, ..), _)) => Err(Error::OtherTdReport(field)),
            None => Ok(()),
        }
    }
}
