//! What verified Evidence says.

use std::collections::BTreeMap;

use serde::Serialize;

/// The claims of verified Evidence: what every relying party asks for, typed, and the rest by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Claims {
    /// The technology, such as `sev-snp`.
    pub tee: &'static str,
    /// The platform's name in dstack's `BootInfo`, such as `dstack-amd-sev-snp`.
    pub tee_variant: &'static str,
    /// The processor or device, such as `Milan`.
    pub product: String,
    /// The launch measurement, lower-case hex.
    pub measurement: String,
    /// SHA-256 of the platform's unique hardware id, lower-case hex: one canonical form for all backends. Empty where the
    /// platform hides it.
    pub device_id: String,
    /// The vendor's word for how current the trusted computing base is, such as `UpToDate` or `OutOfDate`.
    pub tcb_status: String,
    /// Security advisories that apply, as the vendor numbers them.
    pub advisory_ids: Vec<String>,
    /// Further claims by the backend's names.
    pub details: BTreeMap<&'static str, serde_json::Value>,
}

impl Claims {
    /// Claims with the given technology, dstack's name for the platform, product and launch measurement; the rest empty.
    pub fn new(
        tee: &'static str,
        tee_variant: &'static str,
        product: impl Into<String>,
        measurement: &[u8],
    ) -> Self {
        Self {
            tee,
            tee_variant,
            product: product.into(),
            measurement: hex::encode(measurement),
            device_id: String::new(),
            tcb_status: String::new(),
            advisory_ids: Vec::new(),
            details: BTreeMap::new(),
        }
    }
}
