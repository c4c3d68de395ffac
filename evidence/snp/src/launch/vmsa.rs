//! The initial save area (VMSA) of a vCPU: 4096 bytes, APM volume 2 (publication 24593), table B-4.
//!
//! The values are those of a processor after reset, changed by the VMM: KVM sets EFER.SVME and CR4.MCE, and
//! each VMM differs in a few attributes and registers.

use core::fmt;
use core::str::FromStr;

use super::gctx::page_digest;
use super::layout::{PAGE_BYTES, put};
use super::{LaunchError, VcpuType};

/// The virtual machine monitor that launches the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vmm {
    /// QEMU with KVM.
    Qemu,
    /// Amazon EC2.
    Ec2,
    /// Google Compute Engine.
    Gce,
}

impl Vmm {
    /// Every VMM.
    pub const ALL: [Self; 3] = [Self::Qemu, Self::Ec2, Self::Gce];

    /// The name, as in text forms.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Ec2 => "ec2",
            Self::Gce => "gce",
        }
    }
}

impl fmt::Display for Vmm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Vmm {
    type Err = LaunchError;

    /// Finds a VMM by its exact name: `qemu`, `ec2` or `gce`.
    fn from_str(name: &str) -> Result<Self, LaunchError> {
        Self::ALL
            .into_iter()
            .find(|vmm| vmm.name() == name)
            .ok_or_else(|| LaunchError::UnknownVmm { found: super::error::excerpt(name) })
    }
}

/// Where the boot processor starts: the reset vector of the architecture.
const BOOT_EIP: u32 = 0xffff_fff0;

/// The page attribute table (PAT MSR) after reset.
const RESET_PAT: u64 = 0x0007_0406_0007_0406;

/// The [`page_digest`] of a guest's two different save areas.
pub(super) struct VmsaDigests {
    /// Of the boot processor.
    pub(super) boot: [u8; 48],
    /// Of every application processor.
    pub(super) application: [u8; 48],
}

impl VmsaDigests {
    /// Hashes both save areas.
    pub(super) fn new(vmm: Vmm, reset_eip: u32, vcpu_type: VcpuType, guest_features: u64) -> Self {
        let digest = |eip| page_digest(&Registers::real_mode(vmm, eip, vcpu_type).page(guest_features));
        Self { boot: digest(BOOT_EIP), application: digest(reset_eip) }
    }
}

/// A segment register: 16 bytes.
#[derive(Clone, Copy)]
struct Segment {
    selector: u16,
    attributes: u16,
    limit: u32,
    base: u64,
}

impl Segment {
    /// A segment with selector 0, limit 0xffff and base 0, as after reset.
    const fn reset(attributes: u16) -> Self {
        Self { selector: 0, attributes, limit: 0xffff, base: 0 }
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        put::<0, _, _>(&mut bytes, self.selector.to_le_bytes());
        put::<2, _, _>(&mut bytes, self.attributes.to_le_bytes());
        put::<4, _, _>(&mut bytes, self.limit.to_le_bytes());
        put::<8, _, _>(&mut bytes, self.base.to_le_bytes());
        bytes
    }
}

/// The registers that are not the same for every guest.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    code: Segment,
    /// ES, DS and FS.
    data: Segment,
    stack: Segment,
    task: Segment,
    cr0: u64,
    rip: u64,
    pat: u64,
    rdx: u64,
    mxcsr: u32,
    fcw: u16,
}

impl Registers {
    /// A vCPU in real mode at `eip`.
    fn real_mode(vmm: Vmm, eip: u32, vcpu_type: VcpuType) -> Self {
        let code = |attributes| Segment {
            selector: 0xf000,
            base: (eip & 0xffff_0000).into(),
            ..Segment::reset(attributes)
        };
        let qemu = Self {
            code: code(0x9b),
            data: Segment::reset(0x93),
            stack: Segment::reset(0x93),
            task: Segment::reset(0x8b),
            cr0: 0x10,
            rip: (eip & 0xffff).into(),
            pat: RESET_PAT,
            rdx: vcpu_type.signature().into(),
            mxcsr: 0x1f80,
            fcw: 0x37f,
        };
        // EC2 and GCE pass a constant instead of the CPUID signature, and no floating-point state.
        let cloud = Self { rdx: 0x600, mxcsr: 0, fcw: 0, ..qemu };
        match vmm {
            Vmm::Qemu => qemu,
            Vmm::Ec2 => Self {
                // The boot processor's code segment is not marked as accessed.
                code: code(if eip == BOOT_EIP { 0x9a } else { 0x9b }),
                stack: Segment::reset(0x92),
                task: Segment::reset(0x83),
                ..cloud
            },
            Vmm::Gce => Self { pat: 0x0007_0106, ..cloud },
        }
    }

    /// A vCPU in 32-bit protected mode with flat segments at `rip`, as an SVSM starts under QEMU.
    pub(super) fn flat_mode(rip: u64, vcpu_type: VcpuType) -> Self {
        let flat = |selector, attributes| Segment { selector, attributes, limit: u32::MAX, base: 0 };
        Self {
            code: flat(8, 0xc9b),
            data: flat(16, 0xc93),
            stack: flat(16, 0xc93),
            cr0: 0x11,
            rip,
            fcw: 0,
            ..Self::real_mode(Vmm::Qemu, 0, vcpu_type)
        }
    }

    /// The save area with these registers and `SEV_FEATURES`.
    pub(super) fn page(&self, guest_features: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        put::<0x000, _, _>(&mut page, self.data.to_bytes()); // ES
        put::<0x010, _, _>(&mut page, self.code.to_bytes()); // CS
        put::<0x020, _, _>(&mut page, self.stack.to_bytes()); // SS
        put::<0x030, _, _>(&mut page, self.data.to_bytes()); // DS
        put::<0x040, _, _>(&mut page, self.data.to_bytes()); // FS
        put::<0x050, _, _>(&mut page, Segment::reset(0x93).to_bytes()); // GS
        put::<0x060, _, _>(&mut page, Segment::reset(0).to_bytes()); // GDTR
        put::<0x070, _, _>(&mut page, Segment::reset(0x82).to_bytes()); // LDTR
        put::<0x080, _, _>(&mut page, Segment::reset(0).to_bytes()); // IDTR
        put::<0x090, _, _>(&mut page, self.task.to_bytes()); // TR
        put::<0x0d0, _, _>(&mut page, 0x1000_u64.to_le_bytes()); // EFER: SVME
        put::<0x148, _, _>(&mut page, 0x40_u64.to_le_bytes()); // CR4: MCE
        put::<0x158, _, _>(&mut page, self.cr0.to_le_bytes());
        put::<0x160, _, _>(&mut page, 0x400_u64.to_le_bytes()); // DR7
        put::<0x168, _, _>(&mut page, 0xffff_0ff0_u64.to_le_bytes()); // DR6
        put::<0x170, _, _>(&mut page, 0x2_u64.to_le_bytes()); // RFLAGS
        put::<0x178, _, _>(&mut page, self.rip.to_le_bytes());
        put::<0x268, _, _>(&mut page, self.pat.to_le_bytes()); // G_PAT
        put::<0x310, _, _>(&mut page, self.rdx.to_le_bytes());
        put::<0x3b0, _, _>(&mut page, guest_features.to_le_bytes()); // SEV_FEATURES
        put::<0x3e8, _, _>(&mut page, 0x1_u64.to_le_bytes()); // XCR0: x87
        put::<0x408, _, _>(&mut page, self.mxcsr.to_le_bytes());
        put::<0x410, _, _>(&mut page, self.fcw.to_le_bytes()); // X87_FCW
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_processor_starts_at_the_reset_vector() {
        for vmm in Vmm::ALL {
            let page = Registers::real_mode(vmm, BOOT_EIP, VcpuType::ALL[0]).page(0x21);
            assert_eq!(page[0x10..0x12], [0x00, 0xf0], "{vmm}");
            assert_eq!(page[0x18..0x20], 0xffff_0000_u64.to_le_bytes(), "{vmm}");
            assert_eq!(page[0x178..0x180], 0xfff0_u64.to_le_bytes(), "{vmm}");
            assert_eq!(page[0x3b0..0x3b8], 0x21_u64.to_le_bytes(), "{vmm}");
            assert!(page[0x412..].iter().all(|&byte| byte == 0), "{vmm}");
        }
    }

    #[test]
    fn only_qemu_shows_the_vcpu_type() {
        let rdx = |vmm, vcpu_type: &str| {
            let page = Registers::real_mode(vmm, BOOT_EIP, vcpu_type.parse().unwrap()).page(1);
            u64::from_le_bytes(page[0x310..0x318].try_into().unwrap())
        };
        assert_eq!(rdx(Vmm::Qemu, "EPYC-Milan"), 0x00a0_0f11);
        assert_eq!(rdx(Vmm::Qemu, "EPYC-Genoa"), 0x00a1_0f10);
        assert_eq!(rdx(Vmm::Ec2, "EPYC-Genoa"), 0x600);
        assert_eq!(rdx(Vmm::Gce, "EPYC-Genoa"), 0x600);
    }

    #[test]
    fn names_are_exact() {
        for vmm in Vmm::ALL {
            assert_eq!(vmm.to_string().parse(), Ok(vmm));
        }
        assert_eq!("QEMU".parse::<Vmm>(), Err(LaunchError::UnknownVmm { found: "QEMU".to_owned() }));
    }
}
