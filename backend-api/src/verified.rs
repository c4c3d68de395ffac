//! The witness of a verification.

use std::{any::Any, fmt, sync::Arc};

use crate::{
    BackendId, BindingGraph, Check, Claims, Descriptor, Error, ErrorKind, Ledger, MediaType, Result, Role,
    VerifyInput,
};

/// Evidence that a backend accepted.
#[derive(Clone)]
pub struct VerifiedEvidence {
    backend: BackendId,
    role: Role,
    media_type: MediaType,
    ledger: Ledger,
    graph: BindingGraph,
    claims: Claims,
    detail: Arc<dyn Any + Send + Sync>,
}

impl VerifiedEvidence {
    /// A backend's assertion that it verified the Evidence of `input`: the one origin of this type.
    ///
    /// `detail` is the backend's own witness, which [`bind_runtime`](crate::AttestationBackend::bind_runtime) takes back out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the ledger misses a check that the descriptor declares for `verify`, or has others.
    pub fn assertion<D: Any + Send + Sync>(
        descriptor: &Descriptor,
        input: &VerifyInput<'_>,
        ledger: Ledger,
        graph: BindingGraph,
        claims: Claims,
        detail: D,
    ) -> Result<Self> {
        complete(descriptor, descriptor.verify_checks, &ledger)?;
        Ok(Self {
            backend: descriptor.id,
            role: descriptor.role,
            media_type: input.evidence.media_type().clone(),
            ledger,
            graph,
            claims,
            detail: Arc::new(detail),
        })
    }

    /// The backend that verified it.
    pub const fn backend(&self) -> BackendId {
        self.backend
    }

    /// CPU or device.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The kind of Evidence.
    pub const fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Every declared check, and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What holds the parts together.
    pub const fn graph(&self) -> &BindingGraph {
        &self.graph
    }

    /// What it says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The backend's own witness.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if another backend verified this Evidence.
    pub fn detail<D: Any>(&self) -> Result<&D> {
        self.detail.downcast_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                format_args!("evidence was verified by {}, not by this backend", self.backend),
            )
        })
    }
}

impl fmt::Debug for VerifiedEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedEvidence({}, {})", self.backend, self.media_type)
    }
}

/// Establishes that `ledger` lists exactly the checks that `groups` declare.
pub(crate) fn complete(
    descriptor: &Descriptor,
    groups: &'static [&'static [crate::CheckInfo]],
    ledger: &Ledger,
) -> Result<()> {
    let declared: Vec<Check> = groups.iter().flat_map(|group| group.iter()).map(|info| info.check).collect();
    ledger
        .complete(&declared)
        .map_err(|error| Error::with_source(ErrorKind::Internal, error).in_backend(descriptor.id))
}
