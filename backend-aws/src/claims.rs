//! What verified Evidence says.

use backend_api::Claims;
use evidence_nitro::VerifiedDocument;
use evidence_snp::VerifiedReport;
use serde_json::{Map, Value};

/// The claims of what there is. `device_id` is SHA-256 of the id of an instance that the processor's report names: a VLEK is the
/// whole fleet's, and a report under one names no chip.
pub(crate) fn of(
    report: Option<&VerifiedReport>,
    document: Option<&VerifiedDocument>,
    device_id: Option<&[u8; 32]>,
) -> Claims {
    let mut claims = match report {
        Some(report) => of_report(report),
        None => Claims::new("none", "dstack-aws-nitro-tpm", "NitroTPM", &[]),
    };
    claims.device_id = device_id.map(hex::encode).unwrap_or_default();
    if let Some(document) = document {
        add_document(&mut claims, document);
    }
    claims
}

fn of_report(report: &VerifiedReport) -> Claims {
    let mut claims = Claims::new("sev-snp", "aws-snp", report.product().name(), &report.measurement);
    claims.tcb_status = report.tcb_status().to_owned();
    claims.details = report.details();
    if let Some(csp_id) = &report.vek().csp_id {
        claims.details.insert("csp-id", csp_id.as_str().into());
    }
    claims
}

fn add_document(claims: &mut Claims, document: &VerifiedDocument) {
    let details = &mut claims.details;
    let module_id = document.module_id();
    details.insert("instance", module_id.instance().into());
    details.insert("module-id", module_id.to_string().into());
    details.insert("region", document.region().into());
    details.insert("document-timestamp-ms", document.timestamp().into());
    let members = [
        ("document-nonce", document.nonce()),
        ("document-public-key", document.public_key()),
        ("document-user-data", document.user_data()),
    ];
    for (name, member) in members {
        if let Some(member) = member {
            details.insert(name, hex::encode(member).into());
        }
    }
    let pcrs: Map<String, Value> =
        document.pcrs().iter().map(|(pcr, value)| (pcr.to_string(), hex::encode(value).into())).collect();
    details.insert("pcrs", Value::Object(pcrs));
}
