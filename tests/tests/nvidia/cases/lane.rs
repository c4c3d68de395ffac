//! The payload, and what ties it to the CPU.

use super::*;

/// What another tool made: the devices signed the beginning of the challenge, and the caller says whose they are.
pub(crate) fn raw() -> Scene {
    let mut challenge = [0; 64];
    challenge[..32].copy_from_slice(&Scene::boot().asked[32..]);
    Scene {
        cc_state: None,
        asked: challenge,
        challenge,
        top: "danger-accept-asserted = true\n".to_owned(),
        nvidia: "danger-accept-unreported-cc-mode = true\n[backend.nvidia.raw]\n".to_owned(),
        ..Scene::of(Machine::h100(), backend_nvidia::Profile::Raw)
    }
}

cases! {
    "payload", "a byte after the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a payload that ends early": |scene| scene.edit_bytes = |bytes| _ = bytes.pop();
    "payload", "no device": |scene| scene.edit = |evidence| evidence.devices.clear();
    "payload", "more devices than are read": |scene| {
        scene.edit = |evidence| {
            let device = evidence.devices[0].clone();
            evidence.devices.resize(33, device);
        };
    };
    "payload", "a nonce of its own on demand", of Scene::v1: |scene| {
        scene.edit = |evidence| evidence.nonce = Some([1; 32].into());
    };
    "payload", "no nonce at boot": |scene| scene.edit = |evidence| evidence.nonce = None;
    "raw-named", "a policy that does not name it", of raw: |scene| {
        scene.nvidia = "danger-accept-unreported-cc-mode = true\n".to_owned();
    };
    "raw-named", "a challenge of which the devices signed half", of raw: |scene| {
        scene.asked[63] = 1;
        scene.challenge = scene.asked;
    };
    "gpu-lane", "on demand, where the relying party wants what was measured at boot", of Scene::v1: |scene| {
        scene.nvidia.clear();
    };
    "gpu-lane", "at boot, where the relying party wants the challenge signed": |scene| {
        scene.policy("lanes = [\"on-demand\"]");
    };
    "gpu-event-present", "no event": |scene| {
        scene.edit_events = |events| events.retain(|event| event.name != "gpu-attestation");
    };
    "gpu-event-present", "an event after system-ready": |scene| {
        scene.edit_events = |events| {
            let at = events.iter().position(|event| event.name == "gpu-attestation").unwrap();
            let event = events.remove(at);
            events.push(event);
        };
    };
    "gpu-event-format", "an event of another version": |scene| scene.edit_event = |event| event.version = 1;
    "gpu-event-format", "an event of another provider": |scene| {
        scene.edit_event = |event| event.provider = "amd".to_owned();
    };
    "gpu-event-format", "an event that is no JSON": |scene| {
        scene.edit_events = |events| {
            events.iter_mut().find(|event| event.name == "gpu-attestation").unwrap().payload = b"{".to_vec();
        };
    };
    "gpu-event-evidence", "an event of other evidence": |scene| {
        scene.edit_event = |event| event.evidence_sha256 = "00".repeat(32);
    };
    "gpu-event-evidence", "evidence of another state than was measured": |scene| {
        scene.edit_bytes = |bytes| {
            let mut evidence = NvidiaEvidence::decode(bytes).unwrap();
            evidence.cc_state = Some(backend_nvidia::CcState { multi_gpu: MultiGpu::NvlinkEncryption, ..ON });
            *bytes = evidence.encode();
        };
    };
    "gpu-event-devices", "an event that counts two": |scene| scene.edit_event = |event| event.devices = 2;
    "gpu-event-mode", "an event that says that confidential computing is off": |scene| {
        scene.edit_event = |event| event.cc_mode = "off".to_owned();
    };
    "gpu-event-mode", "an event that says that devtools are on": |scene| {
        scene.edit_event = |event| event.devtools = true;
    };
}
