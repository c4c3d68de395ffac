//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::EndorsementKind;
use backend_gcp::Profile;
use conformance::named::NamedCase;
use lab::{
    google::{Hierarchy, InstanceSpec, guest, hierarchy},
    keys::{P256Key, Pkcs1, RsaKey},
    tpm::{AttestSpec, BootEvent, SelectionSpec, alg, event_type as kind},
    x509::{CertSpec, CrlSpec, basic_constraints, key_usage},
};
use x509_cert::ext::pkix::KeyUsages;

use super::scene::{Scene, june_2026, pcrs, rtmrs};

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from a guest on SEV-SNP.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::snp(); $($cases)* } };
}

const DAY: u64 = 86_400;

pub(crate) mod ak;
pub(crate) mod binding;
pub(crate) mod endorsement;
pub(crate) mod quote;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [endorsement::CASES, ak::CASES, quote::CASES, binding::CASES].into_iter().flatten()
}

/// Adds a line to the section of the backend.
pub(crate) fn gcp(scene: &mut Scene, line: &str) {
    scene.gcp.push_str(line);
    scene.gcp.push('\n');
}

/// Changes the SNP report before it is signed.
pub(crate) fn report(scene: &mut Scene) -> &mut lab::amd::ReportSpec {
    match &mut scene.guest.tee {
        guest::Tee::Snp(processor) => &mut processor.report,
        guest::Tee::Tdx(_) => panic!("a guest on SEV-SNP"),
    }
}

/// Changes the quote before it is signed, after what the base changed.
pub(crate) fn edit(scene: &mut Scene, change: fn(&mut AttestSpec)) {
    scene.edits.push(change);
}
