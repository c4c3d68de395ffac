//! Real Evidence, which is never part of this project: where tests find it, and how they say that they do not.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// The folder of real Evidence: `$ATTESTATION_VECTORS`, or `shared/vectors` beside the workspace. Where there is none, says on
/// the terminal that `test` is skipped.
#[must_use]
pub fn root(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ATTESTATION_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(test, "no real evidence (set ATTESTATION_VECTORS)");
    None
}

/// A folder below [`root`] that not every collection has. Where it is not there, says on the terminal that `test` is skipped.
#[must_use]
pub fn folder(test: &str, name: &str) -> Option<PathBuf> {
    let folder = root(test)?.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(test, &format!("no real evidence in {name}"));
    None
}

/// Says on the terminal that `test` is skipped, and why. The test harness keeps back what a passing test prints, except what
/// it writes to standard error itself.
pub fn skipped(test: &str, reason: &str) {
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}
