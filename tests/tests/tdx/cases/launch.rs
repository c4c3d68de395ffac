//! The boot log, and the launch that leads to the same registers.

use super::*;

cases! {
    "boot-log", "a log that is none": |scene| {
        scene.edit = |evidence| evidence.boot_log = Some(BootLog::Ccel(ByteBuf::from([0x5A; 100])));
    };
    "boot-log", "an event of RTMR3": |scene| scene.edit = |evidence| boot_events(evidence)[19].rtmr = 3;
    "boot-log", "a digest of 47 bytes": |scene| {
        scene.edit = |evidence| _ = boot_events(evidence)[0].digest.pop();
    };
    "boot-log", "more events than a boot has": |scene| {
        scene.edit = |evidence| {
            let event = boot_events(evidence)[0].clone();
            boot_events(evidence).resize(4097, event);
        };
    };
    "boot-log", "another event in a log that was cut down to ACPI tables", after acpi_alone: |scene| {
        scene.edit = |evidence| {
            only_acpi(evidence);
            boot_events(evidence)[1].name = "SecureBoot".to_owned();
        };
    };
    "boot-log-replay", "another event of RTMR0": |scene| scene.edit = |evidence| boot_events(evidence)[0].digest[0] ^= 1;
    "boot-log-replay", "another event of RTMR1": |scene| scene.edit = |evidence| boot_events(evidence)[13].digest[0] ^= 1;
    "boot-log-replay", "another event of RTMR2": |scene| scene.edit = |evidence| boot_events(evidence)[19].digest[0] ^= 1;
    "boot-log-replay", "an event left out": |scene| {
        scene.edit = |evidence| drop(boot_events(evidence).remove(3));
    };
    "boot-log-replay", "two events in another order": |scene| scene.edit = |evidence| boot_events(evidence).swap(1, 2);
    "boot-log-replay", "an event of another register": |scene| {
        scene.edit = |evidence| boot_events(evidence)[19].rtmr = 1;
    };
    "boot-log-replay", "another event in the firmware's own log", after firmware_log: |scene| {
        scene.edit = |evidence| {
            let mut log = TdGuest::new().launch.ccel();
            // Before the last event's data ("initrd", its length) and 64 bytes of padding stands its digest.
            let last = log.len() - 64 - "initrd".len() - 4 - 1;
            log[last] ^= 1;
            evidence.boot_log = Some(BootLog::Ccel(ByteBuf::from(log)));
        };
    };
    "image-documents", "another checksum file": |scene| {
        scene.guest.launch.checksum_file = format!("{}  measurement.tdx.cbor\n", "00".repeat(32)).into_bytes();
    };
    "image-documents", "a checksum file that does not list the document": |scene| {
        scene.guest.launch.checksum_file = format!("{}  bzImage\n", "00".repeat(32)).into_bytes();
    };
    "image-documents", "a measurement document that is not the listed one": |scene| {
        scene.edit = |evidence| evidence.launch.as_mut().unwrap().measurement.push(0);
    };
    "launch-parameters", "a document of another version": |scene| document(scene, |image| image.version = 4);
    "launch-parameters", "a firmware whose events are not known": |scene| {
        document(scene, |image| image.ovmf = "stable202505".to_owned());
    };
    "launch-parameters", "a byte after the memory of the firmware": |scene| document(scene, |image| image.td_hob.push(0));
    "acpi-digests", "no boot log": |scene| scene.edit = |evidence| evidence.boot_log = None;
    "acpi-digests", "a log that does not name the files": |scene| {
        scene.edit = |evidence| boot_events(evidence).iter_mut().for_each(|event| event.name.clear());
    };
    "acpi-digests", "a log that names a file twice": |scene| {
        scene.edit = |evidence| boot_events(evidence)[0].name = "acpi-loader".to_owned();
    };
    "acpi-digests", "a log that names the files in another order": |scene| {
        scene.edit = |evidence| {
            let events = boot_events(evidence);
            events[8].name = "acpi-rsdp".to_owned();
            events[9].name = "acpi-loader".to_owned();
        };
    };
    "launch-measurement", "pages added in the other way (MRTD)": |scene| scene.guest.launch.two_pass = true;
    "launch-measurement", "another firmware in the image (MRTD)": |scene| {
        document(scene, |image| image.mrtd_single_pass[0] ^= 1);
    };
    "launch-measurement", "more memory (RTMR0)": |scene| scene.guest.launch.memory_size += 1 << 30;
    "launch-measurement", "memory for which no launch is known": |scene| {
        scene.guest.launch.memory_size = (3 << 30) - (1 << 29);
    };
    "launch-measurement", "other memory of the firmware (RTMR0)": |scene| document(scene, |image| image.td_hob[7] += 1);
    "launch-measurement", "other ACPI tables in a log that was cut down to them (RTMR0)", after acpi_alone: |scene| {
        scene.edit = |evidence| {
            only_acpi(evidence);
            boot_events(evidence)[2].digest[0] ^= 1;
        };
    };
    "launch-measurement", "another kernel in the image (RTMR1)": |scene| {
        document(scene, |image| image.kernel_authenticode[0] ^= 1);
    };
    "launch-measurement", "another command line in the image (RTMR2)": |scene| {
        document(scene, |image| image.cmdline_sha384[0] ^= 1);
    };
    "launch-measurement", "another initrd in the image (RTMR2)": |scene| {
        document(scene, |image| image.initrd_sha384[0] ^= 1);
    };
}

/// Another image than the one that was launched, whose checksum file lists its document.
fn document(scene: &mut Scene, change: fn(&mut lab::intel::launch::Image)) {
    change(&mut scene.guest.launch.image);
    scene.guest.launch.seal_image();
}

/// The log as the firmware wrote it.
pub(crate) fn firmware_log(scene: &mut Scene) {
    scene.edit = |evidence| {
        evidence.boot_log = Some(BootLog::Ccel(ByteBuf::from(TdGuest::new().launch.ccel())));
    };
}

/// The log as dstack puts it into certificates.
pub(crate) fn acpi_alone(scene: &mut Scene) {
    scene.edit = only_acpi;
}

fn only_acpi(evidence: &mut TdxEvidence) {
    let events = boot_events(evidence).iter().filter(|event| event.name.starts_with("acpi-"));
    evidence.boot_log = Some(BootLog::Acpi(events.cloned().collect()));
}
