//! Launches of real guests: what is measured here must be what TDX modules signed.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says on stderr when it is skipped"
)]

use evidence_dstack::events::TdxEvent;
use evidence_dstack::image::TDX_MEASUREMENT;
use evidence_dstack::tdx_measurement::TdxMeasurement;
use evidence_dstack::vm_config::VmConfig;
use evidence_dstack::wire::{Attestation, Platform};
use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, FirmwareVariant, ImageMeasurement, LaunchError, LaunchEvent,
    LaunchInputs, LaunchLog, LaunchMeasurement, Machine, TdHobWitness, measure,
};

/// A real attestation: configuration, log, and the registers of the quote.
struct Guest {
    config: VmConfig,
    log: Vec<TdxEvent>,
    registers: LaunchMeasurement,
}

impl Guest {
    fn read(test: &str, path: &str) -> Option<Self> {
        let bytes = std::fs::read(lab::vectors::root(test)?.join(path)).unwrap();
        let attestation = Attestation::decode(&bytes).unwrap();
        let Platform::Tdx { quote, event_log } = attestation.platform else { return None };
        // The TD report body follows a header of 48 bytes (Intel TDX DCAP quote library API, appendix A.3).
        let register = |offset: usize| *quote[48..][offset..].first_chunk().unwrap();
        let registers = LaunchMeasurement {
            mrtd: register(136),
            rtmr0: register(328),
            rtmr1: register(376),
            rtmr2: register(424),
        };
        Some(Self { config: VmConfig::parse(&attestation.config).unwrap(), log: event_log, registers })
    }

    /// The digests of a register's events.
    fn digests(&self, imr: u32) -> Vec<[u8; 48]> {
        let events = self.log.iter().filter(|event| event.imr == imr);
        events.map(|event| event.digest.as_slice().try_into().unwrap()).collect()
    }

    /// The digests of the ACPI tables. The guest labels them in this order.
    fn acpi(&self) -> AcpiDigests {
        let events = self.log.iter().filter(|event| event.event_payload == b"ACPI DATA");
        let digests: Vec<[u8; 48]> =
            events.map(|event| event.digest.as_slice().try_into().unwrap()).collect();
        let [loader, rsdp, tables] = *digests else { panic!("three events") };
        AcpiDigests { loader, rsdp, tables }
    }

    /// The launch that the configuration describes.
    fn inputs(&self) -> LaunchInputs {
        let launch = self.config.tdx_measurement.as_ref().unwrap();
        let checked = launch.material.verify(TDX_MEASUREMENT, self.config.os_image_hash.as_ref()).unwrap();
        let document = TdxMeasurement::parse(checked.measurement()).unwrap();
        let two_pass = launch.machine.two_pass_add_pages();
        LaunchInputs {
            firmware: FirmwareMeasurement {
                variant: document.ovmf.parse().unwrap(),
                mrtd_two_pass: document.mrtd_two_pass,
                mrtd_single_pass: document.mrtd_single_pass,
                td_hob: TdHobWitness::parse(&document.td_hob).unwrap(),
            },
            image: ImageMeasurement {
                kernel_authenticode: document.kernel_authenticode,
                cmdline_sha384: document.cmdline_sha384,
                initrd_sha384: document.initrd_sha384,
            },
            machine: Machine {
                memory_size: launch.machine.memory_size,
                add_pages: if two_pass { AddPages::TwoPass } else { AddPages::SinglePass },
            },
            acpi: self.acpi(),
        }
    }
}

const LITE: &str = "dstack/tdx-lite-getquote.json";
const LEGACY: &str = "dstack/quote-report.json";

fn digests(events: &[LaunchEvent]) -> Vec<[u8; 48]> {
    events.iter().map(|event| event.digest).collect()
}

#[test]
fn a_launch_gives_the_registers_of_its_quote() {
    let Some(guest) = Guest::read("launch_golden::a_launch_gives_the_registers_of_its_quote", LITE) else {
        return;
    };
    let inputs = guest.inputs();
    assert_eq!(measure(&inputs), Ok(guest.registers));
    let log = LaunchLog::of(&inputs).unwrap();
    assert_eq!(digests(&log.rtmr0), guest.digests(0));
    assert_eq!(digests(&log.rtmr1), guest.digests(1));
    assert_eq!(digests(&log.rtmr2), guest.digests(2));
}

/// Another image, machine (64 GiB, a GPU) and QEMU, with firmware of the same layout: its RTMR0 follows from
/// the witness of the other image and its own ACPI digests, and so do the constants of the firmware.
#[test]
fn the_firmware_constants_hold_for_another_guest() {
    let test = "launch_golden::the_firmware_constants_hold_for_another_guest";
    let Some(guest) = Guest::read(test, LEGACY) else { return };
    let inputs = Guest::read(test, LITE).unwrap().inputs();
    let machine = Machine { memory_size: 64 << 30, ..inputs.machine };
    let kernel_authenticode = guest.digests(1)[0];
    let [cmdline_sha384, initrd_sha384] = *guest.digests(2) else { panic!("two events") };
    let image = ImageMeasurement { kernel_authenticode, cmdline_sha384, initrd_sha384 };
    let inputs = LaunchInputs { machine, acpi: guest.acpi(), image, ..inputs };
    let measured = measure(&inputs).unwrap();
    assert_eq!(measured, LaunchMeasurement { mrtd: measured.mrtd, ..guest.registers });
    assert_eq!(digests(&LaunchLog::of(&inputs).unwrap().rtmr0), guest.digests(0));
    // Its firmware is another build.
    assert_ne!(measured.mrtd, guest.registers.mrtd);
}

/// The firmware's constants stand in logs that others captured: the samples of dstack's event log crate, and
/// of lunal-dev/attestation-rs.
#[test]
fn the_firmware_constants_stand_in_other_logs() {
    let test = "launch_golden::the_firmware_constants_stand_in_other_logs";
    let Some(root) = lab::vectors::root(test) else { return };
    let inputs = Guest::read(test, LITE).unwrap().inputs();
    let log = LaunchLog::of(&inputs).unwrap();
    for path in ["dstack/ccel.bin", "tdx/v4-attestation-rs-live-ccel/ccel_live2.bin"] {
        let ccel = std::fs::read(root.join(path)).unwrap();
        for name in ["cfv", "SecureBoot", "PK", "KEK", "db", "dbx", "separator", "BootOrder", "Boot0000"] {
            let event = log.rtmr0.iter().find(|event| event.name == name).unwrap();
            assert!(ccel.windows(48).any(|window| window == event.digest), "{path}: {name}");
        }
    }
}

#[test]
fn every_input_counts() {
    let Some(guest) = Guest::read("launch_golden::every_input_counts", LITE) else { return };
    let changed = |change: fn(&mut LaunchInputs)| {
        let mut inputs = guest.inputs();
        change(&mut inputs);
        let measured = measure(&inputs).unwrap();
        let same = measured.registers().into_iter().zip(guest.registers.registers());
        same.filter(|(found, expected)| found != expected).map(|((name, _), _)| name).collect::<Vec<_>>()
    };
    assert_eq!(changed(|_| ()), [""; 0]);
    assert_eq!(changed(|inputs| inputs.machine.add_pages = AddPages::SinglePass), ["MRTD"]);
    assert_eq!(changed(|inputs| inputs.firmware.mrtd_two_pass[0] ^= 1), ["MRTD"]);
    assert_eq!(changed(|inputs| inputs.firmware.mrtd_single_pass[0] ^= 1), [""; 0]);
    assert_eq!(changed(|inputs| inputs.machine.memory_size = 3 << 30), ["RTMR0"]);
    let other_witness = |inputs: &mut LaunchInputs| {
        inputs.firmware.td_hob = TdHobWitness::parse(&[0, 0, 0]).unwrap();
    };
    assert_eq!(changed(other_witness), ["RTMR0"]);
    assert_eq!(changed(|inputs| inputs.acpi.loader[0] ^= 1), ["RTMR0"]);
    assert_eq!(changed(|inputs| inputs.acpi.rsdp[0] ^= 1), ["RTMR0"]);
    assert_eq!(changed(|inputs| inputs.acpi.tables[0] ^= 1), ["RTMR0"]);
    assert_eq!(changed(|inputs| inputs.image.kernel_authenticode[0] ^= 1), ["RTMR1"]);
    assert_eq!(changed(|inputs| inputs.image.cmdline_sha384[0] ^= 1), ["RTMR2"]);
    assert_eq!(changed(|inputs| inputs.image.initrd_sha384[0] ^= 1), ["RTMR2"]);

    let mut inputs = guest.inputs();
    inputs.machine.memory_size = 0xafff_ffff;
    assert_eq!(measure(&inputs), Err(LaunchError::MemorySize { found: 0xafff_ffff }));
}

#[test]
fn firmware_of_another_variant_is_refused() {
    assert_eq!("pre202505".parse(), Ok(FirmwareVariant::Pre202505));
    assert_eq!(FirmwareVariant::Pre202505.to_string(), "pre202505");
    for name in ["", "Pre202505", "stable202505"] {
        let error = LaunchError::Variant { found: name.to_owned() };
        assert_eq!(name.parse::<FirmwareVariant>(), Err(error));
    }
    let Err(LaunchError::Variant { found }) = "x".repeat(1000).parse::<FirmwareVariant>() else {
        panic!("refused")
    };
    assert_eq!(found.len(), 32);
}
