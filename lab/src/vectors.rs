//! Real Evidence, which is never part of this project: where tests find it, and how they say that they do not.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

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

/// The folder of a whole machine, which not every collection has: `gpu_evidence.json` and `switch_evidence.json` of eight H100s and four
/// NVSwitches in protected PCIe (driver 590.12), as NVIDIA publishes them with its verifier (Apache-2.0), in
/// `guest_tools/ppcie-verifier-sdk-cpp/tests/data` of <https://github.com/NVIDIA/nvtrust> at 103be2280d667f70c2668aed6592865961049f92.
/// Where it is not there, says on the terminal that `test` is skipped.
#[must_use]
pub fn hgx(test: &str) -> Option<PathBuf> {
    let name = "nvidia/h100-590.12-8gpu-4switch";
    let folder = root(test)?.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(test, &format!("no real evidence in {name}"));
    None
}

/// Reports and certificates (PEM) of the devices in a file, a JSON array as NVIDIA's tools write it.
///
/// # Panics
///
/// If the file is something else.
#[must_use]
#[expect(clippy::unwrap_used, reason = "a test that reads another file is a mistake in the test")]
pub fn nvidia_devices(file: &Path) -> Vec<[Vec<u8>; 2]> {
    let items: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let part = |item: &serde_json::Value, key: &str| STANDARD.decode(item[key].as_str().unwrap()).unwrap();
    items.iter().map(|item| ["evidence", "certificate"].map(|key| part(item, key))).collect()
}

/// Says on the terminal that `test` is skipped, and why. The test harness keeps back what a passing test prints, except what
/// it writes to standard error itself.
pub fn skipped(test: &str, reason: &str) {
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}
