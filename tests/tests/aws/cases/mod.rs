//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::EndorsementKind;
use backend_aws::{AwsEvidence, Profile};
use conformance::named::NamedCase;
use lab::{
    aws::{
        Guest, Instance,
        hierarchy::{amazon, zonal_name},
    },
    events::Event,
    keys::EcKey,
    x509::key_usage,
};
use x509_cert::ext::pkix::KeyUsages;

use super::scene::{LISTED, Scene, image};

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from a guest in the profile v1.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::v1(); $($cases)* } };
}

pub(crate) mod binding;
mod document;
pub(crate) mod halves;
mod report;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [halves::CASES, document::CASES, report::CASES, binding::CASES].into_iter().flatten()
}

/// Adds a line to the section of the backend.
pub(crate) fn aws(scene: &mut Scene, line: &str) {
    scene.aws.push_str(line);
    scene.aws.push('\n');
}
