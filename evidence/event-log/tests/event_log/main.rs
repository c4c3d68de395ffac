//! Logs made by hand and real ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and says on stderr when it is skipped"
)]

mod properties;
mod real_logs;
mod runtime_logs;
mod structure;
mod support;
