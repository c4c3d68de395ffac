//! What a TPM signs about its registers: TPMS_ATTEST.

use crate::{Error, Selection, reader::Reader};

/// The largest TPMS_ATTEST that is read, in bytes: a quote of every bank has less than 300.
pub const MAX_ATTEST: usize = 1024;

/// TPM_GENERATED_VALUE: what a TPM puts before all that it makes itself, and signs with a restricted key (part 2, §6.2).
const GENERATED: u32 = 0xFF54_4347;

/// TPM_ST_ATTEST_QUOTE (part 2, §6.9).
const QUOTE: u16 = 0x8018;

/// TPMS_CLOCK_INFO (TPM 2.0 Library, part 2, §10.11.1), 17 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockInfo {
    /// Milliseconds for which the TPM has been powered, over its life.
    pub clock: u64,
    /// How often the TPM was reset.
    pub reset_count: u32,
    /// How often the TPM was restarted or resumed.
    pub restart_count: u32,
    /// Whether no greater value of the clock was ever reported. It may be false after a boot.
    pub safe: bool,
}

/// TPMS_ATTEST of a quote (TPM 2.0 Library, part 2, §10.12.12), as it was signed.
///
/// Big-endian: magic (4), type (2), qualifiedSigner (TPM2B_NAME), extraData (TPM2B_DATA), clockInfo (17), firmwareVersion (8),
/// pcrSelect (TPML_PCR_SELECTION), pcrDigest (TPM2B_DIGEST); nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attest<'a> {
    /// The bytes that were received, which the signature covers.
    pub raw: &'a [u8],
    /// The qualified name of the key that signed.
    pub qualified_signer: &'a [u8],
    /// What the caller wanted to be signed with it.
    pub extra_data: &'a [u8],
    /// The TPM's clock.
    pub clock_info: ClockInfo,
    /// The TPM vendor's firmware version.
    pub firmware_version: u64,
    /// Which registers were quoted, bank for bank.
    pub selections: Vec<Selection>,
    /// The hash over the values of these registers, by the hash of the signing scheme.
    pub pcr_digest: &'a [u8],
}

impl<'a> Attest<'a> {
    /// Reads exactly one TPMS_ATTEST of a quote.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::NotGenerated`], [`Error::NotAQuote`], [`Error::UnknownBank`], [`Error::Quote`].
    pub fn parse(raw: &'a [u8]) -> Result<Self, Error> {
        if raw.len() > MAX_ATTEST {
            return Err(Error::TooLarge { what: "TPMS_ATTEST", found: raw.len(), limit: MAX_ATTEST });
        }
        let mut fields = Reader::new(raw);
        let magic = fields.u32().ok_or(Error::Quote("the magic number"))?;
        if magic != GENERATED {
            return Err(Error::NotGenerated(magic));
        }
        let kind = fields.u16().ok_or(Error::Quote("the type"))?;
        if kind != QUOTE {
            return Err(Error::NotAQuote(kind));
        }
        let qualified_signer = fields.sized().ok_or(Error::Quote("qualifiedSigner"))?;
        let extra_data = fields.sized().ok_or(Error::Quote("extraData"))?;
        let clock_info = clock_info(&mut fields).ok_or(Error::Quote("clockInfo"))?;
        let firmware_version = fields.u64().ok_or(Error::Quote("firmwareVersion"))?;
        let selections = Selection::read_list(&mut fields)?;
        let pcr_digest = fields.sized().ok_or(Error::Quote("pcrDigest"))?;
        if !fields.rest().is_empty() {
            return Err(Error::Quote("its end, found more bytes"));
        }
        Ok(Self { raw, qualified_signer, extra_data, clock_info, firmware_version, selections, pcr_digest })
    }
}

fn clock_info(fields: &mut Reader<'_>) -> Option<ClockInfo> {
    let clock = fields.u64()?;
    let (reset_count, restart_count) = (fields.u32()?, fields.u32()?);
    let safe = match fields.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(ClockInfo { clock, reset_count, restart_count, safe })
}
