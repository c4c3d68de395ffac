//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::EndorsementKind;
use backend_nvidia::{Environment, MultiGpu, NvidiaEvidence};
use conformance::named::NamedCase;
use lab::{
    keys::EcKey,
    nvidia::{Device, Machine, rim_hierarchy::RimHierarchy},
    ocsp::{Status, responder_spec},
    x509::key_usage,
};
use x509_cert::ext::pkix::KeyUsages;

use super::scene::{ON, PROTECTED_PCIE, Scene};

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from a guest that measured its GPU at boot.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::boot(); $($cases)* } };
}

mod device;
pub(crate) mod lane;
mod machine;
mod reference;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [lane::CASES, device::CASES, reference::CASES, machine::CASES].into_iter().flatten()
}

/// The first device.
fn gpu(scene: &mut Scene) -> &mut Device {
    &mut scene.machine.devices[0]
}

/// What is said of the certificate number `index`: first those of the devices, from the device's own upwards, then those of manifests.
fn status(scene: &mut Scene, index: usize, status: Status) {
    scene.machine.statuses[index].0.answers[0].status = status;
}
