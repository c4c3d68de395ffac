//! Azure: every named check has a forged case that fails it alone, and every real guest gives the verdict
//! that its catalogue states.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]

mod cases;
mod differential;
mod flips;
mod named_checks;
mod payload;
mod real;
mod scene;
mod vectors;
