//! A report of a GPU or a switch: read, and, under certificates of the lab's, taken through every check. What the lab did not sign is
//! never accepted; what it signs of any content is accepted as that content, or refused by a check that is not the signature's.
#![no_main]

use std::sync::LazyLock;

use evidence_nvidia::{
    Anchors, DeviceCache, DevicePolicy, MAX_REPORT, Report, Revocation, VerifiedDevice, VerifyDevice,
    checks::device,
};
use fuzz_targets::now;
use lab::nvidia::{Chip, Device, Machine};
use libfuzzer_sys::fuzz_target;

/// A device of each chip with its certificates; the roots; the cache that a running verifier has.
static LAB: LazyLock<(Vec<(Device, Vec<Vec<u8>>)>, Anchors, DeviceCache)> = LazyLock::new(|| {
    let devices = [Chip::Gh100, Chip::Gb100, Chip::Ls10].map(|chip| Device::new(chip, 0));
    let devices = devices.map(|device| (device.chain(), device)).map(|(chain, device)| (device, chain));
    (devices.into(), Machine::pins().into_iter().collect(), DeviceCache::default())
});

/// Bytes of r and s.
const SIGNATURE: usize = 96;

fuzz_target!(|data: &[u8]| {
    let parsed = Report::parse(data);
    if let Ok(report) = &parsed {
        assert!(data.len() <= MAX_REPORT);
        assert_eq!(report.nonce, data[4..36]);
        assert!([64, 31].contains(&report.measurements.len()));
    }
    for (device, chain) in &LAB.0 {
        if parsed.is_err() {
            assert_eq!(verify(data, chain).unwrap_err(), "spdm-report");
            return;
        }
        // As it came: signed by nobody.
        let unsigned = verify(data, chain);
        assert!(
            unsigned.is_err() || sealed(data).is_some_and(|sealed| sealed),
            "accepted without a signature"
        );
        // The same content, signed.
        let content = &data[..data.len() - SIGNATURE];
        let signed = [content, &device.leaf.sign(content)].concat();
        match verify(&signed, chain) {
            Ok(verified) => {
                assert_eq!(verified.measurements(), parsed.as_ref().expect("parsed").measurements)
            }
            Err(check) => assert_ne!(check, "spdm-signature", "the lab signed it"),
        }
    }
});

/// Whether the lab signed these bytes: seeds may be.
fn sealed(data: &[u8]) -> Option<bool> {
    let (content, signature) = data.split_at_checked(data.len().checked_sub(SIGNATURE)?)?;
    let verifies = |(device, _): &(Device, Vec<Vec<u8>>)| {
        aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED,
            device.leaf.public_point(),
        )
        .verify(content, signature)
        .is_ok()
    };
    Some(LAB.0.iter().any(verifies))
}

fn verify(report: &[u8], chain: &[Vec<u8>]) -> Result<VerifiedDevice, &'static str> {
    let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let nonce = report.get(4..36).and_then(|nonce| nonce.try_into().ok()).unwrap_or([0; 32]);
    let policy = DevicePolicy {
        danger_accept_no_fwid: true,
        danger_accept_unknown_revocation: true,
        ..DevicePolicy::default()
    };
    let (_, anchors, cache) = &*LAB;
    let input = VerifyDevice {
        report,
        certificates: &certificates,
        nonce: &nonce,
        anchors,
        at: now(),
        revocation: &Revocation::default(),
        policy: &policy,
    };
    let verified = input.verify(cache).map_err(|failed| failed.check.name())?;
    assert!(verified.passed(device::REPORT_SIGNATURE));
    Ok(verified)
}
