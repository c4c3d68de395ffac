//! What a verified quote says, by name.

use std::collections::BTreeMap;

use evidence_x509::Moment;
use serde_json::{Value, json};

use crate::VerifiedQuote;

impl VerifiedQuote {
    /// What the quote says beyond MRTD, by the names that results show: byte strings in lower-case hex.
    pub fn details(&self) -> BTreeMap<&'static str, Value> {
        let (report, tcb) = (self.report(), self.tcb());
        let mut details = BTreeMap::new();
        let flags = tcb.flags.iter().filter(|(_, said)| *said == Some(true));
        let flags: Vec<&str> = flags.map(|(flag, _)| flag.name()).collect();
        details.insert("fmspc", hex::encode(self.fmspc()).into());
        details.insert("mr-config-id", hex::encode(report.mr_config_id).into());
        details.insert("mr-owner", hex::encode(report.mr_owner).into());
        details.insert("mr-owner-config", hex::encode(report.mr_owner_config).into());
        details.insert("mr-seam", hex::encode(report.mr_seam).into());
        details.insert("platform-flags", json!(flags));
        details.insert("quote-version", self.header().version.into());
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
        details
    }
}
