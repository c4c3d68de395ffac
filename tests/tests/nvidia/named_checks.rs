//! The cases that fail the named checks, and what else holds around them.

use backend_api::{Authority, Challenge, Outcome};
use backend_nvidia::{GpuAttestation, v1_commitment, v1_nonce};
use conformance::named::{each_fails_its_check, failed_check};

use crate::{
    cases::{self, lane::raw},
    scene::Scene,
};

#[test]
fn each_case_fails_its_check_and_differs_from_an_accepted_scene() {
    each_fails_its_check(cases::all(), |scene| failed_check(scene.judge()));
}

#[test]
fn variants_are_accepted() {
    let variants: [(&str, Scene); 6] = [
        ("a GPU at boot", Scene::boot()),
        ("a GPU on demand", Scene::v1()),
        ("what another tool made", raw()),
        ("eight GPUs and four switches", Scene::hgx()),
        ("two GPUs of Blackwell", Scene::mpt()),
        ("a strict relying party", {
            let mut scene = Scene::boot();
            scene.policy("strict = true\ngpus = 1\nswitches = 0");
            scene
        }),
    ];
    for (what, scene) in variants {
        let result = scene.judge().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(result.devices.len(), 1, "{what}");
    }
}

#[test]
fn the_graph_says_by_which_lane_and_on_whose_word() {
    for (scene, means, authority) in [
        (Scene::boot(), "event gpu-attestation in RTMR3", Authority::TeeHardware),
        (Scene::v1(), "SHA-256 in what the CPU's challenge hashes", Authority::TeeHardware),
        (raw(), "the caller's word", Authority::Asserted),
    ] {
        let result = scene.judge().unwrap();
        let links = result.devices[0].graph.links();
        let link = links.iter().find(|link| link.to == "device evidence").unwrap();
        assert_eq!((link.from.as_ref(), link.means.as_ref(), link.authority), ("cpu", means, authority));
    }
}

#[test]
fn what_is_bound_and_claimed_is_what_the_lab_made() {
    let result = Scene::boot().judge().unwrap();
    let device = &result.devices[0];
    let claims = &device.claims.details;
    let gpu = &claims["devices"][0];
    for (name, value) in [
        ("x-nvidia-device-type", "gpu"),
        ("x-nvidia-gpu-driver-version", "550.90.07"),
        ("x-nvidia-gpu-vbios-version", "96.00.9F.00.01"),
        ("hwmodel", "GH100 A01 GSP BROM"),
        ("measres", "success"),
        ("mode", "SPT"),
    ] {
        assert_eq!(gpu[name], value, "{name}");
    }
    assert_eq!(gpu["skipped"], serde_json::json!([35]));
    assert_eq!(gpu["skipped-would-match"], serde_json::json!([35]));
    assert_eq!(claims["bound-to-cpu"], "boot");
    assert_eq!(device.claims.product, "1 x GH100");
    assert_eq!(device.claims.device_id.len(), 64);
    let outcome = |name: &str| {
        let entry = device.ledger.entries().iter().find(|entry| entry.check.name() == name).unwrap();
        entry.outcome.clone()
    };
    assert_eq!(outcome("gpu-event-evidence"), Outcome::Passed);
    assert!(matches!(outcome("topology"), Outcome::NotPerformed(_)));
    // The devices of the CPU's own verdict: nothing is said of them where nobody asked for any.
    let entry = result.cpu.ledger.entries().iter().find(|entry| entry.check.name() == "required-devices");
    assert!(matches!(entry.unwrap().outcome, Outcome::NotPerformed(_)));
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    for lines in [
        "lanes = []",
        "lanes = [\"other\"]",
        "gpus = 0",
        "unknown = 1",
        "[backend.nvidia.rim]\npinned-time = \"2026-06-01T00:00:00Z\"\ndanger-ignore-expiry = true",
        "[backend.nvidia.rim]\npinned-time = \"June\"",
        "[backend.nvidia.device]\nminimum-driver = \"new\"",
        "[backend.nvidia.device]\nminimum-vbios.ampere = \"96.00\"",
        "[backend.nvidia.raw]\nnonce = \"00\"",
    ] {
        let mut scene = Scene::boot();
        scene.policy(lines);
        let error = scene.judge().unwrap_err();
        assert_eq!(error.kind(), backend_api::ErrorKind::InvalidConfig, "{lines}: {error}");
    }
}

/// Computed with Python's hashlib from the words of the crate's documentation.
#[test]
fn what_is_signed_is_what_the_documentation_says() {
    let challenge = Challenge::new(crate::scene::challenge());
    assert_eq!(
        hex::encode(v1_nonce(&challenge)),
        "c150beb813381cb3d79a1c4b9c6f838f080dc3d09d5e0bc59a6f2d9357d3d072"
    );
    assert_eq!(
        hex::encode(v1_commitment(&challenge, b"payload").challenge().as_bytes()),
        "64737461636b2d646576696365732d3165fc16b03089c896f35ca6502e7830b9b95c8573468d34bff40825e97f46766ec23d8fafe18a0fa71900b116b3845e3f"
    );
    assert_eq!(
        String::from_utf8(GpuAttestation::of(1, b"payload").encode()).unwrap(),
        "{\"version\":2,\"provider\":\"nvidia\",\"devices\":1,\"cc_mode\":\"on\",\"devtools\":false,\"evidence_sha256\":\"239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5\"}"
    );
}
