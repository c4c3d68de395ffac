//! Real guests, through the whole pipeline: each gives the verdict that the catalogue of evidence states.

use backend_api::Outcome;
use backend_azure::Profile;

use crate::real::Real;

const DANGER: &str = "danger-accept-unendorsed-ak = true";

fn refused(real: &Real, policy: &str) -> String {
    real.judge(policy).unwrap_err().check().unwrap().name().to_owned()
}

#[test]
fn the_guest_with_a_certificate_of_its_attestation_key_is_accepted() {
    let test = "the_guest_with_a_certificate_of_its_attestation_key_is_accepted";
    let Some(real) = Real::named(test, "tdx-v4-flashbots-2025") else { return };
    let result = real.judge(&real.known("")).unwrap();
    assert_eq!(result.cpu.claims.tee, "tdx");
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    assert_eq!(
        result.cpu.claims.details["ak-certificate-subject"],
        "353c6d9a70bc.ConfidentialVM.Azure.windows.net"
    );
    for check in ["ak-certificate", "ak-certificate-path", "ak-template", "pcr-digest", "td-report-quoted"] {
        let passed =
            |entry: &&backend_api::Entry| entry.check.name() == check && entry.outcome == Outcome::Passed;
        assert!(result.cpu.ledger.entries().iter().any(|entry| passed(&entry)), "{check}");
    }
    // The same as its maker meant it: the relying party names what the fields must hold.
    let raw = Real { profile: Profile::Raw, ..real };
    let named = format!(
        "danger-accept-asserted = true\n{}[backend.azure.raw]\nuser-data = \"{}\"\n",
        raw.known(""),
        "00".repeat(64)
    );
    assert!(raw.judge(&named).is_ok());
    assert_eq!(refused(&raw, &raw.known("")), "tpm-selection");
}

#[test]
fn guests_without_a_certificate_are_accepted_where_the_policy_takes_the_danger() {
    for real in Real::all("guests_without_a_certificate_are_accepted_where_the_policy_takes_the_danger") {
        let mut policy = real.known(DANGER);
        if real.tee == backend_azure::Tee::Tdx && real.evidence.ak_certificate.is_none() {
            policy += &format!("[reference-values]\nmeasurements = [\"{}\"]\n", real.mrtd());
        }
        match real.name.as_str() {
            "tdx-v4-trustee" => {
                assert_eq!(refused(&real, &policy), "collateral");
            }
            "tdx-v4-flashbots-2025" => {}
            _ => {
                assert_eq!(refused(&real, &real.known("")), "ak-certificate");
                let result = real.judge(&policy).unwrap_or_else(|error| panic!("{}: {error}", real.name));
                let gaps: Vec<_> = result.cpu.ledger.gaps().collect();
                assert!(gaps.iter().any(|(check, why)| check.name() == "ak-certificate"
                    && why.contains("danger-accept-unendorsed-ak")));
            }
        }
    }
}
