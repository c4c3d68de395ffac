//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_dstack::snp_measurement::SnpMeasurement;
use evidence_snp::{Product, Report, Tcb, VekCertificate};
use evidence_x509::{Certificate, Moment};
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
        "not-before": Moment(window.not_before).to_string(),
        "not-after": Moment(window.not_after).to_string(),
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
