//! SHA-256 over the concatenation of byte strings.

use aws_lc_rs::digest::{Context, SHA256};

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut output = [0; 32];
    output.copy_from_slice(context.finish().as_ref());
    output
}
