//! Real devices: each gives the verdict that is known of it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use evidence_nvidia::{
    Appraise, Architecture, Device, DeviceCache, DevicePolicy, Error, Mode, Report, Revocation, UnixTime,
    VerifiedDevice, VerifyDevice, checks, device_anchors, verify_machine,
};
use evidence_rim::{RimTime, VerifiedRim, VerifyRim, rim_anchors};
use evidence_x509::Certificate;

/// 2025-08-21T12:00:00Z, in the day of which the status of the first device's certificates is known.
const AUGUST: u64 = 1_755_777_600;

/// 2025-10-24T12:00:00Z, at which its manifests are valid.
const OCTOBER: u64 = 1_761_307_200;

fn at(second: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(second))
}

fn folder(test: &str, name: &str) -> Option<PathBuf> {
    Some(lab::vectors::root(test)?.join("nvidia").join(name))
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn chain(folder: &Path) -> Vec<Vec<u8>> {
    let certificates = Certificate::parse_der_or_pem(&read(folder, "cert_chain.pem")).unwrap();
    certificates.iter().map(|certificate| certificate.der().to_vec()).collect()
}

/// The device of a folder, for its own nonce, with what is known of revocation.
fn verify(
    report: &[u8],
    chain: &[Vec<u8>],
    responses: &[&[u8]],
    policy: &DevicePolicy,
    second: u64,
) -> Result<VerifiedDevice, (&'static str, Error)> {
    let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let nonce = report[4..36].try_into().unwrap();
    let device = VerifyDevice {
        report,
        certificates: &certificates,
        nonce: &nonce,
        anchors: &device_anchors(),
        at: at(second),
        revocation: &Revocation::read(responses.iter().copied(), []),
        policy,
    };
    device.verify(&DeviceCache::default()).map_err(|failed| (failed.check.name(), failed.error))
}

/// For captures of which nobody kept what was said of revocation.
fn unknown_revocation() -> DevicePolicy {
    DevicePolicy { danger_accept_unknown_revocation: true, ..DevicePolicy::default() }
}

fn gpu(device: &VerifiedDevice) -> &evidence_nvidia::GpuData {
    match &device.opaque().device {
        Device::Gpu(gpu) => gpu,
        Device::Switch(_) => panic!("a switch"),
    }
}

fn rim(folder: &Path, name: &str) -> VerifiedRim {
    let document = read(folder, name);
    let rim = VerifyRim { document: &document, anchors: &rim_anchors(), at: at(OCTOBER), time: RimTime::Now };
    rim.verify().unwrap()
}

#[test]
fn an_h100_verifies_with_its_status_and_both_manifests() {
    let Some(folder) = folder("an_h100_verifies_with_its_status_and_both_manifests", "h100-550.90.07-full")
    else {
        return;
    };
    let (report, chain) = (read(&folder, "report.bin"), chain(&folder));
    let responses = [2, 3, 4].map(|level| read(&folder, &format!("ocsp_gpu_certificate_l{level}.der")));
    let responses: Vec<&[u8]> = responses.iter().map(Vec::as_slice).collect();
    let device = verify(&report, &chain, &responses, &DevicePolicy::default(), AUGUST).unwrap();
    for info in checks::device::ALL {
        let is_floor = ["driver-floor", "vbios-floor"].contains(&info.check.name());
        assert_eq!(device.passed(info.check), !is_floor, "{}", info.check);
    }
    assert_eq!((device.chip(), device.architecture()), ("GH100", Architecture::Hopper));
    assert_eq!((device.model(), device.pdi().to_string()), ("GH100 A01 GSP BROM", "431D480FE5E87274".into()));
    let data = gpu(&device);
    assert_eq!((data.driver_version.as_str(), device.vbios_version()), ("550.90.07", "96.00.9F.00.01"));
    assert_eq!((data.protected_pcie, data.mode), (Some(false), None));
    let ids = device.rim_ids();
    assert_eq!(ids.driver.as_deref(), Some("NV_GPU_DRIVER_GH100_550.90.07"));
    assert_eq!(ids.vbios, "NV_GPU_VBIOS_1010_0200_882_96009F0001");

    let (driver, vbios) = (rim(&folder, "driver_rim.xml"), rim(&folder, "vbios_rim.xml"));
    let appraise = Appraise { device: &device, driver: Some(&driver), vbios: Some(&vbios), strict: false };
    let appraised = appraise.appraise().unwrap();
    assert_eq!((appraised.compared, appraised.unconstrained), (32, 31));
    assert_eq!(appraised.skipped.into_iter().collect::<Vec<_>>(), [(35, true)]);
    assert_eq!(Appraise { strict: true, ..appraise }.appraise().unwrap().compared, 33);
    let failed = Appraise { driver: None, ..appraise }.appraise().unwrap_err();
    assert_eq!(failed.check.name(), "rim-present");

    // A day later nothing current says that the certificates are good.
    let (check, _) =
        verify(&report, &chain, &responses, &DevicePolicy::default(), AUGUST + 86_400).unwrap_err();
    assert_eq!(check, "device-status-current");
    let (check, _) = verify(&report, &chain, &responses[..2], &DevicePolicy::default(), AUGUST).unwrap_err();
    assert_eq!(check, "device-status-current");
}

#[test]
fn an_h100_of_an_old_driver_reports_no_firmware() {
    let test = "an_h100_of_an_old_driver_reports_no_firmware";
    let Some(folder) = folder(test, "h100-535.86.09-vbiosrim") else { return };
    let (report, chain) = (read(&folder, "report.bin"), chain(&folder));
    let (check, error) = verify(&report, &chain, &[], &unknown_revocation(), OCTOBER).unwrap_err();
    assert_eq!((check, error), ("fwid", Error::FwidMissing));
    let policy = DevicePolicy { danger_accept_no_fwid: true, ..unknown_revocation() };
    let device = verify(&report, &chain, &[], &policy, OCTOBER).unwrap();
    assert_eq!(gpu(&device).driver_version, "535.86.09");

    // The manifest of its video BIOS matches; another issue of it, as NVIDIA signed it, does not at index 9.
    let at_its_time = |name: &str| {
        let document = read(&folder, name);
        let anchors = rim_anchors();
        let time = RimTime::Now;
        VerifyRim { document: &document, anchors: &anchors, at: at(1_704_067_200), time }.verify().unwrap()
    };
    let vbios = at_its_time("vbios_rim.xml");
    let matches = |rim: &VerifiedRim| {
        rim.golden()
            .iter()
            .filter(|(index, values)| values.contains(&device.measurements()[usize::from(**index)]))
            .count()
    };
    assert_eq!((vbios.golden().len(), matches(&vbios)), (12, 12));
    let other = at_its_time("NEG_vbios_rim_measurement_mismatch_validsig.xml");
    assert_eq!((other.golden().len(), matches(&other)), (12, 11));
}

#[test]
fn devices_without_manifests_are_genuine_and_no_more() {
    let Some(root) = lab::vectors::root("devices_without_manifests_are_genuine_and_no_more") else { return };
    for (name, chip, driver, mode) in [
        // Version 0 of the opaque data has no mode.
        ("gb100-575.32", "GB100", "575.32", None),
        ("h100-570.124.03", "GH100", "570.124.03", None),
        ("h100-590.12-8gpu-ppcie", "GH100", "590.12", Some(Mode::Ppcie)),
        ("h100-single-json", "GH100", "590.12", Some(Mode::Ppcie)),
    ] {
        let folder = root.join("nvidia").join(name);
        let device =
            verify(&read(&folder, "report.bin"), &chain(&folder), &[], &unknown_revocation(), OCTOBER);
        let device = device.unwrap_or_else(|failed| panic!("{name}: {failed:?}"));
        assert!(device.passed(checks::device::FWID), "{name}");
        assert_eq!((device.chip(), gpu(&device).driver_version.as_str()), (chip, driver), "{name}");
        assert_eq!(gpu(&device).mode, mode, "{name}");
        let failed =
            Appraise { device: &device, driver: None, vbios: None, strict: false }.appraise().unwrap_err();
        assert_eq!(failed.check.name(), "rim-present", "{name}");
    }
}

#[test]
fn a_report_under_another_chain_and_a_broken_one_are_refused() {
    let Some(root) = lab::vectors::root("a_report_under_another_chain_and_a_broken_one_are_refused") else {
        return;
    };
    let folder = |name: &str| root.join("nvidia").join(name);
    let own = chain(&folder("h100-570.124.03"));
    for name in ["h100-invalid-signature", "h100-590.12-8gpu-ppcie"] {
        let report = read(&folder(name), "report.bin");
        let (check, error) = verify(&report, &own, &[], &unknown_revocation(), OCTOBER).unwrap_err();
        assert_eq!((check, error), ("spdm-signature", Error::Signature), "{name}");
    }
    // Every byte but the signature's is signed: the nonce of the request is compared, and the rest is read.
    let report = read(&folder("h100-570.124.03"), "report.bin");
    for index in 0..report.len() {
        let mut flipped = report.clone();
        flipped[index] ^= 1;
        assert!(verify(&flipped, &own, &[], &unknown_revocation(), OCTOBER).is_err(), "{index}");
        assert!(Report::parse(&report[..index]).is_err(), "{index}");
    }
    assert!(Report::parse(&[&report[..], &[0]].concat()).is_err());
}

/// The devices of a file as NVIDIA's tools write it.
fn devices(file: &Path) -> Vec<VerifiedDevice> {
    let devices = lab::vectors::nvidia_devices(file).into_iter().map(|[report, pem]| {
        let chain = Certificate::parse_der_or_pem(&pem).unwrap();
        let chain: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        verify(&report, &chain, &[], &unknown_revocation(), OCTOBER).unwrap()
    });
    devices.collect()
}

fn refused_by(devices: &[VerifiedDevice]) -> &'static str {
    verify_machine(devices).unwrap_err().check.name()
}

#[test]
fn four_of_eight_gpus_are_no_machine() {
    let Some(folder) = folder("four_of_eight_gpus_are_no_machine", "h100-590.12-8gpu-ppcie") else { return };
    let devices = devices(&folder.join("evidence.json"));
    assert_eq!(devices.len(), 4);
    // They are of one machine: each is linked to the same four switches, none of which is here.
    let links = |device: &VerifiedDevice| {
        let mut pdis: Vec<String> = gpu(device).switch_pdis.iter().map(ToString::to_string).collect();
        pdis.sort();
        pdis.dedup();
        pdis
    };
    let switches = ["03DBA23B3C11BD8A", "3A53B743D811E977", "666E93E19DEC7D2D", "9AE3BEBA9E673275"];
    assert!(devices.iter().all(|device| links(device) == switches));
    assert_eq!(refused_by(&devices), "topology");
    assert_eq!(refused_by(&[devices[0].clone(), devices[0].clone()]), "devices-distinct");
}

/// The whole machine of the four GPUs above, at another time.
#[test]
fn eight_gpus_and_four_switches_are_a_machine() {
    let Some(folder) = lab::vectors::hgx("eight_gpus_and_four_switches_are_a_machine") else { return };
    let gpus = devices(&folder.join("gpu_evidence.json"));
    let switches = devices(&folder.join("switch_evidence.json"));
    assert_eq!((gpus.len(), switches.len()), (8, 4));
    assert_eq!(refused_by(&vec![gpus[0].clone(); 8]), "devices-distinct");
    let machine = [gpus, switches].concat();
    verify_machine(&machine).unwrap();

    for index in 0..machine.len() {
        let mut missing = machine.clone();
        missing.remove(index);
        assert_eq!(refused_by(&missing), "topology", "{index}");
        let mut twice = machine.clone();
        twice.push(machine[index].clone());
        assert_eq!(refused_by(&twice), "devices-distinct", "{index}");
    }
}
