//! The relying party's side: what is accepted, what a policy may say, and how the pipeline fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failure of a test helper is a failure of the test")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend_api::{
    AttestationBackend, AttesterRole, BackendId, BackendPolicy, BindInput, Challenge, Commitment, Descriptor,
    Endorsement, EndorsementRequest, EndorsementSource, Endorsements, Envelope, Error, ErrorKind, Evidence,
    EvidenceKind, Limits, MediaType, OfflineBundle, Registration, Result, Role, RuntimeBinding,
    RuntimeMechanism, TrustAnchors, VerifiedEvidence, VerifyInput,
};
use backend_baremetal_snp::MEDIA_TYPE;
use registry::{AppraisalPolicy, FEATURES, Registry, RegistryError, Verifier};

/// A backend that only has a descriptor.
#[derive(Debug)]
struct Named(Descriptor);

impl Named {
    const fn new(id: &'static str, kinds: &'static [EvidenceKind]) -> Self {
        Self::of(Role::Cpu, id, kinds)
    }

    const fn of(role: Role, id: &'static str, kinds: &'static [EvidenceKind]) -> Self {
        Self(Descriptor {
            id: BackendId::new(id),
            role,
            summary: "for tests",
            kinds,
            attester: AttesterRole::Absent,
            runtime: RuntimeMechanism::None { reason: "for tests" },
            bind_checks: &[],
            trust_anchors: TrustAnchors::default,
        })
    }

    const fn registered(&'static self) -> Registration {
        Registration { backend: self, crate_name: "test", crate_version: "1.0.0" }
    }
}

const fn kind(media_type: &'static str) -> EvidenceKind {
    EvidenceKind { media_type: MediaType::new(media_type), verify_checks: &[] }
}

fn nothing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "for tests"))
}

#[async_trait]
impl AttestationBackend for Named {
    fn descriptor(&self) -> &'static Descriptor {
        // Every backend here is a static.
        [&A, &B, &OTHER_A, &SAME_TYPE, &SHOUTING, &DEVICE, &OTHER_DEVICE]
            .into_iter()
            .find(|known| std::ptr::eq(*known, self))
            .map(|known| &known.0)
            .unwrap()
    }

    fn policy(&self, _: &serde_json::Value) -> Result<BackendPolicy> {
        Ok(BackendPolicy::new(()))
    }

    fn endorsements_for(&self, _: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        nothing()
    }

    fn cpu_commitment(&self, _: &Evidence, _: &Challenge) -> Result<Option<Commitment>> {
        Ok(Some(Commitment::new([0; 48])))
    }

    fn verify(&self, _: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        nothing()
    }

    fn bind_runtime(&self, _: &VerifiedEvidence, _: &BindInput<'_>) -> Result<RuntimeBinding> {
        nothing()
    }
}

const TYPE_A: &[EvidenceKind] = &[kind("application/a")];
const TYPE_B: &[EvidenceKind] = &[kind("application/b")];
const TYPE_D: &[EvidenceKind] = &[kind("application/d")];
const TYPE_E: &[EvidenceKind] = &[kind("application/e")];
const OTHER_TYPE: &[EvidenceKind] = &[kind("application/other-a")];
static A: Named = Named::new("a", TYPE_A);
static B: Named = Named::new("b", TYPE_B);
static OTHER_A: Named = Named::new("a", OTHER_TYPE);
static SAME_TYPE: Named = Named::new("c", TYPE_B);
static SHOUTING: Named = Named::new("A", &[]);
static DEVICE: Named = Named::of(Role::Device, "d", TYPE_D);
static OTHER_DEVICE: Named = Named::of(Role::Device, "e", TYPE_E);
static REGISTERED_A: Registration = A.registered();
static REGISTERED_B: Registration = B.registered();
static REGISTERED_OTHER_A: Registration = OTHER_A.registered();
static REGISTERED_SAME_TYPE: Registration = SAME_TYPE.registered();
static REGISTERED_SHOUTING: Registration = SHOUTING.registered();
static REGISTERED_DEVICE: Registration = DEVICE.registered();
static REGISTERED_OTHER_DEVICE: Registration = OTHER_DEVICE.registered();

fn detail(error: &Error) -> &RegistryError {
    error.detail().unwrap_or_else(|| panic!("not about the registry: {error}"))
}

#[test]
fn the_builtin_backends_are_linked_once_though_inventory_finds_them_too() {
    assert!(backend_api::linked().any(|found| std::ptr::eq(found, &backend_baremetal_snp::REGISTRATION)));
    let registry = Registry::linked().unwrap();
    let ids: Vec<&str> =
        registry.iter().map(|registration| registration.backend.descriptor().id.as_str()).collect();
    let all: Vec<&str> = FEATURES.iter().map(|(feature, _)| *feature).collect();
    assert_eq!(ids, all);
}

#[test]
fn the_order_is_that_of_the_ids() {
    let registry = Registry::new([&REGISTERED_B, &REGISTERED_A, &REGISTERED_B]).unwrap();
    let ids: Vec<&str> =
        registry.iter().map(|registration| registration.backend.descriptor().id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn two_registrations_of_one_id_are_an_error_in_either_order() {
    for pair in [[&REGISTERED_A, &REGISTERED_OTHER_A], [&REGISTERED_OTHER_A, &REGISTERED_A]] {
        let error = Registry::new(pair).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateBackend);
        assert!(matches!(detail(&error), RegistryError::DuplicateBackend { id: "a", .. }));
    }
}

#[test]
fn two_backends_for_one_media_type_are_an_error() {
    let error = Registry::new([&REGISTERED_B, &REGISTERED_SAME_TYPE]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AmbiguousMediaType);
}

#[test]
fn an_id_keeps_to_its_grammar() {
    let error = Registry::new([&REGISTERED_SHOUTING]).unwrap_err();
    assert_eq!(detail(&error), &RegistryError::InvalidId("A"));
}

#[test]
fn nothing_is_verified_without_an_accept_list() {
    let registry = Registry::new([&REGISTERED_A, &REGISTERED_B]).unwrap();
    let error = registry.accept::<&str>([]).unwrap_err();
    assert_eq!(detail(&error), &RegistryError::NothingAccepted { linked: "a, b".to_owned() });
}

#[test]
fn an_unknown_id_or_kind_names_what_is_linked() {
    let registry = Registry::new([&REGISTERED_A]).unwrap();
    let errors = [registry.accept(["baremetal-snp"]).unwrap_err(), registry.select(&MEDIA_TYPE).unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnknownBackend);
        let message = error.to_string();
        // This build has the feature: naming it would mislead.
        assert!(message.contains("linked: a") && !message.contains("feature"), "{message}");
    }
    let message = registry.select(&MediaType::new("application/unheard-of")).unwrap_err().to_string();
    assert!(message.contains("application/unheard-of") && !message.contains("feature"), "{message}");
}

fn verifier(accept: &str, policy: &str) -> Result<Verifier> {
    let registry = Registry::new(Registry::linked()?.iter().chain([&REGISTERED_A]))?;
    let policy = AppraisalPolicy::from_toml(policy)?;
    Verifier::new(registry.accept([accept])?, Arc::new(OfflineBundle::default()), policy)
}

fn judge(verifier: &Verifier, envelope: &[u8]) -> Error {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(verifier.verify(envelope, &Challenge::new([0; 64]))).unwrap_err()
}

fn envelope(media_type: MediaType) -> Envelope {
    Envelope::of_cpu(Evidence::new(media_type, b"nonsense".to_vec()))
}

#[test]
fn linked_is_not_accepted() {
    let verifier = verifier("a", "version = 1").unwrap();
    let error = judge(&verifier, &envelope(MEDIA_TYPE).encode_cbor());
    assert_eq!(error.kind(), ErrorKind::NotAccepted);
    assert_eq!(detail(&error), &RegistryError::NotAccepted { id: "baremetal-snp", accepted: "a".to_owned() });
}

#[test]
fn what_is_no_envelope_or_too_large_is_refused() {
    let verifier = verifier("baremetal-snp", "version = 1").unwrap();
    assert_eq!(judge(&verifier, b"").kind(), ErrorKind::MalformedEvidence);
    let mut limits = Limits::default();
    limits.evidence_bytes = 1 << 10;
    let large = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, vec![0; 2 << 20])).encode_cbor();
    assert_eq!(judge(&verifier.with_limits(limits), &large).kind(), ErrorKind::LimitExceeded);
}

#[test]
fn a_cpu_commits_to_devices_of_one_backend_alone() {
    let registry = Registry::new([&REGISTERED_A, &REGISTERED_DEVICE, &REGISTERED_OTHER_DEVICE]).unwrap();
    let accepted = registry.accept(["a", "d", "e"]).unwrap();
    let source = Arc::new(OfflineBundle::default());
    let verifier = Verifier::new(accepted, source, AppraisalPolicy::default()).unwrap();
    let device = |media_type| Evidence::new(MediaType::new(media_type), Vec::new());
    let mut both = envelope(MediaType::new("application/a"));
    both.devices = vec![device("application/d"), device("application/e")];
    let refused = judge(&verifier, &both.encode_cbor());
    assert_eq!(refused.kind(), ErrorKind::InconsistentEvidence);
    assert!(refused.to_string().contains("two backends that the CPU commits to"), "{refused}");
    // With one of them it is the CPU's turn.
    both.devices.pop();
    assert_eq!(judge(&verifier, &both.encode_cbor()).kind(), ErrorKind::Unsupported);
}

#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl EndorsementSource for Unreachable {
    async fn fetch(&self, request: &EndorsementRequest) -> Result<Vec<Endorsement>> {
        Err(Error::new(ErrorKind::SourceUnavailable, format_args!("no answer for the {}", request.what)))
    }
}

/// A report without certificates, so that everything must be asked for, before a verifier with `source`.
fn judge_bare_report<S: EndorsementSource + 'static>(source: &Arc<S>, limits: Limits) -> Error {
    let report = lab::amd::Guest::new(lab::amd::Product::Milan).report_for(&[0; 64]);
    let evidence = backend_baremetal_snp::SnpEvidence::new(report, vec![]);
    let accepted = Registry::linked().unwrap().accept(["baremetal-snp"]).unwrap();
    let verifier = Verifier::new(accepted, Arc::<S>::clone(source), AppraisalPolicy::default())
        .unwrap()
        .with_limits(limits);
    judge(&verifier, &Envelope::of_cpu(Evidence::new(MEDIA_TYPE, evidence.encode())).encode_cbor())
}

#[test]
fn a_source_that_does_not_answer_is_no_refusal_and_may_be_asked_again() {
    let error = judge_bare_report(&Arc::new(Unreachable), Limits::default());
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
    assert!(error.kind().is_retryable() && !error.kind().is_refusal());
}

/// Answers each request with `count` different Endorsements of `bytes` bytes, and keeps what it was asked.
#[derive(Debug)]
struct Generous {
    count: u8,
    bytes: usize,
    asked: Mutex<Vec<EndorsementRequest>>,
}

impl Generous {
    fn new(count: u8, bytes: usize) -> Arc<Self> {
        Arc::new(Self { count, bytes, asked: Mutex::default() })
    }
}

#[async_trait]
impl EndorsementSource for Generous {
    async fn fetch(&self, request: &EndorsementRequest) -> Result<Vec<Endorsement>> {
        self.asked.lock().unwrap().push(request.clone());
        Ok((0..self.count).map(|fill| Endorsement::new(request.kind, vec![fill; self.bytes])).collect())
    }
}

#[test]
fn more_or_larger_endorsements_than_the_limits_are_refused_at_the_first_answer() {
    let mut limits = Limits::default();
    (limits.endorsements, limits.endorsement_bytes) = (4, 100);
    for (count, bytes) in [(5, 100), (1, 101)] {
        let source = Generous::new(count, bytes);
        let error = judge_bare_report(&source, limits);
        assert_eq!(error.kind(), ErrorKind::InvalidEndorsements, "{error}");
        assert!(error.to_string().contains("more or larger endorsements"), "{error}");
        assert_eq!(source.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn nothing_is_asked_for_twice() {
    // Useless answers: the backend needs the same after them, in each of its rounds.
    let source = Generous::new(1, 1);
    let error = judge_bare_report(&source, Limits::default());
    assert!(error.kind().is_refusal(), "{error}");
    let asked = source.asked.lock().unwrap();
    let different: std::collections::BTreeSet<_> = asked.iter().collect();
    assert!(asked.len() > 1 && different.len() == asked.len(), "{asked:?}");
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    let report = "version = 1\n[backend.baremetal-snp.report]\n";
    for (policy, told) in [
        ("", "version"),
        ("version = 2", "version is 2, expected 1"),
        ("version = 1\nrequire-check = []", "unknown field"),
        ("version = 1\nrequire-checks = []", "require-checks is empty"),
        ("version = 1\naccept-tcb-status = []", "accept-tcb-status is empty"),
        ("version = 1\nrequire-checks = [\"no-such-check\"]", "no-such-check"),
        ("version = 1\n[reference-values]\nmeasurements = []", "measurements is empty"),
        ("version = 1\n[reference-values]\nmeasurements = [\"xy\"]", "not hex"),
        ("version = 1\n[reference-values]\nmeasurements = [\"\"]", "not hex"),
        ("version = 1\n[reference-values]\nimage = [\"00\"]", "unknown reference value"),
        ("version = 1\n[backend.tdx]", "tdx, which is not accepted"),
        ("version = 1\n[backend.baremetal-snp]\nlaunched = 1", "unknown field"),
        (&format!("{report}minimum-tbc = 1"), "unknown field"),
        (&format!("{report}id-keys = []"), "id-keys is empty"),
        (&format!("{report}author-keys = []"), "author-keys is empty"),
        (&format!("{report}family-ids = []"), "family-ids is empty"),
        (&format!("{report}image-ids = []"), "image-ids is empty"),
        (&format!("{report}host-data = []"), "host-data is empty"),
        (&format!("{report}host-data = [\"00\"]"), "32 bytes of hex"),
        (&format!("{report}family-ids = [\"{}\"]", "00".repeat(16)), "need id-keys or author-keys"),
        (&format!("{report}image-ids = [\"{}\"]", "00".repeat(16)), "need id-keys or author-keys"),
        (&format!("{report}minimum-guest-svn = 1"), "need id-keys or author-keys"),
        (&format!("{report}require-mitigations = 0"), "require-mitigations is 0"),
        (&format!("{report}require-guest-policy = []"), "require-guest-policy is empty"),
        (&format!("{report}forbid-guest-policy = []"), "forbid-guest-policy is empty"),
        (&format!("{report}require-platform-info = []"), "require-platform-info is empty"),
        (&format!("{report}forbid-platform-info = []"), "forbid-platform-info is empty"),
        ("version = 1\n[backend.baremetal-snp.launch]\nguest-features = []", "guest-features is empty"),
        ("version = 1\n[reference-values]\napp-id = [\"00\"]", "any image could say"),
        (
            "version = 1\n[reference-values]\nrootfs-hash = [\"00\"]\ndevice-id = [\"00\"]",
            "any image could say",
        ),
        (&format!("{report}minimum-tcb = {{}}"), "minimum-tcb is empty"),
        (&format!("{report}minimum-tcb.milan = [0, 4, 0, 23, 213]"), "are tables"),
        (
            &format!("{report}minimum-tcb.turin = {{ bootloader = 1, tee = 0, snp = 0, microcode = 0 }}"),
            "fmc is given for Turin",
        ),
        (
            &format!(
                "{report}minimum-tcb.milan = {{ fmc = 1, bootloader = 1, tee = 0, snp = 0, microcode = 0 }}"
            ),
            "fmc is given for Turin",
        ),
        (&format!("{report}id-keys = [\"{}\"]", "00".repeat(48)), "zeros mean that there is no key"),
        (&format!("{report}author-keys = [\"{}\"]", "00".repeat(48)), "zeros mean that there is no key"),
        (&format!("{report}minimum-firmware = inf"), "not finite"),
        (&format!("{report}require-mitigations = nan"), "not finite"),
        (&format!("{report}host-data = [nan]"), "not finite"),
        (
            "version = 1\n[reference-values]\napp-id = [\"00\"]\nos-image-hash = [\"00\"]",
            "to any application",
        ),
        (
            "version = 1\n[reference-values]\ninstance-id = [\"00\"]\nmeasurements = [\"00\"]",
            "to any application",
        ),
        (&format!("{report}csp-ids = [\"CN=x\"]"), "only a VCEK"),
        (&format!("{report}vmpl = 4"), "expected 0 to 3"),
        (&format!("{report}require-guest-policy = [\"smt\"]"), "unknown variant"),
        (
            &format!("{report}require-platform-info = [\"smt\"]\nforbid-platform-info = [\"smt\"]"),
            "both required and forbidden",
        ),
        (
            &format!(
                "{report}require-guest-policy = [\"smt-allowed\"]\nforbid-guest-policy = [\"smt-allowed\"]"
            ),
            "both required and forbidden",
        ),
        (&format!("{report}minimum-tcb.milan = {{ bootloader = 1 }}"), "missing field"),
        (
            &format!("{report}minimum-tcb.rome = {{ bootloader = 1, tee = 0, snp = 0, microcode = 0 }}"),
            "unknown variant",
        ),
        (
            &format!("{report}minimum-tcb.milan = {{ bootloader = 256, tee = 0, snp = 0, microcode = 0 }}"),
            "256",
        ),
    ] {
        let error = verifier("baremetal-snp", policy).expect_err(policy);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{policy}");
        let message = error.to_string();
        assert!(message.contains(told) && !message.contains('\n'), "{policy}: {message}");
    }
}

#[test]
fn values_need_what_vouches_for_them_or_a_danger_key() {
    for (danger, values) in [
        ("", "app-id = [\"00\"]\nos-image-hash = [\"00\"]\ncompose-hash = [\"00\"]"),
        ("", "app-id = [\"00\"]\nmr-system = [\"00\"]\nkms-root-key-hash = [\"00\"]"),
        ("", "app-id = [\"00\"]\nmr-aggregated = [\"00\"]"),
        ("", "compose-hash = [\"00\"]\nmeasurements = [\"00\"]"),
        ("", "rootfs-hash = [\"00\"]\nos-image-hash = [\"00\"]"),
        ("", "device-id = [\"00\"]"),
        ("danger-accept-unknown-image = true", "compose-hash = [\"00\"]"),
        ("danger-accept-unknown-application = true", "app-id = [\"00\"]\nos-image-hash = [\"00\"]"),
    ] {
        let policy = format!("version = 1\n{danger}\n[reference-values]\n{values}");
        verifier("baremetal-snp", &policy).expect(&policy);
    }
}
