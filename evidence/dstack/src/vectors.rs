//! Real captures for tests, read from outside the repository.

use std::path::PathBuf;

/// The file at `path` below the vectors' folder, or `None` with a note on stderr when there is no such
/// folder.
pub(crate) fn read(test: &str, path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("ATTESTATION_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    if !root.is_dir() {
        report(test);
        return None;
    }
    Some(std::fs::read(root.join(path)).expect("the vectors hold this file"))
}

fn report(test: &str) {
    eprintln!("SKIPPED: {test}: no vectors");
}

/// The binary attestation inside the verifier's JSON request at `path`.
pub(crate) fn attestation_in_json(test: &str, path: &str) -> Option<Vec<u8>> {
    let text = read(test, path)?;
    let request: serde_json::Value = serde_json::from_slice(&text).expect("json");
    Some(hex::decode(request["attestation"].as_str().expect("a string")).expect("hex"))
}
