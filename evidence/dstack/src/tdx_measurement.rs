//! `measurement.tdx.cbor`: the inputs of a TDX launch measurement that an image fixes.
//!
//! Version 3 is a CBOR map (RFC 8949) with these entries in this order: `version`; `image`, a map of
//! `cmdline_sha384`, `kernel_authenticode`, `initrd_sha384` (48 bytes each); `tdvf`, a map of `ovmf` (text),
//! `mrtd`, a map of `single_pass` and `two_pass` (48 bytes each), and `td_hob` (bytes). The document is
//! identified by its hash, so only the one encoding that dstack writes is accepted. Source:
//! `dstack-types/src/lib.rs` (`TdxOsImageMeasurement`).

use ciborium::Value;

use crate::image::MAX_DOCUMENT;

/// The document's version.
pub const VERSION: u64 = 3;
/// The longest name of a firmware variant, in bytes.
pub const MAX_VARIANT: usize = 64;
/// The longest TD HOB witness, in bytes: 64 ranges of numbers of three bytes each, and some room.
pub const MAX_TD_HOB: usize = 512;

/// The inputs of a launch measurement that are the same however the image is launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxMeasurement {
    /// SHA-384 of the command line as the kernel measures it, 48 bytes.
    pub cmdline_sha384: [u8; 48],
    /// Authenticode SHA-384 of the kernel as QEMU changes it, 48 bytes.
    pub kernel_authenticode: [u8; 48],
    /// SHA-384 of the initrd, 48 bytes.
    pub initrd_sha384: [u8; 48],
    /// Name of the firmware's variant, which says which events it measures, such as `pre202505`.
    pub ovmf: String,
    /// MRTD, 48 bytes, if each page is measured as it is added.
    pub mrtd_single_pass: [u8; 48],
    /// MRTD, 48 bytes, if a section's pages are measured after all of them were added.
    pub mrtd_two_pass: [u8; 48],
    /// The TD HOB witness: where the firmware's TD HOB lies and which memory it accepts first.
    pub td_hob: Vec<u8>,
}

/// Why a measurement document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TdxMeasurementError {
    /// Longer than such a document may be.
    #[error("tdx measurement of at most {MAX_DOCUMENT} bytes expected, found {found}")]
    TooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// Not CBOR, or cut off.
    #[error("tdx measurement in cbor expected, found other bytes")]
    Syntax,
    /// Bytes after the document.
    #[error("end of the tdx measurement expected, found {left} more bytes")]
    Trailing {
        /// The bytes left.
        left: usize,
    },
    /// CBOR in another encoding than dstack writes: longer forms, indefinite lengths, tags.
    #[error("tdx measurement in its shortest encoding expected, found another")]
    NotCanonical,
    /// A map with more or fewer entries.
    #[error("{expected} entries expected in the map {key:?} of the tdx measurement, found {found}")]
    Entries {
        /// The map's key.
        key: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// Another key in this place: unknown, duplicate or out of order.
    #[error("key {expected:?} expected in the tdx measurement, found another")]
    Key {
        /// The key expected.
        expected: &'static str,
    },
    /// A value of another type.
    #[error("{key:?} of the tdx measurement must be {expected}, found something else")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// A digest of another length.
    #[error("48 bytes expected in {key:?} of the tdx measurement, found {found}")]
    Length {
        /// The key.
        key: &'static str,
        /// The length found in bytes.
        found: usize,
    },
    /// A value that is longer than it may be.
    #[error("at most {limit} bytes expected in {key:?} of the tdx measurement, found {found}")]
    TooLong {
        /// The key.
        key: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// Another version.
    #[error("tdx measurement of version {VERSION} expected, found {found}")]
    Version {
        /// The version found.
        found: u64,
    },
}

impl TdxMeasurement {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// [`TdxMeasurementError`] for anything but the bytes that [`Self::encode`] gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, TdxMeasurementError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(TdxMeasurementError::TooLarge { found: bytes.len() });
        }
        let mut rest = bytes;
        let value: Value = ciborium::from_reader(&mut rest).map_err(|_| TdxMeasurementError::Syntax)?;
        if !rest.is_empty() {
            return Err(TdxMeasurementError::Trailing { left: rest.len() });
        }
        let mut document = Entries::new("document", value, 3)?;
        let version = document.unsigned("version")?;
        if version != VERSION {
            return Err(TdxMeasurementError::Version { found: version });
        }
        let mut image = document.map("image", 3)?;
        let mut tdvf = document.map("tdvf", 3)?;
        let ovmf = tdvf.text("ovmf", MAX_VARIANT)?;
        let mut mrtd = tdvf.map("mrtd", 2)?;
        let measurement = Self {
            cmdline_sha384: image.digest("cmdline_sha384")?,
            kernel_authenticode: image.digest("kernel_authenticode")?,
            initrd_sha384: image.digest("initrd_sha384")?,
            ovmf,
            mrtd_single_pass: mrtd.digest("single_pass")?,
            mrtd_two_pass: mrtd.digest("two_pass")?,
            td_hob: tdvf.bytes("td_hob", MAX_TD_HOB)?,
        };
        // The value model hides how the bytes were spelled; the bytes themselves decide.
        if measurement.encode() != bytes {
            return Err(TdxMeasurementError::NotCanonical);
        }
        Ok(measurement)
    }

    /// The document's bytes, exactly as dstack writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let image = map([
            ("cmdline_sha384", self.cmdline_sha384.as_slice().into()),
            ("kernel_authenticode", self.kernel_authenticode.as_slice().into()),
            ("initrd_sha384", self.initrd_sha384.as_slice().into()),
        ]);
        let mrtd = map([
            ("single_pass", self.mrtd_single_pass.as_slice().into()),
            ("two_pass", self.mrtd_two_pass.as_slice().into()),
        ]);
        let tdvf = map([
            ("ovmf", self.ovmf.as_str().into()),
            ("mrtd", mrtd),
            ("td_hob", self.td_hob.as_slice().into()),
        ]);
        let document = map([("version", VERSION.into()), ("image", image), ("tdvf", tdvf)]);
        let mut bytes = Vec::new();
        // Writing a value of these types into memory has no way to fail; an empty document would parse
        // nowhere.
        if ciborium::into_writer(&document, &mut bytes).is_err() {
            bytes.clear();
        }
        bytes
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// The entries of a map, read in the one order that they may have.
struct Entries(std::vec::IntoIter<(Value, Value)>);

impl Entries {
    fn new(key: &'static str, value: Value, expected: usize) -> Result<Self, TdxMeasurementError> {
        match value {
            Value::Map(entries) if entries.len() == expected => Ok(Self(entries.into_iter())),
            Value::Map(entries) => Err(TdxMeasurementError::Entries { key, expected, found: entries.len() }),
            _ => Err(TdxMeasurementError::WrongType { key, expected: "a map" }),
        }
    }

    fn value(&mut self, expected: &'static str) -> Result<Value, TdxMeasurementError> {
        match self.0.next() {
            Some((key, value)) if key.as_text() == Some(expected) => Ok(value),
            _ => Err(TdxMeasurementError::Key { expected }),
        }
    }

    fn map(&mut self, key: &'static str, expected: usize) -> Result<Self, TdxMeasurementError> {
        Self::new(key, self.value(key)?, expected)
    }

    fn unsigned(&mut self, key: &'static str) -> Result<u64, TdxMeasurementError> {
        let wrong = TdxMeasurementError::WrongType { key, expected: "an unsigned integer" };
        let integer = self.value(key)?.as_integer();
        integer.and_then(|integer| u64::try_from(integer).ok()).ok_or(wrong)
    }

    fn text(&mut self, key: &'static str, limit: usize) -> Result<String, TdxMeasurementError> {
        let wrong = TdxMeasurementError::WrongType { key, expected: "text" };
        let text = self.value(key)?.into_text().map_err(|_| wrong)?;
        within(key, limit, text.len())?;
        Ok(text)
    }

    fn bytes(&mut self, key: &'static str, limit: usize) -> Result<Vec<u8>, TdxMeasurementError> {
        let wrong = TdxMeasurementError::WrongType { key, expected: "a byte string" };
        let bytes = self.value(key)?.into_bytes().map_err(|_| wrong)?;
        within(key, limit, bytes.len())?;
        Ok(bytes)
    }

    fn digest(&mut self, key: &'static str) -> Result<[u8; 48], TdxMeasurementError> {
        let bytes = self.bytes(key, MAX_DOCUMENT)?;
        let length = TdxMeasurementError::Length { key, found: bytes.len() };
        <[u8; 48]>::try_from(bytes.as_slice()).map_err(|_| length)
    }
}

fn within(key: &'static str, limit: usize, found: usize) -> Result<(), TdxMeasurementError> {
    if found > limit { Err(TdxMeasurementError::TooLong { key, limit, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
