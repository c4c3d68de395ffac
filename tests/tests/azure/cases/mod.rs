//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::EndorsementKind;
use backend_azure::{Profile, Tee, media_type};
use lab::{
    azure::{Guest, guest, hierarchy},
    events::Event,
    keys::Pkcs1,
    tpm::{AttestSpec, SelectionSpec, alg},
    x509::{CertSpec, CrlSpec, basic_constraints, ext_key_usage, key_usage},
};
use serde_json::json;
use x509_cert::ext::pkix::KeyUsages;

use super::scene::{Scene, image, june_2026};

/// One defect, and the check that must name it.
pub(crate) struct Case {
    pub(crate) check: &'static str,
    pub(crate) defect: &'static str,
    /// What makes the accepted scene from which the case differs.
    pub(crate) base: fn() -> Scene,
    /// The defect.
    pub(crate) make: fn(&mut Scene),
}

/// `"check", "defect": change;` for what differs from a guest on SEV-SNP, `"check", "defect", of base: change;` for what differs
/// from another scene.
macro_rules! cases {
    (@base) => { Scene::snp };
    (@base $base:path) => { $base };
    ($($check:literal, $defect:literal $(, of $base:path)?: $make:expr;)*) => {
        pub(super) const CASES: &[Case] = &[$(Case {
            check: $check,
            defect: $defect,
            base: cases!(@base $($base)?),
            make: $make,
        },)*];
    };
}

const DAY: u64 = 86_400;

pub(crate) mod ak;
pub(crate) mod binding;
mod hcl;
pub(crate) mod quote;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [hcl::CASES, ak::CASES, quote::CASES, binding::CASES].into_iter().flatten()
}

/// The cases of the check that `CASES_OF` names, or every case: `scripts/remove-each-check` asks for one check's at a time.
pub(crate) fn wanted() -> impl Iterator<Item = &'static Case> {
    let only = std::env::var("CASES_OF").ok();
    all().filter(move |case| only.as_ref().is_none_or(|only| case.check == only))
}

/// Adds a line to the section of the backend.
pub(crate) fn azure(scene: &mut Scene, line: &str) {
    scene.azure.push_str(line);
    scene.azure.push('\n');
}

/// Writes bytes over the report of the paravisor.
fn patch_hcl(scene: &mut Scene, offset: usize, bytes: &[u8]) {
    scene.guest.hcl.patches = vec![(offset, bytes.to_vec())];
}

/// Changes the SNP report before it is signed.
fn report(scene: &mut Scene) -> &mut lab::amd::ReportSpec {
    match &mut scene.guest.tee {
        guest::Tee::Snp(processor) => &mut processor.report,
        guest::Tee::Tdx(_) => panic!("a guest on SEV-SNP"),
    }
}

/// Changes the body of the TD quote, and of the TD report, before it is signed.
fn td_body(scene: &mut Scene) -> &mut lab::intel::TdBody {
    match &mut scene.guest.tee {
        guest::Tee::Tdx(processor) => &mut processor.quote.body,
        guest::Tee::Snp(_) => panic!("a guest in a trust domain"),
    }
}
