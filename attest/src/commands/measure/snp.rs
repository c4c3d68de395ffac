//! `attest measure snp`.

use backend_api::{Error, ErrorKind, Result};
use evidence_snp::launch::{Firmware, KernelHashes, LaunchError, LaunchInputs, measure};
use serde_json::json;

use crate::{
    cli::MeasureSnp,
    files::{self, MAX_FILE},
    output::Answer,
};

/// SHA-256 of no bytes: what stands for an initrd that there is not.
const NO_INITRD: &[u8] = &[];

/// Computes an SEV-SNP launch digest, or the part of it that the firmware makes.
pub(crate) fn run(args: &MeasureSnp) -> Result<Answer> {
    let firmware = firmware(args)?;
    if args.firmware_only {
        let stored = serde_json::to_value(&firmware)
            .map_err(|error| Error::with_source(ErrorKind::Internal, error))?;
        return Ok(Answer::done(format!("{stored}\n"), stored));
    }
    // The command line's rules see to it that both are there.
    let (vcpus, vcpu_type) = args
        .vcpus
        .zip(args.vcpu_type)
        .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "--vcpus and --vcpu-type are missing"))?;
    let inputs = LaunchInputs {
        firmware: &firmware,
        kernel: kernel(args)?,
        vcpus,
        vcpu_type,
        guest_features: args.guest_features,
        vmm: args.vmm,
    };
    let measurement = measure(&inputs).map_err(invalid)?.to_string();
    let json = json!({
        "measurement": measurement,
        "vcpus": vcpus,
        "vcpu-type": vcpu_type.to_string(),
        "guest-features": format!("{:#x}", args.guest_features),
        "vmm": args.vmm,
        "kernel-hashes": inputs.kernel.is_some(),
    });
    Ok(Answer::done(format!("{measurement}\n"), json))
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
