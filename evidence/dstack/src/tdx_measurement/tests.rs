use super::*;
use crate::image::TDX_MEASUREMENT;
use crate::vectors;
use crate::vm_config::VmConfig;
use crate::wire::Attestation;

fn sample() -> TdxMeasurement {
    TdxMeasurement {
        cmdline_sha384: [1; 48],
        kernel_authenticode: [2; 48],
        initrd_sha384: [3; 48],
        ovmf: "pre202505".to_owned(),
        mrtd_single_pass: [4; 48],
        mrtd_two_pass: [5; 48],
        td_hob: vec![0x80, 0x10, 9, 0],
    }
}

/// The map's entries behind these keys.
fn entries<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Vec<(Value, Value)> {
    let Value::Map(entries) = value else { panic!("a map") };
    let Some((first, rest)) = path.split_first() else { return entries };
    let (_, value) = entries.iter_mut().find(|(key, _)| key.as_text() == Some(first)).unwrap();
    self::entries(value, rest)
}

fn parse_with(path: &[&str], change: impl Fn(&mut Vec<(Value, Value)>)) -> TdxMeasurementError {
    let mut document: Value = ciborium::from_reader(sample().encode().as_slice()).unwrap();
    change(entries(&mut document, path));
    let mut bytes = Vec::new();
    ciborium::into_writer(&document, &mut bytes).unwrap();
    TdxMeasurement::parse(&bytes).unwrap_err()
}

#[test]
fn real_document() {
    let test = "tdx_measurement::real_document";
    let Some(text) = vectors::read(test, "dstack/tdx-lite-getquote.json") else { return };
    let config = VmConfig::parse(&Attestation::decode(&text).unwrap().config).unwrap();
    let expected = config.os_image_hash.unwrap();
    assert_eq!(hex::encode(expected), "e6f5cfec20c02e7b97baa213d0f718020b55e040172d90ccbcb946d56c8b09db");
    let launch = config.tdx_measurement.unwrap();
    let bytes = launch.material.verify(TDX_MEASUREMENT, Some(&expected)).unwrap().measurement();
    assert_eq!(bytes.len(), 384);

    let measurement = TdxMeasurement::parse(bytes).unwrap();
    assert_eq!(measurement.encode(), bytes);
    assert_eq!(measurement.ovmf, "pre202505");
    // MRTD of the quote (TD report body from 48, MRTD 136 bytes into it): QEMU 8.2.2 adds pages in two
    // passes.
    let request: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let quote = hex::decode(request["quote"].as_str().unwrap()).unwrap();
    assert_eq!(quote[48 + 136..][..48], measurement.mrtd_two_pass);
    assert_eq!(hex::encode(&measurement.td_hob), "80100904000609020b021010");

    for length in 0..bytes.len() {
        assert_eq!(TdxMeasurement::parse(&bytes[..length]), Err(TdxMeasurementError::Syntax));
    }
}

#[test]
fn keys_of_another_order_or_number_are_refused() {
    let expected = |expected| TdxMeasurementError::Key { expected };
    assert_eq!(parse_with(&[], |e| e.swap(1, 2)), expected("image"));
    assert_eq!(parse_with(&["image"], |e| e.swap(1, 2)), expected("kernel_authenticode"));
    assert_eq!(parse_with(&["tdvf"], |e| e[2].0 = "hob".into()), expected("td_hob"));
    assert_eq!(parse_with(&["tdvf", "mrtd"], |e| e[1] = e[0].clone()), expected("two_pass"));
    let entries = |key, expected, found| TdxMeasurementError::Entries { key, expected, found };
    assert_eq!(parse_with(&[], |e| e.push(("x".into(), 1.into()))), entries("document", 3, 4));
    assert_eq!(parse_with(&["image"], |e| drop(e.pop())), entries("image", 3, 2));
    assert_eq!(parse_with(&["tdvf"], |e| drop(e.pop())), entries("tdvf", 3, 2));
    assert_eq!(parse_with(&["tdvf", "mrtd"], |e| drop(e.pop())), entries("mrtd", 2, 1));
}

#[test]
fn values_of_another_form_are_refused() {
    assert_eq!(parse_with(&[], |e| e[0].1 = 2.into()), TdxMeasurementError::Version { found: 2 });
    let wrong = |key, expected| TdxMeasurementError::WrongType { key, expected };
    assert_eq!(parse_with(&[], |e| e[0].1 = (-1).into()), wrong("version", "an unsigned integer"));
    assert_eq!(parse_with(&[], |e| e[1].1 = 1.into()), wrong("image", "a map"));
    assert_eq!(parse_with(&["tdvf"], |e| e[0].1 = 1.into()), wrong("ovmf", "text"));
    assert_eq!(
        parse_with(&["image"], |e| e[1].1 = "0".into()),
        wrong("kernel_authenticode", "a byte string")
    );
    let length = TdxMeasurementError::Length { key: "single_pass", found: 47 };
    assert_eq!(parse_with(&["tdvf", "mrtd"], |e| e[0].1 = [0_u8; 47].as_slice().into()), length);
    let long = |key, limit| TdxMeasurementError::TooLong { key, limit, found: limit + 1 };
    assert_eq!(parse_with(&["tdvf"], |e| e[0].1 = "x".repeat(65).into()), long("ovmf", MAX_VARIANT));
    assert_eq!(parse_with(&["tdvf"], |e| e[2].1 = vec![0_u8; 513].into()), long("td_hob", MAX_TD_HOB));
}

#[test]
fn bytes_of_another_form_are_refused() {
    let good = sample().encode();
    assert_eq!(TdxMeasurement::parse(&good), Ok(sample()));
    let trailing = [good.as_slice(), &[0xf6]].concat();
    assert_eq!(TdxMeasurement::parse(&trailing), Err(TdxMeasurementError::Trailing { left: 1 }));
    // The map's head in two bytes (0xb8 0x03) instead of one (0xa3), and without a length.
    let long_head = [&[0xb8, 0x03], &good[1..]].concat();
    assert_eq!(TdxMeasurement::parse(&long_head), Err(TdxMeasurementError::NotCanonical));
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    assert_eq!(TdxMeasurement::parse(&indefinite), Err(TdxMeasurementError::NotCanonical));
    assert_eq!(TdxMeasurement::parse(&[0x81; 60_000]), Err(TdxMeasurementError::Syntax));
    let large = vec![0; MAX_DOCUMENT + 1];
    assert_eq!(TdxMeasurement::parse(&large), Err(TdxMeasurementError::TooLarge { found: 65_537 }));
}
