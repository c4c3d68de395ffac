//! The launch of a guest with an SVSM (Coconut) between the VMM and the firmware, under QEMU.
//!
//! The SVSM image lies below the firmware and the firmware's variable store. Its own metadata says which
//! pages the VMM prepares, and every vCPU starts in it at VMPL0.

use super::firmware::{FOUR_GIB, image_gpa};
use super::gctx::{LaunchDigest, page_digest};
use super::guid::Guid;
use super::ovmf::{FirmwareMetadata, GuidTable};
use super::vmsa::Registers;
use super::{LaunchError, LaunchMeasurement, SNP_ACTIVE, VcpuType, Vmm, check_vcpus, extend_section};

/// The entry of the SVSM image with the offset of its entry point.
const SVSM_INFO: Guid =
    Guid::new(0xa789_a612, 0x0597, 0x4c4b, [0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd]);

/// What QEMU launches with an SVSM.
#[derive(Debug, Clone, Copy)]
pub struct SvsmInputs<'a> {
    /// The firmware image, without its variable store: whole pages.
    pub ovmf: &'a [u8],
    /// Bytes of the firmware's variable store: whole pages.
    pub variables: u32,
    /// The SVSM image: whole pages.
    pub svsm: &'a [u8],
    /// Number of vCPUs, 1 to [`MAX_VCPUS`](super::MAX_VCPUS).
    pub vcpus: u32,
    /// The vCPU model.
    pub vcpu_type: VcpuType,
}

/// The measurement of a launch with an SVSM. `SEV_FEATURES` is [`SNP_ACTIVE`] alone.
///
/// # Errors
///
/// [`LaunchError::VcpuCount`], [`LaunchError::VariableStore`], [`LaunchError::FirmwareSize`] for either
/// image, and the errors of [`FirmwareMetadata::parse`] for the SVSM image.
pub fn measure_svsm(inputs: &SvsmInputs<'_>) -> Result<LaunchMeasurement, LaunchError> {
    check_vcpus(inputs.vcpus)?;
    let ovmf_gpa = image_gpa(inputs.ovmf, FOUR_GIB)?;
    let misplaced = LaunchError::VariableStore { found: inputs.variables };
    let svsm_end = ovmf_gpa.checked_sub(inputs.variables.into()).filter(|end| end.is_multiple_of(0x1000));
    let svsm_gpa = image_gpa(inputs.svsm, svsm_end.ok_or(misplaced)?)?;
    let metadata = FirmwareMetadata::parse(inputs.svsm)?;
    metadata.check_below(svsm_gpa)?;
    let [entry] = GuidTable::parse(inputs.svsm)?
        .words(SVSM_INFO)?
        .ok_or(LaunchError::MissingEntry { guid: SVSM_INFO })?;

    let mut digest = LaunchDigest::INITIAL;
    digest.extend_image(ovmf_gpa, inputs.ovmf);
    digest.extend_image(svsm_gpa, inputs.svsm);
    for section in &metadata.sections {
        extend_section(&mut digest, section, None, Vmm::Qemu);
    }
    let start = svsm_gpa.saturating_add(entry.into());
    let vmsa = page_digest(&Registers::flat_mode(start, inputs.vcpu_type).page(SNP_ACTIVE));
    for _ in 0..inputs.vcpus {
        digest.extend_vmsa(&vmsa);
    }
    Ok(LaunchMeasurement(digest.to_bytes()))
}
