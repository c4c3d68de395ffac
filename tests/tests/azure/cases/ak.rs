//! The certificate of the attestation key.

use super::*;

cases! {
    "ak-certificate", "no certificate": |scene| scene.edit = |evidence| evidence.ak_certificate = None;
    "ak-certificate-format", "a certificate that is none": |scene| {
        scene.edit = |evidence| evidence.ak_certificate = Some(vec![0x31, 0].into());
    };
    "ak-certificate-format", "an index that was never written": |scene| {
        scene.edit = |evidence| evidence.ak_certificate = Some(vec![0; 4096].into());
    };
    "ak-certificate-format", "something behind the certificate": |scene| {
        scene.edit = |evidence| *evidence.ak_certificate.as_mut().unwrap().last_mut().unwrap() = 1;
    };
    "ak-certificate-format", "a certificate that was cut off": |scene| {
        scene.edit = |evidence| evidence.ak_certificate.as_mut().unwrap().truncate(300);
    };
    "ak-certificate-format", "a certificate of a key of another kind": |scene| {
        // Its path holds; what it certifies verifies no quote.
        scene.guest.ak_spec.spki = ed25519_spki();
    };
    "ak-certificate-validity", "a certificate that has ended": |scene| {
        scene.guest.ak_spec.not_after = june_2026() - DAY;
    };
    "ak-certificate-validity", "a certificate of the future": |scene| {
        scene.guest.ak_spec.not_before = june_2026() + DAY;
    };
    "ak-certificate-usage", "a certificate of a key that encrypts": |scene| {
        scene.guest.ak_spec.set_extension(key_usage(KeyUsages::KeyEncipherment));
    };
    "ak-certificate-usage", "a certificate of a key that signs certificates": |scene| {
        scene.guest.ak_spec.set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
    };
    "ak-certificate-usage", "a certificate that does not say what its key is for": |scene| {
        scene.guest.ak_spec.remove_extension(const_oid::db::rfc5280::ID_CE_KEY_USAGE);
    };
    "ak-certificate-path", "a certificate of an endorsement key": |scene| {
        scene.guest.ak_spec.set_extension(ext_key_usage(&[hierarchy::EK_CERTIFICATE]));
    };
    "ak-certificate-path", "a certificate without a purpose": |scene| {
        scene.guest.ak_spec.remove_extension(const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE);
    };
    "ak-certificate-path", "an authority that is not at hand": |scene| {
        scene.edit = |evidence| _ = evidence.certificates.pop();
    };
    "ak-certificate-path", "a root that is not at hand": |scene| {
        scene.edit_endorsements = |all| _ = all.remove(0);
    };
    "ak-certificate-path", "an authority that issues no certificates of attestation keys": |scene| {
        reissue_ca(scene, |spec| spec.set_extension(ext_key_usage(&[hierarchy::EK_CERTIFICATE])));
    };
    "ak-certificate-path", "an authority that is none": |scene| {
        reissue_ca(scene, |spec| spec.set_extension(basic_constraints(false, None)));
    };
    "ak-certificate-path", "an authority that has ended": |scene| {
        reissue_ca(scene, |spec| spec.not_after = june_2026() - DAY);
    };
    "ak-certificate-path", "an authority that does not state what it issues": |scene| {
        reissue_ca(scene, |spec| spec.remove_extension(const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE));
    };
    "ak-certificate-path", "the certificate of an authority as that of the key": |scene| {
        scene.guest.ak_spec.set_extension(basic_constraints(true, None));
    };
    "ak-certificate-path", "a root that has ended": |scene| {
        scene.edit_endorsements = |all| reissue_root(all, |spec| spec.not_after = june_2026() - DAY, true);
    };
    "ak-certificate-path", "a root that did not sign itself": |scene| {
        scene.edit_endorsements = |all| reissue_root(all, |_| {}, false);
    };
    "ak-certificate-path", "a certificate that is there and does not hold, where none is needed", of danger: |scene| {
        scene.edit = |evidence| evidence.ak_certificate.as_mut().unwrap()[400] ^= 1;
    };
    "ak-certificate-path", "a root that is not pinned": |scene| {
        scene.anchors.0.last_mut().unwrap().spki_sha256[0] ^= 1;
    };
    "ak-certificate-path", "a root of another name": |scene| {
        scene.anchors.0.last_mut().unwrap().subject = "ARK-Milan".into();
    };
    "ak-certificate-path", "a certificate that was changed after signing": |scene| {
        scene.edit = |evidence| evidence.ak_certificate.as_mut().unwrap()[400] ^= 1;
    };
    "ak-certificate-revocation", "a certificate that its issuer revoked": |scene| {
        scene.edit_endorsements = |all| add_list(all, false, |list| list.revoke(&[0x64, 0x64, 0xDA]));
    };
    "ak-certificate-revocation", "an authority that the root revoked": |scene| {
        scene.edit_endorsements = |all| add_list(all, true, |list| list.revoke(&[0x33, 9]));
    };
    "ak-certificate-revocation", "a certificate that a list revoked which has ended": |scene| {
        scene.edit_endorsements = |all| add_list(all, false, |list| {
            CrlSpec { next_update: Some(list.this_update + 1), ..list }.revoke(&[0x64, 0x64, 0xDA])
        });
    };
    "ak-certificate-revocation", "a list that its issuer did not sign": |scene| {
        scene.edit_endorsements = |all| {
            let hierarchy = hierarchy::Hierarchy::new();
            let list = hierarchy.crl_spec(false).sign(&Pkcs1::Sha256(&Guest::other_ak()));
            all.push((EndorsementKind::RevocationList, list));
        };
    };
    "ak-certificate-subject", "the attestation key of a VM of Trusted Launch": |scene| {
        subject(scene, "353c6d9a70bc.TrustedVM.Azure.windows.net");
    };
    "ak-certificate-subject", "a subject without an id": |scene| {
        subject(scene, ".ConfidentialVM.Azure.windows.net");
    };
    "ak-certificate-subject", "a subject that only looks like it": |scene| {
        subject(scene, "353c6d9a70bc.ConfidentialVM.Azure.windows.net.example.org");
    };
    "ak-certificate-subject", "a subject with more labels": |scene| {
        subject(scene, "example.org.ConfidentialVM.Azure.windows.net");
    };
    "ak-certificate-key", "the certificate of another VM's attestation key": |scene| {
        scene.guest.ak_spec.spki = Guest::other_ak().spki().to_vec();
    };
}

fn subject(scene: &mut Scene, name: &str) {
    scene.guest.ak_spec.subject = hierarchy::common_name(name);
}

/// Issues the certificate of the authority again with one change, and sends it in the place of the other.
fn reissue_ca(scene: &mut Scene, change: fn(&mut CertSpec)) {
    thread_local!(static CA: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
    let mut spec = scene.guest.hierarchy.ca_spec();
    change(&mut spec);
    CA.set(spec.sign(&Pkcs1::Sha384(scene.guest.hierarchy.root_key())));
    scene.edit = |evidence| *evidence.certificates.last_mut().unwrap() = CA.take().into();
}

/// Issues the root's certificate again with one change, signed by itself or by another.
fn reissue_root(all: &mut [(EndorsementKind, Vec<u8>)], change: fn(&mut CertSpec), by_itself: bool) {
    let hierarchy = hierarchy::Hierarchy::new();
    let mut spec = hierarchy.root_spec();
    change(&mut spec);
    let key = if by_itself { hierarchy.root_key() } else { hierarchy.ca_key() };
    all[0].1 = spec.sign(&Pkcs1::Sha384(key));
}

/// A relying party that would take an attestation key without a certificate.
pub(crate) fn danger() -> Scene {
    let mut scene = Scene::snp();
    azure(&mut scene, "danger-accept-unendorsed-ak = true");
    scene
}

/// Adds a list of the root, or of the authority below it.
pub(crate) fn add_list(
    all: &mut Vec<(EndorsementKind, Vec<u8>)>,
    of_root: bool,
    change: impl FnOnce(CrlSpec) -> CrlSpec,
) {
    let hierarchy = hierarchy::Hierarchy::new();
    let key = if of_root { hierarchy.root_key() } else { hierarchy.ca_key() };
    let list = change(hierarchy.crl_spec(of_root)).sign(&Pkcs1::Sha256(key));
    all.push((EndorsementKind::RevocationList, list));
}

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410).
fn ed25519_spki() -> Vec<u8> {
    [hex::decode("302a300506032b6570032100").unwrap(), vec![7; 32]].concat()
}
