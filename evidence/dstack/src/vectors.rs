//! Real captures for tests, read from outside the repository.

/// The file at `path` below the vectors' folder, or `None` where
/// there is no such folder.
pub(crate) fn read(test: &str, path: &str) -> Option<Vec<u8>> {
    let root = lab::vectors::root(test)?;
    Some(std::fs::read(root.join(path)).expect("the vectors hold this file"))
}

/// The binary attestation inside the verifier's JSON request at `path`.
pub(crate) fn attestation_in_json(test: &str, path: &str) -> Option<Vec<u8>> {
    let text = read(test, path)?;
    let request: serde_json::Value = serde_json::from_slice(&text).expect("json");
    Some(hex::decode(request["attestation"].as_str().expect("a string")).expect("hex"))
}
