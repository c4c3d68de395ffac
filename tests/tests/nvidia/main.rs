//! NVIDIA: every named check has a forged case that fails it alone, copies of evidence are refused by name, and real devices give the
//! verdict that their catalogue states.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]

mod cases;
mod copies;
mod cpu;
mod manifests;
mod named_checks;
mod scene;
#[path = "../tdx/payload.rs"]
mod tdx_payload;
mod vectors;
