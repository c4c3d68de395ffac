//! At boot: verified in the guest, measured, and only then ready.

use std::{collections::BTreeMap, fs, future::poll_fn, path::Path, pin::pin, task::Poll};

use backend_api::{
    AttestationBackend as _, Authority, BindInput, Challenge, ErrorKind, Evidence, Limits, ReferenceValues,
    Result, TrustAnchors, VerifyInput,
};
use backend_nvidia::{
    AttesterError, Error, GpuAttestation, Nvidia, NvidiaEvidence, Profile, attest_at_boot, media_type,
};
use lab::nvidia::Machine;
use lab_nvml::{Config, Kind};

use super::{CHALLENGE, Cpu, Scene, at, detail, policy};

/// What a relying party says, of evidence beside a CPU whose register has `event`.
fn judge(
    scene: &Scene,
    evidence: &Evidence,
    event: Option<Vec<u8>>,
) -> Result<BTreeMap<&'static str, String>> {
    let limits = Limits::default();
    let Scene { endorsements, anchors, policy, .. } = scene;
    let cpu = Cpu::verified(&CHALLENGE, &[Authority::TeeHardware]);
    let input = VerifyInput::new(evidence, &CHALLENGE, endorsements, anchors, policy, at(), &limits)?;
    let verified = Nvidia::default().verify(&input.beside(&cpu))?;
    let (values, cpu) = (ReferenceValues::new(), Cpu::bound(event));
    let bound = Nvidia::default().bind_runtime(&verified, &BindInput::new(&values, policy).beside(&cpu))?;
    Ok(bound.notes().clone())
}

/// Nothing was extended, and the GPUs do not accept work.
fn nothing_happened(scene: &Scene, cpu: &Cpu) {
    assert_eq!(cpu.extended(), []);
    assert!(!scene.is_ready());
}

#[test]
fn gpus_are_measured_and_then_ready() {
    for kind in [Kind::H100, Kind::B200s] {
        let scene = Scene::new(&Config { machine: kind, ..Config::default() });
        let cpu = Cpu::new(scene.root());
        let evidence = scene.attest(&cpu).unwrap();
        assert_eq!(*evidence.media_type(), media_type(Profile::Boot));
        assert!(scene.is_ready());

        let extended = cpu.extended();
        let [(event, was_ready)] = extended.as_slice() else { panic!("{extended:?}") };
        assert!(!was_ready, "the event comes first");
        assert_eq!(event.name(), "gpu-attestation");
        let devices = kind.gpus().len();
        assert_eq!(event.payload(), GpuAttestation::of(devices, evidence.bytes()).encode());
        let says: GpuAttestation = serde_json::from_slice(event.payload()).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, evidence.bytes());
        assert_eq!(says.evidence_sha256, hex::encode(digest.as_ref()));
        assert_eq!((says.devices, says.devtools, says.cc_mode.as_str()), (devices, false, "on"));

        // The relying party comes to the same, by the register.
        let notes = judge(&scene, &evidence, Some(event.payload().to_vec())).unwrap();
        assert!(notes["lane"].starts_with("boot:"));
        let refused = judge(&scene, &evidence, None).unwrap_err();
        assert_eq!(refused.check().unwrap().name(), "gpu-event-present");
    }
}

#[test]
fn each_boot_has_a_nonce_of_its_own() {
    let nonces = [0, 1].map(|_boot| {
        let scene = Scene::new(&Config::default());
        let evidence = scene.attest(&Cpu::new(scene.root())).unwrap();
        NvidiaEvidence::decode(evidence.bytes()).unwrap().nonce.unwrap()
    });
    assert_ne!(nonces[0], nonces[1]);
    assert!(nonces.iter().all(|nonce| **nonce != [0; 32]));
}

/// The event of one boot is not that of another.
#[test]
fn evidence_of_another_boot_is_not_what_was_measured() {
    let [(_, first), (second, _)] = [0, 1].map(|_boot| {
        let scene = Scene::new(&Config::default());
        let cpu = Cpu::new(scene.root());
        let evidence = scene.attest(&cpu).unwrap();
        (evidence, cpu.extended()[0].0.payload().to_vec())
    });
    let refused = judge(&Scene::new(&Config::default()), &second, Some(first)).unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "gpu-event-evidence");
}

#[test]
fn what_the_driver_says_against_it_leaves_nothing_behind() {
    for config in [
        Config { devtools: 1, ..Config::default() },
        Config { feature: 0, ..Config::default() },
        Config { environment: 1, ..Config::default() },
    ] {
        let scene = Scene::new(&config);
        let cpu = Cpu::new(scene.root());
        let refused = scene.attest(&cpu).unwrap_err();
        assert_eq!(refused.check().unwrap().name(), "cc-mode", "{config:?}");
        assert_eq!(refused.kind(), ErrorKind::ForbiddenState);
        nothing_happened(&scene, &cpu);
    }
}

#[test]
fn other_firmware_leaves_nothing_behind() {
    let scene = Scene::new(&Config { other_firmware: true, ..Config::default() });
    let cpu = Cpu::new(scene.root());
    let refused = scene.attest(&cpu).unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "measurements-match", "{refused}");
    nothing_happened(&scene, &cpu);
}

/// Under the vendor's own roots the lab's GPUs are nobody's; without endorsements nothing is known of them.
#[test]
fn what_cannot_be_verified_leaves_nothing_behind() {
    let mut scene = Scene::new(&Config::default());
    let cpu = Cpu::new(scene.root());
    scene.anchors = (Nvidia::default().descriptor().trust_anchors)();
    assert_eq!(scene.attest(&cpu).unwrap_err().check().unwrap().name(), "device-root-pinned");
    scene.anchors = TrustAnchors::default();
    assert_eq!(scene.attest(&cpu).unwrap_err().check().unwrap().name(), "device-root-pinned");
    scene.anchors = Machine::pins().into_iter().collect();
    scene.endorsements = backend_api::Endorsements::new();
    assert_eq!(scene.attest(&cpu).unwrap_err().check().unwrap().name(), "device-status-current");
    nothing_happened(&scene, &cpu);
}

/// The guest's policy is one of the boot.
#[test]
fn a_policy_without_the_lane_of_the_boot_refuses() {
    let mut scene = Scene::new(&Config::default());
    scene.policy = policy(serde_json::json!({ "lanes": ["on-demand"] }));
    let cpu = Cpu::new(scene.root());
    let refused = scene.attest(&cpu).unwrap_err();
    assert_eq!(refused.detail(), Some(&Error::Lane("boot")));
    nothing_happened(&scene, &cpu);
}

#[test]
fn a_cpu_without_a_register_says_so_and_the_gpus_are_not_ready() {
    let scene = Scene::new(&Config::default());
    let cpu = Cpu::without_register(scene.root());
    let refused = scene.attest(&cpu).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert_eq!(refused.backend().unwrap().as_str(), "example-without-register");
    nothing_happened(&scene, &cpu);
}

#[test]
fn another_device_is_no_cpu() {
    let scene = Scene::new(&Config::default());
    let cpu = Cpu::device(scene.root());
    assert_eq!(scene.attest(&cpu).unwrap_err().kind(), ErrorKind::InvalidConfig);
    nothing_happened(&scene, &cpu);
}

/// What accepted work before it was attested was not measured before it did; and a second event would be one too many.
#[test]
fn gpus_that_are_ready_already_are_refused() {
    let scene = Scene::new(&Config::default());
    let cpu = Cpu::new(scene.root());
    scene.attest(&cpu).unwrap();
    let refused = scene.attest(&cpu).unwrap_err();
    assert_eq!(detail(&refused), &AttesterError::AlreadyReady);
    assert_eq!(refused.kind(), ErrorKind::ForbiddenState);
    assert_eq!(cpu.extended().len(), 1);
}

/// What was measured is what accepts work: nothing changes between the measurement and the ready state, or with it.
#[test]
fn a_machine_that_changes_does_not_become_ready() {
    let changes: [fn(&Path); 4] = [
        |root| lab_nvml::configure(root, &Config { restarted: true, ..Config::default() }).unwrap(),
        |root| lab_nvml::configure(root, &Config { devtools: 1, ..Config::default() }).unwrap(),
        |root| lab_nvml::configure(root, &Config { multi_gpu: 1, ..Config::default() }).unwrap(),
        |root| {
            let more = Config { machine: Kind::B200s, ..Config::default() };
            lab_nvml::configure(root, &more).unwrap();
            for number in Kind::H100.gpus().len()..Kind::B200s.gpus().len() {
                fs::create_dir(root.join(format!("proc/driver/nvidia/gpus/0000:{number:02x}:00.0"))).unwrap();
            }
        },
    ];
    for change in changes {
        let scene = Scene::new(&Config::default());
        let cpu = Cpu::while_extending(scene.root(), change);
        let refused = scene.attest(&cpu).unwrap_err();
        assert_eq!(detail(&refused), &AttesterError::Changed);
        assert_eq!(refused.kind(), ErrorKind::ForbiddenState);
        assert!(!scene.was_ready(), "not even for a moment");
    }
    let scene = Scene::new(&Config { devtools_once_ready: true, ..Config::default() });
    let refused = scene.attest(&Cpu::new(scene.root())).unwrap_err();
    assert_eq!(detail(&refused), &AttesterError::Changed);
    assert!(scene.was_ready() && !scene.is_ready(), "taken back");
    let stays = Config { devtools_once_ready: true, stays_ready: true, ..Config::default() };
    let scene = Scene::new(&stays);
    let refused = scene.attest(&Cpu::new(scene.root())).unwrap_err();
    assert_eq!(detail(&refused), &AttesterError::StillReady(Box::new(AttesterError::Changed)));
    assert!(scene.is_ready());
}

/// Who stops waiting has no GPUs that accept work.
#[test]
fn what_nobody_waits_for_does_not_stay_ready() {
    let scene = Scene::new(&Config { ready_takes: 1_000, ..Config::default() });
    let cpu = Cpu::new(scene.root());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let verification = scene.verification();
        let guest = scene.guest();
        let mut attest = pin!(attest_at_boot(&guest, &cpu, &verification));
        poll_fn(|context| {
            assert!(attest.as_mut().poll(context).is_pending());
            context.waker().wake_by_ref();
            if scene.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    // Waits for the work, which goes on.
    drop(runtime);
    assert!(scene.was_ready() && !scene.is_ready(), "taken back");
}

#[test]
fn a_ready_state_that_does_not_hold_is_refused() {
    let scene = Scene::new(&Config { forgets_ready: true, ..Config::default() });
    let cpu = Cpu::new(scene.root());
    let refused = scene.attest(&cpu).unwrap_err();
    assert_eq!(detail(&refused), &AttesterError::NotReady);
    assert_eq!(cpu.extended().len(), 1, "what is extended stays");
}

/// The challenge of no relying party is in it.
#[test]
fn the_evidence_of_a_boot_is_for_any_challenge() {
    let scene = Scene::new(&Config::default());
    let cpu = Cpu::new(scene.root());
    let evidence = scene.attest(&cpu).unwrap();
    let other = Challenge::new([0x77; 64]);
    assert_eq!(Nvidia::default().cpu_commitment(&evidence, &other).unwrap(), None);
}
