//! What a relying party asks of a quote beyond its being genuine.

use std::collections::BTreeSet;

use evidence_ledger::Hex;
use serde::Deserialize;

use crate::collateral::seconds;

/// The appraisal policy of TDX quotes. The default is what applies when a relying party says nothing.
///
/// A key that is absent leaves its check unperformed, and the ledger says so. TDs that can be debugged, profiled or migrated,
/// revoked TCB levels and a TDX module that Intel did not sign are refused whatever the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// TCB statuses that pass: `UpToDate` alone if absent.
    pub accept_tcb_status: Option<BTreeSet<TcbStatus>>,
    /// How many days after the date of its TCB levels an accepted out-of-date platform passes; without it, for ever.
    pub grace_period_days: Option<u32>,
    /// The lowest tcbEvaluationDataNumber of TCB info and QE identity.
    pub minimum_tcb_evaluation: Option<u32>,
    /// The earliest date of the TCB levels that platform, TDX module and quoting enclave reach.
    pub minimum_tcb_date: Option<Date>,
    /// Advisories, such as `INTEL-SA-01245`, none of which may apply.
    pub reject_advisories: Option<BTreeSet<String>>,
    /// Attributes that may be set beyond those of the platform's profile.
    pub allow_attributes: Option<BTreeSet<Attribute>>,
    /// Values of MRSEAM, one of which the TDX module must have.
    pub modules: Option<BTreeSet<Hex<48>>>,
    /// Values of MRSERVICETD, one of which must be bound. Without them no service TD may be.
    pub service_tds: Option<BTreeSet<Hex<48>>>,
    /// Values of MRCONFIGID, one of which the TD must have.
    pub mr_config_ids: Option<BTreeSet<Hex<48>>>,
    /// Values of MROWNER, one of which the TD must have. Zero is required if absent.
    pub mr_owners: Option<BTreeSet<Hex<48>>>,
    /// Values of MROWNERCONFIG, one of which the TD must have. Zero is required if absent.
    pub mr_owner_configs: Option<BTreeSet<Hex<48>>>,
    /// What a platform may not be.
    pub reject_platforms: Option<BTreeSet<PlatformFlag>>,
}

/// A TCB status of Intel's, by its name. `Revoked` is none that could pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum TcbStatus {
    /// Everything is current.
    UpToDate,
    /// Software in the TD must guard itself.
    SWHardeningNeeded,
    /// The platform must be configured otherwise.
    ConfigurationNeeded,
    /// Both.
    ConfigurationAndSWHardeningNeeded,
    /// Something is below its current level.
    OutOfDate,
    /// Something is below its current level, and the platform must be configured otherwise.
    OutOfDateConfigurationNeeded,
    /// The TD was launched below the level that the platform has now.
    TDRelaunchAdvised,
    /// The same, and the platform must be configured otherwise.
    TDRelaunchAdvisedConfigurationNeeded,
}

impl TcbStatus {
    /// Whether it says that something is below its current level.
    pub(crate) const fn is_out_of_date(self) -> bool {
        matches!(self, Self::OutOfDate | Self::OutOfDateConfigurationNeeded)
    }

    pub(crate) const fn of(status: dcap_qvl::TcbStatus) -> Option<Self> {
        use dcap_qvl::TcbStatus as Theirs;
        Some(match status {
            Theirs::UpToDate => Self::UpToDate,
            Theirs::SWHardeningNeeded => Self::SWHardeningNeeded,
            Theirs::ConfigurationNeeded => Self::ConfigurationNeeded,
            Theirs::ConfigurationAndSWHardeningNeeded => Self::ConfigurationAndSWHardeningNeeded,
            Theirs::OutOfDate => Self::OutOfDate,
            Theirs::OutOfDateConfigurationNeeded => Self::OutOfDateConfigurationNeeded,
            Theirs::TDRelaunchAdvised => Self::TDRelaunchAdvised,
            Theirs::TDRelaunchAdvisedConfigurationNeeded => Self::TDRelaunchAdvisedConfigurationNeeded,
            Theirs::Revoked => return None,
        })
    }

    /// Intel's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SWHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSWHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::TDRelaunchAdvised => "TDRelaunchAdvised",
            Self::TDRelaunchAdvisedConfigurationNeeded => "TDRelaunchAdvisedConfigurationNeeded",
        }
    }
}

/// An attribute of a TD that a policy may allow (TDX Module ABI, ATTRIBUTES).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// KL, bit 31: Key Locker.
    KeyLocker,
    /// PERFMON, bit 63: performance counters, which other TDs of the core can observe.
    Perfmon,
    /// SERVTD_EXT, bit 17: service TDs may be bound after launch. In a TD 1.5ex report `service-tds` judges those at the launch
    /// and those that are bound now; other reports do not say which are, and are refused.
    ServiceTdExtension,
    /// TPA, bit 62: the TD provisions TDX Connect.
    TdxConnectProvisioningAgent,
}

impl Attribute {
    pub(crate) const fn mask(self) -> u64 {
        match self {
            Self::KeyLocker => 1 << 31,
            Self::Perfmon => 1 << 63,
            Self::ServiceTdExtension => 1 << 17,
            Self::TdxConnectProvisioningAgent => 1 << 62,
        }
    }
}

/// A property of a platform, as its PCK certificate states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformFlag {
    /// Intel's registration service keeps its keys.
    CachedKeys,
    /// Packages can be added to it.
    DynamicPlatform,
    /// Hyper-threading is on.
    Smt,
}

impl PlatformFlag {
    /// Its name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CachedKeys => "cached-keys",
            Self::DynamicPlatform => "dynamic-platform",
            Self::Smt => "smt",
        }
    }
}

/// A day, such as `2025-08-13`: its first second in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub u64);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let day = seconds(&format!("{text}T00:00:00Z")).filter(|_| text.len() == 10);
        day.map(Self).ok_or_else(|| serde::de::Error::custom("expected a day such as 2025-08-13"))
    }
}

/// A policy that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An empty list allows nothing, and it never means anything.
    #[error("the list {0} is empty: leave the key out, or list what is allowed")]
    EmptyList(&'static str),
    /// Something that is not how Intel writes advisories would never apply.
    #[error("reject-advisories lists {0:?}, expected ids such as INTEL-SA-01245")]
    Advisory(String),
    /// A grace period is about platforms that are out of date.
    #[error(
        "grace-period-days is about OutOfDate or OutOfDateConfigurationNeeded, and accept-tcb-status lists neither"
    )]
    GraceOfNothing,
}

impl Policy {
    /// Refuses what can only be a mistake.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn validate(&self) -> Result<(), PolicyError> {
        fn empty<T>(list: Option<&BTreeSet<T>>) -> bool {
            list.is_some_and(BTreeSet::is_empty)
        }
        let empty = [
            ("accept-tcb-status", empty(self.accept_tcb_status.as_ref())),
            ("reject-advisories", empty(self.reject_advisories.as_ref())),
            ("allow-attributes", empty(self.allow_attributes.as_ref())),
            ("modules", empty(self.modules.as_ref())),
            ("service-tds", empty(self.service_tds.as_ref())),
            ("mr-config-ids", empty(self.mr_config_ids.as_ref())),
            ("mr-owners", empty(self.mr_owners.as_ref())),
            ("mr-owner-configs", empty(self.mr_owner_configs.as_ref())),
            ("reject-platforms", empty(self.reject_platforms.as_ref())),
        ];
        if let Some((key, _)) = empty.into_iter().find(|(_, empty)| *empty) {
            return Err(PolicyError::EmptyList(key));
        }
        let is_advisory = |id: &&String| {
            id.strip_prefix("INTEL-SA-")
                .is_some_and(|number| number.len() == 5 && number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        if let Some(other) = self.reject_advisories.iter().flatten().find(|id| !is_advisory(id)) {
            return Err(PolicyError::Advisory(other.clone()));
        }
        let accepts_old = self.accept_tcb_status.iter().flatten().any(|status| status.is_out_of_date());
        if self.grace_period_days.is_some() && !accepts_old {
            return Err(PolicyError::GraceOfNothing);
        }
        Ok(())
    }

    pub(crate) fn accepts(&self, status: TcbStatus) -> bool {
        self.accept_tcb_status
            .as_ref()
            .map_or(status == TcbStatus::UpToDate, |accepted| accepted.contains(&status))
    }
}
