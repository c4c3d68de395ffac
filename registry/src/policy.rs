//! The appraisal policy.

use std::collections::{BTreeMap, BTreeSet};

use backend_api::{Check, Error, ErrorKind, Field, ReferenceValues, Result};
use serde::Deserialize;

/// The only version of the policy format.
const VERSION: u32 = 1;

/// What a relying party asks for, from TOML.
///
/// ```toml
/// version = 1
/// require-checks = ["crl-current"]        # these must have been performed, not only not failed
/// accept-tcb-status = ["UpToDate"]        # absent: any, and the result says which
/// require-devices = ["nvidia"]            # there must be evidence of devices that these backends verify
///
/// [reference-values]
/// measurements = ["7f51…"]                # hex
/// os-image-hash = ["f69c…"]               # and so on, for every field of an identity
///
/// [backend.baremetal-snp.report]          # each backend's own section, in its own words
/// minimum-tcb.milan = { bootloader = 4, tee = 0, snp = 23, microcode = 213 }
/// ```
///
/// Unknown keys are refused, and so is an empty list: it is a mistake and never means "any". The default is what applies when
/// a relying party says nothing: every backend's own default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AppraisalPolicy {
    pub(crate) require_checks: BTreeSet<String>,
    pub(crate) accept_tcb_status: Option<BTreeSet<String>>,
    pub(crate) require_devices: BTreeSet<String>,
    pub(crate) danger_accept_asserted: bool,
    pub(crate) danger_accept_unknown_application: bool,
    pub(crate) danger_accept_unknown_image: bool,
    pub(crate) reference_values: ReferenceValues,
    pub(crate) backends: BTreeMap<String, serde_json::Value>,
}

impl AppraisalPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`]: not TOML, unknown key, wrong type, empty list, malformed hex, unknown version.
    pub fn from_toml(text: &str) -> Result<Self> {
        let document: Document =
            toml::from_str(text).map_err(|error| invalid(error.message().replace('\n', " ")))?;
        if document.version != VERSION {
            return Err(invalid(format!("version is {}, expected {VERSION}", document.version)));
        }
        let mut policy = Self {
            require_checks: document
                .require_checks
                .map(|list| filled("require-checks", list))
                .transpose()?
                .unwrap_or_default(),
            accept_tcb_status: document
                .accept_tcb_status
                .map(|list| filled("accept-tcb-status", list))
                .transpose()?,
            require_devices: document
                .require_devices
                .map(|list| filled("require-devices", list))
                .transpose()?
                .unwrap_or_default(),
            danger_accept_asserted: document.danger_accept_asserted,
            danger_accept_unknown_application: document.danger_accept_unknown_application,
            danger_accept_unknown_image: document.danger_accept_unknown_image,
            ..Self::default()
        };
        for (name, values) in document.reference_values {
            for value in filled(&name, values)? {
                policy.add_reference_value(&name, &value)?;
            }
        }
        for (id, section) in document.backend {
            let section = serde_json::to_value(section).map_err(|error| invalid(error.to_string()))?;
            if holds_null(&section) {
                return Err(invalid(format!("section backend.{id} has a number that is not finite")));
            }
            policy.backends.insert(id, section);
        }
        Ok(policy)
    }

    /// Adds a reference value: `measurements`, or the name of an identity field such as `os-image-hash`, and hex.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for an unknown name or malformed hex.
    pub fn add_reference_value(&mut self, name: &str, value: &str) -> Result<()> {
        let bytes = hex::decode(value)
            .ok()
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| invalid(format!("reference value of {name} is not hex")))?;
        if name == "measurements" {
            self.reference_values.measurements.insert(bytes);
            return Ok(());
        }
        let field = Field::ALL.into_iter().find(|field| field.name() == name);
        let field = field.ok_or_else(|| {
            let known: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            invalid(format!(
                "unknown reference value {name:?}, expected measurements or {}",
                known.join(", ")
            ))
        })?;
        self.reference_values.identity.entry(field).or_default().insert(bytes);
        Ok(())
    }

    /// A listed field that any image could say, while no measurement and no image is listed.
    pub(crate) fn of_unknown_image(&self) -> Option<Field> {
        let known = self.pins_image();
        self.reference_values.identity.keys().copied().find(|field| !known && field.needs_known_image())
    }

    /// Whether a measurement or an image is listed.
    pub(crate) fn pins_image(&self) -> bool {
        let listed = &self.reference_values;
        !listed.measurements.is_empty() || listed.identity.keys().any(|field| field.pins_image())
    }

    /// A listed field that a host can give to any application, while nothing pins the application.
    pub(crate) fn of_unknown_application(&self) -> Option<Field> {
        let listed = &self.reference_values.identity;
        let known = listed.keys().any(|field| field.pins_application());
        listed.keys().copied().find(|field| !known && field.needs_known_application())
    }

    /// Requires that a check was performed.
    pub fn require_check(&mut self, check: Check) {
        self.require_checks.insert(check.name().to_owned());
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    version: u32,
    require_checks: Option<BTreeSet<String>>,
    accept_tcb_status: Option<BTreeSet<String>>,
    require_devices: Option<BTreeSet<String>>,
    #[serde(default)]
    danger_accept_asserted: bool,
    #[serde(default)]
    danger_accept_unknown_application: bool,
    #[serde(default)]
    danger_accept_unknown_image: bool,
    #[serde(default)]
    reference_values: BTreeMap<String, BTreeSet<String>>,
    #[serde(default)]
    backend: BTreeMap<String, toml::Table>,
}

/// TOML has no null: one can only come of `nan` or `inf`, and would be read as an absent key.
fn holds_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(holds_null),
        serde_json::Value::Object(entries) => entries.values().any(holds_null),
        _ => false,
    }
}

fn filled(key: &str, list: BTreeSet<String>) -> Result<BTreeSet<String>> {
    if list.is_empty() {
        return Err(invalid(format!("the list {key} is empty: leave the key out, or list what is allowed")));
    }
    Ok(list)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, format_args!("appraisal policy: {message}"))
}
