//! The cases that fail the named checks, and what else hold around them.

use backend_api::{Field, Lane};
use conformance::named::{each_fails_its_check, failed_check};
use lab::amd::{Product, crl_spec};

use crate::{
    cases::{self, append_measured, cmdline_alone, report_policy},
    scene::{Scene, june_2026},
};

const DAY: u64 = 86_400;

#[test]
fn the_scene_is_accepted_on_every_product() {
    for product in Product::ALL {
        let result = Scene::new(product).judge().unwrap();
        assert_eq!(result.cpu.claims.product, product.name());
        assert!(result.boot_info.is_some());
    }
}

#[test]
fn each_case_fails_its_check_and_differs_from_an_accepted_scene() {
    each_fails_its_check(cases::all(), |scene| failed_check(scene.judge()));
}

/// A Turin chip is known by 8 bytes: the other 56 of CHIP_ID must be zero.
#[test]
fn on_turin_the_rest_of_the_chip_id_is_zero() {
    let mut scene = Scene::new(Product::Turin);
    scene.guest.report.chip_id[8] = 1;
    assert_eq!(failed_check(scene.judge()), "vek-hwid");
}

#[test]
fn on_turin_the_first_mutable_code_is_part_of_the_tcb() {
    let mut scene = Scene::new(Product::Turin);
    scene.guest.vek_spec.tcb.fmc = scene.guest.vek_spec.tcb.fmc.map(|fmc| fmc + 1);
    scene.guest.issue_vek();
    scene.certificates = scene.guest.chain();
    assert_eq!(failed_check(scene.judge()), "vek-tcb");
}

/// Without the danger key unknown revocation is refused (see the cases); with it the ledger shows the gap.
#[test]
fn unknown_revocation_is_accepted_by_its_danger_key_alone_and_shows() {
    let mut scene = Scene::new(Product::Milan);
    scene.revocation_lists.clear();
    scene.policy = report_policy("danger-accept-unknown-revocation = true");
    let result = scene.judge().unwrap();
    for name in ["crl-signature", "not-revoked", "crl-current"] {
        assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == name), "{name}");
    }

    scene.policy = format!("require-checks = [\"crl-current\"]\n{}", scene.policy);
    assert_eq!(scene.judge().unwrap_err().kind(), backend_api::ErrorKind::PolicyViolation);
}

/// The danger key is about lists that are absent or old, not about what they say.
#[test]
fn no_key_accepts_a_revoked_authority() {
    let mut scene = Scene::new(Product::Milan);
    let hierarchy = &scene.guest.hierarchy;
    let mut list = crl_spec(hierarchy).revoke(&hierarchy.ask_serial());
    list.next_update = Some(june_2026() - DAY);
    scene.revocation_lists = vec![list.sign(hierarchy.ark_key())];
    scene.policy = report_policy("danger-accept-unknown-revocation = true");
    assert_eq!(failed_check(scene.judge()), "not-revoked");
}

/// Reserved fields are signed: firmware newer than this code may set them, and only a policy refuses that.
#[test]
fn signed_reserved_fields_are_accepted_and_shown() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.report.patches = vec![(0x208, vec![1])];
    let result = scene.judge().unwrap();
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "report-reserved-zero"));
    assert_eq!(result.cpu.claims.details["reserved-set"], true);
}

#[test]
fn identity_tokens_that_were_measured_are_bound_where_the_policy_takes_them() {
    let mut scene = Scene::new(Product::Milan);
    cmdline_alone(
        &mut scene,
        format!(
            "dstack.app_id={} dstack.compose_hash={} dstack.kms_root_pubkey_hash={}",
            "11".repeat(20),
            "22".repeat(32),
            "33".repeat(32)
        ),
    );
    let result = scene.judge().unwrap();
    for (field, value) in [
        (Field::AppId, vec![0x11; 20]),
        (Field::ComposeHash, vec![0x22; 32]),
        (Field::KmsRootKeyHash, vec![0x33; 32]),
    ] {
        assert_eq!(bound(&result, field), (value, Lane::MeasuredCommandLine));
    }
    assert_eq!(bound(&result, Field::OsImageHash).1, Lane::LaunchMeasurement);
    assert_eq!(bound(&result, Field::RootfsHash).1, Lane::MeasuredCommandLine);
    assert!(result.boot_info.is_some());
}

/// Tokens that repeat the document add nothing, and need no policy.
#[test]
fn where_there_is_a_document_it_binds() {
    let mut scene = Scene::new(Product::Milan);
    let scripts = ["44".repeat(32), "55".repeat(32)];
    scene.guest.mr_config = scene.guest.mr_config.replacen(
        "\"instance_id\"",
        &format!("\"init_script_hashes\":[\"{}\",\"{}\"],\"instance_id\"", scripts[0], scripts[1]),
        1,
    );
    scene.guest.seal_launch();
    let result = scene.judge().unwrap();
    let (app_id, lane) = bound(&result, Field::AppId);
    assert_eq!(lane, Lane::HostData);
    assert_eq!(hex::encode(bound(&result, Field::InitScriptHashes).0), scripts.concat());

    append_measured(&mut scene, format!("dstack.app_id={}", hex::encode(&app_id)));
    assert_eq!(bound(&scene.judge().unwrap(), Field::AppId), (app_id, Lane::HostData));
}

fn bound(result: &registry::AttestationResult, field: Field) -> (Vec<u8>, Lane) {
    let (_, bound) = result.cpu.identity.iter().find(|(known, _)| *known == field).unwrap();
    (bound.value.clone(), bound.lane)
}

#[test]
fn an_unmeasured_root_file_system_is_accepted_by_its_danger_key_alone() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.cmdline = "console=ttyS0".to_owned();
    scene.guest.seal_image();
    scene.guest.seal_launch();
    scene.policy = "[backend.baremetal-snp.launch]\ndanger-accept-unmeasured-rootfs = true\n".to_owned();
    let result = scene.judge().unwrap();
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "rootfs-measured"));
}

#[test]
fn a_guest_that_agreed_to_the_minimum_interface_is_accepted() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.report.policy |= 0x0137;
    scene.policy = report_policy("minimum-abi = [1, 55]");
    assert!(scene.judge().is_ok());
    scene.policy = report_policy("minimum-abi = [2, 0]");
    assert_eq!(failed_check(scene.judge()), "abi-floor");
}
