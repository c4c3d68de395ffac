//! One error type: what kind, whose fault, which check.

use std::{fmt, sync::Arc};

use evidence_ledger::{ErrorKind, Fault};
use serde::{Serialize, Serializer};

use crate::{BackendId, Check, Descriptor, Failed};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: the kind, the backend, the check that failed, and the detail as [`source`](std::error::Error::source).
///
/// Its message is one line and holds no challenge and no key. Backends keep their detail in an enum of their own, which a
/// test reaches with [`Error::detail`].
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    backend: Option<BackendId>,
    check: Option<Check>,
    source: Arc<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// An error that is told by its message alone.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self::with_source(kind, Message(message.to_string()))
    }

    /// An error with its detail.
    pub fn with_source(kind: ErrorKind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(Inner { kind, backend: None, check: None, source: Arc::new(source) }))
    }

    /// A failed check; `kind` classifies its detail.
    pub fn from_failed<E>(failed: Failed<E>, kind: impl FnOnce(&E) -> ErrorKind) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self::with_source(kind(&failed.error), failed.error).in_check(failed.check)
    }

    pub(crate) fn verify_only(descriptor: &Descriptor, operation: &str) -> Self {
        Self::new(
            ErrorKind::Unsupported,
            format_args!(
                "{operation} needs the feature `attester` of the backend's crate, which this build lacks"
            ),
        )
        .in_backend(descriptor.id)
    }

    /// The same error, said of `backend`.
    #[must_use]
    pub fn in_backend(mut self, backend: BackendId) -> Self {
        self.0.backend = Some(backend);
        self
    }

    /// The same error, said of `check`.
    #[must_use]
    pub fn in_check(mut self, check: Check) -> Self {
        self.0.check = Some(check);
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The backend that says so.
    pub fn backend(&self) -> Option<BackendId> {
        self.0.backend
    }

    /// The check that failed.
    pub fn check(&self) -> Option<Check> {
        self.0.check
    }

    /// The detail, if it is an `E`.
    pub fn detail<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.source.downcast_ref()
    }
}

impl fmt::Display for Error {
    /// `backend: check: detail`, one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(backend) = self.0.backend {
            write!(f, "{backend}: ")?;
        }
        if let Some(check) = self.0.check {
            write!(f, "{check}: ")?;
        }
        write!(f, "{}", self.0.source)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("backend", &self.0.backend)
            .field("check", &self.0.check)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.source.as_ref())
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            kind: ErrorKind,
            fault: Fault,
            retryable: bool,
            backend: Option<BackendId>,
            check: Option<Check>,
            message: &'a str,
        }
        View {
            kind: self.kind(),
            fault: self.kind().fault(),
            retryable: self.kind().is_retryable(),
            backend: self.backend(),
            check: self.check(),
            message: &self.0.source.to_string(),
        }
        .serialize(serializer)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);
