//! Evidence of one guest under that of another: each is refused by name.

use backend_api::{Challenge, ErrorKind, Evidence, Limits, UnixTime, VerifyInput};
use backend_nvidia::{Profile, media_type};
use conformance::{Cpu, named::failed_check};
use lab::nvidia::Machine;
use registry::Registry;

use crate::{cpu::cpu_for, scene::Scene};

/// Another guest: other devices, the same challenge.
fn other(of: fn() -> Scene) -> Scene {
    let mut scene = of();
    scene.machine = Machine::of(vec![lab::nvidia::Device::new(lab::nvidia::Chip::Gh100, 9)]);
    scene
}

/// `scene` judged with the devices that another guest sent.
fn with_devices_of(scene: &Scene, other: &Scene) -> String {
    let mut envelope = scene.envelope();
    envelope.devices = other.envelope().devices;
    let mut relying_party = scene.clone();
    relying_party.machine.devices.extend(other.machine.devices.clone());
    relying_party.machine.publish();
    failed_check(relying_party.judge_envelope(&envelope))
}

#[test]
fn devices_of_another_guest_do_not_fit() {
    // At boot the event is of other evidence; on demand the quote commits to other evidence.
    assert_eq!(with_devices_of(&Scene::boot(), &other(Scene::boot)), "gpu-event-evidence");
    assert_eq!(with_devices_of(&Scene::v1(), &other(Scene::v1)), "report-data");
    // Another boot of the same guest has another event.
    let mut again = Scene::boot();
    again.machine.devices[0].report.responder_nonce = [1; 32];
    assert_eq!(with_devices_of(&Scene::boot(), &again), "gpu-event-evidence");
}

#[test]
fn replayed_evidence_is_refused() {
    let replayed = Scene { asked: [0x01; 64], ..Scene::v1() };
    // As it was sent: the CPU's quote is of the old challenge.
    assert_eq!(failed_check(replayed.judge()), "report-data");
    // Under a quote for the new challenge, which does not commit to it.
    assert_eq!(with_devices_of(&Scene::v1(), &replayed), "report-data");
    // Under a quote for the new challenge that does: the devices signed the old one.
    let mut forged = Scene::v1();
    forged.edit = |evidence| {
        evidence.devices = Scene { asked: [0x01; 64], ..Scene::v1() }.payload().devices;
    };
    assert_eq!(failed_check(forged.judge()), "spdm-nonce");
}

/// What is split over items could be counted twice.
#[test]
fn all_devices_of_a_guest_are_one_item() {
    let scene = Scene::boot();
    let mut envelope = scene.envelope();
    envelope.devices.extend(scene.envelope().devices);
    let refused = scene.judge_envelope(&envelope).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InconsistentEvidence);
    assert!(refused.to_string().contains("one item of evidence for all devices"), "{refused}");
}

#[test]
fn devices_left_out_are_missed_where_the_policy_asks_for_them() {
    let mut scene = Scene::boot();
    let mut envelope = scene.envelope();
    envelope.devices.clear();
    assert_eq!(failed_check(scene.judge_envelope(&envelope)), "accepted");
    scene.top = "require-devices = [\"nvidia\"]\ndanger-accept-unknown-image = true\n".to_owned();
    assert_eq!(failed_check(scene.judge_envelope(&envelope)), "required-devices");
    assert_eq!(failed_check(scene.judge()), "accepted");
    // On demand the quote commits to the devices, so that it is no quote for the challenge alone.
    let mut scene = Scene::v1();
    let mut envelope = scene.envelope();
    envelope.devices.clear();
    assert_eq!(failed_check(scene.judge_envelope(&envelope)), "report-data");
    scene.top = "require-devices = [\"tdx\"]\ndanger-accept-unknown-image = true\n".to_owned();
    assert_eq!(scene.judge().unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn a_policy_that_asks_something_of_devices_says_that_there_must_be_some() {
    let invalid = |top: &str| {
        let scene = Scene { top: format!("{top}\n"), ..Scene::boot() };
        scene.judge().err().map(|error| error.kind()) == Some(ErrorKind::InvalidConfig)
    };
    // Any image could say that devices are its own.
    assert!(invalid("require-devices = [\"nvidia\"]"));
    let known = "danger-accept-unknown-image = true";
    assert!(!invalid(&format!("require-devices = [\"nvidia\"]\n{known}")));
    // A check that devices alone are asked for passes where there are none.
    assert!(invalid("require-checks = [\"measurements-match\"]"));
    let both = format!("require-devices = [\"nvidia\"]\nrequire-checks = [\"measurements-match\"]\n{known}");
    assert!(!invalid(&both));
    // What is asked of the CPU alone is not missed in a device's ledger.
    let of_cpu = format!("require-devices = [\"nvidia\"]\nrequire-checks = [\"required-devices\"]\n{known}");
    let scene = Scene { top: format!("{of_cpu}\n"), ..Scene::boot() };
    assert_eq!(failed_check(scene.judge()), "accepted");
}

#[test]
fn two_events_and_an_event_of_an_application_do_not_count() {
    let mut scene = Scene::boot();
    scene.edit_events = |events| {
        let at = events.iter().position(|event| event.name == "gpu-attestation").unwrap();
        events.insert(at, events[at].clone());
    };
    assert_eq!(failed_check(scene.judge()), "launch-events");
    // One that an application extends beside the guest's own changes nothing.
    scene.edit_events = |events| {
        let event = events.iter().find(|event| event.name == "gpu-attestation").unwrap().clone();
        events.push(event);
    };
    assert_eq!(failed_check(scene.judge()), "accepted");
}

#[test]
fn a_device_stands_beside_an_accepted_cpu_and_nowhere_else() {
    let scene = Scene::boot();
    let envelope = scene.envelope();
    // In the place of the CPU.
    let mut alone = envelope.clone();
    alone.cpu = alone.devices.remove(0);
    assert_eq!(scene.judge_envelope(&alone).unwrap_err().kind(), ErrorKind::InconsistentEvidence);
    // A CPU in the place of a device.
    let mut two = envelope.clone();
    two.devices.push(two.cpu.clone());
    assert_eq!(scene.judge_envelope(&two).unwrap_err().kind(), ErrorKind::InconsistentEvidence);
    // The same devices once more: one item has all of them.
    let mut twice = envelope.clone();
    twice.devices.push(twice.devices[0].clone());
    let error = scene.judge_envelope(&twice).unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::InconsistentEvidence, Some(backend_nvidia::ID)));
    // A CPU that is refused.
    let mut broken = envelope.clone();
    let mut bytes = broken.cpu.bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    broken.cpu = Evidence::new(broken.cpu.media_type().clone(), bytes);
    assert_eq!(scene.judge_envelope(&broken).unwrap_err().backend(), Some(backend_tdx::ID));
    // A relying party that does not accept the CPU's backend, or the devices'.
    let registry = Registry::linked().unwrap();
    for accepted in ["nvidia", "tdx"] {
        let accepted = registry.accept([accepted]).unwrap();
        let source = std::sync::Arc::new(backend_api::OfflineBundle::default());
        let verifier =
            registry::Verifier::new(accepted, source, registry::AppraisalPolicy::default()).unwrap();
        let challenge = Challenge::new(scene.challenge);
        let error = crate::scene::block_on(verifier.verify_envelope(&envelope, &challenge)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAccepted);
    }
}

/// What the devices' backend itself says beside a CPU that it is handed, whoever verified that.
fn beside(profile: Profile, cpu: &Cpu) -> String {
    let scene = if profile == Profile::V1 { Scene::v1() } else { Scene::boot() };
    let evidence = Evidence::new(media_type(profile), scene.payload().encode());
    let backend = backend_nvidia::REGISTRATION.backend;
    let policy = backend.policy(&serde_json::json!({ "lanes": ["boot", "on-demand"] })).unwrap();
    let (challenge, limits) = (Challenge::new(scene.challenge), Limits::default());
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(scene.at));
    let endorsements = scene.endorsements();
    let anchors = &scene.anchors;
    let input =
        VerifyInput::new(&evidence, &challenge, &endorsements, anchors, &policy, at, &limits).unwrap();
    failed_check(backend.verify(&input.beside(&cpu.verified)))
}

#[test]
fn the_cpu_commits_to_the_challenge_and_on_demand_to_the_payload() {
    let payload = |scene: Scene| scene.payload().encode();
    let challenge = Scene::v1().challenge;
    let of_payload = cpu_for(&challenge, Profile::V1, 1, b"other evidence");
    assert_eq!(beside(Profile::V1, &of_payload), "cpu-commitment");
    let bare = cpu_for(&challenge, Profile::Raw, 1, &[]);
    assert_eq!(beside(Profile::V1, &bare), "cpu-commitment");
    let stale = cpu_for(&[1; 64], Profile::Boot, 1, &payload(Scene::boot()));
    assert_eq!(beside(Profile::Boot, &stale), "cpu-commitment");
    assert_eq!(
        beside(Profile::Boot, &cpu_for(&challenge, Profile::Boot, 1, &payload(Scene::boot()))),
        "accepted"
    );
}
