//! What the firmware says about its launch: the table of GUIDs at its end, and the SEV metadata.
//!
//! Sources: `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm` and `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`
//! of edk2. Integers are little-endian.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::LaunchError;
use super::guid::Guid;
use super::kernel_hashes::TABLE_BYTES;

/// The most sections of SEV metadata. Known firmware has 3 to 7.
pub const MAX_SECTIONS: usize = 64;

/// The most pages of all sections together: 16 MiB of guest memory. Known firmware has 32 to 160.
pub const MAX_METADATA_PAGES: u64 = 4096;

/// The most entries of the table of GUIDs. Known firmware has 4 to 6.
const MAX_ENTRIES: usize = 64;

const PAGE: u32 = 0x1000;

const FOOTER: Guid = Guid::new(0x96b5_82de, 0x1fb2, 0x45f7, [0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d]);
const HASH_TABLE: Guid =
    Guid::new(0x7255_371f, 0x3a3b, 0x4b04, [0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54]);
const RESET_BLOCK: Guid =
    Guid::new(0x00f7_71de, 0x1a7e, 0x4fcb, [0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e]);
const METADATA: Guid =
    Guid::new(0xdc88_6566, 0x984a, 0x4798, [0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc]);

/// What the VMM does with a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum SectionKind {
    /// 1, `SNP_SEC_MEM`: zero pages for the first boot phase.
    SecMemory,
    /// 2, `SNP_SECRETS`: the page with the secure processor's secrets.
    Secrets,
    /// 3, `CPUID`: the page with the CPUID values.
    Cpuid,
    /// 4, `SVSM_CAA`: zero pages for calls to an SVSM.
    SvsmCaa,
    /// 0x10, `SNP_KERNEL_HASHES`: the page with the hashes of a directly booted kernel.
    KernelHashes,
}

impl SectionKind {
    /// Whether a firmware has one such section at most, of one page.
    const fn is_single_page(self) -> bool {
        matches!(self, Self::Secrets | Self::Cpuid | Self::KernelHashes)
    }
}

impl TryFrom<u32> for SectionKind {
    type Error = LaunchError;

    fn try_from(kind: u32) -> Result<Self, LaunchError> {
        match kind {
            1 => Ok(Self::SecMemory),
            2 => Ok(Self::Secrets),
            3 => Ok(Self::Cpuid),
            4 => Ok(Self::SvsmCaa),
            0x10 => Ok(Self::KernelHashes),
            found => Err(LaunchError::SectionKind { found }),
        }
    }
}

impl From<SectionKind> for u32 {
    fn from(kind: SectionKind) -> Self {
        match kind {
            SectionKind::SecMemory => 1,
            SectionKind::Secrets => 2,
            SectionKind::Cpuid => 3,
            SectionKind::SvsmCaa => 4,
            SectionKind::KernelHashes => 0x10,
        }
    }
}

/// A range of guest memory that the VMM prepares before the launch. Its stored form is `{gpa, size, type}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Guest-physical address, a multiple of 4096.
    pub gpa: u32,
    /// Bytes, a positive multiple of 4096.
    pub size: u32,
    /// What the VMM does with it.
    #[serde(rename = "type")]
    pub kind: SectionKind,
}

impl Section {
    /// Number of pages.
    pub(super) const fn pages(&self) -> u32 {
        self.size / PAGE
    }

    /// The first address after the section.
    fn end(&self) -> u64 {
        u64::from(self.gpa).saturating_add(self.size.into())
    }
}

/// What a firmware says about its launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareMetadata {
    /// The sections, in the order in which the VMM launches them.
    pub sections: Vec<Section>,
    /// Guest-physical address of the table with a directly booted kernel's hashes; `None` where the firmware
    /// has none.
    pub hashes_table_gpa: Option<u32>,
    /// Where application processors start.
    pub reset_eip: u32,
}

impl FirmwareMetadata {
    /// Parses a firmware image, or at least so much of its end as holds the table and the metadata.
    ///
    /// # Errors
    ///
    /// A [`LaunchError`] for a missing, malformed, truncated, duplicated or oversized table, entry or
    /// section.
    pub fn parse(image: &[u8]) -> Result<Self, LaunchError> {
        let table = GuidTable::parse(image)?;
        let [reset_eip] = table.words(RESET_BLOCK)?.ok_or(LaunchError::MissingEntry { guid: RESET_BLOCK })?;
        let hashes_table_gpa = match table.words(HASH_TABLE)? {
            // A firmware that does not support kernel hashes leaves the area empty.
            None | Some([0, _]) => None,
            Some([gpa, size]) if usize::try_from(size).is_ok_and(|size| size >= TABLE_BYTES) => Some(gpa),
            Some([_, size]) => return Err(LaunchError::HashesTableSize { found: size }),
        };
        let [offset] = table.words(METADATA)?.ok_or(LaunchError::MissingEntry { guid: METADATA })?;
        let metadata = Self { sections: parse_sections(image, offset)?, hashes_table_gpa, reset_eip };
        metadata.check()?;
        Ok(metadata)
    }

    /// Checks every rule that does not depend on the image, so that stored metadata meets the same ones.
    pub(super) fn check(&self) -> Result<(), LaunchError> {
        if self.reset_eip == 0 {
            return Err(LaunchError::ResetVector);
        }
        if self.sections.len() > MAX_SECTIONS {
            return Err(LaunchError::SectionCount { found: self.sections.len() });
        }
        let mut single = BTreeSet::new();
        let mut pages = 0_u64;
        for section in &self.sections {
            let Section { gpa, size, kind } = *section;
            if gpa % PAGE != 0 || size % PAGE != 0 || size == 0 || section.end() > 1 << 32 {
                return Err(LaunchError::SectionRange { gpa, size });
            }
            if kind.is_single_page() && size != PAGE {
                return Err(LaunchError::SectionSize { kind, found: size });
            }
            if kind.is_single_page() && !single.insert(kind) {
                return Err(LaunchError::DuplicateSection { kind });
            }
            pages = pages.saturating_add(section.pages().into());
        }
        if pages > MAX_METADATA_PAGES {
            return Err(LaunchError::MetadataPages { found: pages });
        }
        // The secure processor refuses a page twice, so no guest starts with sections that overlap.
        let mut sorted = self.sections.clone();
        sorted.sort_unstable_by_key(|section| section.gpa);
        for (first, second) in sorted.iter().zip(sorted.iter().skip(1)) {
            if first.end() > second.gpa.into() {
                return Err(LaunchError::SectionOverlap {
                    first: first.gpa.into(),
                    second: second.gpa.into(),
                });
            }
        }
        Ok(())
    }

    /// Checks that the sections lie below an image.
    pub(super) fn check_below(&self, image: u64) -> Result<(), LaunchError> {
        match self.sections.iter().find(|section| section.end() > image) {
            Some(section) => Err(LaunchError::SectionOverlap { first: section.gpa.into(), second: image }),
            None => Ok(()),
        }
    }
}

/// Parses the SEV metadata that begins `offset` bytes before the end of the image.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | `ASEV` |
/// | 4 | 4 | length, 16 + 12 for each section |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | number of sections |
/// | 16 | 12 each | the sections: address, size, kind |
fn parse_sections(image: &[u8], offset: u32) -> Result<Vec<Section>, LaunchError> {
    let outside = LaunchError::MetadataOffset { offset };
    let start = usize::try_from(offset).ok().and_then(|offset| image.len().checked_sub(offset));
    let metadata = start.and_then(|start| image.get(start..)).ok_or_else(|| outside.clone())?;
    let (header, sections) = metadata.split_first_chunk::<16>().ok_or_else(|| outside.clone())?;
    let [signature @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *header;
    let [_, length, version, count] = words(header);
    if &signature != b"ASEV" {
        return Err(LaunchError::MetadataSignature { found: signature });
    }
    if version != 1 {
        return Err(LaunchError::MetadataVersion { found: version });
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > MAX_SECTIONS {
        return Err(LaunchError::SectionCount { found: count });
    }
    let bytes = count.saturating_mul(12);
    if usize::try_from(length).ok() != bytes.checked_add(16) {
        return Err(LaunchError::MetadataLength { length, sections: count });
    }
    let sections = sections.get(..bytes).ok_or(outside)?;
    let parse = |section: &[u8; 12]| {
        let [gpa, size, kind] = words(section);
        Ok(Section { gpa, size, kind: kind.try_into()? })
    };
    sections.as_chunks().0.iter().map(parse).collect()
}

/// The little-endian words of a structure.
fn words<const BYTES: usize, const WORDS: usize>(structure: &[u8; BYTES]) -> [u32; WORDS] {
    const { assert!(BYTES == WORDS.saturating_mul(4)) };
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(structure.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// The table of GUIDs, which ends 32 bytes before the end of the image.
///
/// Every entry is its data, then a `u16` with the length of data, length and GUID, then the GUID. The last
/// one is the footer: its length is that of the whole table.
pub(super) struct GuidTable<'a> {
    entries: Vec<(Guid, &'a [u8])>,
}

impl<'a> GuidTable<'a> {
    /// Walks the table from its end to its start.
    pub(super) fn parse(image: &'a [u8]) -> Result<Self, LaunchError> {
        let body =
            image.len().checked_sub(32).and_then(|end| image.get(..end)).ok_or(LaunchError::NoFooter)?;
        let (body, length, guid) = split_entry(body).ok_or(LaunchError::NoFooter)?;
        if guid != FOOTER {
            return Err(LaunchError::NoFooter);
        }
        let (_, mut table) = split_data(body, length).ok_or(LaunchError::TableLength { found: length })?;
        let mut entries = Vec::new();
        while !table.is_empty() {
            let (rest, length, guid) =
                split_entry(table).ok_or(LaunchError::TableRemainder { found: table.len() })?;
            let (rest, data) =
                split_data(rest, length).ok_or(LaunchError::EntryLength { guid, found: length })?;
            if guid == FOOTER || entries.iter().any(|&(known, _)| known == guid) {
                return Err(LaunchError::DuplicateEntry { guid });
            }
            if entries.len() == MAX_ENTRIES {
                return Err(LaunchError::EntryCount);
            }
            entries.push((guid, data));
            table = rest;
        }
        Ok(Self { entries })
    }

    /// The data of an entry as little-endian words; `None` where there is no such entry.
    pub(super) fn words<const WORDS: usize>(&self, guid: Guid) -> Result<Option<[u32; WORDS]>, LaunchError> {
        let Some(&(_, data)) = self.entries.iter().find(|&&(known, _)| known == guid) else {
            return Ok(None);
        };
        let (chunks, rest) = data.as_chunks::<4>();
        let words = chunks.iter().copied().map(u32::from_le_bytes).collect::<Vec<_>>();
        match <[u32; WORDS]>::try_from(words) {
            Ok(words) if rest.is_empty() => Ok(Some(words)),
            _ => Err(LaunchError::EntryData { guid, expected: WORDS.saturating_mul(4), found: data.len() }),
        }
    }
}

/// Bytes of an entry's length and GUID.
const ENTRY_BYTES: usize = 18;

/// Splits an entry's length and GUID off the end.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], u16, Guid)> {
    let (rest, entry) = bytes.split_last_chunk::<ENTRY_BYTES>()?;
    let [low, high, guid @ ..] = *entry;
    Some((rest, u16::from_le_bytes([low, high]), Guid(guid)))
}

/// Splits an entry's data off the end, when the entry has `length` bytes in all.
fn split_data(bytes: &[u8], length: u16) -> Option<(&[u8], &[u8])> {
    let data = usize::from(length).checked_sub(ENTRY_BYTES)?;
    bytes.split_at_checked(bytes.len().checked_sub(data)?)
}

#[cfg(test)]
mod tests;
