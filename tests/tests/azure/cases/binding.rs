//! What was booted, and what the guest extended.

use super::{
    quote::{RAW, raw_pcrs},
    *,
};

cases! {
    "measurement-listed", "a paravisor that the relying party does not list", of listed: |scene| {
        report(scene).measurement[0] ^= 1;
    };
    "paravisor-known", "a TD whose paravisor nobody vouches for", of unendorsed_tdx: |scene| scene.policy.clear();
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
    "boot-log-replay", "a register that the log does not account for": |scene| {
        let line = format!("12 = [\"{}\"]", hex::encode([9; 32]));
        scene.guest.pcrs.push((12, [9; 32]));
        scene.image = scene.image.take().map(|image| format!("{image}\n{line}"));
    };
    "boot-registers", "no image in the policy": |scene| scene.image = None;
    "boot-registers", "another boot loader": |scene| booted(scene, 4, b"another image");
    "boot-registers", "another initrd": |scene| booted(scene, 9, b"another initrd");
    "boot-registers", "another kernel": |scene| booted(scene, 11, b"another kernel");
    "boot-registers", "Secure Boot as the image does not have it": |scene| booted(scene, 7, b"SecureBoot: other");
    "boot-registers", "a command line from outside of the image": |scene| {
        scene.guest.boot.events.push(external());
    };
    "boot-registers", "an image that lists a register which is not quoted": |scene| {
        scene.image = scene.image.take().map(|image| format!("{image}\n15 = [\"{}\"]", "00".repeat(32)));
    };
    "boot-registers", "an event between those of the list", of listed_events: |scene| {
        scene.guest.boot.events.insert(12, event(4, b"an application before the image"));
    };
    "boot-registers", "an event after those of the list", of listed_events: |scene| {
        scene.guest.boot.events.push(event(4, b"an application after the image"));
    };
    "boot-registers", "an event fewer than in the list", of listed_events: |scene| {
        scene.guest.boot.events.retain(|event| event.measured() != b"lab unified kernel image");
    };
    "boot-registers", "an image that poses as a partition table", of listed_partition_table: |scene| {
        // Its type says so; its digest is of something else than what is logged.
        let event = scene.guest.boot.events.iter_mut().find(|event| event.data == lab::tpm::partition_table()).unwrap();
        event.measured = Some(b"an image".to_vec());
    };
    "boot-registers", "an image that poses as a partition table, with the bytes that are hashed", of listed_partition_table: |scene| {
        let table = lab::tpm::partition_table();
        let event = scene.guest.boot.events.iter_mut().find(|event| event.data == table).unwrap();
        event.data = [b"MZ", &table[2..]].concat();
    };
    "boot-registers", "a partition table with more bytes than its entries", of listed_partition_table: |scene| {
        let table = lab::tpm::partition_table();
        scene.guest.boot.events.iter_mut().find(|event| event.data == table).unwrap().data.push(0);
    };
    "boot-registers", "a partition table whose header has another length", of listed_partition_table: |scene| {
        let table = lab::tpm::partition_table();
        scene.guest.boot.events.iter_mut().find(|event| event.data == table).unwrap().data[12] = 93;
    };
    "boot-registers", "a driver that ran before the image": |scene| {
        scene.guest.boot.events.insert(11, event(2, b"a driver of the boot loader's"));
    };
    "boot-registers", "what a boot loader was told": |scene| scene.guest.boot.events.push(event(8, b"grub_cmd: linux"));
    "boot-registers", "an extension of the system": |scene| scene.guest.boot.events.push(event(13, b"sysext"));
    "boot-registers", "a quote without PCR8", of raw_pcrs: |scene| without(scene, 8);
    "boot-registers", "a quote without PCR12", of raw_pcrs: |scene| without(scene, 12);
    "boot-registers", "a quote without PCR13", of raw_pcrs: |scene| without(scene, 13);
    "runtime-replay", "a quote without PCR14", of raw_pcrs: |scene| without(scene, 14);
    "boot-log-replay", "a log without digests of the quoted bank": |scene| {
        scene.edit = |evidence| evidence.boot_log = Some(sha384_log().into());
    };
    "boot-registers", "two partition tables", of listed_partition_table: |scene| {
        let table = scene.guest.boot.events.iter().find(|event| event.data == lab::tpm::partition_table()).unwrap().clone();
        scene.guest.boot.events.push(table);
    };
    "boot-registers", "a list with a partition table, and no log", of listed_partition_table: |scene| {
        scene.edit = |evidence| evidence.boot_log = None;
    };
    "runtime-log", "an event of version 3": |scene| scene.edit = |evidence| evidence.runtime_events[0].version = 3;
    "runtime-replay", "an event fewer than PCR14 has": |scene| scene.edit = |evidence| _ = evidence.runtime_events.pop();
    "runtime-replay", "no events, and a PCR14 that has some": |scene| {
        scene.edit = |evidence| {
            evidence.runtime_events.clear();
            evidence.boot_log = None;
        };
    };
    "runtime-replay", "two events in each other's place": |scene| scene.edit = |evidence| evidence.runtime_events.swap(1, 2);
    "runtime-replay", "an event whose payload was changed": |scene| {
        scene.edit = |evidence| evidence.runtime_events[1].payload[0] ^= 1;
    };
    "runtime-replay", "a PCR14 that was not zero before the first event": |scene| {
        scene.guest.boot.events.push(event(14, b"MokList"));
    };
    "runtime-replay", "events behind a PCR14 that the image accounts for", of boot_loader_in_pcr14: |scene| {
        scene.guest.events.push(Event::new("system-preparing", b""));
        let line = image(&scene.guest, &[2, 4, 7, 9, 11, 14]);
        scene.image = Some(line);
    };
    "runtime-replay", "a guest that must have come to an end, and a PCR14 that the image accounts for", of boot_loader_in_pcr14: |scene| {
        scene.policy = "[backend.azure.launch]\nphase = \"ready\"\n".to_owned();
    };
    "launch-events", "a launch that did not end": |scene| {
        scene.guest.events.retain(|event| event.name != "system-ready");
    };
    "launch-events", "a launch that ended twice": |scene| scene.guest.events.push(Event::new("system-ready", b""));
    "launch-events", "a name that occurs twice": |scene| scene.guest.events.insert(2, Event::new("app-id", &[1; 20]));
    "launch-events", "a guest that has come to an end, for a key management system": |scene| {
        scene.policy = "[backend.azure.launch]\nphase = \"booting\"\n".to_owned();
    };
    "launch-events", "a guest that extended nothing, where the policy asks how far it has come", of nothing_extended: |scene| {
        scene.policy = "[backend.azure.launch]\nphase = \"ready\"\n".to_owned();
    };
    "application-events", "no application id": |scene| scene.guest.events.retain(|event| event.name != "app-id");
    "application-events", "a composition of 31 bytes": |scene| {
        scene.guest.events.iter_mut().find(|event| event.name == "compose-hash").unwrap().payload.pop();
    };
    "key-provider", "a key provider that dstack does not have": |scene| {
        let event = scene.guest.events.iter_mut().find(|event| event.name == "key-provider").unwrap();
        event.payload = br#"{"name":"other","id":""}"#.to_vec();
    };
    "key-provider", "a key management system without a key": |scene| {
        let event = scene.guest.events.iter_mut().find(|event| event.name == "key-provider").unwrap();
        event.payload = br#"{"name":"kms","id":""}"#.to_vec();
    };
}

fn event(pcr: u32, data: &[u8]) -> lab::tpm::BootEvent {
    lab::tpm::BootEvent { pcr, event_type: 0xD, data: data.to_vec(), measured: None }
}

/// A log of the same boot with digests of SHA-384 alone.
fn sha384_log() -> Vec<u8> {
    let mut log = vec![0; 4];
    log.extend(3_u32.to_le_bytes());
    log.extend([0; 20]);
    let mut header = b"Spec ID Event03\0\0\0\0\0\0\x02\0\x02".to_vec();
    header.extend([1, 0, 0, 0, 0x0C, 0, 48, 0, 0]);
    log.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    log.extend(header);
    log
}

/// Quotes all that the base does, but for one register.
fn without(scene: &mut Scene, pcr: u8) {
    scene.guest.selection.pcrs.retain(|selected| *selected != pcr);
    let pcrs = format!("pcrs = {:?}", scene.guest.selection.pcrs);
    scene.policy = RAW.replace("[backend.azure.raw]", &format!("[backend.azure.raw]\n{pcrs}"));
}

/// What systemd-stub measures of a command line that is not the image's own.
fn external() -> lab::tpm::BootEvent {
    event(12, b"init=/bin/sh")
}

/// Boots something else: the last event of a register is another.
fn booted(scene: &mut Scene, pcr: u32, measured: &[u8]) {
    let mut of_pcr = scene.guest.boot.events.iter_mut().filter(|event| event.pcr == pcr);
    of_pcr.next_back().unwrap().measured = Some(measured.to_vec());
}

/// A relying party that lists the paravisor's measurement.
pub(crate) fn listed() -> Scene {
    let mut scene = Scene::snp();
    scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "a2".repeat(48));
    scene
}

/// A TD whose attestation key Azure does not vouch for, and a relying party that lists its paravisor.
pub(crate) fn unendorsed_tdx() -> Scene {
    let mut scene = Scene::tdx();
    azure(&mut scene, "danger-accept-unendorsed-ak = true");
    scene.edit = |evidence| evidence.ak_certificate = None;
    let mrtd = hex::encode(td_body(&mut scene).mrtd);
    scene.policy = format!("[reference-values]\nmeasurements = [\"{mrtd}\"]\n");
    scene
}

/// A relying party that knows PCR4 by its events.
pub(crate) fn listed_events() -> Scene {
    let mut scene = Scene::snp();
    let digests: Vec<String> =
        scene.guest.boot.digests(4).iter().map(|digest| format!("\"{}\"", hex::encode(digest))).collect();
    scene.image =
        Some(format!("{}\n4 = {{ events = [{}] }}", image(&scene.guest, &[2, 9, 11]), digests.join(", ")));
    scene
}

/// A guest whose partition table is measured into PCR2, as Google's firmware does, and a relying party that takes any.
pub(crate) fn listed_partition_table() -> Scene {
    let mut scene = Scene::snp();
    let table =
        scene.guest.boot.events.iter_mut().find(|event| event.data == lab::tpm::partition_table()).unwrap();
    table.pcr = 2;
    let separator = hex::encode(scene.guest.boot.digests(2)[0]);
    scene.image =
        Some(format!("{}\n2 = {{ events = [\"{separator}\", \"gpt\"] }}", image(&scene.guest, &[4, 9, 11])));
    scene
}

/// A boot loader that measures into PCR14, a guest that extends nothing, and a relying party that lists the register.
pub(crate) fn boot_loader_in_pcr14() -> Scene {
    let mut scene = Scene::snp();
    scene.guest.boot.events.push(event(14, b"MokList"));
    scene.guest.events.clear();
    scene.image = Some(image(&scene.guest, &[2, 4, 7, 9, 11, 14]));
    scene
}

/// A guest that extended nothing.
pub(crate) fn nothing_extended() -> Scene {
    let mut scene = Scene::snp();
    scene.guest.events.clear();
    scene
}
