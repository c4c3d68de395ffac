//! Firmware images with the tables that a VMM reads before it launches an SNP guest.

#![expect(
    clippy::expect_used,
    reason = "the tables are small and written at known places, so a failure is a mistake in the lab"
)]

use super::guid::guid;

/// The footer of the table of GUIDs.
pub const FOOTER: &str = "96b582de-1fb2-45f7-baea-a366c55a082d";
/// The entry with the area for a directly booted kernel's hashes: u32 address, u32 size.
pub const HASH_TABLE: &str = "7255371f-3a3b-4b04-927b-1da6efa8d454";
/// The entry with the application processors' start address: u32.
pub const RESET_BLOCK: &str = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
/// The entry with the distance of the SEV metadata from the end of the image: u32.
pub const METADATA: &str = "dc886566-984a-4798-a75e-5585a7bf67cc";

/// Section type `SNP_SEC_MEM`.
pub const SEC_MEMORY: u32 = 1;
/// Section type `SNP_SECRETS`.
pub const SECRETS: u32 = 2;
/// Section type `CPUID`.
pub const CPUID: u32 = 3;
/// Section type `SVSM_CAA`.
pub const SVSM_CAA: u32 = 4;
/// Section type `SNP_KERNEL_HASHES`.
pub const KERNEL_HASHES: u32 = 0x10;

/// Bytes from the end of the table of GUIDs to the end of the image: the reset vector.
const RESET_VECTOR_BYTES: usize = 32;
/// Bytes at the end of the image that the metadata leaves to the table of GUIDs.
const TABLE_ROOM: usize = 0x400;
/// Bytes of an entry's length and GUID.
const ENTRY_BYTES: usize = 18;

/// A range of guest memory that the VMM prepares: 12 bytes in the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Guest-physical address.
    pub gpa: u32,
    /// Bytes.
    pub size: u32,
    /// Type: 1, 2, 3, 4 or 16.
    pub kind: u32,
}

/// What is wrong with an image. Defects of a section are stated in [`FirmwareSpec::sections`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirmwareDefect {
    /// Another GUID stands in the footer's place.
    FooterGuid,
    /// The footer's length of the whole table reaches past the start of a 64 KiB image.
    TableTooLong,
    /// The footer's length of the whole table is 17, less than the footer itself.
    TableTooShort,
    /// The footer's length of the whole table is 1 less, which cuts the first entry.
    TableCutsEntry,
    /// The reset block's length is 17, less than its length and GUID.
    EntryTooShort,
    /// The reset block's length reaches past the start of the table.
    EntryTooLong,
    /// The reset block comes twice.
    DuplicateEntry,
    /// The reset block has 8 bytes of data.
    EntryDataLength,
    /// The metadata's distance from the end is larger than the image.
    MetadataOutside,
    /// The metadata starts 16 bytes before the end, which leaves no room for its sections.
    MetadataTruncated,
    /// The metadata starts with `ASEW`.
    MetadataSignature,
    /// The metadata's version is 2.
    MetadataVersion,
    /// The metadata's length is 1 more than its sections need.
    MetadataLength,
    /// The metadata announces 2^32 - 1 sections.
    SectionCount,
}

/// A firmware image to be made (edk2: `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm` and
/// `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`). Integers are little-endian.
///
/// ```text
/// filler | "ASEV", u32 length, u32 version 1, u32 count, sections | filler
///        | entries: data, u16 length, GUID | footer: u16 length of the table, GUID | 32 bytes of reset vector
/// ```
#[derive(Debug, Clone)]
pub struct FirmwareSpec {
    /// Bytes of the image: whole pages of 4096 in a sound one.
    pub size: usize,
    /// Sets the code that the image stands for: two images with different fillers differ in every page.
    pub filler: u8,
    /// Where application processors start; without it there is no reset block.
    pub reset_eip: Option<u32>,
    /// Address and size of the area for a directly booted kernel's hashes; without it there is no such entry.
    pub hash_table: Option<(u32, u32)>,
    /// The metadata's sections; without them there is no metadata, and no entry for it.
    pub sections: Option<Vec<Section>>,
    /// What is wrong with the image; nothing in a sound one.
    pub defect: Option<FirmwareDefect>,
}

impl Default for FirmwareSpec {
    /// An image of 64 KiB with the sections of OVMF's `AmdSevX64` build, kernel hashes among them.
    fn default() -> Self {
        Self {
            size: 64 << 10,
            filler: 0,
            reset_eip: Some(0x80_b004),
            hash_table: Some((0x81_0c00, 0x400)),
            sections: Some(vec![
                Section { gpa: 0x80_0000, size: 0x9000, kind: SEC_MEMORY },
                Section { gpa: 0x80_a000, size: 0x3000, kind: SEC_MEMORY },
                Section { gpa: 0x80_d000, size: 0x1000, kind: SECRETS },
                Section { gpa: 0x80_e000, size: 0x1000, kind: CPUID },
                Section { gpa: 0x80_f000, size: 0x1000, kind: SVSM_CAA },
                Section { gpa: 0x81_1000, size: 0xf000, kind: SEC_MEMORY },
                Section { gpa: 0x81_0000, size: 0x1000, kind: KERNEL_HASHES },
            ]),
            defect: None,
        }
    }
}

impl FirmwareSpec {
    /// The image of a firmware that boots from a disk: no kernel hashes, and an empty area for them.
    #[must_use]
    pub fn without_kernel_hashes() -> Self {
        let mut spec = Self { hash_table: Some((0, 0)), ..Self::default() };
        if let Some(sections) = &mut spec.sections {
            sections.retain(|section| section.kind != KERNEL_HASHES);
        }
        spec
    }

    /// The image with one defect.
    #[must_use]
    pub fn with_defect(self, defect: FirmwareDefect) -> Self {
        Self { defect: Some(defect), ..self }
    }

    /// The bytes of the image.
    ///
    /// # Panics
    ///
    /// If `size` is too small for the tables (4096 bytes hold 64 sections).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut image: Vec<u8> = (0..self.size).map(|position| filler(position, self.filler)).collect();
        let mut entries = Vec::new();
        if let Some(sections) = &self.sections {
            let metadata = self.metadata(sections);
            let offset = TABLE_ROOM.saturating_add(metadata.len());
            match self.defect {
                Some(FirmwareDefect::MetadataOutside) => {
                    entries.push((METADATA, le32(self.size.saturating_add(1))));
                }
                Some(FirmwareDefect::MetadataTruncated) => {
                    put_before_end(&mut image, 16, metadata.get(..16).expect("a header"));
                    entries.push((METADATA, le32(16)));
                }
                _ => {
                    put_before_end(&mut image, offset, &metadata);
                    entries.push((METADATA, le32(offset)));
                }
            }
        }
        if let Some((gpa, size)) = self.hash_table {
            entries.push((HASH_TABLE, [gpa.to_le_bytes(), size.to_le_bytes()].concat()));
        }
        if let Some(eip) = self.reset_eip {
            let mut data = eip.to_le_bytes().to_vec();
            if self.defect == Some(FirmwareDefect::EntryDataLength) {
                data.extend([0; 4]);
            }
            entries.push((RESET_BLOCK, data.clone()));
            if self.defect == Some(FirmwareDefect::DuplicateEntry) {
                entries.push((RESET_BLOCK, data));
            }
        }
        let table = self.table(&entries);
        put_before_end(&mut image, table.len().saturating_add(RESET_VECTOR_BYTES), &table);
        image
    }

    /// The SEV metadata.
    fn metadata(&self, sections: &[Section]) -> Vec<u8> {
        let length = sections.len().saturating_mul(12).saturating_add(16);
        let mut metadata = match self.defect {
            Some(FirmwareDefect::MetadataSignature) => b"ASEW",
            _ => b"ASEV",
        }
        .to_vec();
        let excess = usize::from(self.defect == Some(FirmwareDefect::MetadataLength));
        metadata.extend(le32(length.saturating_add(excess)));
        metadata.extend(le32(if self.defect == Some(FirmwareDefect::MetadataVersion) { 2 } else { 1 }));
        metadata.extend(match self.defect {
            Some(FirmwareDefect::SectionCount) => vec![0xff; 4],
            _ => le32(sections.len()),
        });
        for Section { gpa, size, kind } in sections {
            metadata.extend([gpa.to_le_bytes(), size.to_le_bytes(), kind.to_le_bytes()].as_flattened());
        }
        metadata
    }

    /// The table of GUIDs with its footer.
    fn table(&self, entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut table = Vec::new();
        for (text, data) in entries {
            let length = match self.defect {
                Some(FirmwareDefect::EntryTooShort) if *text == RESET_BLOCK => 17,
                Some(FirmwareDefect::EntryTooLong) if *text == RESET_BLOCK => 0x200,
                _ => data.len().saturating_add(ENTRY_BYTES),
            };
            table.extend(data);
            table.extend(le16(length));
            table.extend(guid(text));
        }
        let length = table.len().saturating_add(ENTRY_BYTES);
        table.extend(le16(match self.defect {
            Some(FirmwareDefect::TableTooLong) => 0xffff,
            Some(FirmwareDefect::TableTooShort) => 17,
            Some(FirmwareDefect::TableCutsEntry) => length.saturating_sub(1),
            _ => length,
        }));
        table.extend(guid(if self.defect == Some(FirmwareDefect::FooterGuid) { METADATA } else { FOOTER }));
        table
    }
}

/// A byte of the code that the image stands for. The page's number enters it, so that no two pages are equal.
fn filler(position: usize, seed: u8) -> u8 {
    let [low, _, high, ..] = position.wrapping_mul(0x9e37).to_le_bytes();
    let [page, ..] = (position >> 12).to_le_bytes();
    low.wrapping_add(high.rotate_left(3)).wrapping_add(page).wrapping_add(seed)
}

/// Writes `bytes` so that they start `distance` bytes before the end of the image.
fn put_before_end(image: &mut [u8], distance: usize, bytes: &[u8]) {
    let start = image.len().checked_sub(distance).expect("an image with room for its tables");
    let end = start.checked_add(bytes.len()).expect("an image with room for its tables");
    image.get_mut(start..end).expect("an image with room for its tables").copy_from_slice(bytes);
}

fn le32(value: usize) -> Vec<u8> {
    u32::try_from(value).expect("a length of 32 bits").to_le_bytes().to_vec()
}

fn le16(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("a length of 16 bits").to_le_bytes()
}
