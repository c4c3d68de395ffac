//! The launch measurement: what the `MEASUREMENT` field of a report must be for a known launch.
//!
//! The AMD secure processor folds every page that the VMM puts into a guest before it starts into one SHA-384
//! chain, the launch digest (SEV Secure Nested Paging Firmware ABI, publication 56860 revision 1.58, §8.17).
//! [`measure`] computes the same chain from the [`Firmware`], the kernel's hashes, and the vCPUs: bytes in,
//! digest out, no file and no clock.
//!
//! ```text
//! firmware pages --+-- cached or stored as Firmware: its digest and its metadata
//!                  v
//! metadata pages --+-- zero, secrets and CPUID pages, and the page with the kernel's hashes
//!                  v
//! VMSA pages ------+-- one for each vCPU: the boot processor's, then the application processors'
//!                  v
//!            LaunchMeasurement
//! ```
//!
//! The result covers no ACPI table, no device and no disk: those reach the guest after its launch. A launch
//! by IGVM file is not modelled.
//!
//! The work is bounded for any input: at most [`MAX_FIRMWARE_BYTES`] of firmware, [`MAX_METADATA_PAGES`]
//! pages of metadata and [`MAX_VCPUS`] vCPUs. Contents are hashed once each (the boot processor's VMSA page,
//! the application processors' VMSA page, the page with the kernel's hashes), and every further page or vCPU
//! costs one hash of 112 bytes.

mod error;
mod firmware;
mod gctx;
mod guid;
mod kernel_hashes;
mod layout;
mod ovmf;
mod svsm;
mod vcpu;
mod vmsa;

pub use error::LaunchError;
pub use firmware::{Firmware, FirmwareCache, MAX_FIRMWARE_BYTES};
pub use guid::Guid;
pub use kernel_hashes::KernelHashes;
pub use ovmf::{FirmwareMetadata, MAX_METADATA_PAGES, MAX_SECTIONS, Section, SectionKind};
pub use svsm::{SvsmInputs, measure_svsm};
pub use vcpu::VcpuType;
pub use vmsa::Vmm;

use core::fmt;

use gctx::{LaunchDigest, page_digest};
use vmsa::VmsaDigests;

/// The most vCPUs of one guest, for which a measurement is computed.
pub const MAX_VCPUS: u32 = 512;

/// Bit 0 of `SEV_FEATURES`, SNPActive: set in the VMSA of every SNP guest (APM volume 2, publication 24593,
/// table B-4).
pub const SNP_ACTIVE: u64 = 1;

/// What the VMM launches.
#[derive(Debug, Clone, Copy)]
pub struct LaunchInputs<'a> {
    /// The firmware, measured before or loaded from storage.
    pub firmware: &'a Firmware,
    /// The hashes of a directly booted kernel; `None` when the firmware boots from a disk.
    pub kernel: Option<KernelHashes>,
    /// Number of vCPUs, 1 to [`MAX_VCPUS`].
    pub vcpus: u32,
    /// The vCPU model. It enters the measurement under QEMU only.
    pub vcpu_type: VcpuType,
    /// `SEV_FEATURES` of every VMSA. Bit 0 ([`SNP_ACTIVE`]) must be set.
    pub guest_features: u64,
    /// The VMM, which sets the initial registers and the order of the pages.
    pub vmm: Vmm,
}

/// A launch measurement: 48 bytes, as in the `MEASUREMENT` field of the report.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchMeasurement(
    /// The bytes, in the report's order.
    pub [u8; 48],
);

impl AsRef<[u8]> for LaunchMeasurement {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for LaunchMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LaunchMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LaunchMeasurement({self})")
    }
}

/// The measurement of a launch.
///
/// # Errors
///
/// [`LaunchError::VcpuCount`] and [`LaunchError::GuestFeatures`] for values that no SNP guest has;
/// [`LaunchError::NoKernelHashesSection`] for a kernel with a firmware that would not check it;
/// [`LaunchError::NoHashesTable`], [`LaunchError::HashesTableOutsideSection`] and
/// [`LaunchError::HashesTableOverrun`] for a kernel with a firmware whose table of hashes is not in the
/// measured page.
pub fn measure(inputs: &LaunchInputs<'_>) -> Result<LaunchMeasurement, LaunchError> {
    check_vcpus(inputs.vcpus)?;
    if inputs.guest_features & SNP_ACTIVE == 0 {
        return Err(LaunchError::GuestFeatures { found: inputs.guest_features });
    }
    let metadata = inputs.firmware.metadata();
    let hashes_page = match &inputs.kernel {
        Some(kernel) => Some(page_digest(&kernel.page(metadata)?)),
        None => None,
    };

    let mut digest = LaunchDigest::from_bytes(*inputs.firmware.digest());
    for section in &metadata.sections {
        extend_section(&mut digest, section, hashes_page.as_ref(), inputs.vmm);
    }
    if inputs.vmm == Vmm::Ec2 {
        // EC2 inserts the CPUID page after every other page of the metadata.
        for section in metadata.sections.iter().filter(|section| section.kind == SectionKind::Cpuid) {
            digest.extend_cpuid(section.gpa.into());
        }
    }
    let vmsa = VmsaDigests::new(inputs.vmm, metadata.reset_eip, inputs.vcpu_type, inputs.guest_features);
    digest.extend_vmsa(&vmsa.boot);
    for _ in 1..inputs.vcpus {
        digest.extend_vmsa(&vmsa.application);
    }
    Ok(LaunchMeasurement(digest.to_bytes()))
}

/// Extends the digest by one section, as the VMM fills it.
fn extend_section(digest: &mut LaunchDigest, section: &Section, hashes_page: Option<&[u8; 48]>, vmm: Vmm) {
    let gpa = u64::from(section.gpa);
    match (section.kind, hashes_page) {
        (SectionKind::SecMemory, _) if vmm == Vmm::Gce => digest.extend_unmeasured(gpa, section.pages()),
        (SectionKind::Secrets, _) => digest.extend_secrets(gpa),
        (SectionKind::Cpuid, _) if vmm == Vmm::Ec2 => {}
        (SectionKind::Cpuid, _) => digest.extend_cpuid(gpa),
        (SectionKind::KernelHashes, Some(page)) => digest.extend_normal(gpa, page),
        (SectionKind::SecMemory | SectionKind::SvsmCaa | SectionKind::KernelHashes, _) => {
            digest.extend_zero(gpa, section.pages());
        }
    }
}

/// Checks the number of vCPUs.
fn check_vcpus(vcpus: u32) -> Result<(), LaunchError> {
    if (1..=MAX_VCPUS).contains(&vcpus) { Ok(()) } else { Err(LaunchError::VcpuCount { found: vcpus }) }
}
