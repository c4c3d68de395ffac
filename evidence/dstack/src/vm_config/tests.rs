use super::*;
use crate::image::SNP_MEASUREMENT;
use crate::vectors;
use crate::wire::{Attestation, Platform, Request};

const FLAT: &str = r#"{"ovmf_sections":[{"gpa":8388608,"size":36864,"section_type":1}],"base_cmdline":"a",
    "ovmf_hash":"H48","kernel_hash":"H32","initrd_hash":"H32","sev_hashes_table_gpa":1,"sev_es_reset_eip":2,
    "vcpus":2,"vcpu_type":"EPYC-v4","guest_features":1}"#;

fn flat() -> String {
    FLAT.replace("H48", &"ab".repeat(48)).replace("H32", &"cd".repeat(32))
}

#[test]
fn both_schemas_of_one_real_launch_agree() {
    let test = "vm_config::both_schemas_of_one_real_launch_agree";
    let Some(wire) = vectors::attestation_in_json(test, "dstack/sev-snp-attestation.json") else { return };
    let new = Attestation::decode(&wire).unwrap();
    let old = Attestation::decode(&vectors::read(test, "dstack/sev_snp_attestation.bin").unwrap()).unwrap();
    let (Platform::AmdSevSnp { mr_config, .. }, Ok(new), Ok(old)) =
        (new.platform, VmConfig::parse(&new.config), VmConfig::parse(&old.config))
    else {
        panic!("snp attestations with their configurations")
    };
    for config in [&new, &old] {
        assert_eq!(config.mr_config.as_ref(), Some(&mr_config));
        assert_eq!(config.cpu_count, Some(2));
        assert_eq!(config.other["image"], "dstack-nvidia-0.6.0.a2");
        assert_eq!(config.other["spec_version"], 1);
    }
    let Some(SnpLaunch::Split { material, machine }) = new.sev_snp_measurement else { panic!("split") };
    let Some(SnpLaunch::Flat { measurement, machine: old_machine }) = old.sev_snp_measurement else {
        panic!("flat")
    };
    let checked = material.verify(SNP_MEASUREMENT, new.os_image_hash.as_ref()).unwrap();
    assert_eq!(SnpMeasurement::parse(checked.measurement()), Ok(measurement));
    assert_eq!(machine, old_machine);
    let expected = SnpMachine { vcpus: 2, vcpu_type: Some("EPYC-v4".to_owned()), guest_features: 1 };
    assert_eq!(machine, expected);
}

#[test]
fn nested_and_plain_configurations_of_real_guests() {
    let test = "vm_config::nested_and_plain_configurations_of_real_guests";
    let Some(nested) = vectors::read(test, "dstack/simulator-attestation.bin") else { return };
    let config = VmConfig::parse(&Attestation::decode(&nested).unwrap().config).unwrap();
    let hash = "e61be43dd1cc6a6f5edefd7c51b608983780839b0000ce60dd99737dcffe09b9";
    assert_eq!(config.os_image_hash.map(hex::encode).as_deref(), Some(hash));
    assert_eq!((config.cpu_count, config.other.contains_key("kms_urls")), (Some(8), true));

    let text = vectors::read(test, "dstack/quote-report.json").unwrap();
    let request = Request::parse(std::str::from_utf8(&text).unwrap()).unwrap();
    let config = VmConfig::parse(&request.into_attestation().unwrap().config).unwrap();
    let hash = "14ad42d0270b444eaeb53918a5a94d9b17eec7a817cd336173b17c5327541c67";
    assert_eq!(config.os_image_hash.map(hex::encode).as_deref(), Some(hash));
    assert_eq!((config.cpu_count, &config.other["num_gpus"]), (Some(16), &1.into()));
}

#[test]
fn nested_shapes() {
    let string = VmConfig::parse(r#"{"vm_config":"{\"cpu_count\":2}","cpu_count":2,"x":1}"#).unwrap();
    let object = VmConfig::parse(r#"{"vm_config":{"cpu_count":2},"x":1}"#).unwrap();
    assert_eq!((string.cpu_count, &string), (Some(2), &object));
    let ambiguous = VmConfig::parse(r#"{"vm_config":{"cpu_count":2},"cpu_count":3}"#);
    assert_eq!(ambiguous, Err(VmConfigError::Ambiguous { key: "cpu_count" }));
    assert!(VmConfig::parse(r#"{"vm_config":[]}"#).is_err());
    assert!(VmConfig::parse(r#"{"vm_config":"{}{}"}"#).is_err());
    let duplicate = VmConfig::parse(r#"{"vm_config":"{\"a\":{\"b\":1,\"b\":2}}"}"#).unwrap_err();
    let expected = JsonError::DuplicateKey { document: CONFIG, key: "b".to_owned() };
    assert_eq!(duplicate, VmConfigError::Json(expected));
}

#[test]
fn measurement_inputs_are_strict() {
    let parse = |from: &str, to: &str| {
        let text = flat();
        assert!(text.contains(from));
        SnpLaunch::parse(&text.replacen(from, to, 1)).unwrap_err()
    };
    assert!(SnpLaunch::parse(&flat()).is_ok());
    assert_eq!(parse(r#""vcpus":2"#, r#""vcpus":0"#), VmConfigError::Vcpus { found: 0 });
    assert_eq!(parse(r#""vcpus":2"#, r#""vcpus":513"#), VmConfigError::Vcpus { found: 513 });
    assert_eq!(parse(r#"features":1"#, r#"features":0"#), VmConfigError::GuestFeatures);
    let unknown = |key: &str| JsonError::UnknownKey { document: MEASUREMENT, key: key.to_owned() }.into();
    assert_eq!(parse("{", r#"{"app_id":"","#), unknown("app_id"));
    assert_eq!(parse(r#"{"gpa""#, r#"{"type":1,"gpa""#), unknown("type"));
    assert_eq!(parse("{", r#"{"measurement":"AA==","#), unknown("measurement"));
    let missing = JsonError::MissingKey { document: MEASUREMENT, key: "base_cmdline" };
    assert_eq!(parse(r#""base_cmdline":"a","#, ""), missing.into());
    let many = vec![r#"{"gpa":1,"size":1,"section_type":1}"#; 65].join(",");
    let sections = r#"{"gpa":8388608,"size":36864,"section_type":1}"#;
    assert_eq!(parse(sections, &many), VmConfigError::Sections { found: 65 });

    let split =
        r#"{"checksum_file":"YQ==","measurement":"Yg==","vcpus":1,"vcpu_type":null,"guest_features":1}"#;
    let machine = SnpMachine { vcpus: 1, vcpu_type: None, guest_features: 1 };
    assert_eq!(SnpLaunch::parse(split).unwrap().machine(), &machine);
    let mixed = split.replace('{', r#"{"base_cmdline":"a","#);
    assert_eq!(SnpLaunch::parse(&mixed), Err(unknown("base_cmdline")));
    let unpadded = split.replace("YQ==", "YQ");
    assert!(matches!(SnpLaunch::parse(&unpadded), Err(VmConfigError::Json(JsonError::WrongType { .. }))));
}
