//! The lab's devices, under the lab's roots.

use std::time::Duration;

use evidence_nvidia::{
    Anchors, Appraise, Chain, DeviceCache, DevicePolicy, Error, Revocation, UnixTime, VerifiedDevice,
    VerifyDevice, Version, device_anchors, verify_machine,
};
use evidence_rim::{RimTime, VerifiedRim, VerifyRim};
use lab::{
    keys::EcKey,
    nvidia::{Device, Machine},
    x509::{CrlSpec, SignatureAlgorithm},
};

fn anchors() -> Anchors {
    Machine::pins().into_iter().collect()
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(Machine::now()))
}

fn verify(machine: &Machine, device: &Device) -> Result<VerifiedDevice, (&'static str, Error)> {
    verify_under(&anchors(), machine, device)
}

fn verify_under(
    anchors: &Anchors,
    machine: &Machine,
    device: &Device,
) -> Result<VerifiedDevice, (&'static str, Error)> {
    let (chain, responses) = (device.chain(), machine.responses());
    let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let responses: Vec<&[u8]> = responses.iter().map(Vec::as_slice).collect();
    let verify = VerifyDevice {
        report: &device.report_for(&[7; 32]),
        certificates: &certificates,
        nonce: &[7; 32],
        anchors,
        at: now(),
        revocation: &Revocation::read(responses, []),
        policy: &DevicePolicy::default(),
    };
    verify.verify(&DeviceCache::default()).map_err(|failed| (failed.check.name(), failed.error))
}

fn rims(machine: &Machine) -> Vec<VerifiedRim> {
    let verify = |document: &Vec<u8>| {
        VerifyRim { document, anchors: &anchors(), at: now(), time: RimTime::Now }.verify().unwrap()
    };
    machine.documents().iter().map(verify).collect()
}

#[test]
fn devices_of_every_chip_are_accepted_and_under_nvidias_roots_none() {
    for machine in [Machine::h100(), Machine::b200s(), Machine::hgx()] {
        let rims = rims(&machine);
        let of_version = |version: &str| rims.iter().find(|rim| rim.colloquial_version() == version);
        let mut verified = Vec::new();
        for device in &machine.devices {
            let (check, _) = verify_under(&device_anchors(), &machine, device).unwrap_err();
            assert_eq!(check, "device-root-pinned");
            let genuine = verify(&machine, device).unwrap();
            let (driver, vbios) = device.versions();
            let (driver, vbios) = (of_version(driver), of_version(vbios));
            let appraise = Appraise { device: &genuine, driver, vbios, strict: true };
            let compared = appraise.appraise().unwrap().compared;
            assert_eq!(compared, if genuine.architecture().is_switch() { 31 } else { 33 });
            assert_eq!(genuine.pdi().0, device.pdi);
            verified.push(genuine);
        }
        verify_machine(&verified).unwrap();
    }
}

/// Drivers before 580 have one field alone for protected PCIe.
#[test]
fn protected_pcie_needs_all_devices_of_drivers_that_report_no_mode_too() {
    let mut machine = Machine::hgx();
    for device in &mut machine.devices {
        device.report.opaque.retain(|(kind, _)| *kind != 36);
    }
    let mut devices: Vec<VerifiedDevice> =
        machine.devices.iter().map(|device| verify(&machine, device).unwrap()).collect();
    verify_machine(&devices).unwrap();
    devices.remove(3);
    assert_eq!(verify_machine(&devices).unwrap_err().check.name(), "topology");
    devices.truncate(1);
    assert_eq!(verify_machine(&devices).unwrap_err().check.name(), "topology");
}

#[test]
fn manifests_are_called_as_nvidia_calls_them() {
    let ids = |machine: &Machine, index: usize| {
        let ids = verify(machine, &machine.devices[index]).unwrap().rim_ids();
        (ids.driver, ids.vbios)
    };
    let (driver, vbios) = ids(&Machine::h100(), 0);
    assert_eq!(driver.as_deref(), Some("NV_GPU_DRIVER_GH100_550.90.07"));
    assert_eq!(vbios, "NV_GPU_VBIOS_1010_0200_882_96009F0001");
    let (driver, vbios) = ids(&Machine::b200s(), 0);
    assert_eq!(driver.as_deref(), Some("NV_GPU_CC_DRIVER_GB100_590.48.01"));
    assert_eq!(vbios, "NV_GPU_VBIOS_G525_0220_886_970088000F");
    let (driver, vbios) = ids(&Machine::hgx(), 8);
    assert_eq!((driver.as_deref(), vbios.as_str()), (None, "NV_SWITCH_BIOS_5612_0002_890_9610550001"));
}

/// The list of the authority at `index` of a chain, of what it revokes.
fn list(device: &Device, index: usize, revoked: &[usize], key: Option<EcKey>) -> Vec<u8> {
    let (issuer, _) = &device.certificates[index];
    let (_, own_key) = &device.certificates[index.checked_sub(1).unwrap()];
    let serial = |index: &usize| (device.certificates[*index].0.serial.clone(), Machine::status_from());
    let spec = CrlSpec {
        issuer: issuer.subject.clone(),
        this_update: Machine::status_from(),
        next_update: Some(Machine::now().saturating_add(86_400)),
        revoked: revoked.iter().map(serial).collect(),
        entry_extensions: Vec::new(),
        extensions: vec![lab::x509::crl_number(1)],
        algorithm: SignatureAlgorithm::EcdsaSha384,
        outer_algorithm: None,
    };
    spec.sign(key.as_ref().unwrap_or(own_key))
}

#[test]
fn revocation_lists_count_beside_responses() {
    let machine = Machine::h100();
    let device = &machine.devices[0];
    let check = |lists: &[Vec<u8>], of_device: bool| {
        let responses = machine.responses();
        // The response about the device itself is the first: nobody lists devices.
        let responses = if of_device { &responses[..1] } else { &[] };
        let revocation =
            Revocation::read(responses.iter().map(Vec::as_slice), lists.iter().map(Vec::as_slice));
        let chain = device.chain();
        let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let verify = VerifyDevice {
            report: &device.report_for(&[7; 32]),
            certificates: &certificates,
            nonce: &[7; 32],
            anchors: &anchors(),
            at: now(),
            revocation: &revocation,
            policy: &DevicePolicy::default(),
        };
        verify.verify(&DeviceCache::default()).map_or_else(|failed| failed.check.name(), |_| "accepted")
    };
    let lists = |of_chip: &[usize], of_root: &[usize]| {
        [list(device, 3, of_chip, None), list(device, 4, of_root, None)]
    };
    assert_eq!(check(&lists(&[], &[]), true), "accepted");
    assert_eq!(check(&lists(&[], &[]), false), "device-status-current");
    assert_eq!(check(&lists(&[2], &[]), true), "device-not-revoked");
    assert_eq!(check(&lists(&[], &[3]), true), "device-not-revoked");
    let forged = [list(device, 3, &[], Some(EcKey::from_label("nobody"))), list(device, 4, &[], None)];
    assert_eq!(check(&forged, true), "device-status-signature");
    assert_eq!(check(&[b"no list".to_vec()], true), "device-status-signature");
}

#[test]
fn a_responder_that_cannot_answer_says_nothing_and_damage_is_refused() {
    let machine = Machine::h100();
    let pairs = |responses: &[Vec<u8>]| {
        let revocation = Revocation::read(responses.iter().map(Vec::as_slice), []);
        let chain = machine.devices[0].chain();
        let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let chain = Chain::parse(&certificates).unwrap();
        revocation.verify(&chain.status_pairs(), &DeviceCache::default()).map(|said| said.are_complete())
    };
    let mut responses = machine.responses();
    assert_eq!(pairs(&responses), Ok(true));
    responses.push(lab::ocsp::unsuccessful(3));
    assert_eq!(pairs(&responses), Ok(true));
    assert_eq!(pairs(&responses[1..]), Ok(false));
    responses.push(vec![0x30, 0x03, 0x0A, 0x01]);
    assert!(matches!(pairs(&responses), Err(Error::Ocsp(_))));
}

#[test]
fn manifests_say_of_which_measurements_they_are() {
    let machine = Machine::hgx();
    let switch = verify(&machine, &machine.devices[8]).unwrap();
    let rim = |count: u8, golden: &[(u8, [u8; 48])]| {
        let golden = golden.iter().map(|(index, value)| (*index, vec![*value])).collect();
        let document = lab::nvidia::manifest("SWITCH", "LS10", "96.10.55.00.01", count, &golden).sign();
        let at = now();
        let anchors = anchors();
        let rim = VerifyRim { document: document.as_bytes(), anchors: &anchors, at, time: RimTime::Now };
        rim.verify().unwrap()
    };
    let check = |rim: &VerifiedRim| {
        let appraise = Appraise { device: &switch, driver: None, vbios: Some(rim), strict: false };
        appraise.appraise().map(|appraised| appraised.compared).map_err(|failed| failed.error)
    };
    let value = switch.measurements()[3];
    assert_eq!(check(&rim(31, &[(3, value)])), Ok(1));
    assert_eq!(check(&rim(32, &[(3, value), (31, [1; 48])])), Err(Error::RimIndex { index: 31, count: 31 }));
}

#[test]
fn versions_are_compared_part_by_part() {
    let at_least = |one: &str, other: &str| {
        let version = |text: &str| text.parse::<Version<16>>().unwrap();
        version(one).is_at_least(&version(other))
    };
    assert!(at_least("96.00.9F.00.01", "96.00.9f.00.01"));
    assert!(at_least("96.00.A0", "96.00.9F.00.01"));
    assert!(at_least("96.00", "96.00.00") && at_least("96.00.00", "96.00"));
    assert!(!at_least("96.00.9F.00.01", "96.00.9F.00.02"));
    assert!(!at_least("96", "96.0.0.1"));
    for text in ["", "96..1", "96.+1", "96.-1", "1.2.3.4.5.6.7.8.9", "96.0G", "96.100000000"] {
        assert!(text.parse::<Version<16>>().is_err(), "{text}");
    }
}
