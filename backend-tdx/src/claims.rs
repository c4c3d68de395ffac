//! What a verified quote says.

use backend_api::Claims;
use evidence_dstack::boot_info::tdx_device_id;
use evidence_tdx::VerifiedQuote;

/// The claims of a verified quote.
pub(crate) fn of(quote: &VerifiedQuote) -> Claims {
    let (report, tcb) = (quote.report(), quote.tcb());
    let product = format!("platform {}", hex::encode(quote.fmspc()));
    let mut claims = Claims::new("tdx", "dstack-tdx", product, &report.mr_td);
    claims.device_id = hex::encode(tdx_device_id(quote.ppid()));
    claims.tcb_status = tcb.status.name().to_owned();
    claims.advisory_ids.clone_from(&tcb.advisory_ids);
    claims.details = quote.details();
    claims
}
