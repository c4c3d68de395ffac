//! Why a check does not hold.

use std::fmt;

/// Why a check does not hold: one sentence for the person who runs the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// What became of a check.
pub type Outcome = Result<(), Failure>;

/// Ends a check unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($reason:tt)+) => {
        if !$holds {
            return Err($crate::Failure::new(format_args!($($reason)+)));
        }
    };
}
