//! What a verified quote says, for people and policies.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::VerifiedQuote;

impl VerifiedQuote {
    /// Clock, firmware version and registers, by the names of claims.
    pub fn details(&self) -> BTreeMap<&'static str, Value> {
        let clock = self.clock_info();
        let clock = json!({
            "clock-ms": clock.clock,
            "reset-count": clock.reset_count,
            "restart-count": clock.restart_count,
            "safe": clock.safe,
        });
        let pcrs: Map<String, Value> =
            self.pcrs().iter().map(|(_, pcr, value)| (pcr.to_string(), hex::encode(value).into())).collect();
        BTreeMap::from([
            ("vtpm-clock", clock),
            ("vtpm-firmware-version", format!("{:#018x}", self.firmware_version()).into()),
            ("pcrs", Value::Object(pcrs)),
        ])
    }
}
