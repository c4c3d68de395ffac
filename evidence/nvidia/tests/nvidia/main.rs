//! Reports, certificates, reference values and topology, on real devices and on the lab's.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure of a test helper is a failure of the test"
)]

mod forged;
mod real;
