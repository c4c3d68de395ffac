//! Real quotes: each gives the verdict that the catalogue of evidence states, at the time that it states.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure of a test helper is a failure of the test"
)]

use std::{fs, path::Path, time::Duration};

use evidence_ledger::{Failed, Hex};
use evidence_tdx::{
    BARE_METAL, Collateral, Error, GCP, PlatformCache, Policy, Profile, Quote, TcbStatus, UnixTime,
    VerifiedQuote, VerifyQuote, intel_anchors,
};
use evidence_x509::Certificate;
use serde_json::Value;

/// Folder, time, profile, and the verdict: the TCB status, or the check that fails.
const VERDICTS: &[(&str, &str, &Profile, Result<&str, &str>)] = &[
    ("tdx/v4-phala-2025", "2025-06-19T12:00:00Z", &BARE_METAL, Ok("UpToDate")),
    ("tdx/v4-phala-2025-outofdate-later", "2026-08-14T00:00:00Z", &BARE_METAL, Ok("OutOfDate")),
    ("tdx/v4-attestation-rs-live-ccel", "2026-08-14T00:00:00Z", &BARE_METAL, Ok("OutOfDate")),
    ("tdx/v4-gcp-cos113-ccel", "2026-01-27T12:00:00Z", &GCP, Ok("OutOfDate")),
    ("gcp/tdx-v4-flashbots", "2026-06-30T08:47:13Z", &GCP, Ok("UpToDate")),
    ("tdx/v4-dstack-lite", "2026-06-08T12:42:41Z", &BARE_METAL, Ok("UpToDate")),
    ("tdx/v5-gotdxguest", "2026-03-17T00:04:05Z", &BARE_METAL, Ok("UpToDate")),
    ("tdx/v4-debug-trustee", "2026-03-17T00:04:05Z", &BARE_METAL, Err("no-debug")),
    ("tdx/v5-azure-tcb-unmatched", "2026-02-18T12:00:00Z", &BARE_METAL, Err("tcb-level")),
    // Below every TCB level too; that a service TD is bound is seen before.
    ("tdx/v5-trustee", "2026-03-17T00:04:05Z", &BARE_METAL, Err("service-td")),
    ("tdx/v4-oasis-c0806f", "2024-09-10T00:00:00Z", &BARE_METAL, Err("collateral")),
    ("azure/tdx-v4-attestation-rs-live", "2026-03-17T00:04:05Z", &evidence_tdx::AZURE, Ok("UpToDate")),
    ("azure/tdx-v4-flashbots-2025", "2026-02-18T14:04:40Z", &evidence_tdx::AZURE, Ok("UpToDate")),
];

struct Vector {
    quote: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    documents: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    at: UnixTime,
}

impl Vector {
    fn read(folder: &Path, at: &str) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).ok();
        let quote = read("quote.bin").or_else(|| read("td_quote.bin")).unwrap();
        let quote = Quote::trim_padding(&quote).unwrap().to_vec();
        let mut vector =
            Self { quote, certificates: vec![], documents: vec![], lists: vec![], at: moment(at) };
        if let Some(collateral) = read("collateral.json") {
            let json: Value = serde_json::from_slice(&collateral).unwrap();
            let text = |key: &str| json[key].as_str().unwrap();
            for key in ["tcb_info_issuer_chain", "qe_identity_issuer_chain"] {
                let chain = Certificate::parse_der_or_pem(text(key).as_bytes()).unwrap();
                vector.certificates.extend(chain.iter().map(|certificate| certificate.der().to_vec()));
            }
            for (member, key) in [("tcbInfo", "tcb_info"), ("enclaveIdentity", "qe_identity")] {
                let (body, signature) = (text(key), text(&format!("{key}_signature")));
                vector
                    .documents
                    .push(format!(r#"{{"{member}":{body},"signature":"{signature}"}}"#).into_bytes());
            }
            vector.lists = ["root_ca_crl", "pck_crl"].map(|key| hex::decode(text(key)).unwrap()).to_vec();
        }
        vector
    }

    fn verify(
        &self,
        quote: &[u8],
        profile: &Profile,
        policy: &Policy,
    ) -> Result<VerifiedQuote, Failed<Error>> {
        self.verify_with(quote, profile, policy, &PlatformCache::default())
    }

    fn verify_with(
        &self,
        quote: &[u8],
        profile: &Profile,
        policy: &Policy,
        platforms: &PlatformCache,
    ) -> Result<VerifiedQuote, Failed<Error>> {
        fn slices(all: &[Vec<u8>]) -> Vec<&[u8]> {
            all.iter().map(Vec::as_slice).collect()
        }
        let report_data = Quote::parse(&self.quote).unwrap().report.report_data;
        VerifyQuote {
            quote,
            collateral: Collateral {
                certificates: &slices(&self.certificates),
                documents: &slices(&self.documents),
                revocation_lists: &slices(&self.lists),
            },
            anchors: &intel_anchors(),
            report_data: &report_data,
            profile,
            policy,
            at: self.at,
        }
        .verify(platforms)
    }
}

fn moment(text: &str) -> UnixTime {
    let time = humantime::parse_rfc3339(text).unwrap();
    UnixTime::since_unix_epoch(time.duration_since(std::time::UNIX_EPOCH).unwrap())
}

/// Every status that is not revoked passes.
fn any_status() -> Policy {
    let all = [TcbStatus::UpToDate, TcbStatus::OutOfDate, TcbStatus::TDRelaunchAdvised];
    Policy { accept_tcb_status: Some(all.into()), ..Policy::default() }
}

#[test]
fn real_quotes_give_the_stated_verdicts() {
    let Some(root) = lab::vectors::root("real_quotes_give_the_stated_verdicts") else { return };
    for (folder, at, profile, expected) in VERDICTS {
        let vector = Vector::read(&root.join(folder), at);
        let verdict = vector.verify(&vector.quote, profile, &any_status());
        let found = match &verdict {
            Ok(quote) => Ok(quote.tcb().status.name()),
            Err(failed) => Err(failed.check.name()),
        };
        assert_eq!(found, *expected, "{folder}: {verdict:?}");
        // By default nothing passes but what is up to date.
        let strict = vector.verify(&vector.quote, profile, &Policy::default());
        let passes = *expected == Ok("UpToDate");
        assert_eq!(strict.is_ok(), passes, "{folder}");
        if expected.is_ok() && !passes {
            let failed = strict.unwrap_err();
            assert_eq!(failed.check.name(), "tcb-accepted", "{folder}");
            println!("{folder}: {failed}");
        }
        if let Err(failed) = verdict {
            println!("{folder}: {failed}");
        }
    }
}

#[test]
fn a_listed_service_td_passes() {
    let Some(root) = lab::vectors::root("a_listed_service_td_passes") else { return };
    let vector = Vector::read(&root.join("tdx/v5-trustee"), "2026-03-17T00:04:05Z");
    let bound = Quote::parse(&vector.quote).unwrap().report.mr_service_td.unwrap();
    for (listed, check) in [(bound, "tcb-level"), ([7; 48], "service-td")] {
        let policy = Policy { service_tds: Some([Hex(listed)].into()), ..any_status() };
        let failed = vector.verify(&vector.quote, &BARE_METAL, &policy).unwrap_err();
        assert_eq!(failed.check.name(), check, "{failed}");
    }
}

#[test]
fn cached_platforms_give_the_same_verdict_and_no_longer_than_they_hold() {
    let Some(root) = lab::vectors::root("cached_platforms_give_the_same_verdict") else { return };
    let mut vector = Vector::read(&root.join("tdx/v4-dstack-lite"), "2026-06-08T12:42:41Z");
    let platforms = PlatformCache::default();
    let policy = Policy::default();
    let [cold, warm] =
        [0, 1].map(|_| vector.verify_with(&vector.quote, &BARE_METAL, &policy, &platforms).unwrap());
    assert_eq!((cold.ledger(), cold.tcb(), cold.report()), (warm.ledger(), warm.tcb(), warm.report()));
    for (late, check) in [(40, "crl-current"), (5_000, "chain-validity")] {
        vector.at = UnixTime::since_unix_epoch(Duration::from_secs(vector.at.as_secs() + late * 86_400));
        let failed = vector.verify_with(&vector.quote, &BARE_METAL, &policy, &platforms).unwrap_err();
        assert_eq!(failed.check.name(), check);
    }
}
