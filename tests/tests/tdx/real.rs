//! Real quotes that are accepted, with what a relying party holds against each.

use std::{collections::BTreeSet, fs};

use backend_api::{Challenge, Endorsements, Result, TrustAnchors};
use backend_tdx::{ID, TdxEvidence};
use evidence_dstack::wire::Attestation;
use evidence_tdx::Quote;
use registry::{AttestationResult, Verifier};

use crate::{
    scene::{block_on, envelope, verifier},
    vectors::{collateral, vectors},
};

/// Folder, and the time at which its collateral is current.
pub(crate) const ACCEPTED: &[(&str, &str)] = &[
    ("tdx/v4-phala-2025", "2025-06-19T12:00:00Z"),
    ("tdx/v4-phala-2025-outofdate-later", "2026-08-14T00:00:00Z"),
    ("tdx/v4-attestation-rs-live-ccel", "2026-08-14T00:00:00Z"),
    ("tdx/v4-gcp-cos113-ccel", "2026-01-27T12:00:00Z"),
    ("gcp/tdx-v4-flashbots", "2026-06-30T08:47:13Z"),
    ("tdx/v4-dstack-lite", "2026-06-08T12:42:41Z"),
    ("tdx/v5-gotdxguest", "2026-03-17T00:04:05Z"),
    ("azure/tdx-v4-attestation-rs-live", "2026-03-17T00:04:05Z"),
    ("azure/tdx-v4-flashbots-2025", "2026-02-18T14:04:40Z"),
];

/// Every status that is not revoked passes.
pub(crate) const ANY_STATUS: &str = r#"[backend.tdx.quote]
accept-tcb-status = [
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
]
"#;

/// One real quote.
pub(crate) struct Real {
    pub(crate) name: &'static str,
    pub(crate) evidence: TdxEvidence,
    pub(crate) report_data: [u8; 64],
    pub(crate) endorsements: Endorsements,
    pub(crate) at: u64,
}

impl Real {
    fn read(root: &std::path::Path, name: &'static str, at: &str) -> Self {
        let folder = root.join(name);
        let read = |file: &str| fs::read(folder.join(file)).ok();
        let evidence = match read("tdx-lite-getquote.json") {
            Some(attestation) => {
                TdxEvidence::from_dstack(&Attestation::decode(&attestation).unwrap()).unwrap()
            }
            None => {
                let quote = read("quote.bin").or_else(|| read("td_quote.bin")).unwrap();
                TdxEvidence::new(Quote::trim_padding(&quote).unwrap().to_vec())
            }
        };
        let report_data = Quote::parse(&evidence.quote).unwrap().report.report_data;
        let at =
            humantime::parse_rfc3339(at).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let endorsements = collateral(&folder.join("collateral.json"));
        Self { name, evidence, report_data, endorsements, at }
    }

    /// Every one; none where there is no real evidence.
    pub(crate) fn all(test: &str) -> Vec<Self> {
        let Some(root) = vectors(test) else { return Vec::new() };
        ACCEPTED.iter().map(|(folder, at)| Self::read(&root, folder, at)).collect()
    }

    /// A relying party that takes any status, and knows the guest by its registers where nothing measures it.
    pub(crate) fn verifier(&self) -> Verifier {
        let report = Quote::parse(&self.evidence.quote).unwrap().report;
        let list = |value: &[u8]| format!("[\"{}\"]", hex::encode(value));
        let known = format!(
            "[reference-values]\nmeasurements = {}\n{ANY_STATUS}[backend.tdx.launch]\nrtmr1 = {}\nrtmr2 = {}\n",
            list(&report.mr_td),
            list(&report.rtmrs[1]),
            list(&report.rtmrs[2])
        );
        verifier(&known, self.endorsements.clone(), self.at).unwrap()
    }

    /// What `verifier` says of the same evidence around another quote.
    pub(crate) fn judge(&self, verifier: &Verifier, quote: &[u8]) -> Result<AttestationResult> {
        let evidence = TdxEvidence { quote: quote.to_vec().into(), ..self.evidence.clone() };
        let envelope = envelope(&evidence.encode());
        block_on(verifier.verify(&envelope, &Challenge::new(self.report_data)))
    }
}

#[test]
fn they_are_accepted_under_intels_root_and_under_no_other() {
    let mut statuses = BTreeSet::new();
    for real in Real::all("they_are_accepted_under_intels_root_and_under_no_other") {
        let verifier = real.verifier();
        let result = real.judge(&verifier, &real.evidence.quote);
        let result = result.unwrap_or_else(|error| panic!("{}: {error}", real.name));
        statuses.insert(result.cpu.claims.tcb_status);
        let other = verifier.danger_replace_trust_anchors(ID, TrustAnchors::default()).unwrap();
        let error = real.judge(&other, &real.evidence.quote).unwrap_err();
        assert_eq!(error.check().unwrap().name(), "root-pinned", "{}", real.name);
    }
    assert!(statuses.is_empty() || statuses.len() > 1, "{statuses:?}");
}
