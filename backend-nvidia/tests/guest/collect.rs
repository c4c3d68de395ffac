//! On demand: detected, collected, verified by a relying party.

use backend_api::{
    AttestationBackend as _, Authority, ErrorKind, Evidence, Limits, Presence, Result, VerifiedEvidence,
    VerifyInput,
};
use backend_nvidia::{CcState, Environment, MultiGpu, Nvidia, NvidiaEvidence, Profile, media_type, v1_nonce};
use lab_nvml::{Config, Kind};

use super::{CHALLENGE, Cpu, Scene, at, policy};

/// What a relying party says that knows the lab's roots, of evidence beside a CPU that committed to it.
fn judge(scene: &Scene, evidence: &Evidence, section: serde_json::Value) -> Result<()> {
    verified(scene, evidence, section, &[Authority::TeeHardware]).map(drop)
}

/// The same beside a CPU that committed to it on these words.
fn verified(
    scene: &Scene,
    evidence: &Evidence,
    section: serde_json::Value,
    words: &[Authority],
) -> Result<VerifiedEvidence> {
    let commitment = Nvidia::default().cpu_commitment(evidence, &CHALLENGE).unwrap().unwrap();
    let cpu = Cpu::verified(&commitment.challenge(), words);
    let policy = policy(section);
    let input = VerifyInput::new(
        evidence,
        &CHALLENGE,
        &scene.endorsements,
        &scene.anchors,
        &policy,
        at(),
        &Limits::default(),
    )?;
    Nvidia::default().verify(&input.beside(&cpu))
}

fn on_demand() -> serde_json::Value {
    serde_json::json!({ "lanes": ["on-demand"] })
}

#[test]
fn what_one_gpu_signs_is_collected_and_verified() {
    let scene = Scene::new(&Config::default());
    let evidence = scene.collect().unwrap();
    assert_eq!(*evidence.media_type(), media_type(Profile::V1));
    let payload = NvidiaEvidence::decode(evidence.bytes()).unwrap();
    let said = CcState {
        environment: Environment::Production,
        feature: true,
        devtools: false,
        multi_gpu: MultiGpu::None,
    };
    assert_eq!((payload.nonce, payload.cc_state, payload.devices.len()), (None, Some(said), 1));
    assert_eq!(payload.devices[0].certificates.len(), 5);
    assert_eq!(payload.devices[0].report[4..36], v1_nonce(&CHALLENGE));
    judge(&scene, &evidence, on_demand()).unwrap();
    assert!(!scene.is_ready(), "collecting changes nothing");
}

#[test]
fn a_cpu_commits_on_its_weakest_word() {
    use Authority::{Asserted, ProviderVtpm, TeeHardware, TeeVtpm};
    let scene = Scene::new(&Config::default());
    let evidence = scene.collect().unwrap();
    for (words, expected) in [
        (&[TeeHardware, ProviderVtpm][..], ProviderVtpm),
        (&[ProviderVtpm, TeeHardware], ProviderVtpm),
        (&[TeeVtpm, TeeHardware], TeeVtpm),
        (&[Asserted, TeeHardware], TeeHardware),
    ] {
        let verified = verified(&scene, &evidence, on_demand(), words).unwrap();
        let link = verified.graph().links().iter().find(|link| link.from == "cpu").unwrap();
        assert_eq!(link.authority, expected, "{words:?}");
    }
    for words in [&[][..], &[Asserted]] {
        let refused = verified(&scene, &evidence, on_demand(), words).unwrap_err();
        assert_eq!(refused.check().unwrap().name(), "cpu-commitment", "{words:?}");
    }
}

#[test]
fn every_gpu_of_a_machine_signs_the_same_nonce() {
    for (config, gpus) in [(Config { machine: Kind::B200s, ..Config::default() }, 2), (Config::hgx(), 8)] {
        let scene = Scene::new(&config);
        let payload = NvidiaEvidence::decode(scene.collect().unwrap().bytes()).unwrap();
        assert_eq!(payload.devices.len(), gpus);
        assert!(payload.devices.iter().all(|gpu| gpu.report[4..36] == v1_nonce(&CHALLENGE)));
    }
}

#[test]
fn two_gpus_are_verified_together() {
    let scene = Scene::new(&Config { machine: Kind::B200s, ..Config::default() });
    judge(&scene, &scene.collect().unwrap(), on_demand()).unwrap();
}

/// NVML has no switches, so that what it gives of such a machine is not whole.
#[test]
fn gpus_without_the_switches_beside_them_are_refused() {
    let scene = Scene::new(&Config::hgx());
    let refused = judge(&scene, &scene.collect().unwrap(), on_demand()).unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "topology");
    assert_eq!(refused.kind(), ErrorKind::InconsistentEvidence, "{refused}");
}

/// What no device signs reaches the relying party as the driver says it.
#[test]
fn what_the_driver_says_of_confidential_computing_is_judged() {
    for config in [
        Config { devtools: 1, ..Config::default() },
        Config { feature: 0, ..Config::default() },
        Config { environment: 1, ..Config::default() },
        Config { environment: 0, ..Config::default() },
        Config { multi_gpu: 1, ..Config::default() },
    ] {
        let scene = Scene::new(&config);
        let refused = judge(&scene, &scene.collect().unwrap(), on_demand()).unwrap_err();
        assert_eq!(refused.check().unwrap().name(), "cc-mode", "{config:?}");
    }
}

#[test]
fn the_text_of_certificates_may_end_in_nothing_a_newline_or_nul() {
    for end in ["", "\n", "\0", "\n\0\0", "\r\n\0"] {
        let scene = Scene::new(&Config { certificates_end: end.to_owned(), ..Config::default() });
        let payload = NvidiaEvidence::decode(scene.collect().unwrap().bytes()).unwrap();
        assert_eq!(payload.devices[0].certificates.len(), 5, "{end:?}");
    }
}

#[test]
fn a_guest_is_looked_at_and_nothing_is_loaded() {
    let scene = Scene::new(&Config::default().failing("nvmlInit_v2", 999));
    let found = Nvidia::default().detect(&scene.guest());
    // Never certain: only the library says whether confidential computing is on.
    assert_eq!(found.presence, Presence::Possible);
    assert!(found.reasons.contains(&"usr/lib64/libnvidia-ml.so.1 is there".to_owned()), "{found:?}");
    assert_eq!(Nvidia::default().detect(&Scene::bare().guest()).presence, Presence::Absent);
}
