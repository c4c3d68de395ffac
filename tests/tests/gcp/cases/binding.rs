//! What was booted, and what the guest extended.

use lab::{events::Event, tpm::partition_table};

use super::super::payload::logged;
use super::{
    quote::{dstack, tdx_by_pcrs},
    *,
};

cases! {
    "measurement-listed", "firmware that the relying party does not list", of listed: |scene| {
        report(scene).measurement = [1; 48];
    };
    "boot-log", "a log that is none": |scene| scene.edit = |evidence| evidence.boot_log = Some(vec![0; 64].into());
    "boot-log-replay", "a log of another boot": |scene| {
        scene.edit = |evidence| evidence.boot_log = Some(another_boot().into());
    };
    "cc-log", "a log that is none", of Scene::tdx: |scene| {
        scene.edit = |evidence| evidence.cc_log = Some(vec![0; 64].into());
    };
    "cc-log-replay", "a log of another boot", of Scene::tdx: |scene| {
        scene.edit = |evidence| {
            let mut other = guest::Guest::tdx();
            other.boot.events.pop();
            evidence.cc_log = Some(other.cc_boot().bytes().into());
        };
    };
    "cc-log-replay", "the log of the vTPM's registers", of Scene::tdx: |scene| {
        scene.edit = |evidence| evidence.cc_log.clone_from(&evidence.boot_log);
    };
    "boot-registers", "no image in the policy": |scene| scene.image = None;
    "boot-registers", "another unified kernel image": |scene| booted(scene, b"lab unified kernel image", b"another image");
    "boot-registers", "another initrd": |scene| booted(scene, b"lab initrd", b"another initrd");
    "boot-registers", "another kernel": |scene| booted(scene, b"lab kernel", b"another kernel");
    "boot-registers", "a command line from outside of the image": |scene| {
        scene.guest.boot.events.push(BootEvent::new(12, kind::IPL, b"init=/bin/sh"));
    };
    "boot-registers", "what a boot loader was told": |scene| {
        scene.guest.boot.events.push(BootEvent::new(8, kind::IPL, b"grub_cmd: linux"));
    };
    "boot-registers", "an extension of the system": |scene| {
        scene.guest.boot.events.push(BootEvent::new(13, kind::IPL, b"sysext"));
    };
    "boot-registers", "an image before the listed ones", of listed_events: |scene| {
        let at = position(scene, b"lab unified kernel image");
        let first = BootEvent::measuring(2, kind::BOOT_SERVICES_APPLICATION, b"first", b"an image that fails");
        scene.guest.boot.events.insert(at, first);
    };
    "boot-registers", "an image after the listed ones, in another boot option", of listed_events: |scene| {
        // The listed image is loaded first, returns, and the firmware goes on to another.
        let next = BootEvent::measuring(2, kind::BOOT_SERVICES_APPLICATION, b"next", b"another image");
        scene.guest.boot.events.push(next);
    };
    "boot-registers", "a second try to boot", of listed_events: |scene| {
        scene.guest.boot.events.push(BootEvent::new(4, kind::ACTION, b"Returning from EFI Application from Boot Option"));
    };
    "boot-registers", "an image that poses as a partition table", of listed_events: |scene| {
        let at = scene.guest.boot.events.iter().position(|event| event.data == partition_table()).unwrap();
        scene.guest.boot.events[at].measured = Some(b"an image".to_vec());
    };
    "boot-registers", "another image in the TD's registers", of Scene::tdx: |scene| {
        scene.guest.cc_events.push(BootEvent::measuring(2, kind::BOOT_SERVICES_APPLICATION, b"next", b"another image"));
    };
    "boot-registers", "another command line in the TD's registers", of Scene::tdx: |scene| {
        scene.guest.cc_events.push(BootEvent::new(3, kind::IPL, b"init=/bin/sh"));
    };
    "boot-registers", "an image before the listed ones in the TD's registers", of listed_cc_events: |scene| {
        let at = position(scene, b"lab unified kernel image");
        let first = BootEvent::measuring(2, kind::BOOT_SERVICES_APPLICATION, b"first", b"an image that fails");
        scene.guest.boot.events.insert(at, first);
    };
    "boot-registers", "a list with a partition table, and no log of the TD's registers", of listed_cc_events: |scene| {
        scene.edit = |evidence| evidence.cc_log = None;
    };
    "boot-registers", "other ACPI tables or firmware variables than the policy lists", of machine_too: |scene| {
        scene.guest.cc_events.push(BootEvent::new(1, kind::VARIABLE_DRIVER_CONFIG, b"another table"));
        scene.edit = |evidence| evidence.cc_log = None;
    };
    "boot-registers", "an image that is known by a TD's registers, and a guest that is none": |scene| {
        scene.image = Scene::tdx().image;
    };
    "boot-registers", "an image that is known by the vTPM's registers, of which dstack quotes too few", of dstack: |scene| {
        scene.image = Some(pcrs(&scene.guest, &[2, 4, 9, 11]));
    };
    "boot-registers", "the registers of one image in the TD and of another in the vTPM", of both: |scene| {
        booted(scene, b"lab kernel", b"another kernel");
        scene.guest.cc_events.clear();
        let good = guest::Guest::tdx();
        let image = format!("{}\n{}", rtmrs(&scene.guest), pcrs(&good, &[2, 4, 9, 11]));
        scene.image = Some(image);
    };
    "runtime-log", "an event of version 3": |scene| scene.edit = |evidence| evidence.runtime_events[0].version = 3;
    "runtime-replay", "an event fewer than PCR14 has": |scene| scene.edit = |evidence| _ = evidence.runtime_events.pop();
    "runtime-replay", "an event whose payload was changed": |scene| {
        scene.edit = |evidence| evidence.runtime_events[1].payload[0] ^= 1;
    };
    "runtime-replay", "a PCR14 that was not zero before the first event": |scene| {
        scene.guest.boot.events.push(BootEvent::new(14, kind::IPL, b"MokList"));
    };
    "runtime-replay", "other events in RTMR3 than in PCR14", of Scene::tdx: |scene| {
        let mut events = scene.guest.events.clone();
        events[1].payload[0] ^= 1;
        scene.guest.rtmr3_events = Some(events);
    };
    "runtime-replay", "an event in RTMR3 alone", of Scene::tdx: |scene| {
        let mut events = scene.guest.events.clone();
        events.push(Event::new("more", b""));
        scene.guest.rtmr3_events = Some(events);
    };
    "runtime-replay", "events in PCR14, and an RTMR3 of zeros", of tdx_by_pcrs: |scene| {
        scene.guest.rtmr3_events = Some(Vec::new());
    };
    "runtime-replay", "other events in PCR14 than in RTMR3", of dstack: |scene| {
        let events = scene.guest.events.clone();
        scene.guest.rtmr3_events = Some(events);
        scene.guest.events.pop();
        scene.edit = |evidence| {
            evidence.runtime_events.push(evidence_event_log::runtime::LoggedEvent {
                name: "application-started".to_owned(), payload: b"lab".to_vec().into(), version: 1,
            });
        };
    };
    "launch-events", "a launch that did not end": |scene| {
        scene.guest.events.retain(|event| event.name != "system-ready");
    };
    "launch-events", "a launch that ended twice": |scene| scene.guest.events.push(Event::new("system-ready", b""));
    "application-events", "no application id": |scene| scene.guest.events.retain(|event| event.name != "app-id");
    "key-provider", "a key provider that dstack does not have": |scene| {
        let event = scene.guest.events.iter_mut().find(|event| event.name == "key-provider").unwrap();
        event.payload = br#"{"name":"other","id":""}"#.to_vec();
    };
}

fn position(scene: &Scene, measured: &[u8]) -> usize {
    scene.guest.boot.events.iter().position(|event| event.measured() == measured).unwrap()
}

/// Boots something else in the place of what is measured so.
fn booted(scene: &mut Scene, instead_of: &[u8], measured: &[u8]) {
    let at = position(scene, instead_of);
    scene.guest.boot.events[at].measured = Some(measured.to_vec());
}

fn another_boot() -> Vec<u8> {
    let mut boot = guest::boot(4);
    boot.events.pop();
    boot.bytes()
}

/// A relying party that lists the firmware's measurement.
pub(crate) fn listed() -> Scene {
    let mut scene = Scene::snp();
    scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "02".repeat(48));
    scene
}

/// A relying party that knows PCR2 and PCR4 by their events, whatever the partition table is.
pub(crate) fn listed_events() -> Scene {
    let mut scene = Scene::snp();
    let digests =
        |pcr| scene.guest.boot.digests(pcr).into_iter().map(|digest| format!("\"{}\"", hex::encode(digest)));
    let mut of_2: Vec<String> = digests(2).collect();
    of_2[1] = "\"gpt\"".to_owned();
    let of_4: Vec<String> = digests(4).collect();
    scene.image = Some(format!(
        "{}\npcrs.2 = {{ events = [{}] }}\npcrs.4 = {{ events = [{}] }}",
        pcrs(&scene.guest, &[9, 11]),
        of_2.join(", "),
        of_4.join(", ")
    ));
    scene
}

/// A relying party that knows RTMR1 by its events, whatever the partition table is.
pub(crate) fn listed_cc_events() -> Scene {
    let mut scene = Scene::tdx();
    let boot = scene.guest.cc_boot();
    let of_rtmr1 = boot.events.iter().filter(|event| event.pcr == 2);
    let digest = |event: &BootEvent| match event.data == partition_table() {
        true => "\"gpt\"".to_owned(),
        false => format!(
            "\"{}\"",
            hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, event.measured()))
        ),
    };
    let events: Vec<String> = of_rtmr1.map(digest).collect();
    let rtmr2 = hex::encode(scene.guest.rtmrs()[2]);
    scene.image = Some(format!("rtmr1 = {{ events = [{}] }}\nrtmr2 = [\"{rtmr2}\"]", events.join(", ")));
    scene
}

/// A relying party that knows what the machine gives as well.
pub(crate) fn machine_too() -> Scene {
    let mut scene = Scene::tdx();
    let [rtmr0, ..] = scene.guest.rtmrs().map(hex::encode);
    scene.image = Some(format!("rtmr0 = [\"{rtmr0}\"]\n{}", rtmrs(&scene.guest)));
    scene
}

/// A TD whose image accounts for PCR14, as of a boot loader that measures its own keys there: events are in RTMR3 alone.
pub(crate) fn events_in_rtmr3() -> Scene {
    let mut scene = Scene::tdx();
    scene.guest.boot.events.push(BootEvent::new(14, kind::IPL, b"MokList"));
    scene.guest.rtmr3_events = Some(std::mem::take(&mut scene.guest.events));
    scene.image = Some(format!("{}\n{}", rtmrs(&scene.guest), pcrs(&scene.guest, &[14])));
    scene.edit = |evidence| {
        let events = guest::Guest::tdx().events;
        evidence.runtime_events = events.iter().map(logged).collect();
    };
    scene
}

/// A TD whose image is known by both.
pub(crate) fn both() -> Scene {
    let mut scene = Scene::tdx();
    scene.image = Some(format!("{}\n{}", rtmrs(&scene.guest), pcrs(&scene.guest, &[2, 4, 9, 11])));
    scene
}
