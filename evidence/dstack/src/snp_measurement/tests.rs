use super::*;
use crate::image::SNP_MEASUREMENT;
use crate::vectors;
use crate::vm_config::{SnpLaunch, VmConfig};
use crate::wire::Attestation;

fn sample() -> SnpMeasurement {
    SnpMeasurement {
        cmdline: "console=ttyS0".to_owned(),
        ovmf_hash: [1; 48],
        kernel_hash: [2; 32],
        initrd_hash: [3; 32],
        hashes_table_gpa: 0x81_0c00,
        reset_eip: 0x80_b004,
        ovmf_sections: vec![OvmfSection { gpa: 0x80_0000, size: 0x9000, section_type: 1 }],
    }
}

fn parse_with(change: impl Fn(&mut Vec<(Value, Value)>)) -> SnpMeasurementError {
    let Value::Map(mut entries) = ciborium::from_reader(sample().encode().as_slice()).unwrap() else {
        panic!("a map")
    };
    change(&mut entries);
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(entries), &mut bytes).unwrap();
    SnpMeasurement::parse(&bytes).unwrap_err()
}

#[test]
fn real_document() {
    let test = "snp_measurement::real_document";
    let Some(wire) = vectors::attestation_in_json(test, "dstack/sev-snp-attestation.json") else { return };
    let config = VmConfig::parse(&Attestation::decode(&wire).unwrap().config).unwrap();
    let Some(SnpLaunch::Split { material, .. }) = config.sev_snp_measurement else {
        panic!("the split schema")
    };
    let expected = config.os_image_hash.unwrap();
    assert_eq!(hex::encode(expected), "f69c8e5031ec2b269bbc08839ce02cb98ee255d695626f941f4b37b95946d352");
    let bytes = material.verify(SNP_MEASUREMENT, Some(&expected)).unwrap().measurement();

    let measurement = SnpMeasurement::parse(bytes).unwrap();
    assert_eq!(measurement.encode(), bytes);

    let parameters = vectors::read(test, "snp/milan-v3-dstack-e2e/launch_params.json").unwrap();
    let parameters: serde_json::Value = serde_json::from_slice(&parameters).unwrap();
    assert_eq!(parameters["cmdline"], measurement.cmdline);
    assert_eq!(parameters["ovmf_launch_hash"], hex::encode(measurement.ovmf_hash));
    assert_eq!(parameters["kernel_sha256"], hex::encode(measurement.kernel_hash));
    assert_eq!(parameters["initrd_sha256"], hex::encode(measurement.initrd_hash));
    assert_eq!(parameters["hashes_table_gpa"], measurement.hashes_table_gpa);
    assert_eq!(parameters["reset_eip"], measurement.reset_eip);
    let sections = parameters["ovmf_sections"].as_array().unwrap();
    assert_eq!(sections.len(), measurement.ovmf_sections.len());
    for (expected, found) in sections.iter().zip(&measurement.ovmf_sections) {
        assert_eq!((&expected["gpa"], &expected["size"]), (&found.gpa.into(), &found.size.into()));
        assert_eq!(expected["type"], found.section_type);
    }

    for length in 0..bytes.len() {
        assert_eq!(SnpMeasurement::parse(&bytes[..length]), Err(SnpMeasurementError::Syntax));
    }
}

#[test]
fn keys_of_another_order_or_number_are_refused() {
    let expected = |expected| SnpMeasurementError::Key { expected };
    assert_eq!(parse_with(|entries| entries.swap(1, 2)), expected("cmdline"));
    assert_eq!(parse_with(|entries| entries[2] = entries[1].clone()), expected("ovmf_hash"));
    assert_eq!(parse_with(|entries| entries[7].0 = "sections".into()), expected("ovmf_sections"));
    let entries = |found| SnpMeasurementError::Entries { expected: 8, found };
    assert_eq!(parse_with(|entries| entries.push(("extra".into(), 1.into()))), entries(9));
    assert_eq!(parse_with(|entries| drop(entries.pop())), entries(7));
}

#[test]
fn values_of_another_form_are_refused() {
    assert_eq!(parse_with(|e| e[0].1 = 2.into()), SnpMeasurementError::Version { found: 2 });
    let length = SnpMeasurementError::Length { key: "kernel_hash", expected: 32, found: 31 };
    assert_eq!(parse_with(|e| e[3].1 = [0_u8; 31].as_slice().into()), length);
    let wrong = |key, expected| SnpMeasurementError::WrongType { key, expected };
    assert_eq!(parse_with(|e| e[1].1 = 1.into()), wrong("cmdline", "text"));
    assert_eq!(parse_with(|e| e[2].1 = "00".into()), wrong("ovmf_hash", "a byte string"));
    let unsigned = "an unsigned integer in range";
    assert_eq!(parse_with(|e| e[6].1 = (1_u64 << 32).into()), wrong("reset_eip", unsigned));
    assert_eq!(parse_with(|e| e[5].1 = (-1).into()), wrong("hashes_table_gpa", unsigned));
    assert_eq!(parse_with(|e| e[7].1 = 0.into()), wrong("ovmf_sections", "an array"));
    let many = Value::Array(vec![map([]); MAX_SECTIONS + 1]);
    assert_eq!(parse_with(|e| e[7].1 = many.clone()), SnpMeasurementError::Sections { found: 65 });
    let tagged = |e: &mut Vec<(Value, Value)>| e[0].1 = Value::Tag(2, Box::new(Value::Bytes(vec![3])));
    assert_ne!(parse_with(tagged), SnpMeasurementError::Syntax);
}

#[test]
fn bytes_of_another_form_are_refused() {
    let good = sample().encode();
    assert_eq!(SnpMeasurement::parse(&good), Ok(sample()));
    let trailing = [good.as_slice(), &[0xf6]].concat();
    assert_eq!(SnpMeasurement::parse(&trailing), Err(SnpMeasurementError::Trailing { left: 1 }));
    // The map's head in two bytes (0xb8 0x08) instead of one (0xa8), and the version 3 as 0x18 0x03.
    let long_head = [&[0xb8, 0x08], &good[1..]].concat();
    assert_eq!(SnpMeasurement::parse(&long_head), Err(SnpMeasurementError::NotCanonical));
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    assert_eq!(SnpMeasurement::parse(&indefinite), Err(SnpMeasurementError::NotCanonical));
    let hostile = [&[0x9b], [0xff_u8; 8].as_slice()].concat();
    assert_eq!(SnpMeasurement::parse(&hostile), Err(SnpMeasurementError::Syntax));
    assert_eq!(SnpMeasurement::parse(&[0x81; 60_000]), Err(SnpMeasurementError::Syntax));
    let large = vec![0; MAX_DOCUMENT + 1];
    assert_eq!(SnpMeasurement::parse(&large), Err(SnpMeasurementError::TooLarge { found: 65_537 }));
}
