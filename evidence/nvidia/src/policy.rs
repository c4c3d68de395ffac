//! What a relying party asks of a device.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::Architecture;

/// A version in parts, such as `550.90.07` of a driver (decimal) or `96.00.9F.00.01` of a video BIOS (hexadecimal).
///
/// Versions are compared part by part; a part that is not there is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<const RADIX: u32> {
    parts: Vec<u32>,
    text: String,
}

impl<const RADIX: u32> FromStr for Version<RADIX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<u32>, _> =
            text.split('.').map(|part| u32::from_str_radix(part, RADIX)).collect();
        let parts = parts.ok().filter(|parts| parts.len() <= 8 && !text.contains(['+', '-']));
        let parts = parts.ok_or_else(|| format!("version {text:?} is not of numbers and dots"))?;
        Ok(Self { parts, text: text.to_owned() })
    }
}

impl<const RADIX: u32> Version<RADIX> {
    /// Whether it is this one or a later one.
    pub fn is_at_least(&self, minimum: &Self) -> bool {
        let part = |of: &Self, at: usize| of.parts.get(at).copied().unwrap_or(0);
        let mut parts = 0..self.parts.len().max(minimum.parts.len());
        let differs = parts.find(|at| part(self, *at) != part(minimum, *at));
        differs.is_none_or(|at| part(self, at) > part(minimum, at))
    }
}

impl<const RADIX: u32> fmt::Display for Version<RADIX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de, const RADIX: u32> Deserialize<'de> for Version<RADIX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The section of a policy about each device.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DevicePolicy {
    /// The oldest driver that is accepted; any that has reference values if absent.
    pub minimum_driver: Option<Version<10>>,
    /// The oldest video BIOS (or BIOS of a switch) that is accepted, by architecture: with any listed, devices of others are refused; any that has
    /// reference values if absent.
    pub minimum_vbios: BTreeMap<Architecture, Version<16>>,
    /// Accept GPUs that do not report the identity of their firmware, as drivers before 550 do not.
    pub danger_accept_no_fwid: bool,
    /// Accept certificates of which nothing current says that they are good.
    pub danger_accept_unknown_revocation: bool,
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "hopper" => Ok(Self::Hopper),
            "blackwell" => Ok(Self::Blackwell),
            "ls10" => Ok(Self::Ls10),
            other => Err(D::Error::custom(format!("expected hopper, blackwell or ls10, found {other:?}"))),
        }
    }
}
