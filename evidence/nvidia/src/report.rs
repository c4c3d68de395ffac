//! One SPDM exchange: the request that a verifier made, and what a device answered.

use crate::{Error, Opaque, opaque::Unit};

/// The largest report that is read, in bytes: what NVML's structure holds.
pub const MAX_REPORT: usize = 8192;

/// How many measurements a GPU reports: as Hopper and Blackwell do.
const GPU_MEASUREMENTS: usize = 64;

/// How many measurements an NVSwitch reports: as LS10 does.
const SWITCH_MEASUREMENTS: usize = 31;

/// Bytes of r and s of ECDSA P-384, the end of a report.
const SIGNATURE: usize = 96;

/// SPDM version 1.1 (DSP0274 1.1.0 §8.1).
const SPDM_1_1: u8 = 0x11;
/// GET_MEASUREMENTS (DSP0274 1.1.0, table 3).
const GET_MEASUREMENTS: u8 = 0xE0;
/// MEASUREMENTS (DSP0274 1.1.0, table 4).
const MEASUREMENTS: u8 = 0x60;

/// A report as received: GET_MEASUREMENTS request (37 bytes) and MEASUREMENTS response (DSP0274 1.1.0 §10.11), of SPDM 1.1.
///
/// The signature is found by the structure, behind the opaque data, and nothing stands behind it. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// The nonce of the request: 32 bytes.
    pub nonce: [u8; 32],
    /// The values, SHA-384, at NVIDIA's index: SPDM's is one more.
    pub measurements: Vec<[u8; 48]>,
    /// What the device says beside its measurements.
    pub opaque: Opaque,
    /// Request and response without the signature.
    signed: &'a [u8],
    /// r and s, big-endian.
    signature: &'a [u8],
}

impl<'a> Report<'a> {
    /// What the leaf signed: request and response without the signature.
    pub const fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// r and s, big-endian, 48 bytes each.
    pub const fn signature(&self) -> &'a [u8] {
        self.signature
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// [`Error::Report`], [`Error::Opaque`] and others of the opaque data, [`Error::TooLarge`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_REPORT {
            return Err(Error::TooLarge { what: "bytes of a report", found: bytes.len(), limit: MAX_REPORT });
        }
        let mut reader = Reader { rest: bytes };

        // 1. The request: signed measurements, all of them, from slot 0.
        reader.expect("SPDM version 1.1 of the request", &[SPDM_1_1])?;
        reader.expect("a GET_MEASUREMENTS request", &[GET_MEASUREMENTS])?;
        reader.expect("a request for a signature over all measurements", &[0x01, 0xFF])?;
        let nonce = reader.array("the nonce of the request")?;
        reader.expect("a request for slot 0", &[0])?;

        // 2. The response.
        reader.expect("SPDM version 1.1 of the response", &[SPDM_1_1])?;
        reader.expect("a MEASUREMENTS response", &[MEASUREMENTS])?;
        reader.expect("zeros as the parameters of the response", &[0, 0])?;
        let [blocks] = reader.array("the number of measurements")?;
        let unit = match usize::from(blocks) {
            GPU_MEASUREMENTS => Unit::Gpu,
            SWITCH_MEASUREMENTS => Unit::Switch,
            _ => return Err(Error::Report("64 measurements of a GPU or 31 of a switch")),
        };
        let [low, middle, high] = reader.array("the length of the measurements")?;
        let length = usize::try_from(u32::from_le_bytes([low, middle, high, 0])).unwrap_or(usize::MAX);
        let mut record = Reader { rest: reader.take("measurements of the length given", length)? };
        let measurements = (1..=blocks).map(|index| record.block(index)).collect::<Result<_, _>>()?;
        record.end("no byte behind the measurements")?;
        // Of the device: nobody can expect anything of it.
        let _responder_nonce: [u8; 32] = reader.array("the nonce of the response")?;
        let length = u16::from_le_bytes(reader.array("the length of the opaque data")?);
        let opaque = reader.take("opaque data of the length given", usize::from(length))?;

        // 3. What is left is the signature.
        let signature = reader.take("a signature of 96 bytes", SIGNATURE)?;
        reader.end("no byte behind the signature")?;
        let signed = bytes.len().checked_sub(SIGNATURE).and_then(|end| bytes.get(..end));
        let signed = signed.ok_or(Error::Report("a signature of 96 bytes"))?;
        Ok(Self { nonce, measurements, opaque: Opaque::parse(opaque, unit)?, signed, signature })
    }
}

/// Takes a report apart from its beginning.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, expected: &'static str, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Report(expected))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Error> {
        self.take(expected, N)?.try_into().map_err(|_| Error::Report(expected))
    }

    fn expect(&mut self, expected: &'static str, bytes: &[u8]) -> Result<(), Error> {
        if self.take(expected, bytes.len())? == bytes { Ok(()) } else { Err(Error::Report(expected)) }
    }

    fn end(&self, expected: &'static str) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Report(expected)) }
    }

    /// A measurement block of 55 bytes (DSP0274 1.1.0, tables 46 and 47): index, specification 1 (DMTF), size 51, kind of value, size 48,
    /// SHA-384.
    fn block(&mut self, index: u8) -> Result<[u8; 48], Error> {
        self.expect("measurements with the indices 1 to 64 or 31, in this order", &[index])?;
        self.expect("measurements as the DMTF specifies them, of 51 bytes", &[1, 51, 0])?;
        let [kind] = self.array("the kind of a measurement")?;
        if kind & 0x80 != 0 {
            return Err(Error::Report("measurements that are digests"));
        }
        self.expect("digests of 48 bytes", &[48, 0])?;
        self.array("a digest of 48 bytes")
    }
}
