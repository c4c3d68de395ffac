//! `measurement.snp.cbor`: the inputs of an SEV-SNP launch measurement that an image fixes.
//!
//! Version 3 is a CBOR map (RFC 8949) with these entries in this order: `version`, `cmdline`, `ovmf_hash` (48
//! bytes), `kernel_hash` (32), `initrd_hash` (32), `hashes_table_gpa`, `reset_eip`, `ovmf_sections`, a list
//! of maps `gpa`, `size`, `type`. The document is identified by its hash, so only the one encoding that
//! dstack writes is accepted. Source: `dstack-types/src/lib.rs` (`SevOsImageMeasurement`).

use ciborium::Value;

use crate::image::MAX_DOCUMENT;

/// The document's version.
pub const VERSION: u64 = 3;
/// The most sections in one firmware (the bound of dstack's launch measurement).
pub const MAX_SECTIONS: usize = 64;

/// The inputs of a launch measurement that are the same however the image is launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpMeasurement {
    /// The kernel command line.
    pub cmdline: String,
    /// The launch digest after the firmware's pages, 48 bytes.
    pub ovmf_hash: [u8; 48],
    /// SHA-256 of the kernel.
    pub kernel_hash: [u8; 32],
    /// SHA-256 of the initrd.
    pub initrd_hash: [u8; 32],
    /// Guest physical address of the firmware's table of kernel hashes.
    pub hashes_table_gpa: u64,
    /// Where the firmware starts application processors.
    pub reset_eip: u32,
    /// The firmware's metadata sections, in order.
    pub ovmf_sections: Vec<OvmfSection>,
}

/// One metadata section of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OvmfSection {
    /// Guest physical address.
    pub gpa: u64,
    /// Length in bytes.
    pub size: u64,
    /// Kind: 1 memory, 2 secrets, 3 CPUID, 4 SVSM calling area, 0x10 kernel hashes.
    pub section_type: u32,
}

/// Why a measurement document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnpMeasurementError {
    /// Longer than such a document may be.
    #[error("snp measurement of at most {MAX_DOCUMENT} bytes expected, found {found}")]
    TooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// Not CBOR, or cut off.
    #[error("snp measurement in cbor expected, found other bytes")]
    Syntax,
    /// Bytes after the document.
    #[error("end of the snp measurement expected, found {left} more bytes")]
    Trailing {
        /// The bytes left.
        left: usize,
    },
    /// CBOR in another encoding than dstack writes: longer forms, indefinite lengths, tags.
    #[error("snp measurement in its shortest encoding expected, found another")]
    NotCanonical,
    /// A map with more or fewer entries.
    #[error("map of {expected} entries expected in the snp measurement, found {found}")]
    Entries {
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// Another key in this place: unknown, duplicate or out of order.
    #[error("key {expected:?} expected in the snp measurement, found another")]
    Key {
        /// The key expected.
        expected: &'static str,
    },
    /// A value of another type.
    #[error("{key:?} of the snp measurement must be {expected}, found something else")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// A hash of another length.
    #[error("{expected} bytes expected in {key:?} of the snp measurement, found {found}")]
    Length {
        /// The key.
        key: &'static str,
        /// The length expected in bytes.
        expected: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// Another version.
    #[error("snp measurement of version {VERSION} expected, found {found}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// More sections than a firmware has.
    #[error("at most {MAX_SECTIONS} firmware sections expected, found {found}")]
    Sections {
        /// The number found.
        found: usize,
    },
}

impl SnpMeasurement {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// [`SnpMeasurementError`] for anything but the bytes that [`Self::encode`] gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnpMeasurementError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(SnpMeasurementError::TooLarge { found: bytes.len() });
        }
        let mut rest = bytes;
        let value: Value = ciborium::from_reader(&mut rest).map_err(|_| SnpMeasurementError::Syntax)?;
        if !rest.is_empty() {
            return Err(SnpMeasurementError::Trailing { left: rest.len() });
        }
        let mut entries = Entries::new("document", value, 8)?;
        let version = entries.unsigned("version")?;
        if version != VERSION {
            return Err(SnpMeasurementError::Version { found: version });
        }
        let measurement = Self {
            cmdline: entries.text("cmdline")?,
            ovmf_hash: entries.hash("ovmf_hash")?,
            kernel_hash: entries.hash("kernel_hash")?,
            initrd_hash: entries.hash("initrd_hash")?,
            hashes_table_gpa: entries.unsigned("hashes_table_gpa")?,
            reset_eip: entries.unsigned("reset_eip")?,
            ovmf_sections: sections(entries.value("ovmf_sections")?)?,
        };
        // The value model hides how the bytes were spelled; the bytes themselves decide.
        if measurement.encode() != bytes {
            return Err(SnpMeasurementError::NotCanonical);
        }
        Ok(measurement)
    }

    /// The document's bytes, exactly as dstack writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let section = |section: &OvmfSection| {
            map([
                ("gpa", section.gpa.into()),
                ("size", section.size.into()),
                ("type", section.section_type.into()),
            ])
        };
        let document = map([
            ("version", VERSION.into()),
            ("cmdline", self.cmdline.as_str().into()),
            ("ovmf_hash", self.ovmf_hash.as_slice().into()),
            ("kernel_hash", self.kernel_hash.as_slice().into()),
            ("initrd_hash", self.initrd_hash.as_slice().into()),
            ("hashes_table_gpa", self.hashes_table_gpa.into()),
            ("reset_eip", self.reset_eip.into()),
            ("ovmf_sections", Value::Array(self.ovmf_sections.iter().map(section).collect())),
        ]);
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

fn sections(value: Value) -> Result<Vec<OvmfSection>, SnpMeasurementError> {
    let Value::Array(items) = value else {
        return Err(SnpMeasurementError::WrongType { key: "ovmf_sections", expected: "an array" });
    };
    if items.len() > MAX_SECTIONS {
        return Err(SnpMeasurementError::Sections { found: items.len() });
    }
    let section = |item| {
        let mut entries = Entries::new("ovmf_sections", item, 3)?;
        Ok(OvmfSection {
            gpa: entries.unsigned("gpa")?,
            size: entries.unsigned("size")?,
            section_type: entries.unsigned("type")?,
        })
    };
    items.into_iter().map(section).collect()
}

/// The entries of a map, read in the one order that they may have.
struct Entries(std::vec::IntoIter<(Value, Value)>);

impl Entries {
    fn new(key: &'static str, value: Value, expected: usize) -> Result<Self, SnpMeasurementError> {
        match value {
            Value::Map(entries) if entries.len() == expected => Ok(Self(entries.into_iter())),
            Value::Map(entries) => Err(SnpMeasurementError::Entries { expected, found: entries.len() }),
            _ => Err(SnpMeasurementError::WrongType { key, expected: "a map" }),
        }
    }

    fn value(&mut self, expected: &'static str) -> Result<Value, SnpMeasurementError> {
        match self.0.next() {
            Some((key, value)) if key.as_text() == Some(expected) => Ok(value),
            _ => Err(SnpMeasurementError::Key { expected }),
        }
    }

    fn unsigned<T: TryFrom<u64>>(&mut self, key: &'static str) -> Result<T, SnpMeasurementError> {
        let wrong = SnpMeasurementError::WrongType { key, expected: "an unsigned integer in range" };
        let integer = self.value(key)?.as_integer();
        let number = integer.and_then(|integer| u64::try_from(integer).ok());
        number.and_then(|number| T::try_from(number).ok()).ok_or(wrong)
    }

    fn text(&mut self, key: &'static str) -> Result<String, SnpMeasurementError> {
        let wrong = SnpMeasurementError::WrongType { key, expected: "text" };
        self.value(key)?.into_text().map_err(|_| wrong)
    }

    fn hash<const N: usize>(&mut self, key: &'static str) -> Result<[u8; N], SnpMeasurementError> {
        let wrong = SnpMeasurementError::WrongType { key, expected: "a byte string" };
        let bytes = self.value(key)?.into_bytes().map_err(|_| wrong)?;
        let length = SnpMeasurementError::Length { key, expected: N, found: bytes.len() };
        <[u8; N]>::try_from(bytes.as_slice()).map_err(|_| length)
    }
}

#[cfg(test)]
mod tests;
