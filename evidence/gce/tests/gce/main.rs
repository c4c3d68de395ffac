//! Attestation keys and launch endorsements of Google's: a real key, and forged ones of both.

#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

mod ak;
mod endorsement;
mod instance;
mod launch;
mod locations;
mod oracle;
mod policy;
mod real;

use std::time::Duration;

use evidence_gce::UnixTime;
use lab::time::utc_day;

/// The day on which everything that the lab issues is valid.
fn june_2026() -> UnixTime {
    day(2026, 6, 1)
}

fn day(year: u16, month: u8, day: u8) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(utc_day(year, month, day)))
}
