//! What a launch is measured from: the first byte chooses a document.
#![no_main]

use evidence_dstack::{mr_config::MrConfigId, tdx_measurement::TdxMeasurement};
use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, FirmwareVariant, HIGH_MEMORY_SPLIT, ImageMeasurement,
    LOW_MEMORY, LaunchInputs, Machine, TdHobWitness, authenticode_sha384, cmdline_sha384, measure,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, document)) = data.split_first() else { return };
    match (choice, document.split_first_chunk()) {
        (b'm', Some((size, document))) => measurement(u64::from_le_bytes(*size), document),
        (b'h', Some((size, witness))) => {
            let image = TdxMeasurement { td_hob: witness.to_vec(), ..image() };
            launch(u64::from_le_bytes(*size), &image);
        }
        (b'k', Some((at, kernel))) => self::kernel(u64::from_le_bytes(*at), kernel),
        (b'i', _) => {
            let Ok(id) = document.try_into() else { return };
            if let Ok(parsed) = MrConfigId::parse(id) {
                assert_eq!(&parsed.to_bytes(), id, "MRCONFIGID has one encoding");
            }
        }
        (b'l', _) => drop(std::str::from_utf8(document).map(cmdline_sha384)),
        _ => {}
    }
});

fn image() -> TdxMeasurement {
    TdxMeasurement {
        cmdline_sha384: [1; 48],
        kernel_authenticode: [2; 48],
        initrd_sha384: [3; 48],
        ovmf: "pre202505".to_owned(),
        mrtd_single_pass: [4; 48],
        mrtd_two_pass: [5; 48],
        td_hob: Vec::new(),
    }
}

fn measurement(memory_size: u64, document: &[u8]) {
    let Ok(image) = TdxMeasurement::parse(document) else { return };
    assert_eq!(image.encode(), document, "the document has one encoding");
    launch(memory_size, &image);
}

/// A launch is measured on every machine on which the image's digest of the kernel holds, and on no other.
fn launch(memory_size: u64, image: &TdxMeasurement) {
    let (Ok(variant), Ok(td_hob)) =
        (image.ovmf.parse::<FirmwareVariant>(), TdHobWitness::parse(&image.td_hob))
    else {
        return;
    };
    let mut inputs = LaunchInputs {
        firmware: FirmwareMeasurement {
            variant,
            mrtd_two_pass: image.mrtd_two_pass,
            mrtd_single_pass: image.mrtd_single_pass,
            td_hob,
        },
        image: ImageMeasurement {
            kernel_authenticode: image.kernel_authenticode,
            cmdline_sha384: image.cmdline_sha384,
            initrd_sha384: image.initrd_sha384,
        },
        machine: Machine { memory_size, add_pages: AddPages::SinglePass },
        acpi: AcpiDigests { loader: [6; 48], rsdp: [7; 48], tables: [8; 48] },
    };
    let one_pass = measure(&inputs);
    assert_eq!(one_pass.is_ok(), memory_size == LOW_MEMORY || memory_size >= HIGH_MEMORY_SPLIT);
    inputs.machine.add_pages = AddPages::TwoPass;
    let (Ok(one_pass), Ok(two_passes)) = (one_pass, measure(&inputs)) else { return };
    assert_eq!((one_pass.mrtd, two_passes.mrtd), (image.mrtd_single_pass, image.mrtd_two_pass));
    assert_eq!(one_pass.registers()[1..], two_passes.registers()[1..]);
}

/// Every byte of a kernel is in its digest, but for those that signing changes. `at` chooses one to change.
fn kernel(at: u64, kernel: &[u8]) {
    let Ok(digest) = authenticode_sha384(kernel) else { return };
    let word = |at: usize| u32::from_le_bytes(kernel[at..at + 4].try_into().expect("4 bytes")) as usize;
    let optional = word(0x3c) + 24;
    let directories = optional + if kernel[optional + 1] == 1 { 92 } else { 108 };
    let checksum = optional + 64..optional + 68;
    let entry = directories + 4 + 4 * 8;
    let (entry, table) = match word(directories) {
        0..=4 => (0..0, kernel.len()),
        _ if word(entry + 4) == 0 => (entry..entry + 8, kernel.len()),
        _ => (entry..entry + 8, word(entry)),
    };
    let at = usize::try_from(at).expect("64 bits") % kernel.len();
    let left_out = checksum.contains(&at) || entry.contains(&at) || at >= table;
    let mut changed = kernel.to_vec();
    changed[at] ^= 1;
    let changed = authenticode_sha384(&changed);
    // A directory entry that changes is another certificate table.
    assert!(entry.contains(&at) || (changed == Ok(digest)) == left_out, "byte {at:#x}");
}
