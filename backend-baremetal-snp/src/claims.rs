//! What a verified report says.

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::Claims;
use evidence_snp::VerifiedReport;

/// The claims of a verified report.
pub(crate) fn of(report: &VerifiedReport) -> Claims {
    let mut claims =
        Claims::new("sev-snp", "dstack-amd-sev-snp", report.product().name(), &report.measurement);
    claims.device_id = hex::encode(digest(&SHA256, &report.chip_id));
    claims.tcb_status = report.tcb_status().to_owned();
    claims.details = report.details();
    claims
}
