//! What verified Evidence says.

use backend_api::Claims;
use evidence_snp::VerifiedReport;
use evidence_tdx::VerifiedQuote as VerifiedTdQuote;
use evidence_tpm::VerifiedQuote;
use serde_json::Value;

use crate::runtime_data::RuntimeData;

/// The claims of a verified SNP report.
pub(crate) fn of_report(report: &VerifiedReport, device_id: &[u8; 32]) -> Claims {
    let mut claims = Claims::new("sev-snp", "azure-snp", report.product().name(), &report.measurement);
    claims.device_id = hex::encode(device_id);
    claims.tcb_status = report.tcb_status().to_owned();
    claims.details = report.details();
    claims
}

/// The claims of a verified TD quote.
pub(crate) fn of_td_quote(quote: &VerifiedTdQuote, device_id: &[u8; 32]) -> Claims {
    let product = format!("platform {}", hex::encode(quote.fmspc()));
    let mut claims = Claims::new("tdx", "azure-tdx", product, &quote.report().mr_td);
    claims.device_id = hex::encode(device_id);
    claims.tcb_status = quote.tcb().status.name().to_owned();
    claims.advisory_ids.clone_from(&quote.tcb().advisory_ids);
    claims.details = quote.details();
    claims
}

/// What the paravisor and its vTPM say.
pub(crate) fn add_vtpm(
    claims: &mut Claims,
    runtime_data: &RuntimeData,
    ak_subject: Option<&str>,
    quote: &VerifiedQuote,
) {
    let details = &mut claims.details;
    details.insert("vm-configuration", Value::Object(runtime_data.vm_configuration.clone()));
    if let Some(user_data) = runtime_data.user_data {
        details.insert("user-data", hex::encode(user_data).into());
    }
    if let Some(subject) = ak_subject {
        details.insert("ak-certificate-subject", subject.into());
    }
    details.extend(quote.details());
}
