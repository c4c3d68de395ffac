//! Manifests of NVIDIA: real ones, and forged ones.

#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

mod defects;
mod flips;
mod real;
mod time;

use std::time::Duration;

use evidence_rim::{Anchors, Error, RimTime, UnixTime, VerifiedRim, VerifyRim};
use lab::nvidia::rim_hierarchy::RimHierarchy;

/// The lab's root.
fn anchors() -> Anchors {
    RimHierarchy::pins().into_iter().collect()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// The verdict on a manifest of the lab's when all is valid: what was verified, or the name of the check that failed and why.
fn verify(document: &[u8]) -> Result<VerifiedRim, (&'static str, Error)> {
    let anchors = anchors();
    let input = VerifyRim { document, anchors: &anchors, at: at(RimHierarchy::now()), time: RimTime::Now };
    input.verify().map_err(|failed| (failed.check.name(), failed.error))
}
