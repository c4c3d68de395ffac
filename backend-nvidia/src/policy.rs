//! What a relying party asks of the devices beside a CPU.

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use backend_api::{ErrorKind, Result, UnixTime};
use evidence_ledger::Hex;
use evidence_nvidia::DevicePolicy;
use evidence_rim::RimTime;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The section `[backend.nvidia]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Which lanes may tie the devices to the CPU: `boot` alone if absent.
    pub lanes: BTreeSet<GpuLane>,
    /// How many GPUs there must be; if absent, as many as there are.
    pub gpus: Option<usize>,
    /// How many NVSwitches there must be; if absent, as many as there are.
    pub switches: Option<usize>,
    /// About each device.
    pub device: DevicePolicy,
    /// About the reference values.
    pub rim: RimPolicy,
    /// Compare the measurement of the video decoder 0 also where it is disabled, which NVIDIA's own tools do not.
    pub strict: bool,
    /// Accept Evidence that does not say whether confidential computing is on, as other tools make it.
    pub danger_accept_unreported_cc_mode: bool,
    /// What Evidence of the profile `raw` must be like. Without it, none is accepted.
    pub raw: Option<RawPolicy>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lanes: BTreeSet::from([GpuLane::Boot]),
            gpus: None,
            switches: None,
            device: DevicePolicy::default(),
            rim: RimPolicy::default(),
            strict: false,
            danger_accept_unreported_cc_mode: false,
            raw: None,
        }
    }
}

/// What ties devices to a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuLane {
    /// The event `gpu-attestation` in a register of the CPU, from before the guest was ready.
    Boot,
    /// A nonce of the challenge in what the devices sign, and the payload in what the CPU signs.
    OnDemand,
}

impl GpuLane {
    /// Its name in policies and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::OnDemand => "on-demand",
        }
    }
}

/// The section `[backend.nvidia.rim]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RimPolicy {
    /// When, where not at the time of verification, reference values must be valid and the status of their signers current, such as
    /// `2025-10-24T12:00:00Z`. NVIDIA's signers live for two years, drivers for longer.
    #[serde(deserialize_with = "moment")]
    pub pinned_time: Option<UnixTime>,
    /// Accept reference values whose signers are no longer valid.
    pub danger_ignore_expiry: bool,
    /// Accept signers of which nothing current says that they are good.
    pub danger_accept_unknown_revocation: bool,
}

impl RimPolicy {
    /// When their signers must be valid.
    pub(crate) fn time(&self) -> RimTime {
        match self.pinned_time {
            Some(pinned) => RimTime::Pinned(pinned),
            None if self.danger_ignore_expiry => RimTime::DangerIgnoreExpiry,
            None => RimTime::Now,
        }
    }

    /// What their signers' status must be current at.
    pub(crate) fn status_time(&self, at: UnixTime) -> UnixTime {
        self.pinned_time.unwrap_or(at)
    }
}

/// A time in RFC 3339.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<UnixTime>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_rfc3339(&text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let time = time.ok_or_else(|| {
        D::Error::custom(format!("expected a time such as 2025-10-24T12:00:00Z, found {text:?}"))
    })?;
    Ok(Some(UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs()))))
}

/// The section `[backend.nvidia.raw]`: what other tools had signed, on the relying party's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RawPolicy {
    /// The nonce that the devices signed; if absent, the first 32 bytes of the challenge, whose others must be zeros.
    pub nonce: Option<Hex<32>>,
}

impl Policy {
    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.nvidia: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let tables = ["device", "rim", "raw"].map(|key| section.get(key));
        let floors = section.pointer("/device/minimum-vbios");
        let mut tables = [Some(section), floors].into_iter().chain(tables).flatten();
        if !tables.all(serde_json::Value::is_object) {
            return Err(invalid("the section, device, its minimum-vbios, rim and raw are tables".to_owned()));
        }
        let policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.validate().map_err(|reason| invalid(reason.to_owned()))?;
        Ok(policy)
    }

    /// Refuses what can only be a mistake.
    fn validate(&self) -> std::result::Result<(), &'static str> {
        if self.lanes.is_empty() {
            return Err("lanes is empty: leave the key out, or list boot, on-demand or both");
        }
        if self.rim.pinned_time.is_some() && self.rim.danger_ignore_expiry {
            return Err("rim has pinned-time and danger-ignore-expiry, of which one alone can be meant");
        }
        if self.gpus == Some(0) && matches!(self.switches, None | Some(0)) {
            return Err("gpus is 0, so that no evidence could be accepted");
        }
        Ok(())
    }
}
