//! The ACPI table that says where a TDX guest's event log lies.

use crate::reader::Reader;

/// Bytes of the table.
pub const CCEL_TABLE_LEN: usize = 56;

const SIGNATURE: [u8; 4] = *b"CCEL";

/// CCType of Intel TDX.
const TDX: u8 = 2;

/// The CCEL table of a TDX guest (ACPI specification, release 6.5, "CC Event Log ACPI Table").
///
/// 56 bytes, little-endian: the ACPI header of 36, CCType, CCSubType, two reserved bytes, LAML (u64 at 40),
/// LASA (u64 at 48).
///
/// The firmware writes it and the host can replace it: it is a way to the log, not a statement about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CcelTable {
    /// Revision of the table.
    pub revision: u8,
    /// CCSubType, which TDX does not use.
    pub subtype: u8,
    /// LAML: bytes that are set aside for the log.
    pub log_area_len: u64,
    /// LASA: the guest-physical address of the log.
    pub log_area_address: u64,
}

/// Why a CCEL table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CcelTableError {
    /// Another length, of the bytes or in the header.
    #[error("a CCEL table of {CCEL_TABLE_LEN} bytes expected, found {found}")]
    Length {
        /// The length found.
        found: usize,
    },
    /// Another table.
    #[error("an ACPI table CCEL expected, found the signature {}", found.escape_ascii())]
    Signature {
        /// The signature found.
        found: [u8; 4],
    },
    /// The bytes do not add up to zero.
    #[error("bytes of the CCEL table that add up to 0 expected, found {found}")]
    Checksum {
        /// The sum modulo 256.
        found: u8,
    },
    /// A log of another technology.
    #[error("CCType 2 (Intel TDX) expected, found {found}")]
    CcType {
        /// The CCType found.
        found: u8,
    },
}

impl CcelTable {
    /// Reads exactly [`CCEL_TABLE_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// [`CcelTableError`] for another length, signature or technology, and a wrong checksum.
    pub fn parse(bytes: &[u8]) -> Result<Self, CcelTableError> {
        let table: &[u8; CCEL_TABLE_LEN] =
            bytes.try_into().map_err(|_| CcelTableError::Length { found: bytes.len() })?;
        // `None` cannot happen for an array of this length.
        Self::read(table).ok_or(CcelTableError::Length { found: bytes.len() })?
    }

    fn read(table: &[u8; CCEL_TABLE_LEN]) -> Option<Result<Self, CcelTableError>> {
        let mut fields = Reader::new(table);
        let found: [u8; 4] = fields.array()?;
        if found != SIGNATURE {
            return Some(Err(CcelTableError::Signature { found }));
        }
        let found = fields.length()?;
        if found != CCEL_TABLE_LEN {
            return Some(Err(CcelTableError::Length { found }));
        }
        let found = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        if found != 0 {
            return Some(Err(CcelTableError::Checksum { found }));
        }
        let revision = fields.u8()?;
        // Checksum, and who made the table: OEM ID, OEM table ID, revisions.
        let [_, _oem @ ..]: [u8; 27] = fields.array()?;
        let [cc_type, subtype, _reserved @ ..]: [u8; 4] = fields.array()?;
        if cc_type != TDX {
            return Some(Err(CcelTableError::CcType { found: cc_type }));
        }
        Some(Ok(Self { revision, subtype, log_area_len: fields.u64()?, log_area_address: fields.u64()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> [u8; CCEL_TABLE_LEN] {
        let mut table = [0; CCEL_TABLE_LEN];
        table[..4].copy_from_slice(b"CCEL");
        table[4] = 56;
        table[8] = 1;
        table[36] = 2;
        table[42] = 4;
        table[48..].copy_from_slice(&0x7F00_1000_u64.to_le_bytes());
        balance(table)
    }

    fn balance(mut table: [u8; CCEL_TABLE_LEN]) -> [u8; CCEL_TABLE_LEN] {
        table[9] = 0;
        table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        table
    }

    fn changed(offset: usize, value: u8) -> Result<CcelTable, CcelTableError> {
        let mut table = table();
        table[offset] = value;
        CcelTable::parse(&balance(table))
    }

    #[test]
    fn fields() {
        let parsed = CcelTable::parse(&table()).unwrap();
        let expected =
            CcelTable { revision: 1, subtype: 0, log_area_len: 0x4_0000, log_area_address: 0x7F00_1000 };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn refusals() {
        assert_eq!(changed(0, b'X'), Err(CcelTableError::Signature { found: *b"XCEL" }));
        assert_eq!(changed(4, 57), Err(CcelTableError::Length { found: 57 }));
        assert_eq!(changed(36, 1), Err(CcelTableError::CcType { found: 1 }));
        let mut wrong = table();
        wrong[55] ^= 1;
        assert_eq!(CcelTable::parse(&wrong), Err(CcelTableError::Checksum { found: 1 }));
        assert_eq!(CcelTable::parse(&table()[..55]), Err(CcelTableError::Length { found: 55 }));
        assert_eq!(CcelTable::parse(&[0; 57]), Err(CcelTableError::Length { found: 57 }));
    }
}
