//! Cross-checks in the pipeline: who is asked when, and what becomes of the answer.

#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]
#![expect(dead_code, reason = "of the scene what a question to a provider needs")]

mod gcp {
    pub(crate) mod payload;
    pub(crate) mod scene;
}

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use backend_api::{
    Authority, BackendId, Check, CheckInfo, CrossCheck, Error, ErrorKind, Link, Result, VerifiedEvidence,
};
use backend_gcp::ID;
use gcp::scene::Scene;
use registry::{Accepted, AttestationResult, Registry, RegistryError};

const fn info(name: &'static str) -> CheckInfo {
    CheckInfo { check: Check::new(name), establishes: "something", source: "this file" }
}

static FIRST: CheckInfo = info("first-answer");
static SECOND: CheckInfo = info("second-answer");
static TAKEN: CheckInfo = info("report-signature");
static OF_APPRAISAL: CheckInfo = info("tcb-status");

/// A provider that says the same to everyone, and counts who asks.
#[derive(Debug)]
struct Provider {
    backend: BackendId,
    check: &'static CheckInfo,
    refuses: Option<ErrorKind>,
    asked: AtomicUsize,
}

impl Provider {
    fn new(check: &'static CheckInfo) -> Self {
        Self { backend: ID, check, refuses: None, asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl CrossCheck for Provider {
    fn backend(&self) -> BackendId {
        self.backend
    }

    fn check(&self) -> &'static CheckInfo {
        self.check
    }

    async fn ask(&self, verified: &VerifiedEvidence) -> Result<Link> {
        assert_eq!(verified.backend(), self.backend);
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.refuses {
            Some(kind) => Err(Error::new(kind, "the provider says otherwise")),
            None => Ok(Link {
                from: "provider".into(),
                to: "instance".into(),
                means: self.check.check.name().into(),
                authority: Authority::Provider,
            }),
        }
    }
}

fn accepted(ids: &[&str]) -> Accepted {
    Registry::linked().unwrap().accept(ids).unwrap()
}

fn judge(scene: &Scene, accepted: Accepted) -> Result<AttestationResult> {
    scene.judge_by(&scene.verifier_of(accepted)?, &scene.payload())
}

fn detail(error: &Error) -> RegistryError {
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    error.detail::<RegistryError>().unwrap().clone()
}

#[test]
fn an_answer_is_a_link_and_a_check_that_a_policy_can_require() {
    let mut scene = Scene::snp();
    scene.top = "require-checks = [\"first-answer\", \"second-answer\"]";
    let [first, second] = [&FIRST, &SECOND].map(|check| Arc::new(Provider::new(check)));
    let asking = accepted(&["gcp"]).with_cross_check(first.clone()).unwrap();
    let unasked = judge(&scene, asking.clone()).unwrap_err();
    assert_eq!(unasked.kind(), ErrorKind::InvalidConfig);
    assert!(unasked.to_string().contains("second-answer"), "{unasked}");
    assert_eq!(first.asked(), 0, "a policy is read before anyone is asked");

    let result = judge(&scene, asking.with_cross_check(second.clone()).unwrap()).unwrap();
    assert!(result.cpu.ledger.passed(FIRST.check) && result.cpu.ledger.passed(SECOND.check));
    let links = result.cpu.graph.links().iter().filter(|link| link.from == "provider");
    let links: Vec<_> = links.map(|link| (&*link.means, link.authority)).collect();
    assert_eq!(
        links,
        [("first-answer", Authority::Provider), ("second-answer", Authority::Provider)],
        "in the order in which they were added"
    );
    assert_eq!((first.asked(), second.asked()), (1, 1));
}

#[test]
fn an_error_refuses_and_names_check_and_backend() {
    for kind in [ErrorKind::InconsistentEvidence, ErrorKind::SourceUnavailable] {
        let refusing = Provider { refuses: Some(kind), ..Provider::new(&FIRST) };
        let asking = accepted(&["gcp"]).with_cross_check(Arc::new(refusing)).unwrap();
        let error = judge(&Scene::snp(), asking).unwrap_err();
        assert_eq!((error.kind(), error.check(), error.backend()), (kind, Some(FIRST.check), Some(ID)));
        assert_eq!(error.to_string(), "gcp: first-answer: the provider says otherwise");
    }
}

#[test]
fn nobody_is_asked_about_what_is_refused_or_of_another_backend() {
    let provider = Arc::new(Provider::new(&FIRST));
    let mut unverified = Scene::snp();
    unverified.challenge = [0; 64];
    let mut unbound = Scene::snp();
    unbound.image = None;
    for scene in [unverified, unbound] {
        let asking = accepted(&["gcp"]).with_cross_check(provider.clone()).unwrap();
        assert!(judge(&scene, asking).is_err());
    }
    let azure = BackendId::new("azure");
    let other = Arc::new(Provider { backend: azure, ..Provider::new(&SECOND) });
    let result =
        judge(&Scene::snp(), accepted(&["gcp", "azure"]).with_cross_check(other.clone()).unwrap()).unwrap();
    assert_eq!(result.cpu.ledger.outcome(SECOND.check), None);
    assert_eq!((provider.asked(), other.asked()), (0, 0));
}

#[test]
fn a_cross_check_needs_its_backend_and_a_name_of_its_own() {
    let error = accepted(&["azure"]).with_cross_check(Arc::new(Provider::new(&FIRST))).unwrap_err();
    let not_accepted =
        RegistryError::CrossCheckNotAccepted { check: FIRST.check, id: "gcp", accepted: "azure".to_owned() };
    assert_eq!(detail(&error), not_accepted);
    for check in [&FIRST, &TAKEN, &OF_APPRAISAL] {
        let asking = accepted(&["gcp"]).with_cross_check(Arc::new(Provider::new(&FIRST))).unwrap();
        let error = asking.with_cross_check(Arc::new(Provider::new(check))).unwrap_err();
        assert_eq!(detail(&error), RegistryError::DuplicateCheck(check.check));
    }
}
