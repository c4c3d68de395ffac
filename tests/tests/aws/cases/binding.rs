//! What was launched and booted, and what the guest extended.

use super::*;

cases! {
    "measurement-listed", "a launch that the relying party does not list": |scene| scene.guest.report.measurement[0] ^= 1;
    "measurement-listed", "no list of launches": |scene| scene.measurement = None;
    "measurement-listed", "a launch that is not among the reference values", of reference_value: |scene| {
        scene.guest.report.measurement[0] ^= 1;
    };
    "measurement-listed", "a launch that is listed, and not among the reference values": |scene| {
        scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "af".repeat(48));
    };
    "boot-log", "a log that is none": |scene| scene.edit = |evidence| evidence.boot_log = Some(vec![0; 64].into());
    "boot-log-replay", "a log of another boot": |scene| {
        scene.edit = |evidence| {
            let mut boot = lab::tpm::BootLog::new();
            boot.events[0].data.push(0);
            evidence.boot_log = Some(boot.bytes().into());
        };
    };
    "boot-log-replay", "a log without the last event of PCR9": |scene| {
        scene.edit = |evidence| {
            let mut boot = lab::tpm::BootLog::new();
            boot.events.pop();
            evidence.boot_log = Some(boot.bytes().into());
        };
    };
    "boot-log-replay", "a PCR8 that the log does not account for, and no config in the policy": |scene| {
        scene.guest.pcrs.push((8, [8; 48]));
    };
    "boot-registers", "no image in the policy": |scene| scene.image = None;
    "boot-registers", "no image in the policy, of a document alone", of halves::document_only: |scene| scene.image = None;
    "boot-registers", "another boot loader": |scene| booted(scene, 4, b"another image");
    "boot-registers", "another initrd": |scene| booted(scene, 9, b"another initrd");
    "boot-registers", "another kernel": |scene| booted(scene, 11, b"another kernel");
    "boot-registers", "other keys of Secure Boot": |scene| booted(scene, 7, b"SecureBoot: other");
    "boot-registers", "a driver that ran before the image": |scene| {
        scene.guest.boot.events.insert(11, event(2, b"a driver of the boot loader's"));
    };
    "boot-registers", "a command line from outside of the image": |scene| {
        scene.guest.boot.events.push(event(12, b"init=/bin/sh"));
    };
    "boot-registers", "an extension of the system": |scene| scene.guest.boot.events.push(event(13, b"sysext"));
    "boot-registers", "a document without PCR12": |scene| cut(scene, |document| document.pcrs.retain(|(pcr, _)| *pcr != 12));
    "boot-registers", "a document without PCR4": |scene| cut(scene, |document| document.pcrs.retain(|(pcr, _)| *pcr != 4));
    "configuration", "what a boot loader was told": |scene| scene.guest.boot.events.push(event(8, b"grub_cmd: linux"));
    "configuration", "a document without PCR8": |scene| cut(scene, |document| document.pcrs.retain(|(pcr, _)| *pcr != 8));
    "configuration", "another configuration than the policy lists", of configured: |scene| {
        scene.guest.pcrs = vec![(8, [9; 48])];
    };
    "configuration", "no configuration, where the policy lists some", of configured: |scene| scene.guest.pcrs.clear();
    "runtime-log", "an event of version 3": |scene| scene.edit = |evidence| evidence.runtime_events[0].version = 3;
    "runtime-replay", "a document without PCR14": |scene| cut(scene, |document| document.pcrs.retain(|(pcr, _)| *pcr != 14));
    "runtime-replay", "an event fewer than PCR14 has": |scene| scene.edit = |evidence| _ = evidence.runtime_events.pop();
    "runtime-replay", "no events, and a PCR14 that has some": |scene| {
        scene.edit = |evidence| {
            evidence.runtime_events.clear();
            evidence.boot_log = None;
        };
    };
    "runtime-replay", "two events in each other's place": |scene| scene.edit = |evidence| evidence.runtime_events.swap(1, 2);
    "runtime-replay", "a PCR14 that was not zero before the first event": |scene| {
        scene.guest.boot.events.push(event(14, b"MokList"));
    };
    "runtime-replay", "a guest that must have come to an end, and a PCR14 that the image accounts for", of boot_loader_in_pcr14: |scene| {
        scene.policy = "[backend.aws.launch]\nphase = \"ready\"\n".to_owned();
    };
    "launch-events", "a launch that did not end": |scene| {
        scene.guest.events.retain(|event| event.name != "system-ready");
    };
    "launch-events", "a launch that ended twice": |scene| scene.guest.events.push(Event::new("system-ready", b""));
    "launch-events", "a guest that extended nothing, where the policy asks how far it has come", of nothing_extended: |scene| {
        scene.policy = "[backend.aws.launch]\nphase = \"ready\"\n".to_owned();
    };
    "application-events", "no application id": |scene| scene.guest.events.retain(|event| event.name != "app-id");
    "key-provider", "a key provider that dstack does not have": |scene| {
        let event = scene.guest.events.iter_mut().find(|event| event.name == "key-provider").unwrap();
        event.payload = br#"{"name":"other","id":""}"#.to_vec();
    };
}

fn event(pcr: u32, data: &[u8]) -> lab::tpm::BootEvent {
    lab::tpm::BootEvent { pcr, event_type: 0xD, data: data.to_vec(), measured: None }
}

/// Boots something else: the last event of a register is another.
fn booted(scene: &mut Scene, pcr: u32, measured: &[u8]) {
    let mut of_pcr = scene.guest.boot.events.iter_mut().filter(|event| event.pcr == pcr);
    of_pcr.next_back().unwrap().measured = Some(measured.to_vec());
}

/// A document that has not all registers.
fn cut(scene: &mut Scene, cut: fn(&mut lab::aws::DocumentSpec)) {
    scene.guest.edit_document.push(cut);
}

/// A relying party that lists the launch among the reference values alone.
pub(crate) fn reference_value() -> Scene {
    let mut scene = Scene { measurement: None, ..Scene::v1() };
    scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "ae".repeat(48));
    scene
}

/// A guest that measured its configuration, as dstack does, and a relying party that lists it.
pub(crate) fn configured() -> Scene {
    let mut scene = Scene::v1();
    scene.guest.pcrs.push((8, [8; 48]));
    scene.policy = format!("[backend.aws.launch]\nconfig = [\"{}\"]\n", "08".repeat(48));
    scene
}

/// A guest of a boot loader that measures its commands, and a relying party that lists PCR8 with the image.
pub(crate) fn commands_in_pcr8() -> Scene {
    let mut scene = Scene::v1();
    scene.guest.boot.events.push(event(8, b"grub_cmd: linux"));
    scene.image = Some(image(&scene.guest, &[&LISTED[..], &[8]].concat()));
    scene
}

/// A boot loader that measures into PCR14, a guest that extends nothing, and a relying party that lists the register.
pub(crate) fn boot_loader_in_pcr14() -> Scene {
    let mut scene = Scene::v1();
    scene.guest.boot.events.push(event(14, b"MokList"));
    scene.guest.events.clear();
    scene.image = Some(image(&scene.guest, &[&LISTED[..], &[14]].concat()));
    scene
}

/// A guest that extended nothing.
pub(crate) fn nothing_extended() -> Scene {
    let mut scene = Scene::v1();
    scene.guest.events.clear();
    scene
}
