//! Why a launch can not be measured.

use thiserror::Error;

use super::{
    Guid, MAX_FIRMWARE_BYTES, MAX_METADATA_PAGES, MAX_SECTIONS, MAX_VCPUS, SectionKind, VcpuType, Vmm,
};

/// Why a launch can not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The firmware image is empty, oversized, or not whole pages.
    #[error("expected a firmware of 4096 to {MAX_FIRMWARE_BYTES} bytes in whole pages, found {found} bytes")]
    FirmwareSize {
        /// Bytes of the image.
        found: usize,
    },
    /// The image has no table of GUIDs.
    #[error("expected a firmware with a table of guids that ends 32 bytes before its end, found none")]
    NoFooter,
    /// The table is longer than the image or shorter than its footer.
    #[error("expected a table of guids of at least 18 bytes within the firmware, found a length of {found}")]
    TableLength {
        /// The length in the footer.
        found: u16,
    },
    /// The table begins with bytes that are no entry.
    #[error("expected entries of at least 18 bytes in the table of guids, found {found} bytes at its start")]
    TableRemainder {
        /// Bytes that are left.
        found: usize,
    },
    /// An entry is longer than the table or shorter than its header.
    #[error(
        "expected an entry {guid} of at least 18 bytes within the table of guids, found a length of {found}"
    )]
    EntryLength {
        /// The entry.
        guid: Guid,
        /// Its length.
        found: u16,
    },
    /// An entry is there twice.
    #[error("expected one entry {guid} in the table of guids, found two")]
    DuplicateEntry {
        /// The entry.
        guid: Guid,
    },
    /// The table has too many entries.
    #[error("expected at most 64 entries in the table of guids, found more")]
    EntryCount,
    /// A required entry is not there.
    #[error("expected an entry {guid} in the table of guids, found none")]
    MissingEntry {
        /// The entry.
        guid: Guid,
    },
    /// The data of an entry has the wrong length.
    #[error("expected {expected} bytes of data in entry {guid}, found {found}")]
    EntryData {
        /// The entry.
        guid: Guid,
        /// Bytes that the entry must have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// The area for the table of hashes is too small.
    #[error("expected an area of at least 176 bytes for the table of kernel hashes, found {found}")]
    HashesTableSize {
        /// Bytes of the area.
        found: u32,
    },
    /// The metadata is not within the image.
    #[error("expected sev metadata within the firmware, found it {offset} bytes before the end")]
    MetadataOffset {
        /// Distance to the end of the image.
        offset: u32,
    },
    /// The metadata does not begin with its signature.
    #[error("expected sev metadata with the signature \"ASEV\", found {found:02x?}")]
    MetadataSignature {
        /// The signature.
        found: [u8; 4],
    },
    /// The metadata has another version.
    #[error("expected sev metadata of version 1, found version {found}")]
    MetadataVersion {
        /// The version.
        found: u32,
    },
    /// The length of the metadata is not that of its sections.
    #[error("expected sev metadata of 16 bytes and 12 for each of {sections} sections, found {length} bytes")]
    MetadataLength {
        /// The length in the header.
        length: u32,
        /// The number of sections in the header.
        sections: usize,
    },
    /// There are too many sections.
    #[error("expected at most {MAX_SECTIONS} sections of sev metadata, found {found}")]
    SectionCount {
        /// The number of sections.
        found: usize,
    },
    /// A section has an unknown kind.
    #[error("expected a section of kind 1, 2, 3, 4 or 16, found {found}")]
    SectionKind {
        /// The kind.
        found: u32,
    },
    /// A section is empty, not whole pages, or not below 4 GiB.
    #[error("expected a section of whole pages below 4 GiB, found {size:#x} bytes at {gpa:#x}")]
    SectionRange {
        /// Its address.
        gpa: u32,
        /// Its size.
        size: u32,
    },
    /// A section of one page has another size.
    #[error("expected a {kind:?} section of 4096 bytes, found {found}")]
    SectionSize {
        /// Its kind.
        kind: SectionKind,
        /// Its size.
        found: u32,
    },
    /// A section that a firmware has once is there twice.
    #[error("expected at most one {kind:?} section, found two")]
    DuplicateSection {
        /// Its kind.
        kind: SectionKind,
    },
    /// A section overlaps another one, or the image.
    #[error("expected sections that do not overlap, found {first:#x} over {second:#x}")]
    SectionOverlap {
        /// Address of a section.
        first: u64,
        /// Address of another section, or of the image.
        second: u64,
    },
    /// The sections have too many pages.
    #[error("expected sections of at most {MAX_METADATA_PAGES} pages, found {found}")]
    MetadataPages {
        /// The number of pages.
        found: u64,
    },
    /// Application processors have no start address.
    #[error("expected a start address for application processors, found 0")]
    ResetVector,
    /// A stored firmware's digest is not 48 bytes in hexadecimal.
    #[error("expected a firmware digest of 96 hexadecimal characters, found {found} bytes of another kind")]
    FirmwareDigest {
        /// Bytes of the text.
        found: usize,
    },
    /// There is no such number of vCPUs.
    #[error("expected 1 to {MAX_VCPUS} vcpus, found {found}")]
    VcpuCount {
        /// The number.
        found: u32,
    },
    /// No vCPU model has this name.
    #[error("expected a vcpu type of {}, found {found:?}", known_vcpu_types())]
    UnknownVcpuType {
        /// The start of the name.
        found: String,
    },
    /// No CPUID signature has these values.
    #[error(
        "expected a cpu family of at most 270 and a stepping of at most 15, found {family} and {stepping}"
    )]
    CpuSignature {
        /// The family.
        family: u32,
        /// The stepping.
        stepping: u8,
    },
    /// No VMM has this name.
    #[error("expected a vmm of {}, found {found:?}", Vmm::ALL.map(|vmm| vmm.name()).join(", "))]
    UnknownVmm {
        /// The start of the name.
        found: String,
    },
    /// Bit 0 of the guest features is clear.
    #[error("expected guest features with bit 0 set (snp active), found {found:#x}")]
    GuestFeatures {
        /// The features.
        found: u64,
    },
    /// A kernel is given, and the firmware would not check it.
    #[error("expected a firmware with an SNP_KERNEL_HASHES section for a directly booted kernel, found none")]
    NoKernelHashesSection,
    /// A kernel is given, and the firmware names no table of hashes.
    #[error("expected a firmware with a table of kernel hashes for a directly booted kernel, found none")]
    NoHashesTable,
    /// The table of hashes is not in the measured page.
    #[error("expected the table of kernel hashes in the section at {section:#x}, found it at {table:#x}")]
    HashesTableOutsideSection {
        /// Address of the table.
        table: u32,
        /// Address of the section.
        section: u32,
    },
    /// The table of hashes goes beyond its page.
    #[error("expected 176 bytes for the table of kernel hashes in its page, found offset {offset:#x}")]
    HashesTableOverrun {
        /// Offset in the page.
        offset: u32,
    },
    /// The firmware's variables are not whole pages, or leave no room for the SVSM image.
    #[error("expected a variable store of whole pages with room for the svsm below it, found {found} bytes")]
    VariableStore {
        /// Bytes of the variable store.
        found: u32,
    },
}

/// The names of the known vCPU models.
fn known_vcpu_types() -> String {
    let names: Vec<_> = VcpuType::ALL.iter().filter_map(VcpuType::name).collect();
    names.join(", ")
}

/// The start of a name, for an error.
pub(super) fn excerpt(name: &str) -> String {
    name.chars().take(32).collect()
}
