//! Launch measurements against those of `sev-snp-measure`, of real hardware, and for malformed firmware.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says on stderr when it is skipped")]

use std::fs;
use std::path::Path;

use evidence_snp::launch::{
    Firmware, FirmwareCache, FirmwareMetadata, KernelHashes, LaunchError, LaunchInputs, MAX_METADATA_PAGES,
    Section, SectionKind, SvsmInputs, VcpuType, Vmm, measure, measure_svsm,
};
use serde_json::Value;

use lab::vectors::root as vectors;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn hash<const BYTES: usize>(text: &str) -> [u8; BYTES] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// A model by its signature; `null` where the VMM does not show it.
fn vcpu_type(signature: &Value) -> VcpuType {
    let Some(text) = signature.as_str() else { return VcpuType::ALL[0] };
    let signature = u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    VcpuType::ALL.into_iter().find(|vcpu_type| vcpu_type.signature() == signature).unwrap()
}

/// One recorded call of the reference: its result, or the error.
fn replay(folder: &Path, call: &Value) -> Result<String, LaunchError> {
    let args = &call["args"];
    let image = |key| fs::read(folder.join(Path::new(text(args, key)).file_name().unwrap())).unwrap();
    let vcpus = args["vcpus"].as_u64().unwrap_or_default().try_into().unwrap();
    let svsm = text(args, "svsm_file");
    if !svsm.is_empty() {
        let (ovmf, svsm) = (image("ovmf_file"), image("svsm_file"));
        let variables = args["ovmf_vars_size"].as_u64().unwrap().try_into().unwrap();
        let vcpu_type = vcpu_type(&args["vcpu_sig"]);
        let inputs = SvsmInputs { ovmf: &ovmf, variables, svsm: &svsm, vcpus, vcpu_type };
        return measure_svsm(&inputs).map(|measurement| measurement.to_string());
    }
    let mut firmware = Firmware::measure(&image("ovmf_file"))?;
    if text(call, "function") == "calc_snp_ovmf_hash" {
        return Ok(hex::encode(firmware.digest()));
    }
    let known = [text(args, "ovmf_hash_str"), text(args, "snp_ovmf_hash_str")].concat();
    if !known.is_empty() {
        firmware = Firmware::from_parts(hash(&known), firmware.metadata().clone())?;
    }
    // Every recorded kernel and initrd is empty.
    let kernel = args["kernel"].as_str().map(|path| {
        assert_eq!(path, "/dev/null");
        KernelHashes::from_parts(b"", Some(b""), text(args, "append").as_bytes())
    });
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel,
        vcpus,
        vcpu_type: vcpu_type(&args["vcpu_sig"]),
        guest_features: u64::from_str_radix(text(args, "guest_features").trim_start_matches("0x"), 16)
            .unwrap(),
        vmm: text(args, "vmm_type").to_lowercase().parse()?,
    };
    measure(&inputs).map(|measurement| measurement.to_string())
}

#[test]
fn golden_calls_give_the_recorded_results() {
    let Some(root) = vectors("golden_calls_give_the_recorded_results") else { return };
    let folder = root.join("golden/sev-snp-measure");
    let calls = json(&folder.join("golden.json"));
    let (mut results, mut errors) = (0, 0);
    for call in calls.as_array().unwrap() {
        let snp = match text(call, "function") {
            "calc_launch_digest" => text(&call["args"], "mode").starts_with("SEV_SNP"),
            function => ["snp_calc_launch_digest", "svsm_calc_launch_digest", "calc_snp_ovmf_hash"]
                .contains(&function),
        };
        if !snp {
            continue;
        }
        let replayed = replay(&folder, call);
        if call["raises"].is_string() {
            assert_eq!(replayed, Err(LaunchError::NoKernelHashesSection), "{call}");
            errors += 1;
        } else {
            assert_eq!(replayed.as_deref(), Ok(text(call, "result")), "{call}");
            results += 1;
        }
    }
    assert_eq!((results, errors), (42, 2));
}

/// The launch of a real guest, whose report has this measurement.
#[test]
fn a_launch_on_milan_gives_the_reported_measurement() {
    let Some(root) = vectors("a_launch_on_milan_gives_the_reported_measurement") else { return };
    let folder = root.join("snp/milan-v3-dstack-e2e");
    let launch = json(&folder.join("launch_params.json"));
    let stored = serde_json::json!({
        "digest": launch["ovmf_launch_hash"],
        "hashes_table_gpa": launch["hashes_table_gpa"],
        "reset_eip": launch["reset_eip"],
        "sections": launch["ovmf_sections"],
    });
    let firmware: Firmware = serde_json::from_value(stored).unwrap();
    let kernel = KernelHashes {
        kernel: hash(text(&launch, "kernel_sha256")),
        initrd: hash(text(&launch, "initrd_sha256")),
        cmdline: KernelHashes::cmdline_hash(text(&launch, "cmdline").as_bytes()),
    };
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel: Some(kernel),
        vcpus: launch["vcpus"].as_u64().unwrap().try_into().unwrap(),
        vcpu_type: text(&launch, "vcpu_type").parse().unwrap(),
        guest_features: launch["guest_features"].as_u64().unwrap(),
        vmm: Vmm::Qemu,
    };
    let measurement = measure(&inputs).unwrap();
    assert_eq!(measurement.to_string(), text(&launch, "expected_launch_digest"));
    // MEASUREMENT is at offset 0x90 of the report.
    let report = fs::read(folder.join("report.bin")).unwrap();
    assert_eq!(measurement.as_ref(), &report[0x90..0xc0]);

    let changed = |change: fn(&mut LaunchInputs<'_>)| {
        let mut inputs = inputs;
        change(&mut inputs);
        measure(&inputs)
    };
    for other in [
        changed(|inputs| inputs.vcpus = 1),
        changed(|inputs| inputs.guest_features = 0x21),
        changed(|inputs| inputs.vcpu_type = "EPYC-Milan".parse().unwrap()),
        changed(|inputs| inputs.vmm = Vmm::Gce),
        changed(|inputs| inputs.kernel = None),
        changed(|inputs| inputs.kernel.as_mut().unwrap().cmdline[31] ^= 1),
    ] {
        assert_ne!(other.unwrap(), measurement);
    }
    for vcpus in [0, 513, u32::MAX] {
        let inputs = LaunchInputs { vcpus, ..inputs };
        assert_eq!(measure(&inputs), Err(LaunchError::VcpuCount { found: vcpus }));
    }
    for found in [0, 0x20] {
        let inputs = LaunchInputs { guest_features: found, ..inputs };
        assert_eq!(measure(&inputs), Err(LaunchError::GuestFeatures { found }));
    }
}

/// Measures malformed firmware in every way, for the absence of panics.
fn exercise(image: &[u8]) -> Result<(), LaunchError> {
    let firmware = Firmware::measure(image)?;
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel: Some(KernelHashes::from_parts(b"", None, b"")),
        vcpus: 2,
        vcpu_type: VcpuType::ALL[0],
        guest_features: 1,
        vmm: Vmm::Ec2,
    };
    measure(&LaunchInputs { kernel: None, ..inputs })?;
    measure(&inputs)?;
    Ok(())
}

#[test]
fn malformed_firmware_is_an_error() {
    let Some(root) = vectors("malformed_firmware_is_an_error") else { return };
    for name in ["ovmf_AmdSev_suffix.bin", "ovmf_OvmfX64_suffix.bin"] {
        let image = fs::read(root.join("golden/sev-snp-measure").join(name)).unwrap();
        let whole = FirmwareMetadata::parse(&image).unwrap();
        for cut in 1..image.len() {
            // A shorter end misses the footer's place. A later start is equal until it reaches the metadata.
            assert!(FirmwareMetadata::parse(&image[..image.len() - cut]).is_err(), "{name} {cut}");
            let parsed = FirmwareMetadata::parse(&image[cut..]);
            assert!(parsed.is_err() || parsed == Ok(whole.clone()), "{name} {cut}");
        }
        let mut accepted = 0;
        for offset in 0..image.len() {
            for bit in 0..8 {
                let mut changed = image.clone();
                changed[offset] ^= 1 << bit;
                let digest = Firmware::measure(&changed).map(|firmware| *firmware.digest());
                assert_ne!(digest, Firmware::measure(&image).map(|firmware| *firmware.digest()));
                accepted += u32::from(exercise(&changed).is_ok());
            }
            let mut changed = image.clone();
            changed[offset] = !changed[offset];
            let _ = exercise(&changed);
        }
        eprintln!("{name}: {accepted} of {} changed images are well-formed", image.len() * 8);
    }
}

#[test]
fn the_cache_keeps_measured_firmware() {
    let Some(root) = vectors("the_cache_keeps_measured_firmware") else { return };
    let image = fs::read(root.join("golden/sev-snp-measure/ovmf_AmdSev_suffix.bin")).unwrap();
    let cache = FirmwareCache::default();
    let first = cache.get_or_measure(&image).unwrap();
    assert_eq!(*first, Firmware::measure(&image).unwrap());
    assert!(std::sync::Arc::ptr_eq(&first, &cache.get_or_measure(&image).unwrap()));
}

/// The most work that any input can ask for: every bound is reached, and one more is refused.
#[test]
fn work_is_bounded() {
    let section = |gpa, pages: u32| Section { gpa, size: pages * 0x1000, kind: SectionKind::SecMemory };
    let metadata = |sections| FirmwareMetadata { sections, hashes_table_gpa: None, reset_eip: 0x80_b004 };
    let pages = u32::try_from(MAX_METADATA_PAGES).unwrap();
    let firmware = Firmware::from_parts([0; 48], metadata(vec![section(0, pages)])).unwrap();
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel: None,
        vcpus: 512,
        vcpu_type: VcpuType::ALL[0],
        guest_features: 1,
        vmm: Vmm::Qemu,
    };
    assert!(measure(&inputs).is_ok());
    let found = MAX_METADATA_PAGES + 1;
    for sections in [vec![section(0, pages + 1)], vec![section(0, pages), section(0xffff_f000, 1)]] {
        assert_eq!(
            Firmware::from_parts([0; 48], metadata(sections)),
            Err(LaunchError::MetadataPages { found })
        );
    }
    let sections = (0..65).map(|index| section(index * 0x1000, 1)).collect();
    assert_eq!(
        Firmware::from_parts([0; 48], metadata(sections)),
        Err(LaunchError::SectionCount { found: 65 })
    );
}
