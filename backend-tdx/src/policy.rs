//! What a relying party asks of TDX guests.

use std::collections::BTreeSet;

use backend_api::{ErrorKind, Result};
use evidence_dstack::application::Phase;
use evidence_ledger::Hex;
use serde::Deserialize;

/// The section `[backend.tdx]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// About the quote.
    pub quote: evidence_tdx::Policy,
    /// About the launch.
    pub launch: LaunchPolicy,
}

/// The section `[backend.tdx.launch]`.
///
/// MRTD covers the firmware alone: configuration, kernel and command line are in RTMR0 to RTMR2. A guest whose image is not
/// measured again is known by all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// Values of RTMR0 (the configuration that the firmware found), one of which the guest must have.
    pub rtmr0: Option<BTreeSet<Hex<48>>>,
    /// Values of RTMR1 (boot loader and kernel), one of which the guest must have.
    pub rtmr1: Option<BTreeSet<Hex<48>>>,
    /// Values of RTMR2 (command line and initrd), one of which the guest must have.
    pub rtmr2: Option<BTreeSet<Hex<48>>>,
    /// How far the guest has come: `ready` if absent, and then a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
    /// Forms of MRCONFIGID, in one of which it must commit to the application, so that the host could not change that after
    /// the launch: 1 commits to the composition alone, 2 also to application id and key provider, 3 to a whole document.
    pub mr_config_id_forms: Option<BTreeSet<u8>>,
}

impl Policy {
    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.tdx: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let mut tables = [Some(section), section.get("quote"), section.get("launch")].into_iter().flatten();
        if !tables.all(serde_json::Value::is_object) {
            return Err(invalid("the section, quote and launch are tables".to_owned()));
        }
        let policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.quote.validate().map_err(|error| invalid(error.to_string()))?;
        let LaunchPolicy { rtmr0, rtmr1, rtmr2, .. } = &policy.launch;
        let lists = [("rtmr0", rtmr0), ("rtmr1", rtmr1), ("rtmr2", rtmr2)];
        let forms = policy.launch.mr_config_id_forms.as_ref();
        if forms.is_some_and(|forms| forms.is_empty() || forms.iter().any(|form| !(1..=3).contains(form))) {
            return Err(invalid("mr-config-id-forms lists forms 1, 2 and 3, at least one".to_owned()));
        }
        if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_ref().is_some_and(BTreeSet::is_empty)) {
            return Err(invalid(format!(
                "the list {key} is empty: leave the key out, or list what is allowed"
            )));
        }
        Ok(policy)
    }
}
