//! Why an event was not extended or a log not loaded.

use std::path::PathBuf;
use std::time::Duration;

use evidence_event_log::runtime::RuntimeLogError;
use evidence_ledger::ErrorKind;

use crate::io::IoFailure;
use crate::register::RegisterError;

/// Why an event was not extended, or a log not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The register holds what neither log nor intent accounts for. Nothing was extended and nothing written.
    #[error("{register} holds {found}, and the log accounts for {logged}")]
    Diverged {
        /// The register's name.
        register: String,
        /// What the log replays to, hex.
        logged: String,
        /// The register's value, hex.
        found: String,
    },
    /// The event is none that a log can hold, or none that this log can still hold. Nothing was extended.
    #[error("event cannot be logged: {0}")]
    EventRefused(#[source] RuntimeLogError),
    /// The registers were extended and the log could not be written. The intent says so: the next call
    /// completes the log.
    #[error("event is extended and not logged yet: {0}")]
    ExtendedNotLogged(#[source] IoFailure),
    /// The intent is not in its format.
    #[error("intent is not one that this log's writer leaves")]
    IntentUnreadable,
    /// A file could not be read or written. Nothing was extended.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The lock is held by others.
    #[error("lock {} was held by others for {} ms", .path.display(), .waited.as_millis())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The log is damaged. Nothing was extended.
    #[error("log of runtime events: {0}")]
    Log(#[from] RuntimeLogError),
    /// No register was given.
    #[error("no register to extend or to compare, expected one at least")]
    NoRegister,
    /// The registers still have their values. Nothing was logged.
    #[error("event is not extended: {}", said(.0.as_ref()))]
    NotExtended(Option<RegisterError>),
    /// The intent belongs to another log, or to other registers. Nothing was extended.
    #[error("intent does not continue this log with these registers")]
    NotOfThisLog,
    /// Some registers have the event and some have not. The intent says so: the next call extends the others.
    #[error("event is extended into some registers and not into others: {}", said(.0.as_ref()))]
    PartlyExtended(Option<RegisterError>),
    /// A register could not be read or extended.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// A file is longer than it can be.
    #[error("{} has more than {limit} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        limit: usize,
    },
}

impl JournalError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Diverged { .. } | Self::IntentUnreadable | Self::Log(_) | Self::NotOfThisLog => {
                ErrorKind::EventLogMismatch
            }
            Self::EventRefused(_) | Self::TooLong { .. } => ErrorKind::LimitExceeded,
            Self::NoRegister => ErrorKind::InvalidConfig,
            Self::ExtendedNotLogged(_) | Self::PartlyExtended(_) => ErrorKind::Unsettled,
            Self::Io(_) | Self::Locked { .. } | Self::NotExtended(None) => ErrorKind::DeviceUnavailable,
            Self::NotExtended(Some(error)) | Self::Register(error) => error.kind(),
        }
    }
}

/// What the register's device said to an extension.
fn said(error: Option<&RegisterError>) -> String {
    error.map_or_else(|| "the device reported success".to_owned(), ToString::to_string)
}
