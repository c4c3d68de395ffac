//! What is expected of a guest on each kind of platform.

use crate::VekKind;

/// How a platform launches its guests: one for each, because clouds do not launch them as bare metal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// The kind of key that signs reports.
    pub signed_by: VekKind,
    /// Whether the guest policy may allow a migration agent. There must be none all the same: an agent is associated at the launch
    /// (56860 rev. 1.58, SNP_LAUNCH_START), and the report says whether there is one.
    pub may_allow_migration: bool,
    /// Whether whoever launches a guest may give an ID block and HOST_DATA. Else they must be zero, unless the policy lists them.
    pub launch_inputs: bool,
}

/// QEMU on a machine of one's own, or of a provider that hands out whole machines.
pub const BARE_METAL: Profile =
    Profile { name: "bare metal", signed_by: VekKind::Vcek, may_allow_migration: false, launch_inputs: true };

/// Azure: an ID block names the paravisor's maker.
pub const AZURE: Profile = Profile { name: "azure", ..BARE_METAL };

/// Google Cloud: no ID block, no HOST_DATA; the guest policy of older launches allows a migration agent (google/gce-tcb-verifier).
pub const GCP: Profile =
    Profile { name: "gcp", may_allow_migration: true, launch_inputs: false, ..BARE_METAL };

/// Amazon EC2 on shared hosts: a VLEK, no ID block, no HOST_DATA.
pub const AWS: Profile =
    Profile { name: "aws", signed_by: VekKind::Vlek, launch_inputs: false, ..BARE_METAL };
