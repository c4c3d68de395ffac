//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_dstack::snp_measurement::SnpMeasurement;
use evidence_snp::{Report, VekCertificate};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{ID, ImageDocuments, LaunchEvidence, LaunchSource, SnpEvidence};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = SnpEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence))
}

fn content(evidence: &SnpEvidence) -> Value {
    let certificates: Vec<_> = evidence.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let veks =
        certificates.iter().flatten().filter_map(|certificate| VekCertificate::parse(certificate).ok());
    let product = veks.map(|vek| vek.product).next();
    let report =
        Report::parse(&evidence.report).map(|report| evidence_snp::inspect::report(&report, product));
    let mut content = Map::new();
    content.insert("report".to_owned(), or_malformed(report));
    let certificates =
        certificates.into_iter().map(|read| or_malformed(read.map(|read| json!(read.described()))));
    content.insert("certificates".to_owned(), certificates.collect());
    if let Some(document) = &evidence.mr_config {
        content.insert("mr-config".to_owned(), document.as_str().into());
    }
    if let Some(claimed) = &evidence.launch {
        content.insert("launch".to_owned(), launch(claimed));
    }
    Value::Object(content)
}

fn launch(claimed: &LaunchEvidence) -> Value {
    let source = match &claimed.source {
        LaunchSource::Image(ImageDocuments { checksum_file, measurement }) => json!({
            "checksum-file": String::from_utf8_lossy(checksum_file),
            "measurement": or_malformed(SnpMeasurement::parse(measurement).map(|document| image(&document))),
        }),
        LaunchSource::Parameters(parameters) => json!({
            "firmware-digest": hex::encode(&parameters.firmware.digest),
            "hashes-table-gpa": format!("{:#x}", parameters.firmware.hashes_table_gpa),
            "reset-eip": format!("{:#x}", parameters.firmware.reset_eip),
            "sections": parameters.firmware.sections.len(),
            "kernel-hash": hex::encode(&parameters.kernel_hash),
            "initrd-hash": hex::encode(&parameters.initrd_hash),
            "cmdline": parameters.cmdline,
        }),
    };
    json!({
        "source": source,
        "append": claimed.append,
        "vcpus": claimed.vcpus,
        "vcpu-type": claimed.vcpu_type,
        "guest-features": format!("{:#x}", claimed.guest_features),
    })
}

fn image(document: &SnpMeasurement) -> Value {
    json!({
        "firmware-digest": hex::encode(document.ovmf_hash),
        "hashes-table-gpa": format!("{:#x}", document.hashes_table_gpa),
        "reset-eip": format!("{:#x}", document.reset_eip),
        "sections": document.ovmf_sections.len(),
        "kernel-hash": hex::encode(document.kernel_hash),
        "initrd-hash": hex::encode(document.initrd_hash),
        "cmdline": document.cmdline,
    })
}

fn or_malformed<E: ToString>(read: std::result::Result<Value, E>) -> Value {
    read.unwrap_or_else(|error| json!({ "malformed": error.to_string() }))
}
