//! The launch digest of the guest context, and its extension by one page.
//!
//! Every `SNP_LAUNCH_UPDATE` replaces the digest with the SHA-384 of a 112-byte `PAGE_INFO` structure that
//! holds the digest before it (publication 56860 revision 1.58, §8.17, table "Layout of the PAGE_INFO
//! Structure"):
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0x00 | 48 | `DIGEST_CUR`: the digest so far |
//! | 0x30 | 48 | `CONTENTS`: SHA-384 of a normal or VMSA page, zero for the other types |
//! | 0x60 | 2 | `LENGTH`: 0x70 |
//! | 0x62 | 1 | `PAGE_TYPE` |
//! | 0x63 | 1 | bit 0 `IMI_PAGE`: zero |
//! | 0x64 | 3 | permissions of VMPL3, VMPL2 and VMPL1: zero |
//! | 0x67 | 1 | reserved: zero |
//! | 0x68 | 8 | `GPA`: guest-physical address |
//!
//! Integers are little-endian.

use super::layout::{PAGE_BYTES, put, sha384};

/// Bytes of a `PAGE_INFO`, and the value of its `LENGTH`.
const PAGE_INFO_BYTES: u16 = 0x70;

/// `CONTENTS` of the page types whose contents are not measured.
const NO_CONTENTS: [u8; 48] = [0; 48];

/// The address of every VMSA page: the RMP records -1, here aligned to a page and cut to 48 bits.
const VMSA_GPA: u64 = 0x0000_ffff_ffff_f000;

/// `PAGE_TYPE`.
mod page_type {
    pub(super) const NORMAL: u8 = 1;
    pub(super) const VMSA: u8 = 2;
    pub(super) const ZERO: u8 = 3;
    pub(super) const UNMEASURED: u8 = 4;
    pub(super) const SECRETS: u8 = 5;
    pub(super) const CPUID: u8 = 6;
}

/// SHA-384 of a page, as the extension by a normal or VMSA page takes it.
pub(super) fn page_digest(page: &[u8; PAGE_BYTES]) -> [u8; 48] {
    sha384(page)
}

/// The addresses of `pages` consecutive pages.
fn page_addresses(gpa: u64, pages: u32) -> impl Iterator<Item = u64> {
    (0..pages).map(move |page| gpa.saturating_add(u64::from(page).saturating_mul(0x1000)))
}

/// The launch digest after some pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaunchDigest([u8; 48]);

impl LaunchDigest {
    /// The digest of a guest without any page.
    pub(super) const INITIAL: Self = Self([0; 48]);

    /// Continues from a known digest.
    pub(super) const fn from_bytes(digest: [u8; 48]) -> Self {
        Self(digest)
    }

    /// The digest so far.
    pub(super) const fn to_bytes(self) -> [u8; 48] {
        self.0
    }

    /// A page with contents, given by their [`page_digest`].
    pub(super) fn extend_normal(&mut self, gpa: u64, contents: &[u8; 48]) {
        self.extend(page_type::NORMAL, gpa, contents);
    }

    /// Consecutive pages with contents. Bytes after the last whole page are not measured: callers check the
    /// length.
    pub(super) fn extend_image(&mut self, gpa: u64, image: &[u8]) {
        for (gpa, page) in page_addresses(gpa, u32::MAX).zip(image.as_chunks().0) {
            self.extend_normal(gpa, &page_digest(page));
        }
    }

    /// The save area of one vCPU, given by its [`page_digest`].
    pub(super) fn extend_vmsa(&mut self, contents: &[u8; 48]) {
        self.extend(page_type::VMSA, VMSA_GPA, contents);
    }

    /// Consecutive pages of zeros.
    pub(super) fn extend_zero(&mut self, gpa: u64, pages: u32) {
        for gpa in page_addresses(gpa, pages) {
            self.extend(page_type::ZERO, gpa, &NO_CONTENTS);
        }
    }

    /// Consecutive pages whose address is measured and whose contents are not.
    pub(super) fn extend_unmeasured(&mut self, gpa: u64, pages: u32) {
        for gpa in page_addresses(gpa, pages) {
            self.extend(page_type::UNMEASURED, gpa, &NO_CONTENTS);
        }
    }

    /// The page that the secure processor fills with the guest's secrets.
    pub(super) fn extend_secrets(&mut self, gpa: u64) {
        self.extend(page_type::SECRETS, gpa, &NO_CONTENTS);
    }

    /// The page of CPUID values that the secure processor checks.
    pub(super) fn extend_cpuid(&mut self, gpa: u64) {
        self.extend(page_type::CPUID, gpa, &NO_CONTENTS);
    }

    /// Replaces the digest with the SHA-384 of the page's `PAGE_INFO`.
    fn extend(&mut self, page_type: u8, gpa: u64, contents: &[u8; 48]) {
        let mut page_info = [0; 0x70];
        put::<0x00, _, _>(&mut page_info, self.0);
        put::<0x30, _, _>(&mut page_info, *contents);
        put::<0x60, _, _>(&mut page_info, PAGE_INFO_BYTES.to_le_bytes());
        put::<0x62, _, _>(&mut page_info, [page_type]);
        put::<0x68, _, _>(&mut page_info, gpa.to_le_bytes());
        self.0 = sha384(&page_info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_info_has_the_published_layout() {
        let mut digest = LaunchDigest::from_bytes([0xaa; 48]);
        digest.extend_normal(0x1122_3344_5566_7000, &[0xbb; 48]);
        let mut expected = [[0xaa; 48], [0xbb; 48]].concat();
        expected.extend([0x70, 0x00, 0x01, 0, 0, 0, 0, 0]);
        expected.extend([0x00, 0x70, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(expected.len(), 112);
        assert_eq!(digest.to_bytes(), sha384(&expected));
    }

    #[test]
    fn consecutive_pages_extend_one_by_one() {
        let mut at_once = LaunchDigest::INITIAL;
        at_once.extend_zero(0x80_0000, 2);
        at_once.extend_unmeasured(0x80_2000, 1);
        let mut one_by_one = LaunchDigest::INITIAL;
        one_by_one.extend(3, 0x80_0000, &[0; 48]);
        one_by_one.extend(3, 0x80_1000, &[0; 48]);
        one_by_one.extend(4, 0x80_2000, &[0; 48]);
        assert_eq!(at_once.to_bytes(), one_by_one.to_bytes());

        let image = [[1; PAGE_BYTES], [2; PAGE_BYTES]];
        let mut at_once = LaunchDigest::INITIAL;
        at_once.extend_image(0x1000, image.as_flattened());
        let mut one_by_one = LaunchDigest::INITIAL;
        one_by_one.extend(1, 0x1000, &sha384(&[1; PAGE_BYTES]));
        one_by_one.extend(1, 0x2000, &sha384(&[2; PAGE_BYTES]));
        assert_eq!(at_once.to_bytes(), one_by_one.to_bytes());
    }
}
