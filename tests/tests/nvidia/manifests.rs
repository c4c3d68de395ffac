//! Which of several manifests counts, and in which form they come.

use backend_api::EndorsementKind;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use conformance::named::failed_check;
use lab::{
    keys::EcKey,
    nvidia::{
        Machine,
        rim::{RimSpec, set},
    },
    ocsp::{Answer, OcspSpec, Status, responder_spec},
};

use crate::scene::Scene;

/// A later issue of a manifest: its signer has a younger certificate, of which something says that it is good.
fn later_issue(scene: &mut Scene, of: usize) -> RimSpec {
    let mut rim = scene.machine.manifests[of].clone();
    let signer = EcKey::from_label("a younger signer");
    let (spec, issuer_key) = &mut rim.hierarchy.certificates[0];
    spec.serial = vec![0x77, 0x01];
    spec.not_before += 86_400;
    spec.spki = signer.spki();
    let (spec, issuer_key) = (spec.clone(), issuer_key.clone());
    rim.hierarchy.signer = signer;
    let issuer = rim.hierarchy.certificates[1].0.clone();
    let responder = EcKey::from_label("nvidia ocsp responder");
    let certificate = responder_spec(&issuer, &responder.spki());
    let answer = Answer::good(&spec, &issuer, Machine::status_from());
    let status =
        OcspSpec { certificates: vec![certificate.sign(&issuer_key)], ..OcspSpec::new(answer, &certificate) };
    scene.machine.statuses.push((status, responder));
    rim
}

/// Another value for measurement 25 than the device measures.
fn other_value(rim: &mut RimSpec) {
    set(&mut rim.resources[25], "ns2:Hash0", &"ab".repeat(48));
}

#[test]
fn the_issue_with_the_youngest_signer_counts() {
    for is_first in [true, false] {
        let mut scene = Scene::boot();
        let later = later_issue(&mut scene, 0);
        other_value(&mut scene.machine.manifests[0]);
        let at = if is_first { 0 } else { scene.machine.manifests.len() };
        scene.machine.manifests.insert(at, later);
        assert_eq!(failed_check(scene.judge()), "accepted", "the later one has what is measured");

        let mut scene = Scene::boot();
        let mut later = later_issue(&mut scene, 0);
        other_value(&mut later);
        let at = if is_first { 0 } else { scene.machine.manifests.len() };
        scene.machine.manifests.insert(at, later);
        assert_eq!(failed_check(scene.judge()), "measurements-match", "the earlier one does not count");
    }
}

/// Nothing that is signed tells which came first: a comment, which no signature covers, would decide.
#[test]
fn two_issues_of_one_signer_with_other_values_are_refused() {
    for is_first in [true, false] {
        let mut scene = Scene::boot();
        let mut other = scene.machine.manifests[0].clone();
        other_value(&mut other);
        let at = if is_first { 0 } else { scene.machine.manifests.len() };
        scene.machine.manifests.insert(at, other);
        assert_eq!(failed_check(scene.judge()), "rim-present");
        // A younger one than both counts.
        let later = later_issue(&mut scene, usize::from(is_first));
        scene.machine.manifests.insert(1, later);
        assert_eq!(failed_check(scene.judge()), "accepted");
    }
}

#[test]
fn nobody_brings_an_earlier_issue_back() {
    let scene = |change: fn(&mut Scene)| {
        let mut scene = Scene::boot();
        let later = later_issue(&mut scene, 0);
        scene.machine.manifests.push(later);
        change(&mut scene);
        failed_check(scene.judge())
    };
    // By what is said, or kept back, of the later one's signer.
    let revoked = |scene: &mut Scene| {
        scene.machine.statuses.last_mut().unwrap().0.answers[0].status =
            Status::Revoked(Machine::now() - 1, None);
    };
    assert_eq!(scene(revoked), "rim-not-revoked");
    assert_eq!(scene(|scene| _ = scene.machine.statuses.pop()), "rim-status-current");
    assert_eq!(
        scene(|scene| scene.machine.statuses.last_mut().unwrap().1 = EcKey::from_label("nobody")),
        "rim-status-signature"
    );
    // One that NVIDIA did not sign is none.
    assert_eq!(
        scene(|scene| scene.machine.manifests.last_mut().unwrap().key = Some(EcKey::from_label("nobody"))),
        "accepted"
    );
}

#[test]
fn a_later_manifest_of_another_chip_is_another_devices() {
    let mut scene = Scene::boot();
    let mut later = later_issue(&mut scene, 0);
    set(&mut later.identity, "name", "GB100");
    set(&mut later.meta, "product", "GB100");
    set(&mut later.meta, "ns1:PlatformModel", "GB100");
    scene.machine.manifests.push(later);
    assert_eq!(failed_check(scene.judge()), "accepted");
}

/// The manifests as NVIDIA's service answers with them, under these ids.
fn answers(driver: &str, vbios: &str) -> Scene {
    let mut scene = Scene::boot();
    let documents = scene.machine.documents();
    scene.machine.manifests.clear();
    scene.more_endorsements = [driver, vbios]
        .iter()
        .zip(documents)
        .map(|(id, document)| {
            let answer = serde_json::json!({
                "id": id, "rim": STANDARD.encode(document), "sha256": "", "request_id": "", "rim_format": "SWID",
            });
            (EndorsementKind::Document, answer.to_string().into_bytes())
        })
        .collect();
    scene
}

#[test]
fn the_answers_of_nvidias_service_are_of_the_board_that_they_name() {
    const DRIVER: &str = "NV_GPU_DRIVER_GH100_550.90.07";
    assert_eq!(failed_check(answers(DRIVER, "NV_GPU_VBIOS_1010_0200_882_96009F0001").judge()), "accepted");
    assert_eq!(failed_check(answers(DRIVER, "NV_GPU_VBIOS_1010_0205_882_96009F0001").judge()), "rim-present");
    let other = "NV_GPU_DRIVER_GH100_550.90.08";
    assert_eq!(failed_check(answers(other, "NV_GPU_VBIOS_1010_0200_882_96009F0001").judge()), "rim-present");
}

#[test]
fn a_pinned_time_shows_what_is_not_so_now() {
    let mut scene = Scene::boot();
    scene.policy("[backend.nvidia.device]\ndanger-accept-unknown-revocation = true");
    scene.policy("[backend.nvidia.rim]\npinned-time = \"2026-06-01T00:00:00Z\"");
    let gaps = |scene: &Scene| -> Vec<&'static str> {
        let result = scene.judge().unwrap();
        let gaps = result.devices[0].ledger.gaps().map(|(check, _)| check.name());
        gaps.filter(|name| name.starts_with("rim-")).collect()
    };
    assert!(gaps(&scene).is_empty());
    // Two days later the statuses are old.
    scene.at += 172_800;
    assert_eq!(gaps(&scene), ["rim-status-current"]);
}

#[test]
fn without_anything_said_nothing_is_called_not_revoked() {
    let mut scene = Scene::boot();
    scene.machine.statuses.clear();
    scene.policy("[backend.nvidia.device]\ndanger-accept-unknown-revocation = true");
    scene.policy("[backend.nvidia.rim]\ndanger-accept-unknown-revocation = true");
    let result = scene.judge().unwrap();
    let ledger = &result.devices[0].ledger;
    for of in ["device", "rim"] {
        for name in ["status-signature", "not-revoked", "status-current"] {
            let name = format!("{of}-{name}");
            assert!(ledger.gaps().any(|(check, _)| check.name() == name), "{name}");
        }
    }
}
