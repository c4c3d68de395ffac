//! The parts of a policy that mean the same for every backend.

use backend_api::ErrorKind;
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
    scene.policy = "accept-tcb-status = [\"UpToDate\"]".to_owned();
    assert!(scene.judge().is_ok());
    scene.guest.report.current_tcb.ucode += 1;
    let error = scene.judge().unwrap_err();
    assert!(error.to_string().contains("OutOfDate"), "{error}");
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
    let unbound = message(&format!("[reference-values]\ngpu-policy-hash = [\"{}\"]", "00".repeat(32)));
    assert!(unbound.contains("gpu-policy-hash is not bound"), "{unbound}");
}

#[test]
fn a_required_check_must_have_been_performed() {
    let mut scene = Scene::new(Product::Milan);
    scene.policy = "require-checks = [\"report-signature\"]".to_owned();
    assert!(scene.judge().is_ok());
    let required = message("require-checks = [\"tcb-floor\"]");
    assert!(required.contains("tcb-floor"), "{required}");
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
