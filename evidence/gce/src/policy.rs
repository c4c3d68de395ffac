//! What a relying party asks of an instance and of the firmware that it was launched with.

use std::collections::BTreeSet;

use evidence_ledger::Hex;
use serde::Deserialize;

/// Which instances' attestation keys are accepted. The default accepts every instance of Google's production, of anyone.
///
/// A key that is absent leaves its check unperformed, and the ledger says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InstancePolicy {
    /// Projects: each by its id or its number. An id begins with a letter.
    pub projects: Option<BTreeSet<String>>,
    /// Zones, such as `us-central1-f`.
    pub zones: Option<BTreeSet<String>>,
    /// Instances: each by its id, in decimal digits. Names are given again.
    pub instances: Option<BTreeSet<String>>,
    /// Accept an attestation key though it is not known whether Google revoked an authority: for archived evidence.
    pub danger_accept_unknown_revocation: bool,
    /// Accept the virtual TPMs of Google's tests.
    pub danger_accept_non_production: bool,
}

/// Which of the firmware that Google endorses is accepted. The default accepts all of it.
///
/// A key that is absent leaves its check unperformed, and the ledger says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EndorsementPolicy {
    /// The lowest security version number of firmware on SEV-SNP.
    pub minimum_snp_svn: Option<u32>,
    /// The lowest security version number of firmware on TDX.
    pub minimum_tdx_svn: Option<u32>,
    /// SHA-384 digests of firmware that is not accepted, though Google endorses it.
    pub reject_firmware: Option<BTreeSet<Hex<48>>>,
}

impl InstancePolicy {
    /// Refuses what can only be a mistake.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn validate(&self) -> Result<(), PolicyError> {
        for (key, list) in
            [("projects", &self.projects), ("zones", &self.zones), ("instances", &self.instances)]
        {
            if list.as_ref().is_some_and(BTreeSet::is_empty) {
                return Err(PolicyError::EmptyList(key));
            }
        }
        let is_id = |text: &&String| text.parse::<u64>().is_ok_and(|id| id.to_string() == **text);
        match self.instances.iter().flatten().find(|text| !is_id(text)) {
            Some(text) => Err(PolicyError::InstanceId(text.clone())),
            None => Ok(()),
        }
    }
}

impl EndorsementPolicy {
    /// Refuses what can only be a mistake.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn validate(&self) -> Result<(), PolicyError> {
        if self.reject_firmware.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(PolicyError::EmptyList("reject-firmware"));
        }
        Ok(())
    }
}

/// A policy that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An empty list never means anything.
    #[error("the list {0} is empty: leave the key out, or list what is meant")]
    EmptyList(&'static str),
    /// Not an instance's id.
    #[error("instances has {0:?}, expected the id of an instance in decimal digits")]
    InstanceId(String),
}
