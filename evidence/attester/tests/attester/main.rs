//! The attester's side on a simulated guest: real files, a real file system, real processes.

#![cfg(target_os = "linux")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and `dyn` needs a cast"
)]

mod crash;
mod device;
mod files;
mod guest;
mod journal;
mod tdx;
mod tsm;
