//! What verified Evidence says.

use backend_api::Claims;
use evidence_gce::{Instance, VerifiedEndorsement};
use evidence_snp::VerifiedReport;
use evidence_tdx::VerifiedQuote as VerifiedTdQuote;
use serde_json::json;

use crate::firmware::Technology;

/// The claims of a verified SNP report.
pub(crate) fn of_report(report: &VerifiedReport, device_id: &[u8; 32]) -> Claims {
    let mut claims = Claims::new("sev-snp", "gcp-snp", report.product().name(), &report.measurement);
    claims.device_id = hex::encode(device_id);
    claims.tcb_status = report.tcb_status().to_owned();
    claims.details = report.details();
    claims
}

/// The claims of a verified TD quote. The platform's name is dstack's.
pub(crate) fn of_td_quote(quote: &VerifiedTdQuote, device_id: &[u8; 32]) -> Claims {
    let product = format!("platform {}", hex::encode(quote.fmspc()));
    let mut claims = Claims::new("tdx", "dstack-gcp-tdx", product, &quote.report().mr_td);
    claims.device_id = hex::encode(device_id);
    claims.tcb_status = quote.tcb().status.name().to_owned();
    claims.advisory_ids.clone_from(&quote.tcb().advisory_ids);
    claims.details = quote.details();
    claims
}

/// Google's word for the firmware.
pub(crate) fn add_endorsement(claims: &mut Claims, endorsement: &VerifiedEndorsement) {
    let golden = endorsement.golden();
    claims.details.insert(
        "launch-endorsement",
        json!({
            "firmware-sha384": hex::encode(endorsement.firmware()),
            "svn": endorsement.svn(),
            "changelist": golden.cl_spec,
            "commit": hex::encode(&golden.commit),
            "made": golden.timestamp.map(|timestamp| timestamp.seconds),
        }),
    );
}

/// Google's word for the instance.
pub(crate) fn add_instance(claims: &mut Claims, instance: &Instance) {
    claims.details.insert(
        "instance",
        json!({
            "zone": instance.zone,
            "project-number": instance.project_number,
            "project-id": instance.project_id,
            "id": instance.instance_id.to_string(),
            "name": instance.instance_name,
        }),
    );
}

/// What PCR0 names.
pub(crate) fn add_firmware(claims: &mut Claims, version: u8, technology: Technology) {
    claims.details.insert("vtpm-firmware", format!("GCE Virtual Firmware v{version}").into());
    claims.details.insert("vtpm-technology", technology.name().into());
}
