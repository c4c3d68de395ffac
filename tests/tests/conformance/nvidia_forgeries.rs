//! Devices of NVIDIA's with one defect each.

use backend_api::{ErrorKind, Evidence, MediaType};
use backend_nvidia::{NvidiaEvidence, Profile, media_type};
use conformance::{Case, Forgery};
use lab::{
    keys::EcKey,
    nvidia::{Chip, Device, Machine},
    ocsp::Status,
};

use crate::nvidia::{case_of, cpu, payload, small};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;
const UNTRUSTED: ErrorKind = ErrorKind::UntrustedIssuer;
const SIGNATURE: ErrorKind = ErrorKind::BadSignature;
const MISSING: ErrorKind = ErrorKind::MissingEndorsements;

/// Changes the machine before anything is signed.
fn machine(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Machine)) -> Forgery {
    let mut machine = small();
    change(&mut machine);
    let mut case = case_of(check, &machine, Profile::Boot);
    case.claims.clear();
    Forgery::new(case, check, kind)
}

/// Changes what a sound guest sends, to which the CPU commits.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut NvidiaEvidence)) -> Forgery {
    let mut evidence = payload(&small(), Profile::Boot);
    change(&mut evidence);
    let bytes = evidence.encode();
    case(check, kind, |case| {
        case.cpu = Some(cpu(Profile::Boot, evidence.devices.len(), &bytes));
        case.evidence = Evidence::new(media_type(Profile::Boot), bytes);
    })
}

/// Changes what surrounds a sound guest's Evidence.
fn case(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut forgery = machine(check, kind, |_| ());
    change(&mut forgery.case);
    forgery
}

/// The same on demand.
fn on_demand(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut case = case_of(check, &small(), Profile::V1);
    change(&mut case);
    Forgery::new(case, check, kind)
}

pub(crate) fn forgeries() -> Vec<Forgery> {
    vec![
        case("payload", MALFORMED, |case| {
            let bytes = [case.evidence.bytes(), b"\0"].concat();
            case.evidence = Evidence::new(case.evidence.media_type().clone(), bytes);
        }),
        case("payload", ErrorKind::UnsupportedEvidence, |case| {
            let bytes = case.evidence.bytes().to_vec();
            case.evidence = Evidence::new(MediaType::new("application/vnd.dstack.nvidia.v9+cbor"), bytes);
        }),
        evidence("payload", MALFORMED, |evidence| evidence.devices.clear()),
        on_demand("gpu-lane", POLICY, |case| case.policy = serde_json::json!({})),
        on_demand("cpu-commitment", ErrorKind::ChallengeMismatch, |case| {
            case.cpu = Some(cpu(Profile::Raw, 1, &[]))
        }),
        machine("spdm-report", MALFORMED, |machine| machine.devices[0].report.trailing.push(0)),
        evidence("device-certificates", MALFORMED, |evidence| {
            evidence.devices[0].certificates.pop();
        }),
        case("device-root-pinned", UNTRUSTED, |case| {
            case.trust_anchors = (backend_nvidia::REGISTRATION.backend.descriptor().trust_anchors)();
        }),
        machine("device-chain-validity", ErrorKind::Expired, |machine| {
            machine.devices[0].certificates[1].0.not_after = Machine::now() - 1;
        }),
        machine("device-chain-signatures", UNTRUSTED, |machine| {
            machine.devices[0].certificates[0].1 = EcKey::from_label("nobody");
        }),
        machine("device-not-revoked", ErrorKind::Revoked, |machine| {
            machine.statuses[0].0.answers[0].status = Status::Revoked(Machine::now() - 1, Some(1));
        }),
        machine("device-status-current", MISSING, |machine| {
            machine.statuses.remove(0);
        }),
        machine("device-architecture", INCONSISTENT, |machine| {
            machine.devices[0].report = Device::new(Chip::Ls10, 0).report;
        }),
        machine("spdm-signature", SIGNATURE, |machine| {
            machine.devices[0].leaf = EcKey::from_label("nobody");
        }),
        evidence("spdm-nonce", ErrorKind::ChallengeMismatch, |evidence| {
            evidence.nonce = Some([1; 32].into());
        }),
        machine("fwid", INCONSISTENT, |machine| machine.devices[0].report.opaque_mut(20)[0] ^= 1),
        machine("rim-signature", SIGNATURE, |machine| {
            machine.manifests[0].key = Some(EcKey::from_label("nobody"));
        }),
        machine("rim-chain-validity", ErrorKind::StaleEndorsements, |machine| {
            machine.manifests[0].hierarchy.spec(0).not_after = Machine::now() - 1;
        }),
        machine("rim-not-revoked", ErrorKind::Revoked, |machine| {
            machine.statuses[3].0.answers[0].status = Status::Revoked(Machine::now() - 1, Some(6));
        }),
        machine("rim-present", MISSING, |machine| {
            machine.manifests.remove(1);
        }),
        machine("measurements-match", POLICY, |machine| {
            machine.devices[0].report.measurements[7].1[0] ^= 1;
        }),
        machine("devices-distinct", INCONSISTENT, |machine| {
            let twice = machine.devices[0].clone();
            machine.devices.push(twice);
        }),
        case("device-count", POLICY, |case| case.policy = serde_json::json!({ "gpus": 8 })),
        evidence("cc-mode", ErrorKind::ForbiddenState, |evidence| {
            evidence.cc_state.as_mut().unwrap().devtools = true;
        }),
        case("gpu-event-present", INCONSISTENT, |case| case.cpu = Some(cpu(Profile::Raw, 1, &[]))),
        case("gpu-event-evidence", INCONSISTENT, |case| {
            case.cpu = Some(cpu(Profile::Boot, 1, b"other evidence"));
        }),
        case("gpu-event-devices", INCONSISTENT, |case| {
            let bytes = case.evidence.bytes().to_vec();
            case.cpu = Some(cpu(Profile::Boot, 2, &bytes));
        }),
    ]
}
