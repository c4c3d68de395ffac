//! When the certificates must be valid.

use evidence_ledger::{Failed, Outcome};
use evidence_rim::{Error, RimTime, VerifiedRim, VerifyRim, checks};
use evidence_x509::PathError;
use lab::{
    keys::EcKey,
    nvidia::{rim::RimSpec, rim_hierarchy::RimHierarchy},
};

use crate::{anchors, at};

const YEAR: u64 = 365 * 86_400;

fn verdict(spec: &RimSpec, now: u64, time: RimTime) -> Result<VerifiedRim, Failed<Error>> {
    let document = spec.sign();
    VerifyRim { document: document.as_bytes(), anchors: &anchors(), at: at(now), time }.verify()
}

fn reason(verified: &VerifiedRim) -> String {
    match verified.ledger().outcome(checks::RIM_CHAIN_VALIDITY).unwrap() {
        Outcome::NotPerformed(reason) => reason.clone().into_owned(),
        Outcome::Passed => "passed".to_owned(),
    }
}

#[test]
fn certificates_are_valid_now() {
    let mut spec = RimSpec::new();
    let window = verdict(&spec, RimHierarchy::now(), RimTime::Now).unwrap().window();
    for (now, is_valid) in [
        (window.not_before - 1, false),
        (window.not_before, true),
        (window.not_after, true),
        (window.not_after + 1, false),
    ] {
        match verdict(&spec, now, RimTime::Now) {
            Ok(verified) => assert!(is_valid && reason(&verified) == "passed", "{now}"),
            Err(failed) => {
                assert!(!is_valid, "{now}");
                assert_eq!(failed.check, checks::RIM_CHAIN_VALIDITY);
                assert!(matches!(failed.error, Error::Path(PathError::OutsideValidity { .. })));
            }
        }
    }
    // A window of one second is one.
    let root = spec.hierarchy.spec(RimHierarchy::ROOT);
    (root.not_before, root.not_after) = (RimHierarchy::now(), RimHierarchy::now());
    verdict(&spec, RimHierarchy::now(), RimTime::Now).unwrap();
}

#[test]
fn a_pinned_time_is_asked_about_where_now_does_not_do() {
    let spec = RimSpec::new();
    let (then, now) = (RimHierarchy::now(), RimHierarchy::now() + 3 * YEAR);
    let verified = verdict(&spec, now, RimTime::Pinned(at(then))).unwrap();
    assert!(reason(&verified).starts_with("valid at 2026-06-01T00:00:00Z, to which the policy pins"));
    assert_eq!(verified.ledger().gaps().count(), 1);
    // Where now does, the pin is not needed, and need not hold.
    assert_eq!(reason(&verdict(&spec, then, RimTime::Pinned(at(now))).unwrap()), "passed");
    for pinned in [then - 3 * YEAR, now] {
        let failed = verdict(&spec, now, RimTime::Pinned(at(pinned))).unwrap_err();
        assert_eq!(failed.check, checks::RIM_CHAIN_VALIDITY);
    }
}

#[test]
fn expiry_can_be_ignored_and_that_is_said() {
    let spec = RimSpec::new();
    let now = RimHierarchy::now() + 3 * YEAR;
    let ignored = verdict(&spec, now, RimTime::DangerIgnoreExpiry).unwrap();
    assert!(reason(&ignored).contains("which the policy ignores"), "{}", reason(&ignored));
    let valid = verdict(&spec, RimHierarchy::now(), RimTime::DangerIgnoreExpiry).unwrap();
    assert_eq!(reason(&valid), "passed");
    // Signatures of certificates are looked at nevertheless, at a time at which there are four.
    let mut never = spec.clone();
    never.hierarchy.spec(RimHierarchy::LOWER).not_after = never.hierarchy.spec(0).not_before - 1;
    let failed = verdict(&never, now, RimTime::DangerIgnoreExpiry).unwrap_err();
    assert_eq!((failed.check, failed.error), (checks::RIM_CHAIN_SIGNATURES, Error::NeverValid));
    let mut forged = spec;
    forged.hierarchy.sign_by(RimHierarchy::SIGNER, &EcKey::from_label("nobody"));
    let failed = verdict(&forged, now, RimTime::DangerIgnoreExpiry).unwrap_err();
    assert_eq!(failed.check, checks::RIM_CHAIN_SIGNATURES);
}
