//! What a verified quote says.

use backend_api::Claims;
use evidence_dstack::boot_info::tdx_device_id;
use evidence_tdx::VerifiedQuote;
use evidence_x509::Moment;
use serde_json::json;

/// The claims of a verified quote.
pub(crate) fn of(quote: &VerifiedQuote) -> Claims {
    let (report, tcb) = (quote.report(), quote.tcb());
    let product = format!("platform {}", hex::encode(quote.fmspc()));
    let mut claims = Claims::new("tdx", "dstack-tdx", product, &report.mr_td);
    claims.device_id = hex::encode(tdx_device_id(quote.ppid()));
    claims.tcb_status = tcb.status.name().to_owned();
    claims.advisory_ids.clone_from(&tcb.advisory_ids);
    let flags = tcb.flags.iter().filter(|(_, said)| *said == Some(true));
    let flags: Vec<&str> = flags.map(|(flag, _)| flag.name()).collect();
    let details = &mut claims.details;
    details.insert("fmspc", hex::encode(quote.fmspc()).into());
    details.insert("mr-config-id", hex::encode(report.mr_config_id).into());
    details.insert("mr-owner", hex::encode(report.mr_owner).into());
    details.insert("mr-owner-config", hex::encode(report.mr_owner_config).into());
    details.insert("mr-seam", hex::encode(report.mr_seam).into());
    details.insert("platform-flags", json!(flags));
    details.insert("quote-version", quote.header().version.into());
    for (name, value) in ["rtmr0", "rtmr1", "rtmr2", "rtmr3"].into_iter().zip(report.rtmrs) {
        details.insert(name, hex::encode(value).into());
    }
    details.insert("td-attributes", format!("{:#x}", report.td_attributes.0).into());
    details.insert("td-report", report.kind.name().into());
    details.insert("tcb-date", Moment(tcb.date).to_string().into());
    details.insert("tcb-evaluation", tcb.evaluation.into());
    let shortfalls: Vec<String> = tcb.shortfalls.iter().map(ToString::to_string).collect();
    details.insert("tcb-shortfalls", json!(shortfalls));
    details.insert("tee-tcb-svn", hex::encode(report.tee_tcb_svn).into());
    if let Some(svn) = report.tee_tcb_svn2 {
        details.insert("tee-tcb-svn-2", hex::encode(svn).into());
    }
    let service_tds =
        [("mr-service-td", report.mr_service_td), ("current-service-td", report.current_service_td)];
    for (name, hash) in service_tds {
        if let Some(hash) = hash.filter(|hash| *hash != [0; 48]) {
            details.insert(name, hex::encode(hash).into());
        }
    }
    details.insert("xfam", format!("{:#x}", report.xfam.0).into());
    claims
}
