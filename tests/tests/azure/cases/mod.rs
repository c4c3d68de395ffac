//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::EndorsementKind;
use backend_azure::{Profile, Tee, media_type};
use conformance::named::NamedCase;
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

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from a guest on SEV-SNP.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::snp(); $($cases)* } };
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
