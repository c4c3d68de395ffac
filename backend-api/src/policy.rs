//! A backend's policy, read once.

use std::{any::Any, fmt, sync::Arc};

use crate::{Error, ErrorKind, Result};

/// A backend's part of an appraisal policy, in the backend's own type: made by
/// [`policy`](crate::AttestationBackend::policy), handed back to the same backend.
#[derive(Clone)]
pub struct BackendPolicy(Arc<dyn Any + Send + Sync>);

impl BackendPolicy {
    /// Wraps a backend's own policy type.
    pub fn new<P: Any + Send + Sync>(policy: P) -> Self {
        Self(Arc::new(policy))
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if it was made by another backend.
    pub fn get<P: Any>(&self) -> Result<&P> {
        self.0.downcast_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "expected a policy of this backend, found another's")
        })
    }
}

impl fmt::Debug for BackendPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendPolicy")
    }
}
