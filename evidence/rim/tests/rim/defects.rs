//! Manifests with one defect each, and what a sound one says.

use std::collections::{BTreeMap, BTreeSet};

use evidence_ledger::ErrorKind;
use evidence_rim::{Edition, Error, ROOT_NAME, Rim, RimTime, VerifyRim, checks, inspect, rim_anchors};
use lab::nvidia::{
    rim::RimSpec,
    rim_defects::{cases, malformed},
    rim_hierarchy::{DEVICE_ROOT_NAME, RimHierarchy, root_name},
};

use crate::{anchors, at, verify};

#[test]
fn a_manifest_is_verified() {
    let document = RimSpec::new().sign();
    let verified = verify(document.as_bytes()).unwrap();
    assert_eq!((verified.product(), verified.edition()), ("GH100", Edition::Gpu));
    assert_eq!((verified.colloquial_version(), verified.version()), ("550.90.07", "1.0"));
    assert_eq!(verified.tag_id(), "5e".repeat(48));
    let of = |index: u8| (index, vec![[index; 48]]);
    let golden = BTreeMap::from([of(2), of(3), (4, vec![[4; 48], [0; 48]]), of(5), of(7)]);
    assert_eq!((verified.golden(), verified.measurements()), (&golden, 8));
    let subjects: Vec<_> = verified.chain().iter().map(|certificate| certificate.subject()).collect();
    assert_eq!(subjects.first(), Some(&"HCC RIM L4 Signer"));
    assert_eq!(subjects.last(), Some(&"NVIDIA CoRIM signing Root CA"));
    assert_eq!(verified.signer_window(), verified.window());
    let declared: Vec<_> = checks::ALL.iter().map(|info| info.check).collect();
    let made: Vec<_> = verified.ledger().entries().iter().map(|entry| entry.check).collect();
    assert_eq!((made, verified.ledger().gaps().count()), (declared, 0));

    let read = Rim::parse(document.as_bytes()).unwrap();
    assert_eq!((read.claimed(), read.certificates()), (verified.golden(), verified.chain()));
    let shown = inspect::rim(&read);
    assert_eq!(shown["golden-values"]["4"][1], "00".repeat(48));
    assert_eq!(shown["certificates"][0]["subject"], "HCC RIM L4 Signer");
}

#[test]
fn each_defect_is_refused_by_its_check() {
    let mut refused = BTreeSet::new();
    let mut names = BTreeSet::new();
    let malformed: BTreeSet<_> = malformed().into_iter().map(|case| case.name).collect();
    for case in cases() {
        assert!(names.insert(case.name), "{} twice", case.name);
        match (verify(case.document.as_bytes()), case.refused_by) {
            (Ok(verified), None) => assert_eq!(verified.measurements(), 8, "{}", case.name),
            (Err((check, error)), Some(expected)) => {
                assert_eq!(check, expected, "{}: {error}", case.name);
                let is_read = !matches!(error, Error::Xml(_)) && error.kind() != ErrorKind::LimitExceeded;
                assert_eq!(
                    is_read || check == "rim-content",
                    !malformed.contains(case.name),
                    "{}: {error}",
                    case.name
                );
                let kinds: &[ErrorKind] = match check {
                    "rim-format" => &[ErrorKind::InvalidEndorsements, ErrorKind::LimitExceeded],
                    "rim-content" => &[ErrorKind::InvalidEndorsements, ErrorKind::LimitExceeded],
                    "rim-certificates" => &[ErrorKind::InvalidEndorsements],
                    "rim-digest" | "rim-signature" => &[ErrorKind::BadSignature],
                    "rim-chain-validity" => &[ErrorKind::StaleEndorsements],
                    "rim-chain-signatures" => &[ErrorKind::UntrustedIssuer, ErrorKind::InvalidEndorsements],
                    _ => &[ErrorKind::UntrustedIssuer],
                };
                assert!(kinds.contains(&error.kind()), "{}: {error}", case.name);
                assert!(!error.to_string().contains('\n') && error.to_string().len() < 400, "{error}");
                refused.insert(check);
            }
            (Ok(_), Some(check)) => panic!("{} is accepted, and not refused by {check}", case.name),
            (Err((check, error)), None) => panic!("{} is refused by {check}: {error}", case.name),
        }
    }
    let declared: BTreeSet<_> = checks::ALL.iter().map(|info| info.check.name()).collect();
    assert_eq!(refused, declared);
}

#[test]
fn nothing_of_the_lab_is_nvidias() {
    let nvidia = rim_anchors();
    for case in cases() {
        let input = VerifyRim {
            document: case.document.as_bytes(),
            anchors: &nvidia,
            at: at(RimHierarchy::now()),
            time: RimTime::DangerIgnoreExpiry,
        };
        assert!(input.verify().is_err(), "{}", case.name);
    }
}

/// The root of devices is none of manifests, even where its key is pinned.
#[test]
fn the_root_of_devices_vouches_for_no_manifest() {
    let mut spec = RimSpec::new();
    let root = spec.hierarchy.spec(RimHierarchy::ROOT);
    root.subject = root_name(DEVICE_ROOT_NAME);
    root.issuer = root_name(DEVICE_ROOT_NAME);
    spec.hierarchy.spec(RimHierarchy::UPPER).issuer = root_name(DEVICE_ROOT_NAME);
    let [(_, key)] = RimHierarchy::pins().try_into().unwrap();
    let both = [(DEVICE_ROOT_NAME.to_owned(), key), (ROOT_NAME.to_owned(), key)];
    let both = both.into_iter().collect();
    let document = spec.sign();
    let input = VerifyRim {
        document: document.as_bytes(),
        anchors: &both,
        at: at(RimHierarchy::now()),
        time: RimTime::Now,
    };
    let failed = input.verify().unwrap_err();
    assert_eq!(failed.check, checks::RIM_ROOT_PINNED);
    assert_eq!(failed.error, Error::UnpinnedRoot(DEVICE_ROOT_NAME.to_owned()));
    assert_ne!(both, anchors());
}
