//! What a quote says, to look at: nothing of it is verified.

use serde_json::{Value, json};

use crate::Attest;

/// The fields of a quote.
pub fn quote(attest: &Attest<'_>) -> Value {
    let selections: Vec<String> = attest.selections.iter().map(ToString::to_string).collect();
    let clock = attest.clock_info;
    json!({
        "qualified-signer": hex::encode(attest.qualified_signer),
        "extra-data": hex::encode(attest.extra_data),
        "clock-ms": clock.clock,
        "reset-count": clock.reset_count,
        "restart-count": clock.restart_count,
        "safe": clock.safe,
        "firmware-version": format!("{:#018x}", attest.firmware_version),
        "selection": selections,
        "pcr-digest": hex::encode(attest.pcr_digest),
    })
}
