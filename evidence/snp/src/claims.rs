//! What a verified report says, by name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{VerifiedReport, checks};

impl VerifiedReport {
    /// What the report says beyond its measurement, by the names that results show: byte strings in lower-case hex.
    pub fn details(&self) -> BTreeMap<&'static str, Value> {
        let mut details = BTreeMap::new();
        details.insert("chip-id", hex::encode(self.chip_id).into());
        details.insert("committed-firmware", self.committed_version.to_string().into());
        details.insert("current-firmware", self.current_version.to_string().into());
        details.insert("guest-policy", format!("{:#x}", self.policy.0).into());
        details.insert("guest-svn", self.guest_svn.into());
        details.insert("host-data", hex::encode(self.host_data).into());
        details.insert("platform-info", format!("{:#x}", self.platform_info.0).into());
        details.insert("report-id", hex::encode(self.report_id).into());
        details.insert("report-version", self.version.into());
        details.insert("reserved-set", self.reserved_set.into());
        details.insert("vmpl", self.vmpl.into());
        if let Some(cpuid) = self.cpuid {
            details.insert("cpuid", json!(cpuid));
        }
        for (digest, name) in
            [(self.id_key_digest, "id-key-digest"), (self.author_key_digest, "author-key-digest")]
        {
            if digest != [0; 48] {
                details.insert(name, hex::encode(digest).into());
            }
        }
        for (id, name) in [(self.family_id, "family-id"), (self.image_id, "image-id")] {
            if id != [0; 16] {
                details.insert(name, hex::encode(id).into());
            }
        }
        for (which, tcb) in self.tcbs() {
            let name = match which {
                "reported" => "reported-tcb",
                "committed" => "committed-tcb",
                "launch" => "launch-tcb",
                _ => "current-tcb",
            };
            details.insert(name, json!(tcb));
        }
        details
    }

    /// AMD names no status. As in dstack, a host is out of date whose TCB versions differ, so that something newer waits to be
    /// committed or reported. That they agree says nothing of how old they are: up to date is what the policy's minimum covers.
    pub fn tcb_status(&self) -> &'static str {
        let all = [self.current_tcb, self.committed_tcb, self.launch_tcb];
        if !all.iter().all(|tcb| *tcb == self.reported_tcb) {
            "OutOfDate"
        } else if self.ledger().passed(checks::TCB_FLOOR) {
            "UpToDate"
        } else {
            "Unknown"
        }
    }
}
