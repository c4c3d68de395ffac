//! Azure's guests with one defect each.

use backend_api::{ErrorKind, Evidence, MediaType};
use backend_azure::{AzureEvidence, Profile, Tee, media_type};
use conformance::{Case, Forgery};
use lab::{
    azure::{Guest, hierarchy},
    events::Event,
    keys::Pkcs1,
    tpm::rsassa_sha256,
};
use serde_json::json;

use crate::{
    azure::{case_of, challenge},
    azure_payload::payload,
};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const UNSUPPORTED: ErrorKind = ErrorKind::UnsupportedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const FORBIDDEN: ErrorKind = ErrorKind::ForbiddenState;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;
const UNTRUSTED: ErrorKind = ErrorKind::UntrustedIssuer;
const CHALLENGE: ErrorKind = ErrorKind::ChallengeMismatch;

/// Changes a guest before it is quoted.
fn guest(of: Guest, check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    let sound = of.clone();
    let mut guest = of;
    change(&mut guest);
    let evidence = payload(&guest, &challenge());
    let mut case = case_of(check, &sound, Profile::V1, &evidence);
    case.endorsements = crate::azure::endorsements(&guest);
    Forgery::new(case, check, kind)
}

fn snp(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    guest(Guest::snp(), check, kind, change)
}

fn tdx(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    guest(Guest::tdx(), check, kind, change)
}

/// Changes what a sound guest sends.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut AzureEvidence)) -> Forgery {
    let guest = Guest::snp();
    let mut evidence = payload(&guest, &challenge());
    change(&mut evidence);
    let mut case = case_of(check, &guest, Profile::V1, &payload(&guest, &challenge()));
    case.evidence = Evidence::new(media_type(Tee::Snp, Profile::V1), evidence.encode());
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
        lab::azure::Tee::Snp(processor) => &mut processor.report,
        lab::azure::Tee::Tdx(_) => panic!("a guest on SEV-SNP"),
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
        evidence("payload", ErrorKind::LimitExceeded, |evidence| evidence.hcl_report.resize(4097, 0)),
        snp("hcl-format", UNSUPPORTED, |guest| guest.hcl.version = 3),
        evidence("hcl-format", MALFORMED, |evidence| evidence.hcl_report[0] = 0),
        case("hcl-report-type", UNSUPPORTED, |case| {
            let bytes = case.evidence.bytes().to_vec();
            case.evidence = Evidence::new(media_type(Tee::Tdx, Profile::V1), bytes);
        }),
        snp("hcl-hash-type", UNSUPPORTED, |guest| guest.hcl.hash_type = 3),
        evidence("td-quote-present", MALFORMED, |evidence| evidence.td_quote = Some(vec![1].into())),
        tdx("td-report-quoted", INCONSISTENT, |guest| guest.td_report_patches = vec![(528, vec![0xEE])]),
        evidence("report-data", INCONSISTENT, |evidence| evidence.hcl_report[1240] ^= 1),
        snp("vmpl", POLICY, |guest| report(guest).vmpl = 1),
        snp("no-debug", FORBIDDEN, |guest| report(guest).policy |= 1 << 19),
        snp("id-key", POLICY, |guest| report(guest).id_key_digest = [7; 48]),
        snp("runtime-data", MALFORMED, |guest| {
            guest.runtime_data.appended = r#","keys":[]"#.to_owned();
        }),
        snp("ak-key", MALFORMED, |guest| guest.runtime_data.key["kid"] = json!("HCLEkPub")),
        snp("vm-configuration", POLICY, |guest| {
            guest.runtime_data.vm_configuration["tpm-enabled"] = json!(false);
        }),
        evidence("ak-certificate", UNTRUSTED, |evidence| evidence.ak_certificate = None),
        evidence("ak-certificate-format", MALFORMED, |evidence| {
            evidence.ak_certificate = Some(vec![0; 64].into());
        }),
        snp("ak-certificate-usage", UNTRUSTED, |guest| {
            guest.ak_spec.remove_extension(const_oid::db::rfc5280::ID_CE_KEY_USAGE);
        }),
        evidence("ak-certificate-path", UNTRUSTED, |evidence| _ = evidence.certificates.pop()),
        snp("ak-certificate-subject", UNTRUSTED, |guest| {
            guest.ak_spec.subject = hierarchy::common_name("353c6d9a70bc.TrustedVM.Azure.windows.net");
        }),
        snp("ak-certificate-key", INCONSISTENT, |guest| {
            guest.ak_spec.spki = Guest::other_ak().spki().to_vec()
        }),
        case("ak-certificate-revocation", ErrorKind::Revoked, |case| {
            let hierarchy = hierarchy::Hierarchy::new();
            let list = hierarchy.crl_spec(false).revoke(&[0x64, 0x64, 0xDA]);
            let list = list.sign(&Pkcs1::Sha256(hierarchy.ca_key()));
            case.endorsements[2].endorsement.bytes = list;
        }),
        evidence("tpm-quote-format", MALFORMED, |evidence| evidence.quote.push(0)),
        evidence("tpm-quote-signature", ErrorKind::BadSignature, |evidence| {
            evidence.signature = rsassa_sha256(&Guest::other_ak(), &evidence.quote).into();
        }),
        snp("tpm-extra-data", CHALLENGE, |guest| {
            guest.edit_quote.push(|quote| quote.extra_data[0] ^= 1);
        }),
        snp("tpm-selection", UNSUPPORTED, |guest| {
            guest.pcrs.push((16, guest.pcr(4)));
            guest.selection.pcrs = vec![0, 2, 7, 9, 11, 12, 14, 16];
        }),
        evidence("pcr-values", MALFORMED, |evidence| _ = evidence.pcrs.pop()),
        evidence("pcr-digest", INCONSISTENT, |evidence| evidence.pcrs[2][0] ^= 1),
        snp("ak-template", INCONSISTENT, |guest| {
            guest.edit_quote.push(|quote| quote.qualified_signer[9] ^= 1);
        }),
        snp("user-data", CHALLENGE, |guest| guest.runtime_data.user_data = None),
        evidence("boot-log", MALFORMED, |evidence| evidence.boot_log = Some(vec![0; 64].into())),
        snp("boot-registers", POLICY, |guest| guest.boot.events[2].data.push(0)),
        case("boot-registers", POLICY, |case| case.policy = json!({})),
        case("measurement-listed", POLICY, |case| case.reference_values.measurements = [vec![0; 48]].into()),
        evidence("runtime-log", UNSUPPORTED, |evidence| evidence.runtime_events[0].version = 3),
        evidence("runtime-replay", ErrorKind::EventLogMismatch, |evidence| {
            evidence.runtime_events.swap(1, 2)
        }),
        snp("launch-events", MALFORMED, |guest| guest.events.push(Event::new("system-ready", b""))),
        snp("application-events", MALFORMED, |guest| guest.events.retain(|event| event.name != "app-id")),
    ]
}
