//! AWS: every named check has a forged case that fails it alone, and all real evidence gives the verdict that its catalogue states.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]

mod cases;
mod flips;
mod named_checks;
mod payload;
mod scene;
mod splices;
mod vectors;
