//! TDX guests with one defect each.

use backend_api::{EndorsementKind, ErrorKind, Evidence, Field, MediaType};
use backend_tdx::{BootEvent, BootLog, MEDIA_TYPE, TdxEvidence};
use conformance::{Case, Forgery};
use lab::{
    intel::{BodyType, ConfigId, Configuration, SignedDocument, TdGuest, launch::Event, tcb::rfc3339},
    keys::P256Key,
    time::utc_day,
};
use serde_json::{Value, json};

use crate::{
    tdx::{case_of, challenge, endorsements, given},
    tdx_payload::payload,
};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const UNSUPPORTED: ErrorKind = ErrorKind::UnsupportedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const FORBIDDEN: ErrorKind = ErrorKind::ForbiddenState;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;
const UNTRUSTED: ErrorKind = ErrorKind::UntrustedIssuer;
const STALE: ErrorKind = ErrorKind::StaleEndorsements;
const INVALID: ErrorKind = ErrorKind::InvalidEndorsements;
const MISSING: ErrorKind = ErrorKind::MissingEndorsements;

pub(crate) fn forgeries() -> Vec<Forgery> {
    let mut all = quotes();
    all.extend(chains());
    all.extend(collateral());
    all.extend(policies());
    all.extend(bindings());
    all
}

/// Changes a guest before its quote is signed.
fn guest(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut TdGuest)) -> Forgery {
    let mut guest = TdGuest::new();
    change(&mut guest);
    let evidence = payload(&guest, guest.quote_for(&challenge()));
    Forgery::new(case_of(check, &guest, &evidence), check, kind)
}

/// Changes a sound guest's payload.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut TdxEvidence)) -> Forgery {
    let guest = TdGuest::new();
    let mut evidence = payload(&guest, guest.quote_for(&challenge()));
    change(&mut evidence);
    Forgery::new(case_of(check, &guest, &evidence), check, kind)
}

/// Changes what surrounds a sound guest's Evidence.
fn case(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut forgery = evidence(check, kind, |_| ());
    change(&mut forgery.case);
    forgery
}

/// The quote itself.
fn quotes() -> Vec<Forgery> {
    vec![
        case("payload", MALFORMED, |case| {
            case.evidence = Evidence::new(MEDIA_TYPE, [case.evidence.bytes(), b"\0"].concat());
        }),
        case("payload", UNSUPPORTED, |case| {
            case.evidence = Evidence::new(MediaType::new("application/json"), case.evidence.bytes().to_vec());
        }),
        evidence("quote-format", MALFORMED, |evidence| evidence.quote.push(0)),
        evidence("quote-format", ErrorKind::LimitExceeded, |evidence| evidence.quote.resize(33 * 1024, 0)),
        guest("quote-format", UNSUPPORTED, |guest| guest.quote.patches = vec![(0, vec![6])]),
        guest("quote-kind", UNSUPPORTED, |guest| guest.quote.tee_type = 0),
        guest("qe-report-signature", ErrorKind::BadSignature, |guest| guest.pck.key = stranger()),
        guest("attestation-key", INCONSISTENT, |guest| guest.quote.qe_report.report_data = Some([0; 64])),
        guest("qe-identity", INCONSISTENT, |guest| guest.quote.qe_report.mr_signer = [0; 32]),
        guest("quote-signature", ErrorKind::BadSignature, |guest| {
            guest.quote.signing_key_label = Some("a stranger".to_owned());
        }),
        evidence("report-data", ErrorKind::ChallengeMismatch, |evidence| {
            evidence.quote = TdGuest::new().quote_for(&challenge().map(|byte| !byte)).into();
        }),
        guest("no-debug", FORBIDDEN, |guest| guest.quote.body.td_attributes |= 1),
        guest("attributes-reserved", FORBIDDEN, |guest| guest.quote.body.td_attributes |= 1 << 40),
        guest("not-migratable", FORBIDDEN, |guest| guest.quote.body.td_attributes |= 1 << 29),
        guest("sept-ve-disable", FORBIDDEN, |guest| guest.quote.body.td_attributes = 0),
        guest("attributes", POLICY, |guest| guest.quote.body.td_attributes |= 1 << 63),
        guest("xfam", FORBIDDEN, |guest| guest.quote.body.xfam |= 1 << 3),
        guest("module-signer", FORBIDDEN, |guest| guest.quote.body.mr_signer_seam = [1; 48]),
        guest("service-td", POLICY, |guest| {
            *guest = guest.clone().with_form(5, BodyType::Td15);
            guest.quote.body.mr_service_td = [7; 48];
        }),
        guest("host-fields", POLICY, |guest| guest.quote.body.mr_owner = [1; 48]),
    ]
}

fn stranger() -> P256Key {
    P256Key::from_label("a stranger")
}

/// From the PCK certificate to the root.
fn chains() -> Vec<Forgery> {
    vec![
        guest("pck-chain", MALFORMED, |guest| drop(guest.pck.chain.pop())),
        guest("pck-extension", MALFORMED, |guest| {
            guest.pck_spec.components[0] += 1;
            guest.issue_pck();
        }),
        guest("root-pinned", UNTRUSTED, |guest| guest.pck.chain.swap(1, 2)),
        guest("pck-issuer", UNTRUSTED, |guest| {
            guest.pck_spec.common_name = "Another".to_owned();
            guest.issue_pck();
        }),
        guest("chain-validity", ErrorKind::Expired, |guest| {
            guest.pck_spec.not_after = utc_day(2026, 1, 2);
            guest.issue_pck();
        }),
        guest("chain-validity", ErrorKind::NotYetValid, |guest| {
            guest.pck_spec.not_before = utc_day(2026, 12, 31);
            guest.issue_pck();
        }),
        guest("chain-signatures", UNTRUSTED, |guest| {
            let spec = guest.pck_spec.cert_spec(&guest.hierarchy);
            guest.pck.chain[0] = spec.sign(guest.hierarchy.root_key());
        }),
    ]
}

/// What Intel says.
fn collateral() -> Vec<Forgery> {
    // Signs one document by a stranger.
    let stranger_signs = |index: usize, sign: fn(&TdGuest) -> SignedDocument| {
        move |case: &mut Case| {
            let document = sign(&TdGuest::new()).json().into_bytes();
            case.endorsements[index] = given(EndorsementKind::Document, document);
        }
    };
    let mut below = guest("tcb-level", INCONSISTENT, |guest| guest.quote.body.tee_tcb_svn[2] = 1);
    below.case.name = "below every level".to_owned();
    vec![
        case("collateral", MISSING, |case| case.endorsements.clear()),
        guest("collateral", MISSING, |guest| {
            guest.collateral.tcb_info.fmspc = "000000000000".to_owned();
        }),
        case("crl-signature", INVALID, |case| {
            let guest = TdGuest::new();
            let list = guest.collateral.pck_crl.sign(guest.hierarchy.root_key());
            case.endorsements[4] = given(EndorsementKind::RevocationList, list);
        }),
        guest("not-revoked", ErrorKind::Revoked, |guest| {
            guest.collateral.pck_crl = guest.collateral.pck_crl.clone().revoke(&guest.pck_spec.serial);
        }),
        guest("crl-current", STALE, |guest| {
            guest.collateral.root_ca_crl.next_update = Some(utc_day(2026, 1, 2));
        }),
        case(
            "tcb-info-signature",
            INVALID,
            stranger_signs(1, |guest| SignedDocument::tcb_info(&guest.collateral.tcb_info, &stranger())),
        ),
        guest("tcb-info-current", STALE, |guest| {
            guest.collateral.tcb_info.next_update = rfc3339(utc_day(2026, 1, 2));
        }),
        guest("tcb-info-platform", INVALID, |guest| {
            guest.collateral.tcb_info.pce_id = "0001".to_owned();
        }),
        case(
            "qe-identity-signature",
            INVALID,
            stranger_signs(2, |guest| {
                SignedDocument::qe_identity(&guest.collateral.qe_identity, &stranger())
            }),
        ),
        guest("qe-identity-current", STALE, |guest| {
            guest.collateral.qe_identity.next_update = rfc3339(utc_day(2026, 1, 2));
        }),
        below,
        guest("tcb-level", ErrorKind::Revoked, |guest| {
            guest.collateral.tcb_info.set_status("Revoked", &[]);
        }),
        guest("tcb-accepted", POLICY, |guest| guest.collateral.tcb_info.set_status("OutOfDate", &[])),
    ]
}

/// What only a policy refuses.
fn policies() -> Vec<Forgery> {
    let under = |check, quote: Value| case(check, POLICY, |case| case.policy = json!({ "quote": quote }));
    let mut out_of_date = guest("advisories", POLICY, |guest| {
        guest.collateral.tcb_info.set_status("OutOfDate", &["INTEL-SA-00001"]);
    });
    out_of_date.case.policy = json!({
        "quote": { "accept-tcb-status": ["OutOfDate"], "reject-advisories": ["INTEL-SA-00001"] }
    });
    let mut grows = guest("platform-flags", POLICY, |guest| {
        guest.pck_spec.configuration =
            Some(Configuration { dynamic_platform: true, cached_keys: false, smt_enabled: false });
        guest.issue_pck();
    });
    grows.case.policy = json!({ "quote": { "reject-platforms": ["dynamic-platform"] } });
    vec![
        under("module", json!({ "modules": ["11".repeat(48)] })),
        under("service-td", json!({ "service-tds": ["11".repeat(48)] })),
        under("host-fields", json!({ "mr-config-ids": ["11".repeat(48)] })),
        under("tcb-accepted", json!({ "accept-tcb-status": ["SWHardeningNeeded"] })),
        under("tcb-evaluation-floor", json!({ "minimum-tcb-evaluation": 20 })),
        under("tcb-date-floor", json!({ "minimum-tcb-date": "2025-05-15" })),
        out_of_date,
        grows,
    ]
}

/// From the quote to the identity.
fn bindings() -> Vec<Forgery> {
    fn boot(evidence: &mut TdxEvidence) -> &mut Vec<BootEvent> {
        let Some(BootLog::Digests(events)) = &mut evidence.boot_log else { panic!("digests") };
        events
    }
    fn events(change: impl FnOnce(&mut TdGuest)) -> impl FnOnce(&mut TdGuest) {
        |guest| {
            change(guest);
            guest.seal_events();
        }
    }
    let mut unexplained = case("boot-registers", POLICY, |case| {
        let mrtd = TdGuest::new().quote.body.mrtd;
        case.reference_values.measurements.insert(mrtd.to_vec());
    });
    let mut without_launch = payload(&TdGuest::new(), TdGuest::new().quote_for(&challenge()));
    without_launch.launch = None;
    unexplained.case.evidence = Evidence::new(MEDIA_TYPE, without_launch.encode());
    unexplained.case.endorsements = endorsements(&TdGuest::new());
    vec![
        evidence("boot-log", MALFORMED, |evidence| boot(evidence)[0].rtmr = 3),
        evidence("boot-log-replay", ErrorKind::EventLogMismatch, |evidence| boot(evidence)[0].digest[0] ^= 1),
        evidence("image-documents", INCONSISTENT, |evidence| {
            evidence.launch.as_mut().unwrap().measurement.push(0);
        }),
        guest("launch-parameters", MALFORMED, |guest| {
            guest.launch.image.version = 4;
            guest.launch.seal_image();
        }),
        evidence("acpi-digests", INCONSISTENT, |evidence| evidence.boot_log = None),
        evidence("launch-measurement", INCONSISTENT, |evidence| {
            evidence.launch.as_mut().unwrap().memory_size *= 2;
        }),
        evidence("runtime-log", UNSUPPORTED, |evidence| evidence.runtime_events[0].version = 3),
        evidence("runtime-replay", ErrorKind::EventLogMismatch, |evidence| {
            evidence.runtime_events.swap(1, 2);
        }),
        guest(
            "launch-events",
            MALFORMED,
            events(|guest| {
                guest.launch.events.push(Event::new("system-ready", b""));
            }),
        ),
        guest("application-events", MALFORMED, events(|guest| guest.launch.remove_event("app-id"))),
        guest(
            "key-provider",
            MALFORMED,
            events(|guest| {
                guest.launch.event("key-provider").payload = b"kms".to_vec();
            }),
        ),
        guest("mr-config-id", INCONSISTENT, events(|guest| guest.launch.event("app-id").payload[0] ^= 1)),
        guest("mr-config-id", INCONSISTENT, |guest| {
            guest.launch.config_id = ConfigId::V3;
            guest.launch.mr_config.push(' ');
        }),
        evidence("measurement-known", POLICY, |evidence| evidence.launch = None),
        unexplained,
        case("measurement-known", POLICY, |case| {
            case.reference_values.measurements = [vec![0; 48]].into();
        }),
        case("measurement-listed", POLICY, |case| {
            let image = TdGuest::new().launch.os_image_hash().to_vec();
            case.reference_values.identity.insert(Field::OsImageHash, [image].into());
            case.reference_values.measurements = [vec![0; 48]].into();
        }),
    ]
}
