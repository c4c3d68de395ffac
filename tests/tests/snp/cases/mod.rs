//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_baremetal_snp::LaunchSource;
use conformance::named::NamedCase;
use lab::{
    amd::{Product, VekSpec, crl_spec, vek},
    keys::EcKey,
    x509::{basic_constraints, extension},
};

use super::scene::{Scene, june_2026};

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from the scene on Milan.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::new(Product::Milan); $($cases)* } };
}

const DAY: u64 = 86_400;

mod chain;
mod launch;
mod platform;
mod report;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [report::CASES, chain::CASES, platform::CASES, launch::CASES].into_iter().flatten()
}

pub(crate) fn report_policy(line: &str) -> String {
    format!("[backend.baremetal-snp.report]\n{line}\n")
}

pub(crate) fn allow(list: &str, value: &[u8]) -> String {
    report_policy(&format!("{list} = [\"{}\"]", hex::encode(value)))
}

pub(crate) fn tcb_floor(scene: &Scene, above: u8) -> String {
    let tcb = scene.guest.report.reported_tcb;
    report_policy(&format!(
        "minimum-tcb.milan = {{ bootloader = {}, tee = {}, snp = {}, microcode = {} }}",
        tcb.bl,
        tcb.tee,
        tcb.snp,
        tcb.ucode + above
    ))
}

/// Issues the VCEK again with one change.
pub(crate) fn issue(scene: &mut Scene, change: fn(&mut VekSpec)) {
    change(&mut scene.guest.vek_spec);
    scene.guest.issue_vek();
    scene.certificates = scene.guest.chain();
}

/// Appends to the command line and measures what was appended.
pub(crate) fn append_measured(scene: &mut Scene, append: String) {
    let image_cmdline = scene.guest.cmdline.clone();
    scene.guest.cmdline = format!("{image_cmdline} {append}");
    scene.guest.seal_launch();
    scene.guest.cmdline = image_cmdline;
    scene.append = Some(append);
}

/// A guest whose command line identifies its application: no document, no HOST_DATA, and a policy that takes that.
pub(crate) fn cmdline_alone(scene: &mut Scene, append: String) {
    append_measured(scene, append);
    scene.guest.report.host_data = [0; 32];
    scene.edit = |evidence| evidence.mr_config = None;
    scene.policy = "[backend.baremetal-snp.launch]\naccept-cmdline-identity = true\n".to_owned();
}

/// An ID block signed by an allowed key, and one line of policy about what it says.
pub(crate) fn id_block(scene: &mut Scene, line: &str) {
    scene.guest.report.id_key_digest = [9; 48];
    scene.policy = report_policy(&format!("id-keys = [\"{}\"]\n{line}", "09".repeat(48)));
}

/// Lists the changed measurement document in the checksum file.
pub(crate) fn list_measurement(scene: &mut Scene) {
    let hash = evidence_dstack::image::os_image_hash(&scene.guest.measurement_cbor);
    scene.guest.checksum_file = format!("{}  measurement.snp.cbor\n", hex::encode(hash)).into_bytes();
}
