//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_dstack::tdx_measurement::TdxMeasurement;
use evidence_event_log::{Bank, EventLog, inspect as event_log};
use evidence_tdx::{Quote, fmspc, inspect};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{BootEvent, BootLog, ID, LaunchEvidence, TdxEvidence};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = TdxEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence))
}

fn content(evidence: &TdxEvidence) -> Value {
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    match Quote::parse(&evidence.quote) {
        Err(error) => {
            put("quote", malformed(&error));
        }
        Ok(quote) => {
            put("quote", inspect::quote(&quote));
            let chain = Certificate::parse_der_or_pem(quote.pck_chain());
            put(
                "certificates",
                chain.map_or_else(
                    |error| malformed(&error),
                    |chain| chain.iter().map(Certificate::described).map(|it| json!(it)).collect(),
                ),
            );
            put(
                "fmspc",
                fmspc(&quote).map_or_else(|error| malformed(&error), |fmspc| hex::encode(fmspc).into()),
            );
        }
    }
    if let Some(log) = &evidence.boot_log {
        put("boot-log", boot_log(log));
    }
    if !evidence.runtime_events.is_empty() {
        put("runtime-events", event_log::runtime_events(&evidence.runtime_events, Bank::Sha384));
    }
    if let Some(document) = &evidence.mr_config {
        put("mr-config", document.as_str().into());
    }
    if let Some(claimed) = &evidence.launch {
        put("launch", launch(claimed));
    }
    Value::Object(content)
}

fn boot_log(log: &BootLog) -> Value {
    let (form, events) = match log {
        BootLog::Ccel(bytes) => ("ccel", ccel(bytes)),
        BootLog::Digests(events) => ("digests", events.iter().map(boot_event).collect()),
        BootLog::Acpi(events) => ("acpi", events.iter().map(boot_event).collect()),
    };
    json!({ "form": form, "events": events })
}

fn ccel(bytes: &[u8]) -> Value {
    EventLog::parse(bytes).map_or_else(|error| malformed(&error), |log| event_log::cc_log(&log))
}

fn boot_event(event: &BootEvent) -> Value {
    let name = Some(&event.name).filter(|name| !name.is_empty());
    json!({ "register": format!("RTMR{}", event.rtmr), "digest": hex::encode(&event.digest), "name": name })
}

fn launch(claimed: &LaunchEvidence) -> Value {
    let measurement = TdxMeasurement::parse(&claimed.measurement);
    json!({
        "checksum-file": String::from_utf8_lossy(&claimed.checksum_file),
        "measurement": measurement.map_or_else(|error| malformed(&error), |document| image(&document)),
        "memory-size": claimed.memory_size,
        "two-pass": claimed.two_pass,
    })
}

fn image(document: &TdxMeasurement) -> Value {
    json!({
        "firmware-variant": document.ovmf,
        "mrtd-single-pass": hex::encode(document.mrtd_single_pass),
        "mrtd-two-pass": hex::encode(document.mrtd_two_pass),
        "td-hob": hex::encode(&document.td_hob),
        "kernel-authenticode": hex::encode(document.kernel_authenticode),
        "cmdline-sha384": hex::encode(document.cmdline_sha384),
        "initrd-sha384": hex::encode(document.initrd_sha384),
    })
}

fn malformed(error: &dyn std::error::Error) -> Value {
    json!({ "malformed": error.to_string() })
}
