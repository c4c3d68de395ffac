//! All devices together, and what the guest says of them.

use super::*;

/// A GPU of the machine, or a switch behind the eight.
fn device(scene: &mut Scene, index: usize) -> &mut Device {
    &mut scene.machine.devices[index]
}

fn counted() -> Scene {
    let mut scene = Scene::hgx();
    scene.policy("gpus = 8\nswitches = 4");
    scene
}

cases! {
    "devices-distinct", "one GPU twice", of Scene::mpt: |scene| {
        let first = scene.machine.devices[0].clone();
        scene.machine.devices[1] = first;
    };
    "devices-distinct", "one GPU eight times", of Scene::hgx: |scene| {
        let first = scene.machine.devices[0].clone();
        scene.machine.devices[1..8].fill(first);
    };
    "device-modes", "one GPU in another mode", of Scene::mpt: |scene| {
        *device(scene, 1).report.opaque_mut(36) = vec![0, 0];
    };
    "device-modes", "GPUs of two architectures", of Scene::mpt: |scene| {
        scene.machine.devices[1] = Device::new(lab::nvidia::Chip::Gh100, 0);
        *device(scene, 1).report.opaque_mut(36) = vec![1, 0];
        scene.machine.publish();
    };
    "device-modes", "a GPU whose fields for protected PCIe contradict each other": |scene| {
        *device(scene, 0).report.opaque_mut(36) = vec![2, 0];
    };
    "topology", "a GPU left out", of Scene::hgx: |scene| _ = scene.machine.devices.remove(7);
    "topology", "a switch left out", of Scene::hgx: |scene| _ = scene.machine.devices.remove(11);
    "topology", "no switch", of Scene::hgx: |scene| scene.machine.devices.truncate(8);
    "topology", "a switch of another machine", of Scene::hgx: |scene| {
        scene.machine.devices[11] = Machine::hgx_number(1).devices[11].clone();
        scene.machine.publish();
    };
    "topology", "a GPU of another machine", of Scene::hgx: |scene| {
        scene.machine.devices[7] = Machine::hgx_number(1).devices[7].clone();
        scene.machine.publish();
    };
    "topology", "a switch that is not locked", of Scene::hgx: |scene| {
        *device(scene, 8).report.opaque_mut(25) = vec![0, 0];
    };
    "topology", "a switch by another name than its certificate's", of Scene::hgx: |scene| {
        device(scene, 8).report.opaque_mut(22)[7] ^= 1;
    };
    "device-count", "seven GPUs expected", of Scene::hgx: |scene| scene.policy("gpus = 7");
    "device-count", "no switches expected", of Scene::hgx: |scene| scene.policy("switches = 0");
    "device-count", "more switches expected", of counted: |scene| scene.nvidia = "gpus = 8\nswitches = 6\n".to_owned();
    "cc-mode", "a guest that does not say": |scene| scene.cc_state = None;
    "cc-mode", "confidential computing off": |scene| scene.cc_state.as_mut().unwrap().feature = false;
    "cc-mode", "devtools on": |scene| scene.cc_state.as_mut().unwrap().devtools = true;
    "cc-mode", "a simulated environment": |scene| {
        scene.cc_state.as_mut().unwrap().environment = Environment::Simulation;
    };
    "cc-mode", "protected PCIe that no GPU signs": |scene| scene.cc_state = Some(PROTECTED_PCIE);
    "cc-mode", "protected PCIe that the guest does not speak of", of Scene::hgx: |scene| scene.cc_state = Some(ON);
    "cc-mode", "devtools in protected PCIe", of Scene::hgx: |scene| scene.cc_state.as_mut().unwrap().devtools = true;
}
