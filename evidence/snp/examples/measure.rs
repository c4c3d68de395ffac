//! Launch measurements in bulk: a JSON object on each line of standard input, a digest or an error on each line
//! of standard output.
//!
//! `{"ovmf": FILE, "kernel": FILE?, "initrd": FILE?, "append": TEXT?, "vcpus": N, "vcpu_type": NAME,
//! "guest_features": N, "vmm": NAME}`

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};

use evidence_snp::launch::{FirmwareCache, KernelHashes, LaunchInputs, LaunchMeasurement, Vmm, measure};
use serde::Deserialize;

/// One launch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Launch {
    ovmf: String,
    kernel: Option<String>,
    initrd: Option<String>,
    append: Option<String>,
    vcpus: u32,
    vcpu_type: String,
    guest_features: u64,
    vmm: Vmm,
}

impl Launch {
    /// Reads the files and measures the launch.
    fn measure(&self, cache: &FirmwareCache) -> Result<LaunchMeasurement, Box<dyn Error>> {
        let initrd = self.initrd.as_ref().map(fs::read).transpose()?;
        let append = self.append.as_deref().unwrap_or_default();
        let kernel = self.kernel.as_ref().map(fs::read).transpose()?;
        let kernel =
            kernel.map(|kernel| KernelHashes::from_parts(&kernel, initrd.as_deref(), append.as_bytes()));
        let inputs = LaunchInputs {
            firmware: &*cache.get_or_measure(&fs::read(&self.ovmf)?)?,
            kernel,
            vcpus: self.vcpus,
            vcpu_type: self.vcpu_type.parse()?,
            guest_features: self.guest_features,
            vmm: self.vmm,
        };
        Ok(measure(&inputs)?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cache = FirmwareCache::default();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let launch: Launch = serde_json::from_str(&line?)?;
        match launch.measure(&cache) {
            Ok(measurement) => writeln!(output, "{measurement}")?,
            Err(error) => writeln!(output, "error: {error}")?,
        }
    }
    Ok(())
}
