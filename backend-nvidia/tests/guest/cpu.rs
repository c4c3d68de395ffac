//! A CPU for the tests: it writes down what is extended, and when.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use async_trait::async_trait;
use backend_api::{
    AttestationBackend, AttesterRole, Authority, BackendId, BackendPolicy, BindInput, BindingGraph,
    Challenge, Claims, Descriptor, DeviceEvent, EndorsementRequest, Endorsements, Error, ErrorKind, Evidence,
    EvidenceKind, Extension, Guest, Identity, Ledger, Limits, MediaType, Register, Result, Role,
    RuntimeBinding, RuntimeEvent, RuntimeMechanism, TrustAnchors, VerifiedEvidence, VerifyInput,
};

use super::at;

const KIND: MediaType = MediaType::new("application/vnd.example.cpu");

static CPU: Descriptor = Descriptor {
    id: BackendId::new("example"),
    role: Role::Cpu,
    summary: "for tests",
    kinds: &[EvidenceKind { media_type: KIND, verify_checks: &[] }],
    attester: AttesterRole::Present,
    runtime: RuntimeMechanism::Registers { registers: &[Register { name: "RTMR3", hash: "sha384" }] },
    bind_checks: &[],
    trust_anchors: TrustAnchors::default,
};

static WITHOUT_REGISTER: Descriptor = Descriptor {
    id: BackendId::new("example-without-register"),
    runtime: RuntimeMechanism::None { reason: "for tests there is none" },
    ..CPU
};

static DEVICE: Descriptor = Descriptor { id: BackendId::new("example-device"), role: Role::Device, ..CPU };

/// A CPU beside the GPUs of a guest.
#[derive(Debug)]
pub(crate) struct Cpu {
    descriptor: &'static Descriptor,
    root: PathBuf,
    extended: Mutex<Vec<(RuntimeEvent, bool)>>,
    meanwhile: fn(&Path),
}

impl Cpu {
    /// With a register.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { descriptor: &CPU, root: root.into(), extended: Mutex::default(), meanwhile: |_root| {} }
    }

    /// One that takes its time: what happens to the guest below its root while the event is extended.
    pub(crate) fn while_extending(root: impl Into<PathBuf>, meanwhile: fn(&Path)) -> Self {
        Self { meanwhile, ..Self::new(root) }
    }

    /// Without one.
    pub(crate) fn without_register(root: impl Into<PathBuf>) -> Self {
        Self { descriptor: &WITHOUT_REGISTER, ..Self::new(root) }
    }

    /// No CPU at all.
    pub(crate) fn device(root: impl Into<PathBuf>) -> Self {
        Self { descriptor: &DEVICE, ..Self::new(root) }
    }

    /// Each event, and whether the GPUs accepted work when it was extended.
    pub(crate) fn extended(&self) -> Vec<(RuntimeEvent, bool)> {
        self.extended.lock().unwrap().clone()
    }

    /// Evidence of this CPU, verified to commit to `challenge` on these words.
    pub(crate) fn verified(challenge: &Challenge, words: &[Authority]) -> VerifiedEvidence {
        let (evidence, none) = (Evidence::new(KIND, Vec::new()), Endorsements::new());
        let (anchors, policy) = (TrustAnchors::default(), BackendPolicy::new(()));
        let input =
            VerifyInput::new(&evidence, challenge, &none, &anchors, &policy, at(), &Limits::default())
                .unwrap();
        let mut graph = BindingGraph::default();
        words.iter().for_each(|word| graph.add("root", "challenge", "for tests", *word));
        let claims = Claims::new("example", "example", "example", &[]);
        VerifiedEvidence::assertion(&CPU, &input, Ledger::default(), graph, claims, ()).unwrap()
    }

    /// Its binding, with what the guest measured of its devices.
    pub(crate) fn bound(event: Option<Vec<u8>>) -> RuntimeBinding {
        let (ledger, graph) = (Ledger::default(), BindingGraph::default());
        let bound = RuntimeBinding::assertion(&CPU, Identity::new(), ledger, graph, [].into()).unwrap();
        bound.with_device_event(
            event.map(|payload| DeviceEvent::new(payload, "RTMR3", Authority::TeeHardware)),
        )
    }
}

#[async_trait]
impl AttestationBackend for Cpu {
    fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    fn policy(&self, _: &serde_json::Value) -> Result<BackendPolicy> {
        nothing()
    }

    fn endorsements_for(&self, _: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        nothing()
    }

    fn verify(&self, _: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        nothing()
    }

    fn bind_runtime(&self, _: &VerifiedEvidence, _: &BindInput<'_>) -> Result<RuntimeBinding> {
        nothing()
    }

    async fn extend_runtime(&self, _: &Guest, event: &RuntimeEvent) -> Result<Extension> {
        if let RuntimeMechanism::None { reason } = self.descriptor.runtime {
            return Err(Error::new(ErrorKind::Unsupported, reason).in_backend(self.descriptor.id));
        }
        self.extended.lock().unwrap().push((event.clone(), lab_nvml::is_ready(&self.root)));
        (self.meanwhile)(&self.root);
        Ok(Extension::new(Vec::new()))
    }
}

fn nothing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "for tests"))
}
