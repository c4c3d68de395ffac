//! `attest inspect`: what evidence says, none of it verified.

use backend_api::{Envelope, Error, ErrorKind, Evidence, Result};
use backend_baremetal_snp::{ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence};
use evidence_dstack::snp_measurement::SnpMeasurement;
use evidence_snp::{Product, Report, Tcb, VekCertificate};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use super::rfc3339;
use crate::{
    cli::InspectArgs,
    files,
    output::{Answer, table},
};

/// Shows an envelope.
pub(crate) fn run(args: &InspectArgs) -> Result<Answer> {
    let envelope = Envelope::decode(&files::read_or_stdin(&args.file)?)?;
    let devices = envelope.devices.iter().map(item).collect::<Result<Vec<Value>>>()?;
    let content = json!({ "cpu": item(&envelope.cpu)?, "devices": devices });
    let mut rows = Vec::new();
    flatten("", &content, &mut rows);
    let text = table(rows.into_iter().map(|(key, value)| ["unverified".to_owned(), key, value]));
    let mut json = content;
    if let Some(members) = json.as_object_mut() {
        members.insert("unverified".to_owned(), true.into());
    }
    Ok(Answer::done(text, json))
}

/// One item: its kind and size, and what is in it if the kind is known here.
fn item(evidence: &Evidence) -> Result<Value> {
    let mut item = json!({ "media-type": evidence.media_type(), "bytes": evidence.bytes().len() });
    if *evidence.media_type() == MEDIA_TYPE {
        let payload = SnpEvidence::decode(evidence.bytes())
            .map_err(|error| Error::with_source(ErrorKind::MalformedEvidence, error))?;
        if let (Some(item), Value::Object(content)) = (item.as_object_mut(), snp(&payload)) {
            item.extend(content);
        }
    }
    Ok(item)
}

fn snp(evidence: &SnpEvidence) -> Value {
    let certificates: Vec<_> = evidence.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let veks =
        certificates.iter().flatten().filter_map(|certificate| VekCertificate::parse(certificate).ok());
    let product = veks.map(|vek| vek.product).next();
    let report = Report::parse(&evidence.report).map(|report| self::report(&report, product));
    let mut content = Map::new();
    content.insert("report".to_owned(), or_malformed(report));
    let certificates = certificates.into_iter().map(|read| or_malformed(read.map(|read| certificate(&read))));
    content.insert("certificates".to_owned(), certificates.collect());
    if let Some(document) = &evidence.mr_config {
        content.insert("mr-config".to_owned(), document.as_str().into());
    }
    if let Some(claimed) = &evidence.launch {
        content.insert("launch".to_owned(), launch(claimed));
    }
    Value::Object(content)
}

fn report(report: &Report, product: Option<Product>) -> Value {
    // A report of version 2 does not name its processor, on which the layout of TCB versions depends.
    let product = product.or_else(|| report.cpuid.and_then(|cpuid| cpuid.product()));
    let tcb = |bytes: [u8; 8]| match product {
        Some(product) => json!(Tcb::from_bytes(product, bytes)),
        None => hex::encode(bytes).into(),
    };
    json!({
        "version": report.version,
        "guest-svn": report.guest_svn,
        "guest-policy": format!("{:#x}", report.policy.0),
        "debug-allowed": report.policy.debug_allowed(),
        "migration-agent-allowed": report.policy.migration_agent_allowed(),
        "family-id": hex::encode(report.family_id),
        "image-id": hex::encode(report.image_id),
        "vmpl": report.vmpl,
        "signature-algorithm": report.signature_algorithm,
        "signed-by": report.signer_info.signing_key().to_string(),
        "platform-info": format!("{:#x}", report.platform_info.0),
        "report-data": hex::encode(report.report_data),
        "measurement": hex::encode(report.measurement),
        "host-data": hex::encode(report.host_data),
        "id-key-digest": hex::encode(report.id_key_digest),
        "author-key-digest": hex::encode(report.author_key_digest),
        "report-id": hex::encode(report.report_id),
        "report-id-ma": hex::encode(report.report_id_ma),
        "cpuid": report.cpuid,
        "chip-id": hex::encode(report.chip_id),
        "current-tcb": tcb(report.current_tcb),
        "reported-tcb": tcb(report.reported_tcb),
        "committed-tcb": tcb(report.committed_tcb),
        "launch-tcb": tcb(report.launch_tcb),
        "current-firmware": report.current_version.to_string(),
        "committed-firmware": report.committed_version.to_string(),
        "launch-mitigations": report.launch_mitigations,
        "current-mitigations": report.current_mitigations,
        "reserved-set": report.reserved_set,
    })
}

fn certificate(certificate: &Certificate) -> Value {
    let window = certificate.window();
    json!({
        "subject": certificate.subject(),
        "issuer": certificate.issuer(),
        "serial": hex::encode(certificate.serial()),
        "not-before": rfc3339(window.not_before),
        "not-after": rfc3339(window.not_after),
        "spki-sha256": hex::encode(certificate.spki_sha256()),
    })
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
        _ => "of another form".into(),
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

/// One row for each value, keyed by its path; what is absent has none.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let below = |key: &dyn std::fmt::Display| match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(key, value)| flatten(&below(key), value, rows)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| flatten(&below(&index), value, rows));
        }
        Value::String(text) => rows.push((path.to_owned(), text.clone())),
        other => rows.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_row() {
        let mut rows = Vec::new();
        flatten("", &json!({"a": {"b": [1, "x"]}, "c": null, "d": true}), &mut rows);
        let expected = [("a.b.0", "1"), ("a.b.1", "x"), ("d", "true")];
        assert_eq!(rows, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
