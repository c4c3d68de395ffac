//! The parts of a policy that mean the same for every backend.

use backend_api::{Envelope, ErrorKind, Evidence};
use backend_baremetal_snp::MEDIA_TYPE;
use lab::amd::Product;

use crate::scene::Scene;

fn message(policy: &str) -> String {
    let mut scene = Scene::new(Product::Milan);
    scene.policy = policy.to_owned();
    let error = scene.judge().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyViolation);
    error.to_string()
}

#[test]
fn a_tcb_status_must_be_listed() {
    let mut scene = Scene::new(Product::Milan);
    let accept = "accept-tcb-status = [\"UpToDate\"]\n";
    let floor = "[backend.baremetal-snp.report]\n\
                 minimum-tcb.milan = { bootloader = 1, tee = 0, snp = 1, microcode = 1 }\n";
    scene.policy = format!("{accept}{floor}");
    assert!(scene.judge().is_ok());
    scene.guest.report.current_tcb.ucode += 1;
    assert!(scene.judge().unwrap_err().to_string().contains("tcb-status: tcb status is OutOfDate"));

    // Versions that agree may all be old: without a minimum nobody knows.
    let mut scene = Scene::new(Product::Milan);
    scene.policy = accept.to_owned();
    assert!(scene.judge().unwrap_err().to_string().contains("tcb-status: tcb status is Unknown"));
}

#[test]
fn an_identity_field_must_be_a_reference_value() {
    let scene = Scene::new(Product::Milan);
    let image = hex::encode(scene.guest.os_image_hash());
    let listed = format!("[reference-values]\nos-image-hash = [\"{}\", \"{image}\"]", "00".repeat(32));
    assert!(Scene { policy: listed, ..scene }.judge().is_ok());
    let other = message(&format!("[reference-values]\nos-image-hash = [\"{}\"]", "00".repeat(32)));
    assert!(other.contains(&image), "{other}");
}

#[test]
fn a_field_that_nothing_binds_is_no_reference_value() {
    let scene = Scene::new(Product::Milan);
    let unbound = message(&format!(
        "[reference-values]\nmr-aggregated = [\"{}\"]\ngpu-policy-hash = [\"{}\"]",
        mr_aggregated(&scene),
        "00".repeat(32)
    ));
    assert!(unbound.contains("gpu-policy-hash is not bound"), "{unbound}");
}

#[test]
fn a_required_check_must_have_been_performed() {
    let mut scene = Scene::new(Product::Milan);
    scene.policy = "require-checks = [\"report-signature\"]".to_owned();
    assert!(scene.judge().is_ok());
    for name in ["tcb-floor", "reference-values"] {
        let required = message(&format!("require-checks = [\"{name}\"]"));
        assert!(required.contains("required-checks: ") && required.contains(name), "{required}");
    }
}

#[test]
fn a_listed_measurement_needs_no_launch_inputs() {
    let mut scene = Scene::new(Product::Milan);
    scene.edit = |evidence| evidence.launch = None;
    scene.policy =
        format!("[reference-values]\nmeasurements = [\"{}\"]", hex::encode(scene.guest.report.measurement));
    let result = scene.judge().unwrap();
    assert!(result.boot_info.is_none(), "no image is bound");
}

/// The genuine image, the right application id, and another composition: any host can launch that.
#[test]
fn an_application_is_more_than_its_id() {
    let mut scene = Scene::new(Product::Milan);
    let good = scene.judge().unwrap().boot_info.unwrap();
    let listed = format!(
        "[reference-values]\nos-image-hash = [\"{}\"]\napp-id = [\"{}\"]\ncompose-hash = [\"{}\"]",
        hex::encode(good.os_image_hash),
        hex::encode(good.app_id),
        hex::encode(good.compose_hash)
    );
    scene.policy = listed;
    assert!(scene.judge().is_ok());
    scene.guest.mr_config = scene.guest.mr_config.replace(&hex::encode(good.compose_hash), &"66".repeat(32));
    scene.guest.seal_launch();
    let error = scene.judge().unwrap_err();
    assert!(error.to_string().contains("reference-values: compose-hash is 6666"), "{error}");
}

/// Without launch inputs nobody has read the command line, so that the document alone does not identify.
#[test]
fn a_document_without_launch_inputs_binds_no_application() {
    let mut scene = Scene::new(Product::Milan);
    scene.edit = |evidence| evidence.launch = None;
    scene.policy =
        format!("[reference-values]\nmeasurements = [\"{}\"]", hex::encode(scene.guest.report.measurement));
    let result = scene.judge().unwrap();
    assert!(result.cpu.identity.get(backend_api::Field::AppId).is_none());
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "lanes-agree"));
}

fn mr_aggregated(scene: &Scene) -> String {
    hex::encode(scene.judge().unwrap().boot_info.unwrap().mr_aggregated)
}

#[test]
fn a_cpu_is_no_device() {
    let scene = Scene::new(Product::Milan);
    let payload = scene.payload_with(scene.guest.report_for(&scene.report_data));
    let mut envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, payload));
    assert!(scene.judge_envelope(&envelope).is_ok());
    envelope.devices.push(envelope.cpu.clone());
    let error = scene.judge_envelope(&envelope).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InconsistentEvidence);
    assert!(error.to_string().contains("expected evidence of a Device, found evidence of a Cpu"), "{error}");
}
