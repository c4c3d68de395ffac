//! The cross-check `aws-instance-identity`, before an EC2 on loopback.

#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]
#![expect(dead_code, reason = "of the scene what a question to a provider needs")]

mod aws {
    pub(crate) mod payload;
    pub(crate) mod scene;
}
mod service;

use std::{sync::Arc, time::Duration};

use aws::scene::Scene;
use backend_api::{Authority, Error, ErrorKind, Result};
use backend_aws::{
    ID, Profile,
    instance_identity::{
        CHECK, InstanceIdentity, InstanceIdentityError as Detail, MAX_ANSWER,
        credentials::{
            Credentials, credential_fn::provide_credentials_fn, provider::error::CredentialsError,
        },
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lab::aws::hierarchy::Instance;
use registry::{AttestationResult, Registry};
use service::{Asked, Service, dead_url};

/// How long a service has that answers at once.
const AMPLE: Duration = Duration::from_secs(20);

/// How long one has that never answers.
const BRIEF: Duration = Duration::from_millis(300);

/// What the guest says is its endorsement key.
const EK: &[u8] = b"an endorsement key";

/// What a service answers: a status and a body.
type Answer = (u16, String);

/// EC2's description of instances: id, AmdSevSnp, TpmSupport.
fn described(instances: &[(&str, &str, &str)]) -> Answer {
    let item = |(id, snp, tpm): &(&str, &str, &str)| {
        format!(
            "<item><instanceId>{id}</instanceId><cpuOptions><coreCount>1</coreCount>{snp}</cpuOptions>{tpm}</item>"
        )
    };
    let items: String = instances.iter().map(item).collect();
    let set = format!("<reservationSet><item><instancesSet>{items}</instancesSet></item></reservationSet>");
    (200, response("DescribeInstances", &set))
}

const SNP: &str = "<amdSevSnp>enabled</amdSevSnp>";
const TPM: &str = "<tpmSupport>v2.0</tpmSupport>";

/// EC2's word for an endorsement key.
fn ek_public(value: &str) -> Answer {
    (200, response("GetInstanceTpmEkPub", &format!("<keyValue>{value}</keyValue>")))
}

fn response(action: &str, content: &str) -> String {
    let namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
    format!("<{action}Response xmlns=\"{namespace}\"><requestId>1</requestId>{content}</{action}Response>")
}

/// An error as EC2 writes it.
fn error(status: u16, code: &str) -> Answer {
    let error = format!("<Error><Code>{code}</Code><Message>a message</Message></Error>");
    (status, format!("<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>"))
}

/// An EC2 that answers each of the two questions in one way.
fn ec2(describe: Answer, ek: Answer) -> Service {
    Service::start(move |asked| {
        let (status, body) = if asked.body.contains("Action=DescribeInstances") { &describe } else { &ek };
        Some((*status, body.clone().into_bytes()))
    })
}

/// The guest that sends its endorsement key along.
fn with_ek() -> Scene {
    Scene { edit: |evidence| evidence.ek_public = Some(EK.to_vec().into()), ..Scene::v1() }
}

/// The verdict of a relying party that asks EC2 as `asking` does.
fn judge_by(
    scene: &Scene,
    asking: InstanceIdentity,
    api: &str,
    deadline: Duration,
) -> Result<AttestationResult> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let asking = Arc::new(asking.at(api).within(deadline));
        let accepted = Registry::linked()?.accept([ID.as_str()])?.with_cross_check(asking)?;
        scene.judged_by(&scene.verifier_of(accepted)?, &scene.payload()).await
    })
}

fn judge(scene: &Scene, api: &str, deadline: Duration) -> Result<AttestationResult> {
    let credentials = Credentials::new("AKID", "a-secret", None, None, "a test");
    judge_by(scene, InstanceIdentity::new(credentials), api, deadline)
}

/// Establishes that an error is one line of this check, of this kind, and returns its detail.
fn detail(error: &Error, kind: ErrorKind) -> Detail {
    assert_eq!(
        (error.kind(), error.check(), error.backend()),
        (kind, Some(CHECK.check), Some(ID)),
        "{error}"
    );
    let message = error.to_string();
    assert!(!message.contains('\n') && !message.contains("a-secret"), "{message}");
    error.detail::<Detail>().unwrap().clone()
}

/// The detail of the refusal, where EC2 answers so about a guest that sends its endorsement key along.
fn refused(describe: Answer, ek: Answer, kind: ErrorKind) -> Detail {
    let api = ec2(describe, ek);
    let detail = detail(&judge(&with_ek(), &api.url(), AMPLE).unwrap_err(), kind);
    let asked = api.asked();
    let described = asked.iter().filter(|asked| asked.body.contains("Action=DescribeInstances")).count();
    assert_eq!(described, 1, "nothing is asked again");
    detail
}

/// The instance of the lab, as EC2 describes a good one.
fn good() -> Answer {
    described(&[(Scene::v1().guest.instance_id(), SNP, TPM)])
}

#[test]
fn an_instance_that_ec2_knows_is_a_link_and_a_check_that_a_policy_can_require() {
    let without = Scene::v1();
    let prefix = "DescribeInstances: AmdSevSnp enabled, TpmSupport v2.0; ";
    for (mut scene, questions, ek) in [
        (with_ek(), 2, "GetInstanceTpmEkPub: the endorsement key that the guest says it has"),
        (without, 1, "no endorsement key compared: the evidence names none"),
    ] {
        scene.top = "require-checks = [\"aws-instance-identity\"]";
        assert_eq!(scene.verifier().unwrap_err().kind(), ErrorKind::InvalidConfig);

        let api = ec2(good(), ek_public(&STANDARD.encode(EK)));
        let result = judge(&scene, &api.url(), AMPLE).unwrap();
        assert!(result.cpu.ledger.passed(CHECK.check));
        let link = result.cpu.graph.links().last().unwrap();
        assert_eq!((&*link.from, &*link.to, link.authority), ("EC2 API", "instance", Authority::Provider));
        assert_eq!(link.means, format!("{prefix}{ek}"));

        let asked: Vec<Asked> = api.asked();
        assert_eq!(asked.len(), questions);
        let id = scene.guest.instance_id();
        assert!(asked[0].body.contains(&format!("InstanceId.1={id}")), "{asked:?}");
        for Asked { authorization, .. } in &asked {
            let scope = format!("/{}/ec2/aws4_request", Instance::REGION);
            let signed = authorization.as_ref().unwrap();
            assert!(signed.contains("Credential=AKID/") && signed.contains(&scope), "{signed}");
        }
        if let Some(Asked { body, .. }) = asked.get(1) {
            assert!(
                body.contains("Action=GetInstanceTpmEkPub") && body.contains(&format!("InstanceId={id}"))
            );
            assert!(body.contains("KeyType=rsa-2048") && body.contains("KeyFormat=der"), "{body}");
        }
    }
}

#[test]
fn what_ec2_knows_otherwise_is_refused() {
    let guest = Scene::v1().guest;
    let instance = guest.instance_id();
    let owned = || instance.to_owned();
    let snp_off = |found: &str| Detail::SnpOff { instance: owned(), found: found.to_owned() };
    let tpm_off = |found: &str| Detail::TpmOff { instance: owned(), found: found.to_owned() };
    for (snp, tpm, expected) in [
        ("<amdSevSnp>disabled</amdSevSnp>", TPM, snp_off("disabled")),
        ("<amdSevSnp>else</amdSevSnp>", TPM, snp_off("else")),
        ("", TPM, snp_off("unsaid")),
        (SNP, "<tpmSupport>v1.2</tpmSupport>", tpm_off("v1.2")),
        (SNP, "", tpm_off("unsaid")),
    ] {
        let describe = described(&[(instance, snp, tpm)]);
        let ek = ek_public(&STANDARD.encode(EK));
        assert_eq!(refused(describe, ek, ErrorKind::InconsistentEvidence), expected);
    }
    let other = ek_public(&STANDARD.encode(b"another key"));
    assert_eq!(refused(good(), other, ErrorKind::InconsistentEvidence), Detail::OtherEk(owned()));
    for (instances, found) in [
        (vec![], 0),
        (vec![("i-00000000", SNP, TPM)], 1),
        (vec![(instance, SNP, TPM), ("i-00000000", SNP, TPM)], 2),
        (vec![(instance, SNP, TPM), (instance, "", "")], 2),
    ] {
        let detail = refused(described(&instances), good(), ErrorKind::InvalidEndorsements);
        assert_eq!(detail, Detail::OtherInstances { instance: owned(), found });
    }
}

/// The policy accepts that no TEE vouches for the guest: there is no report with which EC2 could disagree.
#[test]
fn evidence_without_a_report_needs_no_snp() {
    let mut scene = Scene { profile: Profile::NitroTpmOnly, measurement: None, ..Scene::v1() };
    scene.aws = "danger-accept-no-tee = true".to_owned();
    let api = ec2(described(&[(scene.guest.instance_id(), "", TPM)]), good());
    let result = judge(&scene, &api.url(), AMPLE).unwrap();
    let link = result.cpu.graph.links().last().unwrap();
    assert!(link.means.contains("AmdSevSnp unsaid"), "{}", link.means);
}

#[test]
fn evidence_without_a_document_names_no_instance() {
    let mut scene = Scene { profile: Profile::Raw, image: None, ..Scene::v1() };
    scene.edit = |evidence| evidence.document = None;
    scene.top = "danger-accept-asserted = true";
    scene.aws = "danger-accept-no-document = true".to_owned();
    scene.policy = "[backend.aws.raw]\n".to_owned();
    let api = ec2(good(), good());
    let error = judge(&scene, &api.url(), AMPLE).unwrap_err();
    assert_eq!(detail(&error, ErrorKind::UnsupportedEvidence), Detail::NoInstance);
    assert_eq!(api.asked(), []);
}

#[test]
fn what_ec2_says_instead_is_told_apart() {
    let code = |code: &str| code.to_owned();
    let unknown = Detail::UnknownInstance {
        instance: code(Scene::v1().guest.instance_id()),
        region: code(Instance::REGION),
    };
    let status = |status, code: &str| Detail::Status { status, code: code.to_owned() };
    let (config, unavailable) = (ErrorKind::InvalidConfig, ErrorKind::SourceUnavailable);
    for (answer, kind, expected) in [
        (error(401, "AuthFailure"), config, Detail::Denied(code("AuthFailure"))),
        (error(403, "UnauthorizedOperation"), config, Detail::Denied(code("UnauthorizedOperation"))),
        (error(400, "InvalidInstanceID.NotFound"), ErrorKind::InconsistentEvidence, unknown),
        (error(503, "RequestLimitExceeded"), unavailable, Detail::Throttled(code("RequestLimitExceeded"))),
        (error(400, "Throttling"), unavailable, Detail::Throttled(code("Throttling"))),
        (error(429, "Busy"), unavailable, Detail::Throttled(code("Busy"))),
        (error(500, "InternalError"), unavailable, status(500, "InternalError")),
        (error(400, "InvalidParameter"), ErrorKind::InvalidEndorsements, status(400, "InvalidParameter")),
        ((503, String::new()), unavailable, status(503, "without a code")),
        ((404, "not xml".to_owned()), ErrorKind::InvalidEndorsements, status(404, "without a code")),
    ] {
        assert_eq!(refused(answer.clone(), good(), kind), expected);
        assert_eq!(refused(good(), answer, kind), expected, "of the second question");
        let may_pass = matches!(expected, Detail::Throttled(_) | Detail::Status { status: 500.., .. });
        assert_eq!(kind.is_retryable(), may_pass);
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_refused() {
    let kind = ErrorKind::InvalidEndorsements;
    for garbage in ["", "not xml", "<Another/>", "<DescribeInstancesResponse"] {
        let detail = refused((200, garbage.to_owned()), good(), kind);
        assert!(matches!(detail, Detail::Answer(_)), "{garbage}: {detail:?}");
    }
    for garbage in [ek_public("no Base64!"), (200, response("GetInstanceTpmEkPub", ""))] {
        let detail = refused(good(), garbage, kind);
        assert!(matches!(detail, Detail::Answer(_)), "{detail:?}");
    }
}

#[test]
fn an_answer_is_read_to_its_limit() {
    let (status, mut answer) = good();
    answer.extend(std::iter::repeat_n(' ', MAX_ANSWER - answer.len()));
    let api = ec2((status, answer.clone()), good());
    assert!(judge(&Scene::v1(), &api.url(), AMPLE).is_ok());
    let larger = (status, format!("{answer} "));
    assert_eq!(refused(larger, good(), ErrorKind::InvalidEndorsements), Detail::TooLarge);
}

#[test]
fn who_does_not_answer_may_be_asked_again() {
    let dead = judge(&Scene::v1(), &dead_url(), AMPLE).unwrap_err();
    let found = detail(&dead, ErrorKind::SourceUnavailable);
    assert!(matches!(&found, Detail::Unreachable(problem) if problem.contains("refused")), "{found:?}");

    let silent = Service::start(|_| None);
    let slow = judge(&Scene::v1(), &silent.url(), BRIEF).unwrap_err();
    assert_eq!(detail(&slow, ErrorKind::SourceUnavailable), Detail::Slow(BRIEF));
    assert_eq!(silent.asked().len(), 1);
}

#[test]
fn without_credentials_ec2_is_not_asked() {
    let api = ec2(good(), good());
    let none =
        provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("nothing is configured")) });
    let error = judge_by(&Scene::v1(), InstanceIdentity::new(none), &api.url(), AMPLE).unwrap_err();
    let found = detail(&error, ErrorKind::InvalidConfig);
    assert!(matches!(&found, Detail::Credentials(problem) if problem.contains("nothing")), "{found:?}");

    let silent = provide_credentials_fn(std::future::pending);
    let slow = judge_by(&Scene::v1(), InstanceIdentity::new(silent), &api.url(), BRIEF).unwrap_err();
    assert_eq!(detail(&slow, ErrorKind::SourceUnavailable), Detail::Slow(BRIEF));
    assert_eq!(api.asked(), []);
}
