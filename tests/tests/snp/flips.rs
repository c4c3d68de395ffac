//! Every truncation and every single-byte change in the signed range of every report is refused, and nothing panics.

use backend_api::Result;
use lab::amd::{Product, ReportSpec};
use registry::AttestationResult;

use crate::{
    scene::{Scene, judge_real},
    vectors::{VERDICTS, Vector, vectors},
};

/// The signature covers bytes 0 to 0x29F.
const SIGNED: usize = 0x2A0;

fn assert_all_refused(name: &str, report: &[u8], judge: impl Fn(Vec<u8>) -> Result<AttestationResult>) {
    for length in 0..report.len() {
        assert!(judge(report[..length].to_vec()).is_err(), "{name} cut to {length} bytes");
    }
    for at in 0..report.len() {
        for mask in [0x01, 0x80, 0xFF] {
            let mut changed = report.to_vec();
            changed[at] ^= mask;
            // Behind the signed range lie the signature itself and bytes that must be zero: they are refused too.
            assert!(judge(changed).is_err(), "{name} with byte {at:#x} (signed: {}) changed", at < SIGNED);
        }
    }
}

#[test]
fn of_every_real_report() {
    let Some(root) = vectors("of_every_real_report") else { return };
    for (folder, certificate, _) in VERDICTS.iter().filter(|(.., verdict)| *verdict == "accepted") {
        let vector = Vector::read(&root.join(folder), certificate);
        assert_all_refused(folder, &vector.evidence.report, |report| {
            let mut evidence = vector.evidence.clone();
            evidence.report = report.into();
            judge_real(&evidence, vector.report_data, vector.at)
        });
    }
}

#[test]
fn of_every_version_and_product_of_the_lab() {
    for product in Product::ALL {
        for version in 2..=5 {
            let mut scene = Scene::new(product);
            let spec = ReportSpec::new(product, version);
            let (measurement, host_data) = (scene.guest.report.measurement, scene.guest.report.host_data);
            scene.guest.report = ReportSpec { measurement, host_data, ..spec };
            assert!(scene.judge().is_ok(), "{product:?} version {version}");
        }
    }
    let scene = Scene::new(Product::Turin);
    assert_all_refused("the lab's Turin", &scene.guest.report_for(&scene.report_data), |report| {
        scene.judge_payload(&scene.payload_with(report))
    });
}
