//! A backend that verifies nothing: only its descriptor matters.

use async_trait::async_trait;
use backend_api::{
    AttestationBackend, BackendPolicy, BindInput, Descriptor, EndorsementRequest, Endorsements, Error,
    ErrorKind, Evidence, Result, RuntimeBinding, VerifiedEvidence, VerifyInput,
};

/// A backend that is only its descriptor.
#[derive(Debug)]
pub struct Stub(pub &'static Descriptor);

#[async_trait]
impl AttestationBackend for Stub {
    fn descriptor(&self) -> &'static Descriptor {
        self.0
    }

    fn policy(&self, _: &serde_json::Value) -> Result<BackendPolicy> {
        Ok(BackendPolicy::new(()))
    }

    fn endorsements_for(&self, _: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        Ok(Vec::new())
    }

    fn verify(&self, _: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        Err(Error::new(ErrorKind::MalformedEvidence, "a stub accepts nothing"))
    }

    fn bind_runtime(&self, _: &VerifiedEvidence, _: &BindInput<'_>) -> Result<RuntimeBinding> {
        Err(Error::new(ErrorKind::MalformedEvidence, "a stub accepts nothing"))
    }
}
