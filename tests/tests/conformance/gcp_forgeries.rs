//! Google's guests with one defect each.

use backend_api::{ErrorKind, Evidence, MediaType};
use backend_gcp::{GcpEvidence, Profile, SNP_V1, TDX_V1};
use conformance::{Case, Forgery};
use lab::{
    events::Event,
    google::{Guest, guest},
    keys::P256Key,
    tpm::{BootEvent, ecdsa_p256, event_type},
};
use serde_json::json;

use crate::{
    gcp::{case_of, challenge, endorsements},
    gcp_payload::payload,
};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const UNSUPPORTED: ErrorKind = ErrorKind::UnsupportedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;
const UNTRUSTED: ErrorKind = ErrorKind::UntrustedIssuer;
const INVALID: ErrorKind = ErrorKind::InvalidEndorsements;
const CHALLENGE: ErrorKind = ErrorKind::ChallengeMismatch;
const LOG: ErrorKind = ErrorKind::EventLogMismatch;

/// Changes a guest before it is quoted.
fn guest(of: Guest, check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    let sound = of.clone();
    let mut guest = of;
    change(&mut guest);
    let mut case = case_of(check, &sound, Profile::V1, &payload(&guest, &challenge()));
    case.endorsements = endorsements(&guest);
    Forgery::new(case, check, kind)
}

fn snp(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    guest(Guest::snp(), check, kind, change)
}

fn tdx(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    guest(Guest::tdx(), check, kind, change)
}

/// Changes what a sound guest sends.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut GcpEvidence)) -> Forgery {
    let guest = Guest::snp();
    let sound = payload(&guest, &challenge());
    let mut evidence = sound.clone();
    change(&mut evidence);
    let mut case = case_of(check, &guest, Profile::V1, &sound);
    case.evidence = Evidence::new(SNP_V1, evidence.encode());
    case.loose.clear();
    Forgery::new(case, check, kind)
}

/// Changes what surrounds a sound guest's Evidence.
fn case(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut forgery = evidence(check, kind, |_| ());
    change(&mut forgery.case);
    forgery
}

fn report(guest: &mut Guest) -> &mut lab::amd::ReportSpec {
    match &mut guest.tee {
        guest::Tee::Snp(processor) => &mut processor.report,
        guest::Tee::Tdx(_) => panic!("a guest on SEV-SNP"),
    }
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
        evidence("payload", ErrorKind::LimitExceeded, |evidence| evidence.ak_certificate.resize(4097, 0)),
        case("cc-log-present", MALFORMED, |case| {
            let guest = Guest::snp();
            let mut evidence = payload(&guest, &challenge());
            evidence.cc_log.clone_from(&evidence.boot_log);
            case.evidence = Evidence::new(SNP_V1, evidence.encode());
        }),
        case("quote-format", UNSUPPORTED, |case| {
            case.evidence = Evidence::new(TDX_V1, case.evidence.bytes().to_vec());
        }),
        case("report-data", CHALLENGE, |case| {
            let other = payload(&Guest::snp(), &[0x5C; 64]);
            case.evidence = Evidence::new(SNP_V1, other.encode());
        }),
        snp("vmpl", POLICY, |guest| report(guest).vmpl = 1),
        snp("no-debug", ErrorKind::ForbiddenState, |guest| report(guest).policy |= 1 << 19),
        snp("host-data", POLICY, |guest| report(guest).host_data = [7; 32]),
        snp("id-key", POLICY, |guest| report(guest).id_key_digest = [7; 48]),
        evidence("launch-endorsement", ErrorKind::MissingEndorsements, |evidence| {
            evidence.launch_endorsement = None;
        }),
        evidence("gce-endorsement-format", INVALID, |evidence| {
            evidence.launch_endorsement = Some(vec![0xFF; 16].into());
        }),
        snp("gce-launch-endorsed", POLICY, |guest| report(guest).measurement = [9; 48]),
        snp("gce-endorsement-provenance", INVALID, |guest| {
            guest.endorsement.cl_spec = 0;
            guest.endorsement.commit.clear();
        }),
        evidence("ak-certificate-format", MALFORMED, |evidence| evidence.ak_certificate = vec![0; 64].into()),
        evidence("ak-certificate-path", UNTRUSTED, |evidence| _ = evidence.certificates.pop()),
        case("gce-authorities-current", ErrorKind::MissingEndorsements, |case| {
            _ = case.endorsements.remove(2)
        }),
        snp("gce-instance-present", MALFORMED, |guest| {
            guest.ak_spec.remove_extension(lab::google::INSTANCE_INFO);
        }),
        case("gce-project", POLICY, |case| case.policy["instance"] = json!({ "projects": ["another"] })),
        evidence("tpm-quote-format", MALFORMED, |evidence| evidence.quote.push(0)),
        evidence("tpm-quote-signature", ErrorKind::BadSignature, |evidence| {
            evidence.signature = ecdsa_p256(&P256Key::from_label("another ak"), &evidence.quote).into();
        }),
        snp("tpm-extra-data", CHALLENGE, |guest| guest.edit_quote.push(|quote| quote.extra_data[0] ^= 1)),
        snp("tpm-selection", UNSUPPORTED, |guest| _ = guest.selection.pcrs.pop()),
        evidence("pcr-values", MALFORMED, |evidence| _ = evidence.pcrs.pop()),
        evidence("pcr-digest", INCONSISTENT, |evidence| evidence.pcrs[2][0] ^= 1),
        snp("vtpm-technology", INCONSISTENT, |guest| guest.boot = guest::boot(0)),
        snp("vtpm-technology", POLICY, |guest| guest.boot.events[0].data.push(0)),
        evidence("boot-log", MALFORMED, |evidence| evidence.boot_log = Some(vec![0; 64].into())),
        snp("boot-registers", POLICY, |guest| {
            guest.boot.events.push(BootEvent::new(12, event_type::IPL, b"init=/bin/sh"));
        }),
        tdx("boot-registers", POLICY, |guest| {
            guest.cc_events.push(BootEvent::new(3, event_type::IPL, b"init=/bin/sh"));
        }),
        case("boot-registers", POLICY, |case| case.policy = json!({})),
        case("measurement-listed", POLICY, |case| case.reference_values.measurements = [vec![0; 48]].into()),
        evidence("runtime-log", UNSUPPORTED, |evidence| evidence.runtime_events[0].version = 3),
        evidence("runtime-replay", LOG, |evidence| evidence.runtime_events.swap(1, 2)),
        tdx("runtime-replay", LOG, |guest| guest.rtmr3_events = Some(Vec::new())),
        snp("launch-events", MALFORMED, |guest| guest.events.push(Event::new("system-ready", b""))),
        snp("application-events", MALFORMED, |guest| guest.events.retain(|event| event.name != "app-id")),
    ]
}
