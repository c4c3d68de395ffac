//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_event_log::{EventLog, inspect as event_log};
use evidence_gce::{INSTANCE_INFO, Instance, endorsement::described};
use evidence_snp::{Report, VekCertificate};
use evidence_tdx::Quote;
use evidence_tpm::{Attest, Signature, without_padding};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{BANK, GcpEvidence, ID, Tee, kind_of};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let tee = kind_of(evidence.media_type()).map(|(tee, _)| tee);
    let read = GcpEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence, tee))
}

fn content(evidence: &GcpEvidence, tee: Option<Tee>) -> Value {
    let certificates: Vec<_> = evidence.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    match tee {
        Some(Tee::Tdx) => {
            let quote = Quote::trim_padding(&evidence.report).and_then(Quote::parse);
            put("td-quote", or_malformed(quote.map(|quote| evidence_tdx::inspect::quote(&quote))));
        }
        _ => {
            let veks = certificates.iter().flatten().filter_map(|der| VekCertificate::parse(der).ok());
            let product = veks.map(|vek| vek.product).next();
            let report = Report::parse(&evidence.report);
            put("report", or_malformed(report.map(|it| evidence_snp::inspect::report(&it, product))));
        }
    }
    let quote = Attest::parse(&evidence.quote);
    put("quote", or_malformed(quote.map(|attest| evidence_tpm::inspect::quote(&attest))));
    let signature = Signature::parse(&evidence.signature).map(|signature| signature.hash.algorithm());
    put("signature", or_malformed(signature.map(|hash| json!({ "hash": hash.to_string() }))));
    put("pcrs", evidence.pcrs.iter().map(|value| Value::from(hex::encode(value))).collect());
    let ak = without_padding(&evidence.ak_certificate).map_err(|error| error.to_string());
    let ak = ak.and_then(|der| Certificate::parse(der).map_err(|error| error.to_string()));
    put("instance", or_malformed(ak.as_ref().map(instance)));
    put("ak-certificate", or_malformed(ak.map(|certificate| json!(certificate.described()))));
    let certificates =
        certificates.into_iter().map(|read| or_malformed(read.map(|it| json!(it.described()))));
    put("certificates", certificates.collect());
    if let Some(endorsement) = &evidence.launch_endorsement {
        put("launch-endorsement", or_malformed(described(endorsement)));
    }
    if let Some(log) = &evidence.boot_log {
        put("boot-log", or_malformed(EventLog::parse(log).map(|log| event_log::boot_log(&log, BANK))));
    }
    if let Some(log) = &evidence.cc_log {
        put("cc-log", or_malformed(EventLog::parse(log).map(|log| event_log::cc_log(&log))));
    }
    if !evidence.runtime_events.is_empty() {
        put("runtime-events", event_log::runtime_events(&evidence.runtime_events, BANK));
    }
    Value::Object(content)
}

fn instance(certificate: &Certificate) -> Value {
    certificate.extension(INSTANCE_INFO).map_or(Value::Null, |der| {
        or_malformed(Instance::parse(der).map(|instance| {
            json!({
                "zone": instance.zone,
                "project-number": instance.project_number,
                "project-id": instance.project_id,
                "id": instance.instance_id.to_string(),
                "name": instance.instance_name,
                "production": instance.security.is_production,
            })
        }))
    })
}

fn or_malformed<E: ToString>(read: std::result::Result<Value, E>) -> Value {
    read.unwrap_or_else(|error| json!({ "malformed": error.to_string() }))
}
