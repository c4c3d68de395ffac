//! The report of the paravisor, which Azure calls host compatibility layer (HCL).
//!
//! Source: microsoft/openvmm, `openhcl/openhcl_attestation_protocol/src/igvm_attest/get.rs`. Integers are little-endian.

use crate::{Error, Tee, profile::sha256};

/// The largest report that is read, in bytes. The index of the vTPM has 2600.
pub const MAX_HCL_REPORT: usize = 4096;

/// Bytes of the report of the processor in it: an SNP report, or a TD report and zeros.
pub const HARDWARE_REPORT_LEN: usize = 1184;

/// Where the report of the processor lies: behind the header.
const HARDWARE_REPORT_OFFSET: usize = 32;

/// Where the runtime data lie: behind the report of the processor and a header of their own.
const RUNTIME_DATA_OFFSET: usize = 1236;

/// Bytes of that header, which data_size counts too.
const DATA_HEADER_LEN: usize = 20;

const SIGNATURE: [u8; 4] = *b"HCLA";

/// hash_type of SHA-256.
const SHA256: u32 = 1;

/// A report of the paravisor as the vTPM keeps it.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 32 | header: signature, version (1 or 2), report_size, request_type, status, three reserved words. Nothing covers it |
/// | 32 | 1184 | report of the processor, whose report data are SHA-256 of the runtime data and 32 zeros |
/// | 1216 | 20 | data_size, version (1), report_type (2 SNP, 4 TDX), hash_type (1 SHA-256), variable_data_size. Nothing covers it |
/// | 1236 | variable_data_size | runtime data: JSON |
///
/// Zeros follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HclReport<'a> {
    /// Version of the header.
    pub version: u32,
    /// What the report was made for: 1 key release, 2 certificate of the attestation key, 3 wrapped key.
    pub request_type: u32,
    /// Whose report of the processor it holds: report_type.
    pub report_type: u32,
    /// How the processor's report commits to the runtime data: hash_type.
    pub hash_type: u32,
    /// The report of the processor.
    pub hardware_report: &'a [u8; HARDWARE_REPORT_LEN],
    /// The runtime data, exactly as they were hashed.
    pub runtime_data: &'a [u8],
    /// Everything before the zeros at the end: what a transcript commits to.
    pub without_padding: &'a [u8],
}

impl<'a> HclReport<'a> {
    /// Reads exactly one report, and the zeros behind it.
    ///
    /// # Errors
    ///
    /// [`Error::HclSignature`], [`Error::HclVersion`], [`Error::Hcl`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&SIGNATURE) {
            return Err(Error::HclSignature);
        }
        let word = |offset: usize| {
            let bytes = bytes.get(offset..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let length = |offset| word(offset).and_then(|length| usize::try_from(length).ok());
        let malformed = |problem| move || Error::Hcl(problem);
        let version = word(4).ok_or_else(malformed("a header of 32 bytes"))?;
        if !(1..=2).contains(&version) {
            return Err(Error::HclVersion(version));
        }
        let request_type = word(12).ok_or_else(malformed("a header of 32 bytes"))?;
        let hardware_report = bytes.get(HARDWARE_REPORT_OFFSET..).and_then(<[u8]>::first_chunk);
        let hardware_report = hardware_report.ok_or_else(malformed("1184 bytes of a processor's report"))?;
        let data_header = [1216, 1220, 1224, 1228].map(word);
        let [Some(_), Some(data_version), Some(report_type), Some(hash_type)] = data_header else {
            return Err(Error::Hcl("a data header of 20 bytes"));
        };
        if data_version != 1 {
            return Err(Error::Hcl("data of version 1"));
        }
        let runtime_len = length(1232).ok_or_else(malformed("a data header of 20 bytes"))?;
        let end = RUNTIME_DATA_OFFSET.checked_add(runtime_len).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(malformed("runtime data that fit"))?;
        if length(1216) != runtime_len.checked_add(DATA_HEADER_LEN) || length(8) != Some(end) {
            return Err(Error::Hcl("sizes that agree with each other"));
        }
        let (without_padding, padding) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Hcl("nothing but zeros behind the runtime data"));
        }
        let runtime_data = without_padding.get(RUNTIME_DATA_OFFSET..).unwrap_or_default();
        Ok(Self {
            version,
            request_type,
            report_type,
            hash_type,
            hardware_report,
            runtime_data,
            without_padding,
        })
    }

    /// Whose report of the processor it holds; `None` for another technology.
    pub fn tee(&self) -> Option<Tee> {
        Tee::ALL.into_iter().find(|tee| tee.report_type() == self.report_type)
    }

    /// What the processor's report must commit to: SHA-256 of the runtime data, and 32 zeros.
    pub fn commitment(&self) -> [u8; 64] {
        let mut commitment = [0; 64];
        let (hash, _zeros) = commitment.split_at_mut(32);
        hash.copy_from_slice(&sha256(&[self.runtime_data]));
        commitment
    }

    /// Whether the processor's report, as it stands here, commits to the runtime data. Nothing about it is verified.
    pub fn commits_to_runtime_data(&self) -> bool {
        let at = match self.tee() {
            Some(Tee::Snp) => 0x50,
            Some(Tee::Tdx) => 128,
            None => return false,
        };
        self.hardware_report.get(at..).and_then(<[u8]>::first_chunk) == Some(&self.commitment())
    }

    /// Whether the processor's report commits to the runtime data by SHA-256.
    pub const fn is_sha256(&self) -> bool {
        self.hash_type == SHA256
    }
}
