//! The host's certificate table, which an extended guest request returns beside a report.

#![expect(clippy::expect_used, reason = "tables of the lab are small, so a failure is a mistake in the lab")]

use super::guid::{self, guid_in_text_order};
use super::{Hierarchy, Vek, VekKind};

/// Bytes of an entry: GUID, u32 offset, u32 length.
pub const ENTRY_BYTES: usize = 24;

/// What is wrong with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableDefect {
    /// No zero entry ends the list: the first certificate follows the last entry.
    MissingTerminator,
    /// The first entry's offset lies after the end of the table.
    OffsetOutOfRange,
    /// The first entry's length reaches 1 byte past the end of the table.
    LengthOutOfRange,
    /// The first entry's offset plus its length exceeds 2^32 - 1.
    LengthOverflow,
    /// The second entry's bytes start 1 byte before the end of the first's.
    Overlapping,
    /// The first entry's offset lies inside of the list of entries.
    OffsetInsideEntries,
    /// The last byte of the table is missing.
    Truncated,
}

impl TableDefect {
    /// Every defect.
    pub const ALL: [Self; 7] = [
        Self::MissingTerminator,
        Self::OffsetOutOfRange,
        Self::LengthOutOfRange,
        Self::LengthOverflow,
        Self::Overlapping,
        Self::OffsetInsideEntries,
        Self::Truncated,
    ];
}

/// A certificate table (GHCB specification, publication 56421 revision 2.03, §4.1.8.1): entries of {GUID mixed-endian, offset u32
/// from the start of the table, length u32}, a zero entry, then the certificates in the order of the entries.
#[derive(Debug, Clone, Default)]
pub struct CertTable {
    /// GUIDs, as 16 mixed-endian bytes, and what they stand for. Duplicates are written as they come.
    pub entries: Vec<([u8; 16], Vec<u8>)>,
    /// What is wrong with the table; nothing in a sound one.
    pub defect: Option<TableDefect>,
}

impl CertTable {
    /// The table of a host that has the whole chain: VEK, its issuer, the ARK.
    #[must_use]
    pub fn chain(hierarchy: &Hierarchy, vek: &Vek, kind: VekKind) -> Self {
        let (vek_guid, issuer) = match kind {
            VekKind::Vcek => (guid::VCEK, hierarchy.ask()),
            VekKind::Vlek => (guid::VLEK, hierarchy.asvk()),
        };
        Self::default().with(guid::ARK, hierarchy.ark()).with(guid::ASK, issuer).with(vek_guid, &vek.der)
    }

    /// The table with one more entry. The GUID is text, see [`guid_in_text_order()`].
    ///
    /// # Panics
    ///
    /// If `guid_text` is not a GUID.
    #[must_use]
    pub fn with(mut self, guid_text: &str, bytes: &[u8]) -> Self {
        self.entries.push((guid_in_text_order(guid_text), bytes.to_vec()));
        self
    }

    /// The bytes of the table.
    ///
    /// # Panics
    ///
    /// If the table would not fit into 4 GiB, or has too few entries for its defect.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let terminator = usize::from(self.defect != Some(TableDefect::MissingTerminator));
        let headers = self.entries.len().saturating_add(terminator).saturating_mul(ENTRY_BYTES);
        let body: Vec<u8> = self.entries.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let total = headers.saturating_add(body.len());

        let mut ranges = Vec::new();
        let mut offset = headers;
        for (_, bytes) in &self.entries {
            ranges.push((le32(offset), le32(bytes.len())));
            offset = offset.saturating_add(bytes.len());
        }
        damage(&mut ranges, self.defect, le32(total));

        let mut table = Vec::with_capacity(total);
        for ((guid, _), (offset, length)) in self.entries.iter().zip(ranges) {
            table.extend(guid);
            table.extend(offset.to_le_bytes());
            table.extend(length.to_le_bytes());
        }
        table.resize(headers, 0);
        table.extend(body);
        if self.defect == Some(TableDefect::Truncated) {
            table.pop();
        }
        table
    }
}

/// Changes the (offset, length) of the entry that `defect` is about.
fn damage(ranges: &mut [(u32, u32)], defect: Option<TableDefect>, total: u32) {
    let nth = usize::from(defect == Some(TableDefect::Overlapping));
    let Some(range) = ranges.get_mut(nth) else {
        assert!(defect.is_none(), "{defect:?} needs more entries than there are");
        return;
    };
    let (offset, length) = *range;
    *range = match defect {
        Some(TableDefect::OffsetOutOfRange) => (total.saturating_add(1), length),
        Some(TableDefect::LengthOutOfRange) => (offset, total.saturating_sub(offset).saturating_add(1)),
        Some(TableDefect::LengthOverflow) => (offset, u32::MAX),
        Some(TableDefect::Overlapping) => (offset.saturating_sub(1), length),
        Some(TableDefect::OffsetInsideEntries) => (8, length),
        Some(TableDefect::MissingTerminator | TableDefect::Truncated) | None => (offset, length),
    };
}

fn le32(value: usize) -> u32 {
    u32::try_from(value).expect("a table of less than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_two() {
        let table = CertTable::default().with(guid::ARK, b"ark").with(guid::VCEK, b"vcek");
        let expected = [
            "c0b406a4a8034952 97433fb6014cd0ae 48000000 03000000", // Three entries are 0x48 bytes.
            "63da758de6644564 adc5f4b93be8accd 4b000000 04000000",
            "0000000000000000 0000000000000000 00000000 00000000",
            "61726b 7663656b",
        ];
        assert_eq!(hex::encode(table.bytes()), expected.concat().replace(' ', ""));
    }

    #[test]
    fn each_defect_changes_the_table() {
        let sound = CertTable::default().with(guid::ARK, b"ark").with(guid::VCEK, b"vcek");
        for defect in TableDefect::ALL {
            let damaged = CertTable { defect: Some(defect), ..sound.clone() };
            assert_ne!(damaged.bytes(), sound.bytes(), "{defect:?}");
        }
    }
}
