//! What is expected of a TD on each kind of platform.

use crate::{TdAttributes, Xfam};

/// What a platform lets its TDs be: one for each, because clouds do not launch TDs as bare metal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// Attributes that may be set without the policy saying so, SEPT_VE_DISABLE included.
    pub attributes: TdAttributes,
    /// Features that may be on.
    pub xfam: Xfam,
    /// Whether the host's MRCONFIGID names a configuration, which binding then explains. Else it must be zero, unless the policy
    /// lists it.
    pub config_id: bool,
}

/// SEPT_VE_DISABLE, and what only adds protection inside of the TD: LASS (bit 27), PKS (30) and instruction-count based
/// single-step defence (16).
const PROTECTIVE: u64 = 1 << 28 | 1 << 27 | 1 << 30 | 1 << 16;

/// Every feature that TDX knows without processor trace (bit 8), user interrupts (14) and last branch records (15).
const CLOUD_FEATURES: Xfam = Xfam(0x0006_1AE7);

/// QEMU on a machine of one's own, or of a provider that hands out whole machines. MRCONFIGID is dstack's.
pub const BARE_METAL: Profile =
    Profile { name: "bare metal", attributes: TdAttributes(PROTECTIVE), xfam: Xfam::KNOWN, config_id: true };

/// Google Cloud: MRCONFIGID, MROWNER and MROWNERCONFIG are zero.
pub const GCP: Profile =
    Profile { name: "gcp", attributes: TdAttributes(PROTECTIVE), xfam: CLOUD_FEATURES, config_id: false };

/// Azure: as Google Cloud; the registers of the TD belong to the paravisor.
pub const AZURE: Profile =
    Profile { name: "azure", attributes: TdAttributes(PROTECTIVE), xfam: CLOUD_FEATURES, config_id: false };
