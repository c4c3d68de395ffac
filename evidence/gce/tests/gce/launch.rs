//! Which launches an endorsement lists, and which firmware a policy accepts.

use evidence_gce::{EndorsementPolicy, Error, Launch, checks::endorsement as checks};
use evidence_ledger::ErrorKind;
use lab::google::EndorsementSpec;

use crate::endorsement::Scene;

fn plain(byte: u8, vcpus: Option<u32>) -> Launch {
    Launch::Snp { measurement: [byte; 48], vcpus }
}

fn svsm(byte: u8) -> Launch {
    Launch::SnpSvsm { measurement: [byte; 48] }
}

fn tdx(byte: u8) -> Launch {
    Launch::Tdx { mrtd: [byte; 48] }
}

fn launched(launch: Launch) -> Scene {
    Scene { launch, ..Scene::new() }
}

fn refused(scene: &Scene) -> Error {
    let (check, error) = scene.verify().unwrap_err();
    assert_eq!((check, error.kind()), ("gce-launch-endorsed", ErrorKind::PolicyViolation));
    error
}

#[test]
fn launches_that_are_listed_are_endorsed() {
    for vcpus in [1, 2, 4] {
        launched(plain(vcpus, None)).verify().unwrap();
        launched(plain(vcpus, Some(vcpus.into()))).verify().unwrap();
    }
    assert_eq!(launched(svsm(0x5A)).verify().unwrap().svn(), 2);
    for byte in [0xA0, 0xA1] {
        assert_eq!(launched(tdx(byte)).verify().unwrap().svn(), 3);
    }
}

#[test]
fn others_are_not() {
    for launch in [plain(3, None), plain(3, Some(2)), plain(3, Some(8)), svsm(0), tdx(2), tdx(0x5A)] {
        assert!(matches!(refused(&launched(launch)), Error::NotEndorsed { .. }), "{launch:?}");
    }
    // What differs in one bit; what is of the other technology.
    let mut measurement = [2; 48];
    measurement[47] ^= 0x80;
    refused(&launched(Launch::Snp { measurement, vcpus: None }));
    assert!(matches!(refused(&launched(plain(0xA0, None))), Error::NotEndorsed { .. }));
    // The digest of the firmware and other fields are no measurements.
    for byte in [0xF0, 0xFA, 0x1A, 0xC0] {
        refused(&launched(plain(byte, None)));
        refused(&launched(tdx(byte)));
    }
}

#[test]
fn a_count_of_vcpus_has_its_own_measurement() {
    assert_eq!(refused(&launched(plain(2, Some(4)))), Error::VcpuCount(4));
    assert_eq!(refused(&launched(plain(2, Some(3)))), Error::VcpuCount(3));
    assert_eq!(refused(&launched(plain(2, Some(0)))), Error::VcpuCount(0));
}

#[test]
fn launches_with_and_without_svsm_are_never_mixed() {
    assert_eq!(refused(&launched(plain(0x5A, None))), Error::SvsmMeasurement);
    assert_eq!(refused(&launched(plain(0x5A, Some(1)))), Error::SvsmMeasurement);
    assert_eq!(refused(&launched(svsm(2))), Error::PlainMeasurement);
    // Even if an endorsement mixes them.
    let mixed = |launch| {
        let mut scene = Scene::edited(|spec| spec.sev_snp.as_mut().unwrap().svsm_measurement = vec![2; 48]);
        scene.launch = launch;
        refused(&scene)
    };
    assert_eq!(mixed(plain(2, Some(2))), Error::SvsmMeasurement);
    assert_eq!(mixed(svsm(2)), Error::PlainMeasurement);
    // None is listed: zeros do not stand for it.
    let mut none = Scene::edited(|spec| spec.sev_snp.as_mut().unwrap().svsm_measurement.clear());
    none.launch = svsm(0);
    assert!(matches!(refused(&none), Error::NotEndorsed { .. }));
}

#[test]
fn each_technology_is_endorsed_by_itself() {
    let edited = |launch, edit: fn(&mut EndorsementSpec)| Scene { launch, ..Scene::edited(edit) };
    for launch in [plain(2, None), plain(2, Some(2)), svsm(0x5A)] {
        edited(launch, |spec| spec.tdx = None).verify().unwrap();
        let without = edited(launch, |spec| spec.sev_snp = None);
        assert_eq!(refused(&without), Error::NotForTechnology("SEV-SNP"));
    }
    edited(tdx(0xA0), |spec| spec.sev_snp = None).verify().unwrap();
    let without = edited(tdx(0xA0), |spec| spec.tdx = None);
    assert_eq!(refused(&without), Error::NotForTechnology("TDX"));
    // A technology without measurements.
    refused(&edited(plain(2, None), |spec| spec.sev_snp.as_mut().unwrap().measurements.clear()));
    refused(&edited(tdx(0xA0), |spec| spec.tdx.as_mut().unwrap().measurements.clear()));
}

#[test]
fn firmware_is_as_new_as_the_policy_asks() {
    let with = |launch, snp, tdx| {
        let policy =
            EndorsementPolicy { minimum_snp_svn: snp, minimum_tdx_svn: tdx, ..EndorsementPolicy::default() };
        Scene { policy, ..launched(launch) }
    };
    for (launch, svn) in [(plain(2, None), 2), (svsm(0x5A), 2), (tdx(0xA0), 3)] {
        let is_tdx = svn == 3;
        let minimum = |minimum: u32| {
            // The other technology's minimum is never reached.
            if is_tdx {
                with(launch, Some(u32::MAX), Some(minimum))
            } else {
                with(launch, Some(minimum), Some(u32::MAX))
            }
        };
        let verified = minimum(svn).verify().unwrap();
        assert!(verified.ledger().passed(checks::GCE_FIRMWARE_SVN));
        let (check, error) = minimum(svn + 1).verify().unwrap_err();
        assert_eq!(check, "gce-firmware-svn");
        assert_eq!(error, Error::FirmwareSvn { minimum: svn + 1, found: svn });
    }
}

#[test]
fn firmware_is_rejected_by_its_digest() {
    let with = |digest: &str| {
        let policy: EndorsementPolicy = toml::from_str(&format!("reject-firmware = ['{digest}']")).unwrap();
        policy.validate().unwrap();
        Scene { policy, ..Scene::new() }
    };
    let verified = with(&"0f".repeat(48)).verify().unwrap();
    assert!(verified.ledger().passed(checks::GCE_FIRMWARE_ACCEPTED));
    let (check, error) = with(&"f0".repeat(48)).verify().unwrap_err();
    assert_eq!((check, error), ("gce-firmware-accepted", Error::FirmwareRejected("f0".repeat(48))));
}
