//! Fixed binary layouts: fields at constant offsets, and the two hashes.

use aws_lc_rs::digest::{SHA256, SHA384, digest};

/// Bytes of one page.
pub(super) const PAGE_BYTES: usize = 4096;

/// Writes a field at a constant offset. A field that does not fit is a compile error.
pub(super) fn put<const OFFSET: usize, const FIELD: usize, const SIZE: usize>(
    structure: &mut [u8; SIZE],
    field: [u8; FIELD],
) {
    const { assert!(OFFSET <= SIZE && FIELD <= SIZE.saturating_sub(OFFSET)) };
    if let Some(slot) = structure.get_mut(OFFSET..).and_then(<[u8]>::first_chunk_mut) {
        *slot = field;
    }
}

/// SHA-256 of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// SHA-384 of some bytes.
pub(super) fn sha384(bytes: &[u8]) -> [u8; 48] {
    let mut hash = [0; 48];
    hash.copy_from_slice(digest(&SHA384, bytes).as_ref());
    hash
}
