//! What a relying party asks of bare-metal SNP guests.

use std::collections::BTreeSet;

use backend_api::{ErrorKind, Result};
use serde::Deserialize;

/// The section `[backend.baremetal-snp]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// About the report.
    pub report: evidence_snp::Policy,
    /// About the launch.
    pub launch: LaunchPolicy,
}

/// The section `[backend.baremetal-snp.launch]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// SEV_FEATURES that a guest may have been launched with: the host chooses them, and some change what an image that is
    /// known to be good does. Only SNP itself (1) if absent.
    pub guest_features: BTreeSet<u64>,
    /// Take an application's identity from the measured command line, where the evidence has no configuration document. Only
    /// for images that act on these tokens: others let any host append any identity.
    pub accept_cmdline_identity: bool,
    /// Accept launch inputs whose command line pins no root file system.
    pub danger_accept_unmeasured_rootfs: bool,
}

impl Default for LaunchPolicy {
    fn default() -> Self {
        Self {
            guest_features: BTreeSet::from([1]),
            accept_cmdline_identity: false,
            danger_accept_unmeasured_rootfs: false,
        }
    }
}

impl Policy {
    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.baremetal-snp: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let tables = [Some(section), section.get("report"), section.get("launch")];
        let floors = section.pointer("/report/minimum-tcb").and_then(|floors| floors.as_object());
        let mut tables =
            tables.into_iter().flatten().chain(floors.into_iter().flat_map(|floors| floors.values()));
        if !tables.all(serde_json::Value::is_object) {
            return Err(invalid("the section, report, launch and each minimum-tcb are tables".to_owned()));
        }
        let policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.report.validate().map_err(|error| invalid(error.to_string()))?;
        if policy.report.csp_ids.is_some() {
            return Err(invalid("csp-ids is about a VLEK, and only a VCEK is accepted here".to_owned()));
        }
        if policy.launch.guest_features.is_empty() {
            return Err(invalid(
                "the list guest-features is empty: leave the key out, or list what is allowed".to_owned(),
            ));
        }
        Ok(policy)
    }
}
