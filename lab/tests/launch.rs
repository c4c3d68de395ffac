//! Forged firmware and guests: sound ones are measured, and each defect of an image has an error of its own.

mod vectors;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ciborium::Value;
use evidence_snp::launch::{Firmware, LaunchError};
use lab::amd::{FirmwareDefect, FirmwareSpec, Guest, Product};

use vectors::vectors;

#[test]
fn sound_images_are_measured() {
    for size in [4 << 10, 64 << 10, 2 << 20] {
        let spec = FirmwareSpec { size, ..FirmwareSpec::default() };
        let image = spec.bytes();
        assert_eq!(image.len(), size);
        let firmware = Firmware::measure(&image).unwrap();
        let metadata = firmware.metadata();
        assert_eq!(metadata.reset_eip, 0x80_b004);
        assert_eq!(metadata.hashes_table_gpa, Some(0x81_0c00));
        let expected: Vec<_> =
            spec.sections.unwrap().iter().map(|section| (section.gpa, section.size, section.kind)).collect();
        let found: Vec<(u32, u32, u32)> = metadata
            .sections
            .iter()
            .map(|section| (section.gpa, section.size, section.kind.into()))
            .collect();
        assert_eq!(found, expected);
    }
    let disk = Firmware::measure(&FirmwareSpec::without_kernel_hashes().bytes()).unwrap();
    assert_eq!(disk.metadata().hashes_table_gpa, None);
    assert_eq!(disk.metadata().sections.len(), 6);
}

#[test]
fn the_filler_changes_the_measurement() {
    let digest = |filler| {
        let image = FirmwareSpec { filler, ..FirmwareSpec::default() }.bytes();
        *Firmware::measure(&image).unwrap().digest()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn each_defect_of_an_image_is_refused_for_itself() {
    let error = |defect| Firmware::measure(&FirmwareSpec::default().with_defect(defect).bytes()).unwrap_err();
    macro_rules! refused {
        ($defect:ident, $error:pat) => {
            let error = error(FirmwareDefect::$defect);
            assert!(matches!(error, $error), "{}: {error:?}", stringify!($defect));
        };
    }
    refused!(FooterGuid, LaunchError::NoFooter);
    refused!(TableTooLong, LaunchError::TableLength { found: 0xffff });
    refused!(TableTooShort, LaunchError::TableLength { found: 17 });
    refused!(TableCutsEntry, LaunchError::EntryLength { .. });
    refused!(EntryTooShort, LaunchError::EntryLength { found: 17, .. });
    refused!(EntryTooLong, LaunchError::EntryLength { found: 0x200, .. });
    refused!(DuplicateEntry, LaunchError::DuplicateEntry { .. });
    refused!(EntryDataLength, LaunchError::EntryData { expected: 4, found: 8, .. });
    refused!(MetadataOutside, LaunchError::MetadataOffset { .. });
    refused!(MetadataTruncated, LaunchError::MetadataOffset { offset: 16 });
    refused!(MetadataSignature, LaunchError::MetadataSignature { .. });
    refused!(MetadataVersion, LaunchError::MetadataVersion { found: 2 });
    refused!(MetadataLength, LaunchError::MetadataLength { .. });
    refused!(SectionCount, LaunchError::SectionCount { .. });
}

#[test]
fn a_missing_entry_is_refused() {
    for spec in [
        FirmwareSpec { reset_eip: None, ..FirmwareSpec::default() },
        FirmwareSpec { sections: None, ..FirmwareSpec::default() },
    ] {
        let error = Firmware::measure(&spec.bytes()).unwrap_err();
        assert!(matches!(error, LaunchError::MissingEntry { .. }), "{error:?}");
    }
}

#[test]
fn the_parts_of_a_guest_agree() {
    for product in Product::ALL {
        let guest = Guest::new(product);
        assert_eq!(guest.report.measurement, guest.measurement());
        assert_eq!(guest.report.host_data, guest.host_data());
        assert_ne!(guest.report.measurement, [0; 48]);
        assert_eq!(guest.vek_spec.tcb, guest.report.reported_tcb);
        assert_eq!(
            guest.vek_spec.hwid.as_deref(),
            guest.report.chip_id.get(..if product == Product::Turin { 8 } else { 64 })
        );
        assert_eq!(guest.chain().len(), 3);
        let report = guest.report_for(&[3; 64]);
        assert_eq!((report.len(), &report[0x50..0x90]), (1184, &[3; 64][..]));
    }
}

#[test]
fn a_changed_input_changes_what_is_sealed() {
    let sound = Guest::new(Product::Milan);
    let changes: [fn(&mut Guest); 6] = [
        |guest| guest.firmware = FirmwareSpec { filler: 1, ..FirmwareSpec::default() }.bytes(),
        |guest| guest.kernel.push(0),
        |guest| guest.initrd.push(0),
        |guest| guest.cmdline.push('x'),
        |guest| guest.vcpus = 3,
        |guest| guest.vcpu_type = "EPYC-Milan".to_owned(),
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        let mut guest = sound.clone();
        change(&mut guest);
        assert_eq!(guest.os_image_hash(), sound.os_image_hash(), "nothing follows before it is sealed");
        guest.seal_image();
        guest.seal_launch();
        assert_ne!(guest.report.measurement, sound.report.measurement, "change {nth}");
        // The image documents hold the first four; the vCPUs belong to the launch alone.
        assert_eq!(guest.os_image_hash() != sound.os_image_hash(), nth < 4, "change {nth}");
    }
}

#[test]
fn image_documents_have_dstacks_form() {
    let guest = Guest::new(Product::Milan);
    let text = String::from_utf8(guest.checksum_file.clone()).unwrap();
    let names: Vec<_> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(names, ["ovmf.fd", "bzImage", "initramfs.cpio.gz", "measurement.snp.cbor"]);
    // RFC 8949 §3: a map of 8, the text "version", 3, the text "cmdline".
    assert!(guest.measurement_cbor.starts_with(b"\xa8\x67version\x03\x67cmdline\x78"));
    let document: serde_json::Value = serde_json::from_str(&guest.mr_config).unwrap();
    assert_eq!(document["version"], 3);
    assert_eq!(document["compose_hash"].as_str().unwrap()[..40], *document["app_id"].as_str().unwrap());
}

#[test]
fn host_data_commits_to_a_real_document_as_the_real_report_does() {
    let Some(vectors) = vectors("host_data_commits_to_a_real_document_as_the_real_report_does") else {
        return;
    };
    let folder = vectors.join("snp/milan-v3-dstack-e2e");
    let mut guest = Guest::new(Product::Milan);
    guest.mr_config = std::fs::read_to_string(folder.join("mr_config.json")).unwrap();
    let report = std::fs::read(folder.join("report.bin")).unwrap();
    assert_eq!(guest.host_data(), report[0xc0..0xe0]);
}

/// The keys of a CBOR document in their order, each with the kind and the length of its value.
fn shape(document: &Value) -> Vec<(String, &'static str, usize)> {
    let entries = document.as_map().into_iter().flatten();
    entries
        .map(|(key, value)| {
            let (kind, length) = match value {
                Value::Integer(_) => ("integer", 0),
                Value::Bytes(bytes) => ("bytes", bytes.len()),
                Value::Text(_) => ("text", 0),
                Value::Array(_) => ("array", 0),
                _ => ("other", 0),
            };
            (key.as_text().unwrap_or_default().to_owned(), kind, length)
        })
        .collect()
}

#[test]
fn the_measurement_document_has_the_shape_of_a_real_one() {
    let Some(vectors) = vectors("the_measurement_document_has_the_shape_of_a_real_one") else { return };
    let file = std::fs::read(vectors.join("dstack/sev-snp-attestation.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let attestation = hex::decode(file["attestation"].as_str().unwrap()).unwrap();
    let attestation = String::from_utf8_lossy(&attestation);
    // The document is in base64 in a string of JSON in a string of JSON.
    let (_, rest) = attestation.split_once(r#"\"measurement\":\""#).unwrap();
    let (document, _) = rest.split_once('\\').unwrap();
    let real: Value = ciborium::from_reader(&*BASE64_STANDARD.decode(document).unwrap()).unwrap();

    let guest = Guest::new(Product::Milan);
    let forged: Value = ciborium::from_reader(&*guest.measurement_cbor).unwrap();
    assert_eq!(shape(&forged), shape(&real));
    let sections = |document: &Value| document.as_map().unwrap().last().unwrap().1.clone();
    assert_eq!(sections(&forged), sections(&real), "the default image has the sections of the real one");
}
