//! Documents of NitroTPMs: a real one, and forged ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure of a test helper is a failure of the test"
)]

mod certificates;
mod format;
mod policy;
mod real;

use std::time::Duration;

use evidence_nitro::{Anchors, Error, Expected, UnixTime, VerifiedDocument, VerifyDocument};
use lab::aws::{Hierarchy, Instance};

/// The lab's root.
fn anchors() -> Anchors {
    Hierarchy::new().pins().into_iter().collect()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// The document's verdict when it was made, whatever the guest had signed.
fn input<'a>(document: &'a [u8], anchors: &'a Anchors) -> VerifyDocument<'a> {
    VerifyDocument {
        document,
        anchors,
        at: at(Instance::now()),
        max_age: Duration::from_secs(300),
        max_skew: Duration::ZERO,
        nonce: Expected::Anything,
        user_data: Expected::Anything,
        public_key: Expected::Anything,
    }
}

/// The verdict: what was verified, or the name of the check that failed and why.
fn verify(document: &[u8]) -> Result<VerifiedDocument, (&'static str, Error)> {
    let anchors = anchors();
    input(document, &anchors).verify().map_err(|failed| (failed.check.name(), failed.error))
}

/// The check that fails where one thing of the instance is changed.
fn failed(edit: impl FnOnce(&mut Instance)) -> (&'static str, Error) {
    let mut instance = Instance::new();
    edit(&mut instance);
    verify(&instance.sign()).unwrap_err()
}
