//! What became of evidence that must be refused.

use backend_api::{Error, Result};
use registry::AttestationResult;
use serde_json::{Value, json};

use super::shortened;
use crate::commands::name;

/// A change, the check that must refuse it, and what happened.
#[derive(Debug)]
pub(super) struct Refusal {
    change: String,
    expected: &'static str,
    /// The check that failed; `accepted`, or the kind of an error that no check made.
    found: String,
    message: String,
}

impl Refusal {
    pub(super) fn new(change: String, expected: &'static str, verdict: &Result<AttestationResult>) -> Self {
        let (found, message) = match verdict {
            Ok(_) => ("accepted".to_owned(), String::new()),
            Err(error) => {
                let found = error.check().filter(|_| error.kind().is_refusal());
                let found = found.map_or_else(|| name(error.kind()), |check| check.name().to_owned());
                (found, why(error))
            }
        };
        Self { change, expected, found, message }
    }

    pub(super) fn found(&self) -> &str {
        &self.found
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.found == self.expected
    }

    pub(super) fn row(&self) -> [String; 3] {
        let deviation = format!("{}  DEVIATES, expected {}", self.found, self.expected);
        let found = if self.is_as_expected() { self.found.clone() } else { deviation };
        [self.change.clone(), found, shortened(&self.message)]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "change": self.change,
            "expected-check": self.expected,
            "check": self.found,
            "message": self.message,
            "as-expected": self.is_as_expected(),
        })
    }
}

/// The detail without backend and check.
fn why(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
