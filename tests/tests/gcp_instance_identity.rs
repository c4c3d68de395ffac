//! The cross-check `gcp-instance-identity`, before a Compute API and a metadata service on loopback.

#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]
#![expect(dead_code, reason = "of the scene what a question to a provider needs")]

mod gcp {
    pub(crate) mod payload;
    pub(crate) mod scene;
}
mod service;

use std::{process::Command, sync::Arc, time::Duration};

use backend_api::{Authority, Error, ErrorKind, Result};
use backend_gcp::{
    ID,
    instance_identity::{CHECK, InstanceIdentity, InstanceIdentityError as Detail, MAX_ANSWER, credentials},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gcp::scene::Scene;
use lab::{google::InstanceSpec, keys::p256_spki};
use registry::{AttestationResult, Registry};
use serde_json::json;
use service::{Asked, Service, dead_url};

/// How long a service has that answers at once.
const AMPLE: Duration = Duration::from_secs(20);

/// How long one has that never answers.
const BRIEF: Duration = Duration::from_millis(300);

fn pem(spki: &[u8]) -> String {
    let base64 = STANDARD.encode(spki);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A metadata service that gives everyone the same token.
fn metadata() -> Service {
    Service::start(|_| {
        let token = json!({"access_token": "a-token", "expires_in": 3599, "token_type": "Bearer"});
        Some((200, token.to_string().into_bytes()))
    })
}

/// A guest of Google's as its Compute API knows it, with its key under `name` and another one under `other`.
fn identity(scene: &Scene, name: &str, other: &str) -> serde_json::Value {
    json!({
        "kind": "compute#shieldedInstanceIdentity",
        name: {"ekCert": "", "ekPub": pem(&scene.guest.ak_spec.spki)},
        other: {"ekPub": pem(&p256_spki("another key"))},
        "encryptionKey": {"ekPub": pem(&p256_spki("an endorsement key"))},
    })
}

/// The verdict of a relying party that asks the API at `api` as `asking` does.
fn judge_by(
    scene: &Scene,
    asking: impl FnOnce() -> Result<InstanceIdentity>,
    api: &str,
    deadline: Duration,
) -> Result<AttestationResult> {
    // The library's own tasks, such as the one that fetches tokens, live in the runtime in which it is called.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let asking = Arc::new(asking()?.at(api).within(deadline));
        let accepted = Registry::linked()?.accept([ID.as_str()])?.with_cross_check(asking)?;
        scene.judged_by(&scene.verifier_of(accepted)?, &scene.payload()).await
    })
}

/// The same with a token from `metadata`.
fn judge(scene: &Scene, metadata: &str, api: &str, deadline: Duration) -> Result<AttestationResult> {
    let asking = || {
        let credentials = credentials::mds::Builder::default().with_endpoint(metadata).build().unwrap();
        InstanceIdentity::with_credentials(credentials)
    };
    judge_by(scene, asking, api, deadline)
}

/// The error, where the API says this of a guest of Google's.
fn refused(status: u16, body: impl Into<Vec<u8>>) -> Error {
    let body = body.into();
    let api = Service::start(move |_| Some((status, body.clone())));
    judge(&Scene::snp(), &metadata().url(), &api.url(), AMPLE).unwrap_err()
}

/// Establishes that an error is one line of this check, of this kind, and returns its detail.
fn detail(error: &Error, kind: ErrorKind) -> Detail {
    assert_eq!(
        (error.kind(), error.check(), error.backend()),
        (kind, Some(CHECK.check), Some(ID)),
        "{error}"
    );
    let message = error.to_string();
    assert!(!message.contains('\n') && !message.contains("a-token"), "{message}");
    error.detail::<Detail>().unwrap().clone()
}

#[test]
fn a_key_that_the_api_names_is_a_link_and_a_check_that_a_policy_can_require() {
    for (mut scene, key, other) in
        [(Scene::snp(), "eccP256SigningKey", "signingKey"), (Scene::tdx(), "signingKey", "eccP256SigningKey")]
    {
        scene.top = "require-checks = [\"gcp-instance-identity\"]";
        let unasked = scene.verifier().unwrap_err();
        assert_eq!(unasked.kind(), ErrorKind::InvalidConfig, "{unasked}");

        let answer = identity(&scene, key, other).to_string();
        let api = Service::start(move |_| Some((200, answer.clone().into_bytes())));
        let metadata = metadata();
        let result = judge(&scene, &metadata.url(), &format!("{}/", api.url()), AMPLE).unwrap();
        assert!(result.cpu.ledger.passed(CHECK.check));
        let link = result.cpu.graph.links().last().unwrap();
        assert_eq!(
            (&*link.from, &*link.to, link.authority),
            ("Compute API", "attestation key", Authority::Provider)
        );
        assert_eq!(link.means, format!("getShieldedInstanceIdentity, {key}"));

        let InstanceSpec { project_id, zone, instance_id, .. } = InstanceSpec::default();
        let path = format!("/compute/v1/projects/{project_id}/zones/{zone}/instances/{instance_id}");
        let question = Asked {
            url: format!("{path}/getShieldedInstanceIdentity"),
            authorization: Some("Bearer a-token".to_owned()),
            body: String::new(),
        };
        assert_eq!(api.asked(), [question]);
        assert!(
            metadata.asked()[0]
                .url
                .starts_with("/computeMetadata/v1/instance/service-accounts/default/token")
        );
    }
}

#[test]
fn another_key_or_none_is_refused() {
    let instance = InstanceSpec::default().instance_id;
    let other = json!({"signingKey": {"ekPub": pem(&p256_spki("another key"))}});
    let error = refused(200, other.to_string());
    assert_eq!(detail(&error, ErrorKind::InconsistentEvidence), Detail::OtherKey(instance));
    // Keys of other purposes do not count.
    let scene = Scene::snp();
    let encrypts = json!({"encryptionKey": {"ekPub": pem(&scene.guest.ak_spec.spki)}});
    let error = refused(200, encrypts.to_string());
    assert_eq!(detail(&error, ErrorKind::InvalidEndorsements), Detail::NoKey(instance));
}

#[test]
fn what_the_api_says_instead_is_told_apart() {
    let InstanceSpec { project_id: project, zone, instance_id: instance, .. } = InstanceSpec::default();
    let reason = |reason: &str| json!({"error": {"code": 403, "errors": [{"reason": reason}]}}).to_string();
    for (status, body, kind, expected) in [
        (401, String::new(), ErrorKind::InvalidConfig, Detail::Denied(401)),
        (403, reason("forbidden"), ErrorKind::InvalidConfig, Detail::Denied(403)),
        (403, reason("rateLimitExceeded"), ErrorKind::SourceUnavailable, Detail::Throttled(403)),
        (429, String::new(), ErrorKind::SourceUnavailable, Detail::Throttled(429)),
        (
            404,
            reason("notFound"),
            ErrorKind::InconsistentEvidence,
            Detail::UnknownInstance { project, zone, instance },
        ),
        (302, String::new(), ErrorKind::InvalidEndorsements, Detail::Status(302)),
        (500, String::new(), ErrorKind::SourceUnavailable, Detail::Status(500)),
        (503, String::new(), ErrorKind::SourceUnavailable, Detail::Status(503)),
    ] {
        let error = refused(status, body);
        assert_eq!(detail(&error, kind), expected);
        assert_eq!(kind.is_retryable(), matches!(expected, Detail::Throttled(_) | Detail::Status(500..)));
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_refused() {
    let in_pem = |text: &str| json!({"signingKey": {"ekPub": text}}).to_string();
    for garbage in [
        "not json".to_owned(),
        "[]".to_owned(),
        json!({"signingKey": "a key"}).to_string(),
        json!({"signingKey": {"ekCert": ""}}).to_string(),
    ] {
        let detail = detail(&refused(200, garbage), ErrorKind::InvalidEndorsements);
        assert!(matches!(detail, Detail::Answer(_)), "{detail:?}");
    }
    let spki = Scene::snp().guest.ak_spec.spki;
    for no_key in ["", "no pem", &pem(&spki).replace("PUBLIC KEY", "CERTIFICATE")] {
        let error = refused(200, in_pem(no_key));
        assert_eq!(detail(&error, ErrorKind::InvalidEndorsements), Detail::Key("signingKey"));
    }
}

#[test]
fn an_answer_is_read_to_its_limit() {
    let scene = Scene::snp();
    let mut answer = identity(&scene, "eccP256SigningKey", "signingKey").to_string();
    answer.extend(std::iter::repeat_n(' ', MAX_ANSWER - answer.len()));
    let (exact, larger) = (answer.clone(), format!("{answer} "));
    let api = Service::start(move |_| Some((200, exact.clone().into_bytes())));
    assert!(judge(&scene, &metadata().url(), &api.url(), AMPLE).is_ok());
    assert_eq!(detail(&refused(200, larger), ErrorKind::InvalidEndorsements), Detail::TooLarge);
}

#[test]
fn who_does_not_answer_may_be_asked_again() {
    let (scene, metadata) = (Scene::snp(), metadata());
    let dead = judge(&scene, &metadata.url(), &dead_url(), AMPLE).unwrap_err();
    let found = detail(&dead, ErrorKind::SourceUnavailable);
    assert!(matches!(&found, Detail::Unreachable(problem) if problem.contains("refused")), "{found:?}");

    let silent = Service::start(|_| None);
    let slow = judge(&scene, &metadata.url(), &silent.url(), BRIEF).unwrap_err();
    let expected = Detail::Slow { what: "the compute api", deadline: BRIEF };
    assert_eq!(detail(&slow, ErrorKind::SourceUnavailable), expected);
    assert_eq!(silent.asked().len(), 1);
}

#[test]
fn without_credentials_the_api_is_not_asked() {
    let scene = Scene::snp();
    let api = Service::start(|_| Some((200, Vec::new())));
    let none = Service::start(|_| Some((404, b"no service account".to_vec())));
    let error = judge(&scene, &none.url(), &api.url(), AMPLE).unwrap_err();
    let found = detail(&error, ErrorKind::InvalidConfig);
    assert!(matches!(found, Detail::Credentials { transient: false, .. }), "{found:?}");

    let silent = Service::start(|_| None);
    let slow = judge(&scene, &silent.url(), &api.url(), BRIEF).unwrap_err();
    let expected = Detail::Slow { what: "the source of credentials", deadline: BRIEF };
    assert_eq!(detail(&slow, ErrorKind::SourceUnavailable), expected);
    assert_eq!(api.asked(), []);
}

#[test]
fn a_name_that_changes_the_path_is_not_sent() {
    for name in ["..", "a/b", "a?b", "a%2f", "A"] {
        let (project, zone) = (name.to_owned(), name.to_owned());
        for (what, spec) in [
            ("project", InstanceSpec { project_id: project, ..InstanceSpec::default() }),
            ("zone", InstanceSpec { zone, ..InstanceSpec::default() }),
        ] {
            let mut scene = Scene::snp();
            scene.guest.ak_spec = scene.guest.hierarchy.ak_spec(&spec);
            let api = Service::start(|_| Some((200, Vec::new())));
            let error = judge(&scene, &metadata().url(), &api.url(), AMPLE).unwrap_err();
            let expected = Detail::Name { what, name: name.to_owned() };
            assert_eq!(detail(&error, ErrorKind::UnsupportedEvidence), expected);
            assert_eq!(api.asked(), []);
        }
    }
}

/// What the test below gives to itself in another process: where the API is.
const API: &str = "ATTEST_TEST_COMPUTE_API";

/// Runs `asks_with_default_credentials` in a process whose environment has these variables and no others; what it writes.
fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut this = Command::new(std::env::current_exe().unwrap());
    this.args(["--exact", "asks_with_default_credentials", "--nocapture"]);
    let run = this.env_clear().envs(variables.iter().copied()).output().unwrap();
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn asks_with_default_credentials() {
    // Only in the process that the next test starts.
    let Ok(api) = std::env::var(API) else { return };
    let verdict = judge_by(&Scene::snp(), InstanceIdentity::new, &api, AMPLE);
    println!("{}", verdict.map_or_else(|error| error.to_string(), |_| "accepted".to_owned()));
}

#[test]
fn default_credentials_are_those_of_the_environment() {
    let scene = Scene::snp();
    let answer = identity(&scene, "eccP256SigningKey", "signingKey").to_string();
    let api = Service::start(move |_| Some((200, answer.clone().into_bytes())));
    let (metadata, url) = (metadata(), api.url());
    let host = metadata.url().replace("http://", "");
    // A machine of Google's, as its metadata service says.
    let on_a_machine = in_environment(&[(API, &url), ("GCE_METADATA_HOST", &host)]);
    assert!(on_a_machine.contains("accepted"), "{on_a_machine}");
    assert_eq!(api.asked().len(), 1);

    let elsewhere = [(API, url.as_str()), ("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")];
    let none = in_environment(&elsewhere);
    assert!(none.contains("no credentials for the compute api"), "{none}");
    assert_eq!(api.asked().len(), 1);
}
