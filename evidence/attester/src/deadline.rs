//! How long an operation may take, and waiting while a device is busy.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first wait of a busy device's caller; each one doubles.
const FIRST_WAIT: Duration = Duration::from_millis(2);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// A moment until which something must be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    begun: Instant,
    allowed: Duration,
}

impl Deadline {
    /// From now.
    pub(crate) fn after(allowed: Duration) -> Self {
        Self { begun: Instant::now(), allowed }
    }

    /// The whole time that was allowed.
    pub(crate) const fn allowed(&self) -> Duration {
        self.allowed
    }

    /// What is left; zero when it has passed.
    pub(crate) fn left(&self) -> Duration {
        self.allowed.saturating_sub(self.begun.elapsed())
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(&self) -> bool {
        self.left().is_zero()
    }

    /// Tries until it works, until an error is not worth another try, or until the deadline: then the last
    /// error.
    pub(crate) fn retry<T, E>(
        &self,
        worth_retrying: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut wait = FIRST_WAIT;
        loop {
            match attempt() {
                Err(error) if worth_retrying(&error) && !self.has_passed() => sleep(wait.min(self.left())),
                outcome => return outcome,
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }
}
