//! The witness of a verification.

use std::{any::Any, fmt, sync::Arc};

use crate::{
    BackendId, BindingGraph, Challenge, Check, Claims, Descriptor, Error, ErrorKind, Ledger, MediaType,
    Result, Role, VerifyInput,
};

/// Evidence that a backend accepted.
#[derive(Clone)]
pub struct VerifiedEvidence {
    backend: BackendId,
    role: Role,
    media_type: MediaType,
    challenge: Challenge,
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
    /// [`ErrorKind::Internal`] if the descriptor does not declare the Evidence's media type, or the ledger misses a check that
    /// it declares for this kind of Evidence, or has others.
    pub fn assertion<D: Any + Send + Sync>(
        descriptor: &Descriptor,
        input: &VerifyInput<'_>,
        ledger: Ledger,
        graph: BindingGraph,
        claims: Claims,
        detail: D,
    ) -> Result<Self> {
        let media_type = input.evidence.media_type();
        let kind = descriptor.kind(media_type).ok_or_else(|| {
            let message = format_args!("the descriptor declares no evidence of the media type {media_type}");
            Error::new(ErrorKind::Internal, message).in_backend(descriptor.id)
        })?;
        complete(descriptor, kind.verify_checks, &ledger)?;
        Ok(Self {
            backend: descriptor.id,
            role: descriptor.role,
            media_type: media_type.clone(),
            challenge: *input.challenge,
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

    /// What it was verified to commit to.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        AttesterRole, BackendPolicy, Challenge, CheckInfo, Endorsements, Evidence, EvidenceKind, Limits,
        RuntimeMechanism, TrustAnchors, UnixTime,
    };

    const fn info(check: Check) -> CheckInfo {
        CheckInfo { check, establishes: "something", source: "this file" }
    }

    const PAYLOAD: Check = Check::new("payload");
    const REPORT: Check = Check::new("report");
    const QUOTE: Check = Check::new("quote");

    static DESCRIPTOR: Descriptor = Descriptor {
        id: BackendId::new("two-kinds"),
        role: Role::Cpu,
        summary: "verifies two kinds of Evidence",
        kinds: &[
            EvidenceKind {
                media_type: MediaType::new("application/report"),
                verify_checks: &[&[info(PAYLOAD)], &[info(REPORT)]],
            },
            EvidenceKind {
                media_type: MediaType::new("application/quote"),
                verify_checks: &[&[info(PAYLOAD)], &[info(QUOTE)]],
            },
        ],
        attester: AttesterRole::Absent,
        runtime: RuntimeMechanism::None { reason: "for tests" },
        bind_checks: &[],
        trust_anchors: TrustAnchors::default,
    };

    /// What becomes of a ledger that lists `checks`, for Evidence of this media type.
    fn assertion(media_type: &'static str, checks: &[Check]) -> Result<VerifiedEvidence> {
        let evidence = Evidence::new(MediaType::new(media_type), vec![0]);
        let (challenge, policy) = (Challenge::new([7; 64]), BackendPolicy::new(()));
        let (endorsements, anchors) = (Endorsements::new(), TrustAnchors::default());
        let at = UnixTime::since_unix_epoch(Duration::from_secs(1));
        let limits = Limits::default();
        let input = VerifyInput::new(&evidence, &challenge, &endorsements, &anchors, &policy, at, &limits)?;
        let mut ledger = Ledger::default();
        for check in checks {
            ledger.not_performed(*check, "for tests");
        }
        let claims = Claims::new("test", "test", "test", &[]);
        VerifiedEvidence::assertion(&DESCRIPTOR, &input, ledger, BindingGraph::default(), claims, ())
    }

    #[test]
    fn a_ledger_is_complete_for_its_kind_of_evidence() {
        assert!(assertion("application/report", &[PAYLOAD, REPORT]).is_ok());
        assert!(assertion("application/quote", &[PAYLOAD, QUOTE]).is_ok());
        let swapped = assertion("application/quote", &[PAYLOAD, REPORT]).unwrap_err();
        assert_eq!((swapped.kind(), swapped.backend()), (ErrorKind::Internal, Some(DESCRIPTOR.id)));
        let both = assertion("application/quote", &[PAYLOAD, REPORT, QUOTE]).unwrap_err();
        assert_eq!(both.kind(), ErrorKind::Internal);
    }

    #[test]
    fn evidence_of_an_undeclared_kind_is_never_verified() {
        let error = assertion("application/other", &[PAYLOAD, REPORT]).unwrap_err();
        assert_eq!((error.kind(), error.backend()), (ErrorKind::Internal, Some(DESCRIPTOR.id)));
        assert!(error.to_string().contains("application/other"), "{error}");
    }
}
