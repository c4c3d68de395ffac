//! What the targets share: the lab's roots, chains and keys, so that forged Evidence gets past the signatures.

pub mod amd;
pub mod azure;
pub mod intel;

use std::time::Duration;

use backend_api::UnixTime;
use lab::time::utc_day;

/// When everything that the lab issues is valid.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(utc_day(2026, 6, 1)))
}

/// Whether `part` is a slice of `whole`, and no copy.
pub fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}
