//! Where the real Evidence is.

use std::path::{Path, PathBuf};

/// The folder of the real vectors, or `None` with a note on stderr where there is none.
pub(crate) fn vectors(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ATTESTATION_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    if folder.join("snp").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {test}: no vectors");
    None
}
