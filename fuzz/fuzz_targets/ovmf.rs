//! A firmware image: its metadata, its measurement, and launches from it.
#![no_main]

use evidence_snp::launch::{Firmware, FirmwareMetadata, KernelHashes, LaunchInputs, Vmm, measure};
use libfuzzer_sys::fuzz_target;

const PAGE: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let metadata = FirmwareMetadata::parse(data);
    // An image is whole pages, and what matters is at its end.
    let mut image = vec![0; data.len().next_multiple_of(PAGE) - data.len()];
    image.extend(data);
    let Ok(firmware) = Firmware::measure(&image) else { return };
    if let Ok(metadata) = metadata {
        assert_eq!(firmware.metadata(), &metadata, "what comes before the tables does not matter to them");
    }
    let stored = serde_json::to_string(&firmware).expect("a measured firmware can be stored");
    assert_eq!(serde_json::from_str::<Firmware>(&stored).expect("and loaded"), firmware);

    let kernel = KernelHashes::from_parts(b"kernel", Some(b"initrd"), b"cmdline");
    for (vmm, kernel) in [(Vmm::Qemu, Some(kernel)), (Vmm::Ec2, None), (Vmm::Gce, None)] {
        let vcpu_type = "EPYC-v4".parse().expect("a vCPU type");
        let inputs =
            LaunchInputs { firmware: &firmware, kernel, vcpus: 2, vcpu_type, guest_features: 1, vmm };
        assert!(measure(&inputs).is_ok() || kernel.is_some(), "only a kernel's hashes may have no place");
    }
});
