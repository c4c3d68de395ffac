use super::tdx::TDX_MEASUREMENT;
use super::*;
use crate::image;
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

fn config_of(test: &str, path: &str) -> Option<VmConfig> {
    let attestation = Attestation::decode(&vectors::read(test, path)?).unwrap();
    Some(VmConfig::parse(&attestation.config).unwrap())
}

#[test]
fn tdx_launches_of_real_guests() {
    let test = "vm_config::tdx_launches_of_real_guests";
    let Some(lite) = config_of(test, "dstack/tdx-lite-getquote.json") else { return };
    assert_eq!(Some(&lite), config_of(test, "dstack/tdx-lite-attestation.json").as_ref());
    assert_eq!((lite.cpu_count, lite.tdx_attestation_variant), (Some(2), TdxAttestationVariant::Lite));
    let TdxLaunch { material, machine } = lite.tdx_measurement.unwrap();
    assert!(material.verify(image::TDX_MEASUREMENT, lite.os_image_hash.as_ref()).is_ok());
    let expected = TdxMachine {
        memory_size: 2 << 30,
        qemu_version: Some(QemuVersion { major: 8, minor: 2, patch: 2 }),
        qemu_single_pass_add_pages: None,
        ovmf_variant: Some("pre202505".to_owned()),
    };
    assert_eq!(machine, expected);
    assert!(machine.two_pass_add_pages());

    // Without a measurement document the machine's keys are the VMM's own affair.
    let legacy = config_of(test, "dstack/quote-report.json").unwrap();
    assert_eq!((legacy.tdx_attestation_variant, legacy.tdx_measurement), (Default::default(), None));
    assert_eq!(legacy.other["memory_size"], 64_u64 << 30);
    assert_eq!(legacy.other["qemu_single_pass_add_pages"], false);
}

const TDX: &str = r#"{"memory_size":1,"qemu_version":null,"tdx_attestation_variant":"lite",
    "tdx_measurement":{"checksum_file":"YQ==","measurement":"Yg=="}}"#;

fn tdx_with(from: &str, to: &str) -> Result<VmConfig, VmConfigError> {
    assert!(TDX.contains(from));
    VmConfig::parse(&TDX.replacen(from, to, 1))
}

#[test]
fn tdx_launches_are_strict() {
    let machine = TdxMachine {
        memory_size: 1,
        qemu_version: None,
        qemu_single_pass_add_pages: None,
        ovmf_variant: None,
    };
    assert_eq!(VmConfig::parse(TDX).unwrap().tdx_measurement.unwrap().machine, machine);
    let nested = format!(r#"{{"vm_config":{TDX}}}"#);
    assert_eq!(VmConfig::parse(&nested), VmConfig::parse(TDX));

    let refused = |from, to| tdx_with(from, to).unwrap_err();
    let (document, key) = (TDX_MEASUREMENT, "x".to_owned());
    let unknown = JsonError::UnknownKey { document, key }.into();
    assert_eq!(refused(r#"{"checksum"#, r#"{"x":1,"checksum"#), unknown);
    let missing = |document, key| JsonError::MissingKey { document, key }.into();
    assert_eq!(refused(r#""checksum_file":"YQ==","#, ""), missing(TDX_MEASUREMENT, "checksum_file"));
    assert_eq!(refused(r#","measurement":"Yg==""#, ""), missing(TDX_MEASUREMENT, "measurement"));
    assert_eq!(refused(r#""memory_size":1,"#, ""), missing(CONFIG, "memory_size"));
    let wrong = |from, to| matches!(refused(from, to), VmConfigError::Json(JsonError::WrongType { .. }));
    assert!(wrong(r#""memory_size":1"#, r#""memory_size":"1""#));
    assert!(wrong(r#""memory_size":1"#, r#""memory_size":1,"qemu_single_pass_add_pages":0"#));
    assert!(wrong("null", "8"));
    assert!(wrong("YQ==", "YQ"));
    let found = "Lite".to_owned();
    assert_eq!(refused("lite", "Lite"), VmConfigError::TdxAttestationVariant { found });
    let twice = nested.replacen('{', r#"{"memory_size":2,"#, 1);
    assert_eq!(VmConfig::parse(&twice), Err(VmConfigError::Ambiguous { key: "memory_size" }));
}

#[test]
fn a_variant_needs_no_measurement_and_selects_none() {
    let lite = VmConfig::parse(r#"{"tdx_attestation_variant":"lite"}"#).unwrap();
    assert_eq!((lite.tdx_attestation_variant, lite.tdx_measurement), (TdxAttestationVariant::Lite, None));
    let legacy = tdx_with(r#""tdx_attestation_variant":"lite","#, "").unwrap();
    assert_eq!(legacy.tdx_attestation_variant, TdxAttestationVariant::Legacy);
    assert!(legacy.tdx_measurement.is_some());
    assert_eq!(tdx_with("lite", "legacy").unwrap(), legacy);
}

#[test]
fn pages_are_added_in_two_passes_by_qemu_8_or_where_the_vmm_says_so() {
    let two_pass = |version: Option<&str>, qemu_single_pass_add_pages| {
        let qemu_version = version.map(|version| version.parse().unwrap());
        TdxMachine { memory_size: 1, qemu_version, qemu_single_pass_add_pages, ovmf_variant: None }
            .two_pass_add_pages()
    };
    for (version, unset) in [
        (None, false),
        (Some("8.0.0"), true),
        (Some("8.2.2"), true),
        (Some("8.99.99"), true),
        (Some("9.0.0"), false),
        (Some("9.1.0"), false),
        (Some("10.0.2"), false),
    ] {
        assert_eq!(two_pass(version, None), unset, "{version:?}");
        assert!(two_pass(version, Some(true)));
        assert!(!two_pass(version, Some(false)));
    }
}

#[test]
fn versions_of_qemu() {
    let parse = |text: &str| text.parse::<QemuVersion>();
    assert_eq!(parse("10.2.34"), Ok(QemuVersion { major: 10, minor: 2, patch: 34 }));
    for bad in [
        "",
        "9",
        "9.1",
        "9.1.0.0",
        "9.1.x",
        "9.1.",
        "+9.1.0",
        "9.1.0-rc1",
        " 9.1.0",
        "7.2.0",
        "4294967296.0.0",
    ] {
        assert_eq!(parse(bad), Err(VmConfigError::QemuVersion { found: bad.to_owned() }));
    }
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(VmConfig::read(b"{\"cpu_count\":\xFF}"), Err(VmConfigError::NotText));
    assert_eq!(VmConfig::read(b"{}"), VmConfig::parse("{}"));
}
