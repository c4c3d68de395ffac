//! Which of the linked backends is a guest's.

use std::cmp::Reverse;

use backend_api::{
    AttestationBackend, BackendId, Detection, Error, ErrorKind, Guest, Presence, Result, Role,
    RuntimeMechanism,
};

use crate::Registry;

/// What one backend finds of its platform in a guest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detected {
    /// The backend.
    pub backend: &'static dyn AttestationBackend,
    /// What it finds.
    pub detection: Detection,
}

/// Why no backend is taken for a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// Several are equally sure.
    #[error("several backends are sure of this guest ({found}): name one")]
    Ambiguous {
        /// Their ids.
        found: String,
    },
    /// None is.
    #[error("no linked backend finds its platform in this guest ({found})")]
    Nothing {
        /// Each id with its presence.
        found: String,
    },
    /// Some may be this guest's, and only an operator takes them.
    #[error(
        "no backend is taken by itself; this guest may be of {found}, which an operator must name or allow"
    )]
    OperatorsChoice {
        /// Their ids.
        found: String,
    },
}

impl From<DetectError> for Error {
    fn from(error: DetectError) -> Self {
        let kind = match error {
            DetectError::Ambiguous { .. } => ErrorKind::InvalidConfig,
            DetectError::Nothing { .. } | DetectError::OperatorsChoice { .. } => ErrorKind::Unsupported,
        };
        Self::with_source(kind, error)
    }
}

impl Detected {
    /// Whether it is taken without a word of the operator: it is certain, and its platform has a register,
    /// without which a guest binds less than others do.
    pub fn is_taken_by_itself(&self) -> bool {
        let registers = self.backend.descriptor().runtime;
        self.detection.presence == Presence::Certain && !matches!(registers, RuntimeMechanism::None { .. })
    }

    fn id(&self) -> BackendId {
        self.backend.descriptor().id
    }
}

impl Registry {
    /// The linked backend with this id, accepted or not: to work in a guest, not to judge Evidence.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownBackend`](crate::RegistryError), which names the linked backends.
    pub fn backend(&self, id: &str) -> Result<&'static dyn AttestationBackend> {
        let found = self.accept([id])?.backends().next();
        found.ok_or_else(|| Error::new(ErrorKind::Internal, "an accepted backend is not linked"))
    }

    /// What every linked backend finds in `guest`, the surest first, then in the order of their ids. Reads
    /// only.
    pub fn detect(&self, guest: &Guest) -> Vec<Detected> {
        let backends = self.iter().map(|registration| registration.backend);
        let mut all: Vec<Detected> =
            backends.map(|backend| Detected { backend, detection: backend.detect(guest) }).collect();
        all.sort_by_key(|detected| Reverse(detected.detection.presence));
        all
    }
}

/// The backend of the CPU that is certain to be the guest's. One that is not, or whose platform has no
/// register, is taken only if it is among `allowed` and no other is certain.
///
/// # Errors
///
/// [`DetectError`], if that is none or more than one.
pub fn choose(detected: &[Detected], allowed: &[BackendId]) -> Result<&'static dyn AttestationBackend> {
    let cpus = || detected.iter().filter(|detected| detected.backend.descriptor().role == Role::Cpu);
    let present = || cpus().filter(|detected| detected.detection.presence != Presence::Absent);
    let mut candidates: Vec<&Detected> = present().filter(|detected| detected.is_taken_by_itself()).collect();
    if candidates.is_empty() {
        candidates = present().filter(|detected| allowed.contains(&detected.id())).collect();
    }
    let ids = |some: &[&Detected]| {
        let ids: Vec<&str> = some.iter().map(|detected| detected.id().as_str()).collect();
        ids.join(", ")
    };
    let open: Vec<&Detected> = present().collect();
    match (candidates.as_slice(), open.as_slice()) {
        ([one], _) => Ok(one.backend),
        ([], []) => {
            let each = cpus().map(|detected| format!("{}: absent", detected.id()));
            let found = each.collect::<Vec<_>>().join(", ");
            Err(DetectError::Nothing { found: if found.is_empty() { "none linked".into() } else { found } }
                .into())
        }
        ([], open) => Err(DetectError::OperatorsChoice { found: ids(open) }.into()),
        (several, _) => Err(DetectError::Ambiguous { found: ids(several) }.into()),
    }
}

#[cfg(test)]
mod tests {
    use backend_api::{
        AttesterRole, BackendPolicy, BindInput, Descriptor, EndorsementRequest, Endorsements, Evidence,
        Register, RuntimeBinding, TrustAnchors, VerifiedEvidence, VerifyInput,
    };

    use super::*;

    #[derive(Debug)]
    struct Stub(Descriptor);

    impl AttestationBackend for Stub {
        fn descriptor(&self) -> &'static Descriptor {
            Box::leak(Box::new(Descriptor { ..self.0 }))
        }

        fn policy(&self, _: &serde_json::Value) -> Result<BackendPolicy> {
            Err(unused())
        }

        fn endorsements_for(&self, _: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
            Err(unused())
        }

        fn verify(&self, _: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
            Err(unused())
        }

        fn bind_runtime(&self, _: &VerifiedEvidence, _: &BindInput<'_>) -> Result<RuntimeBinding> {
            Err(unused())
        }
    }

    fn unused() -> Error {
        Error::new(ErrorKind::Internal, "nobody asks")
    }

    const REGISTERS: RuntimeMechanism =
        RuntimeMechanism::Registers { registers: &[Register { name: "R", hash: "sha384" }] };
    const NO_REGISTER: RuntimeMechanism = RuntimeMechanism::None { reason: "a stub" };

    fn detected(id: &'static str, role: Role, runtime: RuntimeMechanism, presence: Presence) -> Detected {
        let descriptor = Descriptor {
            id: BackendId::new(id),
            role,
            summary: "a stub",
            kinds: &[],
            attester: AttesterRole::Absent,
            runtime,
            bind_checks: &[],
            trust_anchors: TrustAnchors::default,
        };
        let backend = Box::leak(Box::new(Stub(descriptor)));
        Detected { backend, detection: Detection { presence, reasons: Vec::new() } }
    }

    fn cpu(id: &'static str, presence: Presence) -> Detected {
        detected(id, Role::Cpu, REGISTERS, presence)
    }

    /// The id that is taken, or the error.
    fn chosen(
        detected: &[Detected],
        allowed: &[&'static str],
    ) -> std::result::Result<&'static str, DetectError> {
        let allowed: Vec<BackendId> = allowed.iter().map(|id| BackendId::new(id)).collect();
        let chosen = choose(detected, &allowed).map(|backend| backend.descriptor().id.as_str());
        chosen.map_err(|error| error.detail::<DetectError>().unwrap().clone())
    }

    #[test]
    fn one_that_is_certain_is_taken() {
        use Presence::{Absent, Certain, Possible};
        let guest = [cpu("a", Certain), cpu("b", Possible), cpu("c", Absent)];
        assert_eq!(chosen(&guest, &[]), Ok("a"));
        // What is allowed does not outbid what is certain.
        assert_eq!(chosen(&guest, &["b", "c"]), Ok("a"));
        let device = detected("gpu", Role::Device, REGISTERS, Certain);
        assert_eq!(chosen(&[cpu("a", Certain), device], &[]), Ok("a"));
    }

    #[test]
    fn none_or_several_are_an_error() {
        use Presence::{Absent, Certain};
        let found = "a, b".to_owned();
        let error = DetectError::Ambiguous { found };
        assert_eq!(chosen(&[cpu("a", Certain), cpu("b", Certain)], &["a"]), Err(error));
        let found = "a: absent, b: absent".to_owned();
        assert_eq!(
            chosen(&[cpu("a", Absent), cpu("b", Absent)], &["a", "b"]),
            Err(DetectError::Nothing { found })
        );
        assert_eq!(chosen(&[], &[]), Err(DetectError::Nothing { found: "none linked".to_owned() }));
    }

    #[test]
    fn what_may_be_is_the_operators_choice() {
        use Presence::{Certain, Possible};
        // Certain and without a register is no more than possible.
        let without = detected("b", Role::Cpu, NO_REGISTER, Certain);
        let guest = [without, cpu("a", Possible)];
        let found = "b, a".to_owned();
        assert_eq!(chosen(&guest, &[]), Err(DetectError::OperatorsChoice { found }));
        assert_eq!(chosen(&guest, &["a"]), Ok("a"));
        assert_eq!(chosen(&guest, &["b"]), Ok("b"));
        let found = "b, a".to_owned();
        assert_eq!(chosen(&guest, &["a", "b"]), Err(DetectError::Ambiguous { found }));
    }
}
