//! AWS's guests with one defect each.

use backend_api::{ErrorKind, Evidence, MediaType};
use backend_aws::{AwsEvidence, Profile, media_type};
use conformance::{Case, Forgery};
use lab::{
    amd::{Product, ReportSpec, VekSpec},
    aws::{Guest, Instance},
    events::Event,
    keys::EcKey,
};
use serde_json::json;

use crate::{
    aws::{case_of, challenge, endorsements},
    aws_payload::payload,
};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const UNSUPPORTED: ErrorKind = ErrorKind::UnsupportedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;
const UNTRUSTED: ErrorKind = ErrorKind::UntrustedIssuer;
const CHALLENGE: ErrorKind = ErrorKind::ChallengeMismatch;

/// Changes a guest before report and document are signed.
fn guest(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    let sound = Guest::new();
    let mut guest = sound.clone();
    change(&mut guest);
    let mut case = case_of(check, &sound, Profile::V1, &payload(&guest, &challenge()));
    case.endorsements = endorsements(&guest);
    Forgery::new(case, check, kind)
}

/// Changes what a sound guest sends.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut AwsEvidence)) -> Forgery {
    let guest = Guest::new();
    let mut evidence = payload(&guest, &challenge());
    let mut case = case_of(check, &guest, Profile::V1, &evidence);
    change(&mut evidence);
    case.evidence = Evidence::new(media_type(Profile::V1), evidence.encode());
    case.loose.clear();
    Forgery::new(case, check, kind)
}

/// Changes what surrounds a sound guest's Evidence.
fn case(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut forgery = evidence(check, kind, |_| ());
    change(&mut forgery.case);
    forgery
}

pub(crate) fn forgeries() -> Vec<Forgery> {
    vec![
        case("payload", MALFORMED, |case| {
            let bytes = [case.evidence.bytes(), b"\0"].concat();
            case.evidence = Evidence::new(case.evidence.media_type().clone(), bytes);
        }),
        case("payload", UNSUPPORTED, |case| {
            case.evidence = Evidence::new(MediaType::new("application/json"), case.evidence.bytes().to_vec());
        }),
        case("payload", MALFORMED, |case| {
            let bytes = case.evidence.bytes().to_vec();
            case.evidence = Evidence::new(media_type(Profile::NitroTpmOnly), bytes);
        }),
        evidence("report-present", POLICY, |evidence| evidence.report = None),
        evidence("document-present", POLICY, |evidence| evidence.document = None),
        case("raw-named", POLICY, |case| {
            case.evidence = Evidence::new(media_type(Profile::Raw), case.evidence.bytes().to_vec());
        }),
        evidence("nitro-document-format", MALFORMED, |evidence| {
            evidence.document.as_mut().unwrap().push(0);
        }),
        guest("nitro-document-type", UNSUPPORTED, |guest| {
            guest.edit_document.push(|document| document.registers = "pcrs".to_owned());
        }),
        guest("nitro-chain-signatures", UNTRUSTED, |guest| {
            guest.instance.authorities[2].1 = EcKey::from_label("nobody");
        }),
        guest("nitro-signature", ErrorKind::BadSignature, |guest| {
            guest.instance.tpm = EcKey::from_label("nobody");
        }),
        guest("nitro-module-id", INCONSISTENT, |guest| {
            guest.instance.document.module_id = "i-0abcdef1-tpm0".to_owned();
        }),
        evidence("nitro-nonce", CHALLENGE, |evidence| evidence.report.as_mut().unwrap()[0x50] ^= 1),
        guest("nitro-user-data", CHALLENGE, |guest| {
            guest.edit_document.push(|document| document.user_data = None);
        }),
        guest("nitro-public-key", INCONSISTENT, |guest| {
            guest.edit_document.push(|document| document.public_key = Some(vec![4; 65]));
        }),
        guest("signing-key", UNSUPPORTED, |guest| {
            guest.vek_spec = VekSpec::vcek(Product::Milan);
            guest.report =
                ReportSpec { measurement: guest.report.measurement, ..ReportSpec::new(Product::Milan, 5) };
        }),
        evidence("vek-present", ErrorKind::MissingEndorsements, |evidence| evidence.certificates.clear()),
        guest("vmpl", POLICY, |guest| guest.report.vmpl = 1),
        guest("no-debug", ErrorKind::ForbiddenState, |guest| guest.report.policy |= 1 << 19),
        guest("id-key", POLICY, |guest| guest.report.id_key_digest = [7; 48]),
        guest("host-data", POLICY, |guest| guest.report.host_data = [7; 32]),
        guest("vlek-region", UNTRUSTED, |guest| {
            guest.vek_spec.csp_id = Some("CN=cc-us-east-2.example.com".to_owned());
        }),
        case("csp-id", POLICY, |case| case.policy["regions"] = json!(["eu-west-1"])),
        guest("document-region", INCONSISTENT, |guest| {
            guest.instance = Instance::named(Instance::ID, "us-east-1");
        }),
        guest("measurement-listed", POLICY, |guest| guest.report.measurement[0] ^= 1),
        case("measurement-listed", POLICY, |case| {
            case.policy["launch"].as_object_mut().unwrap().remove("measurements");
        }),
        case("measurement-listed", POLICY, |case| case.reference_values.measurements = [vec![0; 48]].into()),
        evidence("boot-log", MALFORMED, |evidence| evidence.boot_log = Some(vec![0; 64].into())),
        guest("boot-registers", POLICY, |guest| guest.boot.events[2].data.push(0)),
        case("boot-registers", POLICY, |case| {
            case.policy["launch"].as_object_mut().unwrap().remove("images");
        }),
        case("configuration", POLICY, |case| case.policy["launch"]["config"] = json!(["08".repeat(48)])),
        evidence("runtime-log", UNSUPPORTED, |evidence| evidence.runtime_events[0].version = 3),
        evidence("runtime-replay", ErrorKind::EventLogMismatch, |evidence| {
            evidence.runtime_events.swap(1, 2);
        }),
        guest("launch-events", MALFORMED, |guest| guest.events.push(Event::new("system-ready", b""))),
        guest("application-events", MALFORMED, |guest| guest.events.retain(|event| event.name != "app-id")),
    ]
}
