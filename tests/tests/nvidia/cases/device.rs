//! Each device: the form of its report, its certificates and their status, its signature, and what it must say.

use super::*;

/// A relying party that minds versions.
fn floors(driver: &str, vbios: &str) -> String {
    format!(
        "[backend.nvidia.device]\nminimum-driver = \"{driver}\"\nminimum-vbios = {{ hopper = \"{vbios}\", ls10 = \"96.10\" }}"
    )
}

fn current() -> Scene {
    let mut scene = Scene::boot();
    scene.policy(&floors("550.90.07", "96.00.9f.00.01"));
    scene
}

/// A relying party that takes GPUs which report no firmware, and these.
fn no_firmware() -> Scene {
    let mut scene = Scene::mpt();
    scene.policy("[backend.nvidia.device]\ndanger-accept-no-fwid = true");
    for device in &mut scene.machine.devices {
        device.report.opaque.retain(|(kind, _)| *kind != 20);
    }
    scene
}

/// The flag for debugging among those of the leaf's extension.
fn for_debugging(scene: &mut Scene) {
    let extension = gpu(scene).certificates[0].0.extensions.last_mut().unwrap();
    let mut value = extension.extn_value.as_bytes().to_vec();
    let flags = value.windows(5).position(|bytes| bytes == [0, 0x80, 0, 0, 1]).unwrap();
    value[flags + 1] |= 0x10;
    extension.extn_value = der::asn1::OctetString::new(value).unwrap();
}

cases! {
    "spdm-report", "a byte behind the signature": |scene| gpu(scene).report.trailing.push(0);
    "spdm-report", "SPDM 1.2": |scene| gpu(scene).report.request[0] = 0x12;
    "spdm-report", "an answer of SPDM 1.2": |scene| gpu(scene).report.response[0] = 0x12;
    "spdm-report", "a request for no signature": |scene| gpu(scene).report.request[2] = 0;
    "spdm-report", "another slot": |scene| gpu(scene).report.slot = 1;
    "spdm-report", "63 measurements": |scene| _ = gpu(scene).report.measurements.pop();
    "spdm-report", "measurements in another order": |scene| gpu(scene).report.measurements.swap(1, 2);
    "spdm-report", "a measurement twice": |scene| gpu(scene).report.measurements[1].0 = 1;
    "spdm-report", "a measurement that is no digest": |scene| gpu(scene).report.block[3] = 0x81;
    "spdm-report", "a length of the measurements that is another": |scene| {
        gpu(scene).report.measurements_length = Some(3519);
    };
    "spdm-report", "opaque data with a type twice": |scene| gpu(scene).report.opaque.push((21, vec![0x55]));
    "spdm-report", "opaque data that are longer than they say": |scene| {
        gpu(scene).report.opaque_length = Some(10);
    };
    "spdm-report", "opaque data of a newer version": |scene| *gpu(scene).report.opaque_mut(34) = vec![2, 0];
    "spdm-report", "a mode that is not known": |scene| *gpu(scene).report.opaque_mut(36) = vec![3, 0];
    "spdm-report", "a driver's version of other letters": |scene| {
        *gpu(scene).report.opaque_mut(3) = b"550/90\0".to_vec();
    };
    "spdm-report", "no driver": |scene| gpu(scene).report.opaque.retain(|(kind, _)| *kind != 3);
    "spdm-report", "a firmware's identity of 47 bytes": |scene| _ = gpu(scene).report.opaque_mut(20).pop();
    "spdm-report", "protected PCIe neither on nor off": |scene| {
        *gpu(scene).report.opaque_mut(21) = vec![0];
    };
    "device-certificates", "four certificates": |scene| {
        scene.edit = |evidence| _ = evidence.devices[0].certificates.pop();
    };
    "device-certificates", "a certificate with a byte behind it": |scene| {
        scene.edit = |evidence| evidence.devices[0].certificates[2].push(0);
    };
    "device-certificates", "a key on another curve": |scene| {
        gpu(scene).certificates[0].0.spki = lab::keys::P256Key::from_label("leaf").spki();
    };
    "device-root-pinned", "the root's name on another key": |scene| {
        let root = EcKey::from_label("another root");
        let certificates = &mut gpu(scene).certificates;
        certificates[4].0.spki = root.spki();
        (certificates[4].1, certificates[3].1) = (root.clone(), root);
    };
    "device-root-pinned", "the root of manifests": |scene| scene.anchors = RimHierarchy::pins().into_iter().collect();
    "device-chain-validity", "a root that has ended": |scene| {
        gpu(scene).certificates[4].0.not_after = Machine::now() - 1;
    };
    "device-chain-validity", "a leaf of tomorrow": |scene| {
        gpu(scene).certificates[0].0.not_before = Machine::now() + 86_400;
    };
    "device-key-usage", "a leaf that may sign certificates": |scene| {
        gpu(scene).certificates[0].0.set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
    };
    "device-key-usage", "a device that may not": |scene| {
        gpu(scene).certificates[1].0.set_extension(key_usage(KeyUsages::DigitalSignature));
    };
    "device-chain-signatures", "a leaf that the device did not sign": |scene| {
        gpu(scene).certificates[0].1 = EcKey::from_label("nobody");
    };
    "device-chain-signatures", "a device that the provisioner did not sign": |scene| {
        gpu(scene).certificates[1].1 = EcKey::from_label("nobody");
    };
    "device-chain-signatures", "certificates in another order": |scene| {
        scene.edit = |evidence| evidence.devices[0].certificates.swap(1, 2);
    };
    "device-status-signature", "a status that no responder of the issuer signed": |scene| {
        scene.machine.statuses[0].1 = EcKey::from_label("nobody");
    };
    "device-status-signature", "a responder of another issuer": |scene| {
        scene.machine.statuses[0].0.certificates = scene.machine.statuses[1].0.certificates.clone();
    };
    "device-not-revoked", "a device that is revoked": |scene| status(scene, 0, Status::Revoked(Machine::now() - 1, Some(1)));
    "device-not-revoked", "an authority on hold": |scene| status(scene, 2, Status::Revoked(Machine::now() - 1, Some(6)));
    "device-not-revoked", "a device revoked by an older response, beside a current one that calls it good": |scene| {
        let mut old = scene.machine.statuses[0].clone();
        let answer = &mut old.0.answers[0];
        answer.status = Status::Revoked(Machine::now() - 200_000, None);
        answer.this_update -= 90_000;
        answer.next_update = Some(answer.this_update + 86_400);
        scene.machine.statuses.push(old);
    };
    "device-status-current", "no status of the device": |scene| _ = scene.machine.statuses.remove(0);
    "device-status-current", "a device that the responder does not know": |scene| status(scene, 0, Status::Unknown);
    "device-status-current", "a status of the day before": |scene| {
        let answer = &mut scene.machine.statuses[1].0.answers[0];
        answer.this_update -= 90_000;
        answer.next_update = Some(answer.this_update + 86_400);
    };
    "device-status-current", "a status by a responder whose certificate has ended": |scene| {
        let (issuer, key) = (gpu(scene).certificates[2].0.clone(), gpu(scene).certificates[1].1.clone());
        let mut responder = responder_spec(&issuer, &EcKey::from_label("nvidia ocsp responder").spki());
        responder.not_after = Machine::now() - 1;
        scene.machine.statuses[0].0.certificates = vec![responder.sign(&key)];
    };
    "device-status-current", "a status of tomorrow": |scene| {
        scene.machine.statuses[1].0.answers[0].this_update = Machine::now() + 1;
    };
    "device-architecture", "a leaf of another chip": |scene| {
        let name = Device::new(lab::nvidia::Chip::Gb100, 0).certificates[0].0.subject.clone();
        gpu(scene).certificates[0].0.subject = name;
    };
    "device-architecture", "a chip that is not known": |scene| {
        for index in [0, 1] {
            let subject = &gpu(scene).certificates[index].0.subject;
            let name = format!("{subject}").replace("GH100", "GA100");
            let name: x509_cert::name::Name = name.parse().unwrap();
            gpu(scene).certificates[index].0.subject = name;
        }
        gpu(scene).certificates[0].0.issuer = gpu(scene).certificates[1].0.subject.clone();
    };
    "device-architecture", "an authority of another family": |scene| {
        let other = Device::new(lab::nvidia::Chip::Gb100, 0);
        gpu(scene).certificates[3].0.subject = other.certificates[3].0.subject.clone();
        gpu(scene).certificates[2].0.issuer = other.certificates[3].0.subject.clone();
        scene.machine.publish();
    };
    "device-architecture", "a switch's report under a GPU's certificates": |scene| {
        let switch = Device::new(lab::nvidia::Chip::Ls10, 0);
        gpu(scene).report = switch.report;
    };
    "device-architecture", "a GPU that says that it is another chip", of Scene::mpt: |scene| {
        *gpu(scene).report.opaque_mut(35) = b"GB102\0".to_vec();
    };
    "spdm-signature", "another device's signature": |scene| gpu(scene).leaf = EcKey::from_label("nobody");
    "spdm-signature", "a measurement changed after signing": |scene| {
        scene.edit = |evidence| evidence.devices[0].report[60] ^= 1;
    };
    "spdm-nonce", "another nonce than the payload's": |scene| {
        scene.edit = |evidence| evidence.nonce = Some([1; 32].into());
    };
    "spdm-nonce", "evidence for another challenge, to which the CPU commits anew", of Scene::v1: |scene| {
        scene.edit = |evidence| evidence.devices = Scene { asked: [0xC5; 64], ..Scene::v1() }.payload().devices;
    };
    "fwid", "another firmware than the leaf was made for": |scene| gpu(scene).report.opaque_mut(20)[0] ^= 1;
    "fwid", "a GPU that reports no firmware": |scene| gpu(scene).report.opaque.retain(|(kind, _)| *kind != 20);
    "fwid", "a leaf that names its firmware twice": |scene| {
        let other = Device::new(lab::nvidia::Chip::Gb100, 0).certificates[0].0.extensions.pop().unwrap();
        gpu(scene).certificates[0].0.extensions.push(other);
    };
    "fwid", "a leaf of firmware for debugging", of Scene::mpt: for_debugging;
    "fwid", "a leaf of firmware for debugging, where the policy takes a GPU that reports none", of no_firmware: for_debugging;
    "fwid", "a leaf that names no firmware": |scene| _ = gpu(scene).certificates[0].0.extensions.pop();
    "driver-floor", "an older driver than the minimum", of current: |scene| {
        scene.nvidia = floors("550.90.08", "96.00.9f.00.01");
    };
    "vbios-floor", "a minimum for another architecture alone", of current: |scene| {
        scene.nvidia = "[backend.nvidia.device]\nminimum-vbios = { blackwell = \"97.00\" }".to_owned();
    };
    "vbios-floor", "an older video BIOS than the minimum", of current: |scene| {
        scene.nvidia = floors("550.90.07", "96.00.a0");
    };
}
