#![doc = include_str!("../README.md")]

#[macro_use]
mod failure;
pub mod checks;
mod judge;
pub mod named;
mod noise;
mod subject;

pub use checks::NamedCheck;
pub use failure::{Failure, Outcome};
pub use subject::{Case, Cpu, Expect, Flip, Forgery, Given, Loose, Removal, Subject, Validity};

/// Runs one check: what each test of [`suite!`] does.
///
/// # Panics
///
/// If the check does not hold, with the reason. A test harness takes that for a failed test.
#[expect(clippy::panic, reason = "a failed check fails the test that runs it")]
pub fn run(check: fn(&dyn Subject) -> Outcome, subject: &dyn Subject) {
    if let Err(failure) = check(subject) {
        panic!("{}: {failure}", subject.backend().descriptor().id);
    }
}
