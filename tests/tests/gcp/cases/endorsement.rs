//! The payload, the processor's report where this platform asks otherwise than others, and Google's word for the firmware.

use lab::google::{EndorsementAuthority, EndorsementSpec};
use lab::keys::PssSha256;

use super::*;

cases! {
    "payload", "a payload that ends early": |scene| scene.edit_bytes = |bytes| _ = bytes.pop();
    "payload", "a byte behind the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a certificate of the attestation key that is larger than any": |scene| {
        scene.edit = |evidence| evidence.ak_certificate.resize(4097, 0);
    };
    "payload", "a report that is larger than any": |scene| {
        scene.edit = |evidence| evidence.report.resize(65_537, 0);
    };
    "payload", "a launch endorsement that is larger than any": |scene| {
        scene.edit = |evidence| evidence.launch_endorsement = Some(vec![0; 65_537].into());
    };
    "payload", "more values of registers than a TPM has": |scene| {
        scene.edit = |evidence| evidence.pcrs = vec![vec![0; 32].into(); 25];
    };
    "payload", "more certificates than are read": |scene| {
        scene.edit = |evidence| evidence.certificates = vec![vec![0x30, 0].into(); 17];
    };
    "transcript-profile", "the profile raw, and no word of it in the policy", of quote::raw: |scene| scene.policy.clear();
    "cc-log-present", "a log of a TD's registers of a guest that is none": |scene| {
        scene.edit = |evidence| evidence.cc_log.clone_from(&evidence.boot_log);
    };
    "launch-endorsement", "no launch endorsement": |scene| scene.edit = |evidence| evidence.launch_endorsement = None;
    "launch-endorsement", "no launch endorsement, and the measurement of other firmware in the policy", of listed: |scene| {
        report(scene).measurement = [3; 48];
    };
    "gce-endorsement-format", "an endorsement that was cut off": |scene| {
        scene.edit = |evidence| _ = evidence.launch_endorsement.as_mut().unwrap().pop();
    };
    "gce-endorsement-signer", "a signer that signs certificates": |scene| {
        signer(scene, |spec| spec.set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign)));
    };
    "gce-endorsement-validity", "a signer whose certificate has ended": |scene| {
        signer(scene, |spec| spec.not_after = june_2026() - DAY);
    };
    "gce-endorsement-path", "a root that is not pinned": |scene| {
        scene.anchors.0.last_mut().unwrap().spki_sha256[0] ^= 1;
    };
    "gce-endorsement-path", "a root of attestation keys as that of firmware": |scene| {
        // It has the key that is pinned for the root of firmware, and another name.
        let pin = scene.anchors.0.last_mut().unwrap();
        pin.subject = hierarchy::ROOT_NAME.into();
    };
    "gce-endorsement-path", "no root": |scene| {
        scene.guest.endorsement.ca_bundle.clear();
        scene.edit_endorsements = |all| _ = all.remove(1);
    };
    "gce-endorsement-signature", "an endorsement that was changed after signing": |scene| {
        scene.edit = |evidence| evidence.launch_endorsement.as_mut().unwrap()[40] ^= 1;
    };
    "gce-endorsement-timestamp", "an endorsement of the future": |scene| {
        scene.guest.endorsement.timestamp = Some((june_2026() + 1, 0));
    };
    "gce-endorsement-provenance", "an endorsement that names no sources": |scene| {
        scene.guest.endorsement.cl_spec = 0;
        scene.guest.endorsement.commit.clear();
    };
    "gce-launch-endorsed", "firmware that the endorsement does not list": |scene| report(scene).measurement = [3; 48];
    "gce-launch-endorsed", "a launch with an SVSM, as one without": |scene| report(scene).measurement = [0x5A; 48];
    "gce-launch-endorsed", "firmware that is endorsed for the other technology": |scene| {
        report(scene).measurement = [0xA0; 48];
    };
    "gce-launch-endorsed", "an MRTD that the endorsement does not list", of Scene::tdx: |scene| {
        let guest::Tee::Tdx(processor) = &mut scene.guest.tee else { panic!("a TD") };
        processor.quote.body.mrtd = [3; 48];
    };
    "gce-firmware-svn", "firmware below the policy's minimum": |scene| {
        gcp(scene, "endorsement.minimum-snp-svn = 3");
    };
    "gce-firmware-accepted", "firmware that the policy rejects": |scene| {
        gcp(scene, &format!("endorsement.reject-firmware = [\"{}\"]", "f0".repeat(48)));
    };
}

/// Issues the signer's certificate again with one change.
fn signer(scene: &mut Scene, change: fn(&mut CertSpec)) {
    let authority = EndorsementAuthority::new();
    let mut spec = authority.signer_spec();
    change(&mut spec);
    scene.guest.endorsement =
        EndorsementSpec { cert: spec.sign(&PssSha256(authority.root_key())), ..EndorsementSpec::default() };
}

/// A relying party that lists what is launched, and a guest without a launch endorsement.
pub(crate) fn listed() -> Scene {
    let mut scene = Scene::snp();
    gcp(&mut scene, &format!("launch.measurements = [\"{}\"]", "02".repeat(48)));
    scene.edit = |evidence| evidence.launch_endorsement = None;
    scene
}
