//! What a verified report says.

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::Claims;
use evidence_snp::{VerifiedReport, checks};
use serde_json::json;

/// The claims of a verified report.
pub(crate) fn of(report: &VerifiedReport) -> Claims {
    let mut claims =
        Claims::new("sev-snp", "dstack-amd-sev-snp", report.product().name(), &report.measurement);
    claims.device_id = hex::encode(digest(&SHA256, &report.chip_id));
    claims.tcb_status = tcb_status(report).to_owned();
    let details = &mut claims.details;
    details.insert("chip-id", hex::encode(report.chip_id).into());
    details.insert("committed-firmware", report.committed_version.to_string().into());
    details.insert("current-firmware", report.current_version.to_string().into());
    details.insert("guest-policy", format!("{:#x}", report.policy.0).into());
    details.insert("guest-svn", report.guest_svn.into());
    details.insert("host-data", hex::encode(report.host_data).into());
    details.insert("platform-info", format!("{:#x}", report.platform_info.0).into());
    details.insert("report-id", hex::encode(report.report_id).into());
    details.insert("report-version", report.version.into());
    details.insert("reserved-set", report.reserved_set.into());
    details.insert("vmpl", report.vmpl.into());
    if let Some(cpuid) = report.cpuid {
        details.insert("cpuid", json!(cpuid));
    }
    for (digest, name) in
        [(report.id_key_digest, "id-key-digest"), (report.author_key_digest, "author-key-digest")]
    {
        if digest != [0; 48] {
            details.insert(name, hex::encode(digest).into());
        }
    }
    for (id, name) in [(report.family_id, "family-id"), (report.image_id, "image-id")] {
        if id != [0; 16] {
            details.insert(name, hex::encode(id).into());
        }
    }
    for (which, tcb) in report.tcbs() {
        let name = match which {
            "reported" => "reported-tcb",
            "committed" => "committed-tcb",
            "launch" => "launch-tcb",
            _ => "current-tcb",
        };
        details.insert(name, json!(tcb));
    }
    claims
}

/// AMD names no status. As in dstack, a host is out of date whose TCB versions differ, so that something newer waits to be
/// committed or reported. That they agree says nothing of how old they are: up to date is what the policy's minimum covers.
fn tcb_status(report: &VerifiedReport) -> &'static str {
    let all = [report.current_tcb, report.committed_tcb, report.launch_tcb];
    if !all.iter().all(|tcb| *tcb == report.reported_tcb) {
        "OutOfDate"
    } else if report.ledger().passed(checks::TCB_FLOOR) {
        "UpToDate"
    } else {
        "Unknown"
    }
}
