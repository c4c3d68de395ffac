//! SHA-384 of some bytes: every digest of a launch.

use aws_lc_rs::digest::{Context, SHA384};

/// SHA-384 over the concatenation of `parts`, 48 bytes.
pub(super) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    let mut context = Context::new(&SHA384);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 48];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
