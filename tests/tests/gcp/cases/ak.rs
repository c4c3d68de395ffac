//! The certificate of the attestation key, and the instance that it names.

use super::*;

cases! {
    "ak-certificate-format", "a certificate that is none": |scene| {
        scene.edit = |evidence| evidence.ak_certificate = vec![0x31, 0].into();
    };
    "ak-certificate-format", "something behind the certificate": |scene| {
        scene.edit = |evidence| evidence.ak_certificate.extend([0, 1]);
    };
    "ak-certificate-validity", "a certificate that has ended": |scene| {
        scene.guest.ak_spec.not_after = june_2026() - DAY;
    };
    "ak-certificate-usage", "a certificate of a key that signs certificates": |scene| {
        scene.guest.ak_spec.set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
    };
    "ak-certificate-path", "an authority that is not at hand": |scene| {
        scene.edit = |evidence| _ = evidence.certificates.pop();
    };
    "ak-certificate-path", "a root that is not at hand": |scene| {
        scene.edit_endorsements = |all| _ = all.remove(0);
    };
    "ak-certificate-path", "a root that is not pinned": |scene| {
        ak_pin(scene).spki_sha256[0] ^= 1;
    };
    "ak-certificate-path", "a root of another name": |scene| {
        ak_pin(scene).subject = "GCE-cc-tcb-root".into();
    };
    "ak-certificate-path", "a root that is trusted for processors": |scene| {
        let amd = hierarchy::google("ARK-Milan");
        reissue_ca(scene, |spec| spec.issuer = hierarchy::google("ARK-Milan"));
        let mut root = scene.guest.hierarchy.root_spec();
        (root.issuer, root.subject) = (amd.clone(), amd);
        ROOT.set(root.sign(&Pkcs1::Sha256(scene.guest.hierarchy.root_key())));
        ak_pin(scene).subject = "ARK-Milan".into();
        scene.edit_endorsements = |all| all[0].1 = ROOT.take();
    };
    "ak-certificate-path", "an authority that is none": |scene| {
        reissue_ca(scene, |spec| spec.set_extension(basic_constraints(false, None)));
    };
    "ak-certificate-path", "the key of the root of firmware as that of an authority": |scene| {
        let signed = scene.guest.ak_spec.sign(&Pkcs1::Sha256(lab::google::EndorsementAuthority::new().root_key()));
        AK.set(signed);
        scene.edit = |evidence| evidence.ak_certificate = AK.take().into();
    };
    "ak-certificate-path", "a certificate that was changed after signing": |scene| {
        scene.edit = |evidence| evidence.ak_certificate[300] ^= 1;
    };
    "ak-certificate-revocation", "a certificate that its issuer revoked": |scene| {
        scene.edit_endorsements = |all| add_list(all, false, |list| list.revoke(&[0x94, 0xB2, 2]));
    };
    "ak-certificate-revocation", "an authority that the root revoked": |scene| {
        scene.edit_endorsements = |all| add_list(all, true, |list| list.revoke(&[0x68, 0x8F]));
    };
    "gce-authorities-current", "no list of the root's": |scene| {
        scene.edit_endorsements = |all| _ = all.remove(2);
    };
    "gce-authorities-current", "a list of the root's that has ended": |scene| {
        scene.edit_endorsements = |all| {
            all.remove(2);
            add_list(all, true, |list| CrlSpec { next_update: Some(list.this_update + 1), ..list });
        };
    };
    "gce-authorities-current", "a list of the issuer's alone": |scene| {
        scene.edit_endorsements = |all| {
            all.remove(2);
            add_list(all, false, |list| list);
        };
    };
    "gce-ak-key-usage", "a certificate of a key that also agrees on keys": |scene| {
        scene.guest.ak_spec.set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyAgreement));
    };
    "gce-instance-present", "a certificate that names no instance": |scene| {
        scene.guest.ak_spec.remove_extension(lab::google::INSTANCE_INFO);
    };
    "gce-instance-format", "an instance with one field more": |scene| {
        instance(scene, |spec| spec.after = vec![0x05, 0]);
    };
    "gce-production", "a virtual TPM of Google's tests": |scene| {
        instance(scene, |spec| spec.properties.as_mut().unwrap().flags[0].1 = 0);
    };
    "gce-production", "a virtual TPM of which nobody says that it is Google's production": |scene| {
        instance(scene, |spec| spec.properties = None);
    };
    "gce-project", "another project": |scene| gcp(scene, "instance.projects = [\"other-project\"]");
    "gce-zone", "another zone": |scene| gcp(scene, "instance.zones = [\"us-central1-a\"]");
    "gce-instance", "another instance": |scene| gcp(scene, "instance.instances = [\"1\"]");
}

thread_local!(static ROOT: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
thread_local!(static AK: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });

fn ak_pin(scene: &mut Scene) -> &mut backend_api::TrustAnchor {
    scene.anchors.0.iter_mut().find(|pin| pin.subject == hierarchy::ROOT_NAME).unwrap()
}

/// Issues the certificate for an instance with one change.
fn instance(scene: &mut Scene, change: fn(&mut InstanceSpec)) {
    let mut spec = InstanceSpec::default();
    change(&mut spec);
    scene.guest.ak_spec = Hierarchy::new().ak_spec(&spec);
}

/// Issues the certificate of the authority again with one change, and sends it in the place of the other.
fn reissue_ca(scene: &mut Scene, change: fn(&mut CertSpec)) {
    let mut spec = scene.guest.hierarchy.ca_spec();
    change(&mut spec);
    AK.set(spec.sign(&Pkcs1::Sha256(scene.guest.hierarchy.root_key())));
    scene.edit = |evidence| *evidence.certificates.last_mut().unwrap() = AK.take().into();
}

/// Adds a list of the root, or of the authority below it.
fn add_list(
    all: &mut Vec<(EndorsementKind, Vec<u8>)>,
    of_root: bool,
    change: impl FnOnce(CrlSpec) -> CrlSpec,
) {
    let hierarchy = Hierarchy::new();
    let key: &RsaKey = if of_root { hierarchy.root_key() } else { hierarchy.ca_key() };
    let list = change(hierarchy.crl_spec(of_root)).sign(&Pkcs1::Sha256(key));
    all.push((EndorsementKind::RevocationList, list));
}
