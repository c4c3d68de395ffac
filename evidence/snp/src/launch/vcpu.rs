//! vCPU models, by QEMU's names.

use core::fmt;
use core::str::FromStr;

use super::LaunchError;

/// A vCPU model: the CPUID signature that QEMU puts into the initial registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VcpuType {
    name: Option<&'static str>,
    signature: u32,
}

impl VcpuType {
    /// The EPYC models of QEMU (`target/i386/cpu.c`, `builtin_x86_defs`) that `sev-snp-measure` 0.0.13 knows.
    pub const ALL: [Self; 16] = [
        Self::named("EPYC", 23, 1, 2),
        Self::named("EPYC-v1", 23, 1, 2),
        Self::named("EPYC-v2", 23, 1, 2),
        Self::named("EPYC-IBPB", 23, 1, 2),
        Self::named("EPYC-v3", 23, 1, 2),
        Self::named("EPYC-v4", 23, 1, 2),
        Self::named("EPYC-Rome", 23, 49, 0),
        Self::named("EPYC-Rome-v1", 23, 49, 0),
        Self::named("EPYC-Rome-v2", 23, 49, 0),
        Self::named("EPYC-Rome-v3", 23, 49, 0),
        Self::named("EPYC-Milan", 25, 1, 1),
        Self::named("EPYC-Milan-v1", 25, 1, 1),
        Self::named("EPYC-Milan-v2", 25, 1, 1),
        Self::named("EPYC-Genoa", 25, 17, 0),
        Self::named("EPYC-Genoa-v1", 25, 17, 0),
        Self::named("EPYC-Turin", 26, 0, 0),
    ];

    /// A model by its CPUID family (0 to 270), model and stepping (0 to 15).
    ///
    /// # Errors
    ///
    /// [`LaunchError::CpuSignature`] for a family or stepping that the signature can not express.
    pub const fn from_family_model_stepping(
        family: u32,
        model: u8,
        stepping: u8,
    ) -> Result<Self, LaunchError> {
        if family > 0xf + 0xff || stepping > 0xf {
            return Err(LaunchError::CpuSignature { family, stepping });
        }
        let (model, stepping) =
            (u32::from_le_bytes([model, 0, 0, 0]), u32::from_le_bytes([stepping, 0, 0, 0]));
        Ok(Self { name: None, signature: signature(family, model, stepping) })
    }

    const fn named(name: &'static str, family: u32, model: u32, stepping: u32) -> Self {
        Self { name: Some(name), signature: signature(family, model, stepping) }
    }

    /// QEMU's name; `None` for a model made from its family, model and stepping.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The CPUID signature: `CPUID Fn0000_0001_EAX`.
    #[must_use]
    pub const fn signature(&self) -> u32 {
        self.signature
    }
}

/// `CPUID Fn0000_0001_EAX` (APM volume 3, publication 24594, appendix E): the base family saturates at 15,
/// and the rest is the extended family.
const fn signature(family: u32, model: u32, stepping: u32) -> u32 {
    let base_family = if family < 0xf { family } else { 0xf };
    let extended_family = family.saturating_sub(0xf);
    extended_family << 20 | (model >> 4) << 16 | base_family << 8 | (model & 0xf) << 4 | stepping
}

impl FromStr for VcpuType {
    type Err = LaunchError;

    /// Finds a model by its exact name.
    fn from_str(name: &str) -> Result<Self, LaunchError> {
        Self::ALL
            .into_iter()
            .find(|vcpu_type| vcpu_type.name == Some(name))
            .ok_or_else(|| LaunchError::UnknownVcpuType { found: super::error::excerpt(name) })
    }
}

impl fmt::Display for VcpuType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", self.signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_unique() {
        for vcpu_type in VcpuType::ALL {
            assert_eq!(vcpu_type.to_string().parse(), Ok(vcpu_type));
        }
        for unknown in ["", "epyc", "EPYC ", "EPYC-Turin-v9", "Skylake-Server"] {
            let error = unknown.parse::<VcpuType>().unwrap_err();
            assert_eq!(error, LaunchError::UnknownVcpuType { found: unknown.to_owned() });
            assert!(VcpuType::ALL.iter().all(|known| error.to_string().contains(known.name().unwrap())));
        }
    }

    #[test]
    fn signatures_are_those_of_the_processors() {
        let signature = |name: &str| name.parse::<VcpuType>().unwrap().signature();
        assert_eq!(signature("EPYC-v4"), 0x0080_0f12);
        assert_eq!(signature("EPYC-Rome"), 0x0083_0f10);
        assert_eq!(signature("EPYC-Milan"), 0x00a0_0f11);
        assert_eq!(signature("EPYC-Genoa"), 0x00a1_0f10);
        assert_eq!(signature("EPYC-Turin"), 0x00b0_0f00);
    }

    #[test]
    fn family_model_and_stepping_are_bounded() {
        let from = VcpuType::from_family_model_stepping;
        assert_eq!(from(25, 17, 0).unwrap().signature(), 0x00a1_0f10);
        assert_eq!(from(6, 0x8f, 8).unwrap().signature(), 0x0008_06f8);
        assert_eq!(from(270, 0xff, 15).unwrap().signature(), 0x0fff_0fff);
        assert_eq!(from(271, 0, 0), Err(LaunchError::CpuSignature { family: 271, stepping: 0 }));
        assert_eq!(from(25, 0, 16), Err(LaunchError::CpuSignature { family: 25, stepping: 16 }));
    }
}
