//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_api::TrustAnchor;
use backend_tdx::{BootEvent, BootLog, TdxEvidence};
use conformance::named::NamedCase;
use lab::{
    intel::{
        BodyType, ConfigId, PckCa, PckSpec, SignedDocument, TcbLevel, TdGuest,
        pck::oid,
        pck_crl_spec, root_crl_spec,
        tcb::{IsvTcb, rfc3339},
    },
    keys::P256Key,
    x509::{CertSpec, CrlSpec, basic_constraints, extension},
};
use serde_bytes::ByteBuf;

use super::scene::{Bundle, Scene, june_2026};

type Case = NamedCase<Scene>;

/// The cases of a file: those without a base differ from the plain scene.
macro_rules! cases {
    ($($cases:tt)*) => { conformance::named_cases! { Scene = Scene::new(); $($cases)* } };
}

const DAY: u64 = 86_400;

pub(crate) mod binding;
mod chain;
pub(crate) mod collateral;
pub(crate) mod launch;
mod quote;
pub(crate) mod td;

/// Every case, in the order of the checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [quote::CASES, chain::CASES, collateral::CASES, td::CASES, launch::CASES, binding::CASES]
        .into_iter()
        .flatten()
}

pub(crate) fn quote_policy(line: &str) -> String {
    format!("[backend.tdx.quote]\n{line}\n")
}

pub(crate) fn launch_policy(line: &str) -> String {
    format!("[backend.tdx.launch]\n{line}\n")
}

/// Quotes with the TD report of TDX 1.5.
pub(crate) fn td15(scene: &mut Scene) {
    scene.guest = scene.guest.clone().with_form(5, BodyType::Td15);
}

/// Writes bytes over header and body before they are signed.
pub(crate) fn patch(scene: &mut Scene, offset: usize, bytes: &[u8]) {
    scene.guest.quote.patches = vec![(offset, bytes.to_vec())];
}

/// Issues the PCK certificate again with one change of what Intel's extension says.
pub(crate) fn issue(scene: &mut Scene, change: fn(&mut PckSpec)) {
    change(&mut scene.guest.pck_spec);
    scene.guest.issue_pck();
}

/// Issues the PCK certificate again with one change of the certificate.
pub(crate) fn issue_pck(scene: &mut Scene, change: fn(&mut CertSpec)) {
    let guest = &mut scene.guest;
    let mut spec = guest.pck_spec.cert_spec(&guest.hierarchy);
    change(&mut spec);
    guest.pck.chain[0] = spec.sign(guest.hierarchy.pck_ca_key(PckCa::Platform));
}

/// Issues the CA's certificate again with one change.
pub(crate) fn issue_ca(scene: &mut Scene, change: fn(&mut CertSpec)) {
    let guest = &mut scene.guest;
    let mut spec = guest.hierarchy.pck_ca_spec(PckCa::Platform);
    change(&mut spec);
    guest.pck.chain[1] = spec.sign(guest.hierarchy.root_key());
}

/// Issues the certificate of the documents' signer again with one change.
pub(crate) fn issue_signer(scene: &mut Scene, change: fn(&mut CertSpec)) {
    let mut spec = scene.guest.hierarchy.tcb_signing_spec();
    change(&mut spec);
    scene.guest.collateral.tcb_signing_chain[0] = spec.sign(scene.guest.hierarchy.root_key());
}

/// A key that vouches for nothing.
pub(crate) fn stranger() -> P256Key {
    P256Key::from_label("a stranger")
}

/// Two signers of Intel's: one for TCB info, another for the identity of the quoting enclave.
pub(crate) fn two_signers(scene: &mut Scene) {
    scene.edit_bundle = |guest, bundle| _ = second_signer(guest, bundle);
}

/// Lets a second signer sign the identity of the quoting enclave; gives its serial number.
pub(crate) fn second_signer(guest: &TdGuest, bundle: &mut Bundle) -> [u8; 20] {
    let key = P256Key::from_label("second signer");
    let mut spec = guest.hierarchy.tcb_signing_spec();
    spec.serial = key.key_identifier().to_vec();
    spec.spki = key.spki();
    bundle.certificates.push(spec.sign(guest.hierarchy.root_key()));
    let identity = SignedDocument::qe_identity(&guest.collateral.qe_identity, &key);
    bundle.documents[1] = identity.json().into_bytes();
    key.key_identifier()
}

/// A platform that Intel calls out of date, and a policy that takes it.
pub(crate) fn out_of_date(scene: &mut Scene) {
    scene.guest.collateral.tcb_info.set_status("OutOfDate", &["INTEL-SA-01036", "INTEL-SA-01099"]);
    scene.policy = quote_policy(r#"accept-tcb-status = ["OutOfDate"]"#);
}

/// Adds a line to the policy.
pub(crate) fn add_policy(scene: &mut Scene, line: &str) {
    scene.policy.push_str(line);
    scene.policy.push('\n');
}

/// The platform at a level below the current one, by its TDX module alone.
pub(crate) fn module_levels(scene: &mut Scene, change: impl Fn(&mut TcbLevel<IsvTcb>)) {
    let identities = &mut scene.guest.collateral.tcb_info.tdx_module_identities;
    let levels = identities.iter_mut().flat_map(|identity| &mut identity.tcb_levels);
    levels.for_each(change);
}

/// Changes a digest of the boot log's.
pub(crate) fn boot_events(evidence: &mut TdxEvidence) -> &mut Vec<BootEvent> {
    match evidence.boot_log.as_mut().unwrap() {
        BootLog::Digests(events) | BootLog::Acpi(events) => events,
        _ => panic!("the log is given by its digests"),
    }
}
