//! What a relying party asks of bare-metal SNP guests.

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// Accept launch inputs whose command line pins no root file system.
    pub danger_accept_unmeasured_rootfs: bool,
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
        // Serde would read a list as a structure, field after field, and an empty one as the default.
        let tables = [Some(section), section.get("report"), section.get("launch")];
        if tables.into_iter().flatten().any(|table| !table.is_object()) {
            return Err(invalid("the section, report and launch are tables".to_owned()));
        }
        let policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.report.validate().map_err(|error| invalid(error.to_string()))?;
        if policy.report.csp_ids.is_some() {
            return Err(invalid("csp-ids is about a VLEK, and only a VCEK is accepted here".to_owned()));
        }
        Ok(policy)
    }
}
