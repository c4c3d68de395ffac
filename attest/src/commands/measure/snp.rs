//! `attest measure snp`.

use backend_api::{Error, ErrorKind, Result};
use evidence_snp::launch::{Firmware, KernelHashes, LaunchError, LaunchInputs, VcpuType, Vmm, measure};
use serde_json::json;

use crate::{
    cli::MeasureSnp,
    files::{self, MAX_FILE},
    output::Answer,
};

/// SHA-256 of no bytes: what stands for an initrd that there is not.
const NO_INITRD: &[u8] = &[];

/// Stands for the vCPU model where the launch depends on none.
const ANY: VcpuType = {
    let [any, ..] = VcpuType::ALL;
    any
};

/// Computes an SEV-SNP launch digest, or the part of it that the firmware makes.
pub(crate) fn run(args: &MeasureSnp) -> Result<Answer> {
    let vcpu_type = if args.firmware_only { None } else { vcpu_type(args)? };
    let firmware = firmware(args)?;
    if args.firmware_only {
        let stored = serde_json::to_value(&firmware)
            .map_err(|error| Error::with_source(ErrorKind::Internal, error))?;
        return Ok(Answer::done(format!("{stored}\n"), stored));
    }
    // The command line's rules see to it that it is there.
    let vcpus = args.vcpus.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "--vcpus is missing"))?;
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel: kernel(args)?,
        vcpus,
        vcpu_type: vcpu_type.unwrap_or(ANY),
        guest_features: args.guest_features,
        vmm: args.vmm,
    };
    let measurement = measure(&inputs).map_err(invalid)?.to_string();
    let json = json!({
        "measurement": measurement,
        "vcpus": vcpus,
        "vcpu-type": vcpu_type.map(|of| of.to_string()),
        "guest-features": format!("{:#x}", args.guest_features),
        "vmm": args.vmm,
        "kernel-hashes": inputs.kernel.is_some(),
    });
    Ok(Answer::done(format!("{measurement}\n"), json))
}

/// The vCPU model where the launch depends on one. What cannot be an input under a VMM is refused: who gives it expects another launch
/// than the one that would be measured.
fn vcpu_type(args: &MeasureSnp) -> Result<Option<VcpuType>> {
    let vmm = args.vmm;
    let problem = match (vmm, args.vcpu_type, &args.kernel) {
        (Vmm::Qemu, Some(_), _) | (Vmm::Ec2 | Vmm::Gce, None, None) => return Ok(args.vcpu_type),
        (Vmm::Qemu, None, _) => "--vcpu-type is missing: launches of qemu depend on it".to_owned(),
        (_, Some(_), _) => format!("--vcpu-type is given, and launches of {vmm} do not depend on it"),
        (_, None, Some(_)) => format!("--kernel is given, and {vmm} boots its guests from a disk"),
    };
    Err(Error::new(ErrorKind::InvalidConfig, problem))
}

/// From its image, or as it was stored.
fn firmware(args: &MeasureSnp) -> Result<Firmware> {
    match (&args.ovmf, &args.firmware) {
        (Some(image), _) => Firmware::measure(&files::read(image, MAX_FILE)?).map_err(invalid),
        (None, Some(stored)) => serde_json::from_str(&files::read_text(stored)?).map_err(|error| {
            let message = format!("{stored:?} is no stored firmware: {error}");
            Error::new(ErrorKind::InvalidConfig, message)
        }),
        (None, None) => Err(Error::new(ErrorKind::InvalidConfig, "--ovmf or --firmware is missing")),
    }
}

/// The hashes of a kernel that is booted directly.
fn kernel(args: &MeasureSnp) -> Result<Option<KernelHashes>> {
    let Some(kernel) = &args.kernel else { return Ok(None) };
    let append = args.append.as_deref().unwrap_or_default();
    let mut hashes = KernelHashes::from_parts(&[], Some(NO_INITRD), append.as_bytes());
    hashes.kernel = files::sha256(kernel)?;
    if let Some(initrd) = &args.initrd {
        hashes.initrd = files::sha256(initrd)?;
    }
    Ok(Some(hashes))
}

fn invalid(error: LaunchError) -> Error {
    Error::with_source(ErrorKind::InvalidConfig, error)
}
