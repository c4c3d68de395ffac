//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_event_log::{Bank, EventLog, inspect as event_log};
use evidence_snp::{Report, VekCertificate};
use evidence_tdx::Quote;
use evidence_tpm::{Attest, Signature, without_padding};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{AzureEvidence, ID, RuntimeData, Tee, hcl::HclReport, td_report::TdReportStruct};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = AzureEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence))
}

fn content(evidence: &AzureEvidence) -> Value {
    let certificates: Vec<_> = evidence.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let veks = certificates.iter().flatten().filter_map(|der| VekCertificate::parse(der).ok());
    let product = veks.map(|vek| vek.product).next();
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    match HclReport::parse(&evidence.hcl_report) {
        Err(error) => {
            put("hcl-report", malformed(&error));
        }
        Ok(hcl) => {
            put(
                "hcl-report",
                json!({
                    "version": hcl.version,
                    "request-type": hcl.request_type,
                    "report-type": hcl.report_type,
                    "hash-type": hcl.hash_type,
                    "technology": hcl.tee().map(Tee::name),
                }),
            );
            put("runtime-data", runtime_data(hcl.runtime_data));
            if hcl.tee() == Some(Tee::Snp) {
                let report = Report::parse(hcl.hardware_report);
                put("report", or_malformed(report.map(|it| evidence_snp::inspect::report(&it, product))));
            } else {
                let report = TdReportStruct::parse(hcl.hardware_report);
                put("td-report", or_malformed(report.map(|report| hex::encode(report.bytes()).into())));
            }
        }
    }
    if let Some(quote) = &evidence.td_quote {
        put("td-quote", or_malformed(Quote::parse(quote).map(|quote| evidence_tdx::inspect::quote(&quote))));
    }
    put(
        "quote",
        or_malformed(Attest::parse(&evidence.quote).map(|attest| evidence_tpm::inspect::quote(&attest))),
    );
    let signature = Signature::parse(&evidence.signature).map(|signature| signature.hash.algorithm());
    put("signature", or_malformed(signature.map(|hash| json!({ "hash": hash.to_string() }))));
    put("pcrs", evidence.pcrs.iter().map(|value| Value::from(hex::encode(value))).collect());
    if let Some(der) = &evidence.ak_certificate {
        let certificate = without_padding(der).map_err(|error| error.to_string());
        let certificate =
            certificate.and_then(|der| Certificate::parse(der).map_err(|error| error.to_string()));
        put("ak-certificate", or_malformed(certificate.map(|certificate| json!(certificate.described()))));
    }
    let certificates =
        certificates.into_iter().map(|read| or_malformed(read.map(|it| json!(it.described()))));
    put("certificates", certificates.collect());
    if let Some(log) = &evidence.boot_log {
        put(
            "boot-log",
            or_malformed(EventLog::parse(log).map(|log| event_log::boot_log(&log, Bank::Sha256))),
        );
    }
    if !evidence.runtime_events.is_empty() {
        put("runtime-events", event_log::runtime_events(&evidence.runtime_events, Bank::Sha256));
    }
    Value::Object(content)
}

fn runtime_data(json: &[u8]) -> Value {
    or_malformed(RuntimeData::parse(json).map(|data| {
        let key = data.attestation_key();
        let key = key.map(|key| key.modulus().map(hex::encode).into());
        json!({
            "attestation-key-modulus": or_malformed(key),
            "vm-configuration": data.vm_configuration,
            "user-data": data.user_data.map(hex::encode),
        })
    }))
}

fn or_malformed<E: ToString>(read: std::result::Result<Value, E>) -> Value {
    read.unwrap_or_else(|error| json!({ "malformed": error.to_string() }))
}

fn malformed(error: &dyn std::error::Error) -> Value {
    json!({ "malformed": error.to_string() })
}
