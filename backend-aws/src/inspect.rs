//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_event_log::{Bank, EventLog, inspect as event_log};
use evidence_nitro::Document;
use evidence_snp::{Report, VekCertificate};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{AwsEvidence, ID};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = AwsEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence))
}

fn content(evidence: &AwsEvidence) -> Value {
    let certificates: Vec<_> = evidence.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let veks = certificates.iter().flatten().filter_map(|der| VekCertificate::parse(der).ok());
    let product = veks.map(|vek| vek.product).next();
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    if let Some(report) = &evidence.report {
        let report = Report::parse(report);
        put("report", or_malformed(report.map(|report| evidence_snp::inspect::report(&report, product))));
    }
    if let Some(bytes) = &evidence.document {
        put("document", or_malformed(Document::parse(bytes).map(|read| document(&read))));
    }
    let certificates =
        certificates.into_iter().map(|read| or_malformed(read.map(|it| json!(it.described()))));
    put("certificates", certificates.collect());
    if let Some(log) = &evidence.boot_log {
        put(
            "boot-log",
            or_malformed(EventLog::parse(log).map(|log| event_log::boot_log(&log, Bank::Sha384))),
        );
    }
    if let Some(spki) = &evidence.ek_public {
        put("ek-public", hex::encode(spki).into());
    }
    if !evidence.runtime_events.is_empty() {
        put("runtime-events", event_log::runtime_events(&evidence.runtime_events, Bank::Sha384));
    }
    Value::Object(content)
}

fn document(document: &Document<'_>) -> Value {
    let described = |der: &[u8]| or_malformed(Certificate::parse(der).map(|it| json!(it.described())));
    let pcrs = document.pcrs.iter().map(|(pcr, value)| (pcr.to_string(), hex::encode(value).into()));
    json!({
        "module-id": document.module_id,
        "timestamp-ms": document.timestamp,
        "pcrs": pcrs.collect::<Map<String, Value>>(),
        "certificate": described(document.certificate),
        "cabundle": document.cabundle.iter().map(|der| described(der)).collect::<Value>(),
        "public-key": document.public_key.map(hex::encode),
        "user-data": document.user_data.map(hex::encode),
        "nonce": document.nonce.map(hex::encode),
    })
}

fn or_malformed<E: ToString>(read: std::result::Result<Value, E>) -> Value {
    read.unwrap_or_else(|error| json!({ "malformed": error.to_string() }))
}
