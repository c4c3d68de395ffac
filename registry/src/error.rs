//! What can be wrong with a set of backends.

use backend_api::{Check, Error, ErrorKind};

/// What can be wrong with a set of backends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two backends claim one media type.
    #[error("media type {media_type} is claimed by {first} and by {second}")]
    AmbiguousMediaType {
        /// What both claim.
        media_type: String,
        /// One backend.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A cross-check of Evidence that is not accepted anyway.
    #[error("cross-check {check} is about the backend {id}, which is not accepted (accepted: {accepted})")]
    CrossCheckNotAccepted {
        /// The check.
        check: Check,
        /// Its backend.
        id: &'static str,
        /// The accepted ids.
        accepted: String,
    },
    /// A cross-check whose name is taken.
    #[error("check {0} is made already: a cross-check needs a name of its own")]
    DuplicateCheck(Check),
    /// Two different registrations of one id.
    #[error("backend id {id} is registered by {first} and by {second}")]
    DuplicateBackend {
        /// The id.
        id: &'static str,
        /// One crate with its version.
        first: String,
        /// The other.
        second: String,
    },
    /// An empty list of accepted ids.
    #[error("no backend is accepted: name at least one id (linked: {linked})")]
    NothingAccepted {
        /// The linked ids.
        linked: String,
    },
    /// Linked, and not accepted.
    #[error("evidence is for the backend {id}, which is linked but not accepted (accepted: {accepted})")]
    NotAccepted {
        /// The backend.
        id: &'static str,
        /// The accepted ids.
        accepted: String,
    },
    /// An id that does not keep to the grammar.
    #[error("backend id {0:?} is not 1 to 64 characters of a-z, 0-9 and hyphen")]
    InvalidId(&'static str),
    /// No such backend.
    #[error("backend {id:?} is not linked (linked: {linked}){hint}")]
    UnknownBackend {
        /// What was asked for.
        id: String,
        /// The linked ids.
        linked: String,
        /// The feature that would link it.
        hint: String,
    },
    /// No backend for this kind of Evidence.
    #[error("no linked backend verifies {media_type} (linked: {linked}){hint}")]
    UnknownMediaType {
        /// The Evidence's.
        media_type: String,
        /// The linked ids.
        linked: String,
        /// The feature that would link it.
        hint: String,
    },
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let kind = match error {
            RegistryError::AmbiguousMediaType { .. } => ErrorKind::AmbiguousMediaType,
            RegistryError::DuplicateBackend { .. } => ErrorKind::DuplicateBackend,
            RegistryError::CrossCheckNotAccepted { .. }
            | RegistryError::DuplicateCheck(_)
            | RegistryError::InvalidId(_)
            | RegistryError::NothingAccepted { .. } => ErrorKind::InvalidConfig,
            RegistryError::NotAccepted { .. } => ErrorKind::NotAccepted,
            RegistryError::UnknownBackend { .. } | RegistryError::UnknownMediaType { .. } => {
                ErrorKind::UnknownBackend
            }
        };
        Self::with_source(kind, error)
    }
}
