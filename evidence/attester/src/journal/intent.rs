//! What is about to be extended.

use evidence_event_log::runtime::{RuntimeEvent, RuntimeLog};
use serde::{Deserialize, Serialize};

use super::JournalError;

/// The file that is there from before the first register is extended until after the event is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    /// Bytes of the log without the event.
    pub(super) log_len: usize,
    /// The event as the log will have it, its newline included.
    pub(super) line: String,
    /// The registers, in the order of their extension.
    pub(super) registers: Vec<Before>,
}

/// A register before its extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    pub(super) name: String,
    /// Lower-case hex.
    pub(super) value: String,
}

impl Intent {
    /// The one event of its line.
    pub(super) fn event(&self) -> Result<RuntimeEvent, JournalError> {
        let log = RuntimeLog::parse_lines(self.line.as_bytes())?;
        match log.events() {
            [event] => Ok(event.clone()),
            _ => Err(JournalError::IntentUnreadable),
        }
    }
}
