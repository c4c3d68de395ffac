//! Real devices beside a CPU of the lab's: each gives the verdict that the catalogue states.

use std::{fs, path::Path};

use backend_api::{EndorsementKind, Evidence};
use backend_nvidia::{DeviceEvidence, NvidiaEvidence, Profile, media_type};
use conformance::named::failed_check;
use evidence_x509::Certificate;
use lab::{nvidia::Machine, time::utc_day};
use registry::AttestationResult;
use serde_bytes::ByteBuf;

use crate::scene::Scene;

/// 2025-08-21T12:00:00Z, in the day of which the status of the H100's certificates is known.
const AUGUST: u64 = 1_755_777_600;

/// What other tools say nothing of.
const UNREPORTED: &str = "danger-accept-unreported-cc-mode = true";

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn device(report: Vec<u8>, chain: &[u8]) -> DeviceEvidence {
    let chain = Certificate::parse_der_or_pem(chain).unwrap();
    DeviceEvidence {
        certificates: chain.iter().map(|certificate| ByteBuf::from(certificate.der())).collect(),
        report: ByteBuf::from(report),
    }
}

/// The device of a folder, alone.
fn judge(
    folder: &Path,
    at: u64,
    policy: &str,
    endorsements: &[(EndorsementKind, Vec<u8>)],
) -> backend_api::Result<AttestationResult> {
    let device = device(read(folder, "report.bin"), &read(folder, "cert_chain.pem"));
    judge_devices(vec![device], at, policy, endorsements)
}

/// Real devices in the profile `raw`, under NVIDIA's own roots, beside a TD of the lab's that knows nothing of them. They must have
/// signed the nonce of the first.
fn judge_devices(
    devices: Vec<DeviceEvidence>,
    at: u64,
    policy: &str,
    endorsements: &[(EndorsementKind, Vec<u8>)],
) -> backend_api::Result<AttestationResult> {
    let mut scene = Scene::of(Machine::h100(), Profile::Raw);
    scene.cc_state = None;
    scene.top = "danger-accept-asserted = true\n".to_owned();
    scene.policy(&format!("{UNREPORTED}\n{policy}\n[backend.nvidia.raw]"));
    scene.asked = [0; 64];
    scene.asked[..32].copy_from_slice(&devices[0].report[4..36]);
    scene.challenge = scene.asked;
    scene.at = at;
    scene.anchors = (backend_nvidia::REGISTRATION.backend.descriptor().trust_anchors)();
    // What NVIDIA says is of 2025: so is then what the lab's Intel says, until 2027.
    let collateral = &mut scene.cpu.collateral;
    for date in [&mut collateral.tcb_info.issue_date, &mut collateral.qe_identity.issue_date] {
        "2025-01-01T00:00:00Z".clone_into(date);
    }
    (collateral.root_ca_crl.this_update, collateral.pck_crl.this_update) =
        (utc_day(2025, 1, 1), utc_day(2025, 1, 1));
    scene.machine.manifests.clear();
    scene.machine.statuses.clear();
    scene.more_endorsements = endorsements.to_vec();
    let mut envelope = scene.envelope();
    let evidence = NvidiaEvidence { devices, ..NvidiaEvidence::default() };
    envelope.devices[0] = Evidence::new(media_type(Profile::Raw), evidence.encode());
    scene.judge_envelope(&envelope)
}

fn documents(folder: &Path, names: &[&str]) -> Vec<(EndorsementKind, Vec<u8>)> {
    let kind = |name: &str| match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("xml") => EndorsementKind::Document,
        _ => EndorsementKind::StatusResponse,
    };
    names.iter().map(|name| (kind(name), read(folder, name))).collect()
}

const RIMS: [&str; 2] = ["driver_rim.xml", "vbios_rim.xml"];
const OF_DEVICE: [&str; 3] =
    ["ocsp_gpu_certificate_l2.der", "ocsp_gpu_certificate_l3.der", "ocsp_gpu_certificate_l4.der"];
const OF_RIMS: [&str; 4] = [
    "ocsp_gpu_driver_rim_l3.der",
    "ocsp_gpu_driver_rim_l4.der",
    "ocsp_gpu_rim_l2.der",
    "ocsp_gpu_vbios_l4.der",
];

/// The manifests are of a later day than the status of the device: they are judged at theirs.
const PINNED: &str = "[backend.nvidia.rim]\npinned-time = \"2025-10-24T12:00:00Z\"";

#[test]
fn the_h100_verifies_offline_with_both_manifests_and_all_that_was_said_of_revocation() {
    let test = "the_h100_verifies_offline_with_both_manifests_and_all_that_was_said_of_revocation";
    let Some(root) = lab::vectors::root(test) else { return };
    let folder = root.join("nvidia/h100-550.90.07-full");
    let all = documents(&folder, &[&RIMS[..], &OF_DEVICE, &OF_RIMS].concat());
    let result = judge(&folder, AUGUST, PINNED, &all).unwrap();
    let device = &result.devices[0];
    let gaps: Vec<&str> = device.ledger.gaps().map(|(check, _)| check.name()).collect();
    assert_eq!(
        gaps,
        [
            "driver-floor",
            "vbios-floor",
            "topology",
            "device-count",
            "cc-mode",
            "rim-status-current",
            "gpu-event-present",
            "gpu-event-format",
            "gpu-event-evidence",
            "gpu-event-devices",
            "gpu-event-mode",
            "tcb-status",
            "required-devices",
            "asserted-links",
            "reference-values",
        ]
    );
    let claims = &device.claims.details["devices"][0];
    assert_eq!((claims["compared"].as_u64(), claims["unconstrained"].as_u64()), (Some(32), Some(31)));
    assert_eq!(claims["pdi"], "431D480FE5E87274");
    // As OpenSSL shows it in the leaf.
    assert_eq!(
        claims["fwid"],
        "f5c384aebb579217a2c66b17ed0f28e6a9b8d639041acd7b4721cec004f7275494ba94bb5cdfdb3055ee051762b1f75d"
    );
    assert_eq!(claims["x-nvidia-gpu-driver-version"], "550.90.07");

    // Each thing left out is missed by name.
    let without = |name: &str, policy: &str| {
        let all = [&RIMS[..], &OF_DEVICE, &OF_RIMS].concat();
        let rest: Vec<&str> = all.into_iter().filter(|other| *other != name).collect();
        failed_check(judge(&folder, AUGUST, policy, &documents(&folder, &rest)))
    };
    for name in RIMS {
        assert_eq!(without(name, PINNED), "rim-present", "{name}");
    }
    for name in OF_DEVICE {
        assert_eq!(without(name, PINNED), "device-status-current", "{name}");
    }
    for name in OF_RIMS {
        assert_eq!(without(name, PINNED), "rim-status-current", "{name}");
    }
    // At the time of the device what was said of the manifests' signers is not current.
    assert_eq!(failed_check(judge(&folder, AUGUST, "", &all)), "rim-status-current");
    // A year later the signers have ended; what is pinned is still as it was, and the device's status is not known.
    let later = AUGUST + 31_536_000;
    assert_eq!(failed_check(judge(&folder, later, PINNED, &all)), "device-status-current");
    let unknown = "[backend.nvidia.device]\ndanger-accept-unknown-revocation = true";
    let of_rims = documents(&folder, &[&RIMS[..], &OF_RIMS].concat());
    let result = judge(&folder, later, &format!("{PINNED}\n{unknown}"), &of_rims).unwrap();
    let ledger = &result.devices[0].ledger;
    let reason =
        |name: &str| ledger.gaps().find(|(check, _)| check.name() == name).map(|(_, why)| why.to_owned());
    assert!(reason("rim-chain-validity").unwrap().contains("2025-10-24T12:00:00Z"));
    let ignored =
        "[backend.nvidia.rim]\ndanger-ignore-expiry = true\ndanger-accept-unknown-revocation = true";
    let result = judge(&folder, later, &format!("{ignored}\n{unknown}"), &documents(&folder, &RIMS)).unwrap();
    assert!(result.devices[0].ledger.gaps().any(|(check, _)| check.name() == "rim-chain-validity"));
    let now = "[backend.nvidia.rim]\ndanger-accept-unknown-revocation = true";
    let verdict = judge(&folder, later, &format!("{now}\n{unknown}"), &documents(&folder, &RIMS));
    assert_eq!(failed_check(verdict), "rim-chain-validity");
}

#[test]
fn manifests_that_nvidia_did_not_sign_do_not_count() {
    let Some(root) = lab::vectors::root("manifests_that_nvidia_did_not_sign_do_not_count") else { return };
    let folder = root.join("nvidia/h100-535.86.09-vbiosrim");
    let policy = "[backend.nvidia.device]\ndanger-accept-no-fwid = true\ndanger-accept-unknown-revocation = true\n\
                  [backend.nvidia.rim]\ndanger-ignore-expiry = true\ndanger-accept-unknown-revocation = true";
    let verdict = |names: &[&str]| failed_check(judge(&folder, AUGUST, policy, &documents(&folder, names)));
    // NVIDIA's own tools have an edited manifest of this driver.
    assert_eq!(verdict(&["vbios_rim.xml", "NEG_driver_rim_mismatch_badsig.xml"]), "rim-digest");
    assert_eq!(verdict(&["vbios_rim.xml"]), "rim-present");
}

#[test]
fn devices_without_manifests_are_not_accepted() {
    let Some(root) = lab::vectors::root("devices_without_manifests_are_not_accepted") else { return };
    let policy = "[backend.nvidia.device]\ndanger-accept-unknown-revocation = true";
    for (name, check) in [
        ("gb100-575.32", "rim-present"),
        ("h100-570.124.03", "rim-present"),
        // One GPU of eight, in protected PCIe.
        ("h100-590.12-8gpu-ppcie", "topology"),
        ("h100-single-json", "topology"),
    ] {
        let folder = root.join("nvidia").join(name);
        assert_eq!(failed_check(judge(&folder, AUGUST, policy, &[])), check, "{name}");
        assert_eq!(failed_check(judge(&folder, AUGUST, "", &[])), "device-status-current", "{name}");
    }
}

/// On the caller's word, and without the status of certificates.
#[test]
fn a_whole_machine_ends_at_its_manifests() {
    let Some(folder) = lab::vectors::hgx("a_whole_machine_ends_at_its_manifests") else { return };
    let devices: Vec<DeviceEvidence> = ["gpu_evidence.json", "switch_evidence.json"]
        .iter()
        .flat_map(|name| lab::vectors::nvidia_devices(&folder.join(name)))
        .map(|[report, chain]| device(report, &chain))
        .collect();
    let count = |switches| format!("gpus = 8\nswitches = {switches}");
    let unknown = "[backend.nvidia.device]\ndanger-accept-unknown-revocation = true";
    let verdict = |devices: &[DeviceEvidence], policy: &str| {
        failed_check(judge_devices(devices.to_vec(), AUGUST, policy, &[]))
    };
    assert_eq!(verdict(&devices, &count(4)), "device-status-current");
    assert_eq!(verdict(&devices, &format!("{}\n{unknown}", count(3))), "device-count");
    let policy = format!("{}\n{unknown}", count(4));
    assert_eq!(verdict(&devices, &policy), "rim-present");
    for index in 0..devices.len() {
        let mut missing = devices.clone();
        missing.remove(index);
        assert_eq!(verdict(&missing, &policy), "topology", "{index}");
    }
}
