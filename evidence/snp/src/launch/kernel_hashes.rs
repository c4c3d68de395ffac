//! The page through which the firmware checks a directly booted kernel.
//!
//! The VMM writes the SHA-256 of the kernel, the initrd and the command line into a table; the page with the
//! table is measured, and the firmware refuses files that differ from it. Layout (`target/i386/sev.c` of
//! QEMU, `OvmfPkg/AmdSev/BlobVerifierLibSevHashes` of edk2), integers little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 16 | GUID of the table |
//! | 16 | 2 | 168, the length of the table |
//! | 18 | 50 | the command line: GUID, 50, SHA-256 |
//! | 68 | 50 | the initrd: GUID, 50, SHA-256 |
//! | 118 | 50 | the kernel: GUID, 50, SHA-256 |
//! | 168 | 8 | zeros |
//!
//! The rest of the page is zero.

use super::LaunchError;
use super::guid::Guid;
use super::layout::{PAGE_BYTES, put, sha256};
use super::ovmf::{FirmwareMetadata, SectionKind};

/// Bytes of the table with its padding to a multiple of 16.
pub(super) const TABLE_BYTES: usize = 176;

const TABLE: Guid = Guid::new(0x9438_d606, 0x4f22, 0x4cc9, [0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21]);
const CMDLINE: Guid =
    Guid::new(0x97d0_2dd8, 0xbd20, 0x4c94, [0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a]);
const INITRD: Guid = Guid::new(0x44ba_f731, 0x3a2f, 0x4bd7, [0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d]);
const KERNEL: Guid = Guid::new(0x4de7_9437, 0xabd2, 0x427f, [0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b]);

/// The hashes of a directly booted kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelHashes {
    /// SHA-256 of the kernel image, as the VMM loads it.
    pub kernel: [u8; 32],
    /// SHA-256 of the initrd; of no bytes where there is none.
    pub initrd: [u8; 32],
    /// SHA-256 of the command line and one NUL after it: see [`Self::cmdline_hash`].
    pub cmdline: [u8; 32],
}

impl KernelHashes {
    /// Hashes a kernel, an initrd and a command line.
    ///
    /// The bytes are taken as they are. A VMM that trims white space from the command line, or adds to it,
    /// measures another one: dstack trims, so its callers pass the trimmed command line.
    #[must_use]
    pub fn from_parts(kernel: &[u8], initrd: Option<&[u8]>, cmdline: &[u8]) -> Self {
        Self {
            kernel: sha256(kernel),
            initrd: sha256(initrd.unwrap_or_default()),
            cmdline: Self::cmdline_hash(cmdline),
        }
    }

    /// SHA-256 of the command line and one NUL after it. The bytes are taken as they are: nothing is trimmed.
    #[must_use]
    pub fn cmdline_hash(cmdline: &[u8]) -> [u8; 32] {
        sha256(&[cmdline, b"\0"].concat())
    }

    /// The page with the table, as the firmware expects it.
    pub(super) fn page(&self, metadata: &FirmwareMetadata) -> Result<[u8; PAGE_BYTES], LaunchError> {
        let section = metadata
            .sections
            .iter()
            .find(|section| section.kind == SectionKind::KernelHashes)
            .ok_or(LaunchError::NoKernelHashesSection)?;
        let table = metadata.hashes_table_gpa.ok_or(LaunchError::NoHashesTable)?;
        // The firmware reads the table where its footer says. Outside of the section the host could write any
        // hashes.
        if table & !0xfff != section.gpa {
            return Err(LaunchError::HashesTableOutsideSection { table, section: section.gpa });
        }
        let mut page = [0; PAGE_BYTES];
        let offset = table & 0xfff;
        let slot = usize::try_from(offset)
            .ok()
            .and_then(|offset| page.get_mut(offset..))
            .and_then(<[u8]>::first_chunk_mut)
            .ok_or(LaunchError::HashesTableOverrun { offset })?;
        *slot = self.table();
        Ok(page)
    }

    /// The table with its padding.
    fn table(&self) -> [u8; TABLE_BYTES] {
        let mut table = [0; TABLE_BYTES];
        put::<0, _, _>(&mut table, TABLE.0);
        put::<16, _, _>(&mut table, 168_u16.to_le_bytes());
        put::<18, _, _>(&mut table, entry(CMDLINE, self.cmdline));
        put::<68, _, _>(&mut table, entry(INITRD, self.initrd));
        put::<118, _, _>(&mut table, entry(KERNEL, self.kernel));
        table
    }
}

/// One entry of the table.
fn entry(guid: Guid, hash: [u8; 32]) -> [u8; 50] {
    let mut entry = [0; 50];
    put::<0, _, _>(&mut entry, guid.0);
    put::<16, _, _>(&mut entry, 50_u16.to_le_bytes());
    put::<18, _, _>(&mut entry, hash);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Section;

    const HASHES: KernelHashes = KernelHashes { kernel: [3; 32], initrd: [2; 32], cmdline: [1; 32] };

    fn metadata(table: Option<u32>) -> FirmwareMetadata {
        let section = Section { gpa: 0x81_0000, size: 0x1000, kind: SectionKind::KernelHashes };
        FirmwareMetadata { sections: vec![section], hashes_table_gpa: table, reset_eip: 0x80_b004 }
    }

    #[test]
    fn the_table_lies_at_its_offset_in_a_zero_page() {
        let page = HASHES.page(&metadata(Some(0x81_0c00))).unwrap();
        assert!(page[..0xc00].iter().chain(&page[0xc00 + 168..]).all(|&byte| byte == 0));
        assert_eq!(hex::encode(&page[0xc00..0xc12]), "06d63894224fc94cb479a793d411fd21a800");
        assert_eq!(page[0xc00 + 18 + 18..][..32], [1; 32]);
        assert_eq!(page[0xc00 + 68 + 18..][..32], [2; 32]);
        assert_eq!(page[0xc00 + 118 + 18..][..32], [3; 32]);
    }

    #[test]
    fn a_table_that_is_not_in_the_measured_page_is_refused() {
        assert!(HASHES.page(&metadata(Some(0x81_0f50))).is_ok());
        let page = |table| HASHES.page(&metadata(table)).unwrap_err();
        assert_eq!(page(Some(0x81_0f51)), LaunchError::HashesTableOverrun { offset: 0xf51 });
        assert_eq!(
            page(Some(0x82_0c00)),
            LaunchError::HashesTableOutsideSection { table: 0x82_0c00, section: 0x81_0000 }
        );
        assert_eq!(page(None), LaunchError::NoHashesTable);
        let none = FirmwareMetadata { sections: Vec::new(), ..metadata(Some(0x81_0c00)) };
        assert_eq!(HASHES.page(&none), Err(LaunchError::NoKernelHashesSection));
    }

    #[test]
    fn the_command_line_is_hashed_with_one_nul_and_untrimmed() {
        // FIPS 180-4: SHA-256 of no bytes, for an absent initrd; the others by coreutils' sha256sum.
        let hashes = KernelHashes::from_parts(b"", None, b"");
        assert_eq!(
            hex::encode(hashes.initrd),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex::encode(hashes.cmdline),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_ne!(KernelHashes::cmdline_hash(b"quiet"), KernelHashes::cmdline_hash(b"quiet "));
    }
}
