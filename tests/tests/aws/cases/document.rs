//! The document of the NitroTPM: form, certificates, signature, age, and what the guest had signed.

use super::{
    halves::{document_only, raw},
    *,
};

cases! {
    "nitro-document-format", "a document that ends early": |scene| {
        scene.edit = |evidence| _ = evidence.document.as_mut().unwrap().pop();
    };
    "nitro-document-format", "a document that is larger than any": |scene| {
        scene.edit = |evidence| evidence.document.as_mut().unwrap().resize(16 * 1024 + 1, 0);
    };
    "nitro-document-format", "a document without registers": |scene| document(scene, |document| document.pcrs.clear());
    "nitro-document-format", "another digest": |scene| document(scene, |document| document.digest = "SHA512".to_owned());
    "nitro-document-type", "a document of a Nitro Enclave": |scene| {
        document(scene, |document| document.registers = "pcrs".to_owned());
    };
    "nitro-certificates", "a certificate that is none": |scene| {
        scene.guest.instance.certificate.0.spki = lab::keys::P256Key::from_label("nitro").spki();
    };
    "nitro-root-pinned", "another root": |scene| {
        let root = EcKey::from_label("another root");
        let authorities = &mut scene.guest.instance.authorities;
        authorities[0].0.spki = root.spki();
        (authorities[0].1, authorities[1].1) = (root.clone(), root);
    };
    "nitro-root-pinned", "a relying party that trusts no root of this name": |scene| {
        scene.anchors = scene.guest.hierarchy.pins().into_iter().collect();
    };
    "nitro-chain-validity", "a certificate that has ended": |scene| {
        scene.guest.instance.certificate.0.not_after = Instance::now() - 1;
    };
    "nitro-key-usage", "a key that signs no data": |scene| {
        scene.guest.instance.certificate.0.set_extension(key_usage(KeyUsages::KeyAgreement));
    };
    "nitro-chain-signatures", "an instance's authority that nobody signed": |scene| {
        scene.guest.instance.authorities[3].1 = EcKey::from_label("nobody");
    };
    "nitro-cabundle-order", "authorities in another order": |scene| {
        scene.guest.instance.authorities.swap(1, 2);
    };
    "nitro-signature", "another key's signature": |scene| scene.guest.instance.tpm = EcKey::from_label("nobody");
    "nitro-module-id", "another instance than the certificate's": |scene| {
        document(scene, |document| document.module_id = "i-0abcdef1-tpm0".to_owned());
    };
    "nitro-region", "an authority of another region": |scene| {
        let name = amazon("733655d6d68f7bdf.eu-west-1.aws.nitro-enclaves");
        scene.guest.instance.authorities[1].0.subject = name.clone();
        scene.guest.instance.authorities[2].0.issuer = name;
    };
    "nitro-region", "an authority of a part of another region": |scene| {
        let name = zonal_name("74d947fb1bac401d.zonal.us-east-1.aws.nitro-enclaves");
        scene.guest.instance.authorities[2].0.subject = name.clone();
        scene.guest.instance.authorities[3].0.issuer = name;
    };
    "nitro-age", "a document of six minutes ago": |scene| scene.at += 360;
    "nitro-age", "a document older than the policy takes", of younger: |scene| scene.at += 31;
    "nitro-age", "a document of the future": |scene| scene.at -= 61;
    "nitro-nonce", "the document of another report of the same guest": |scene| {
        scene.edit = |evidence| evidence.document = Some(document_of(&other_report()).into());
    };
    "nitro-nonce", "no nonce": |scene| document(scene, |document| document.nonce = None);
    "nitro-nonce", "a nonce that was not expected, of another tool", of raw: |scene| {
        document(scene, |document| document.nonce = Some(vec![7; 32]));
    };
    "nitro-nonce", "a nonce in what dstack sends", of document_only: |scene| {
        document(scene, |document| document.nonce = Some(vec![7; 32]));
    };
    "nitro-nonce", "another nonce than the challenge", of named: |scene| {
        document(scene, |document| document.nonce = Some(vec![0xC5; 64]));
    };
    "nitro-nonce", "the beginning of the challenge, and not what is left of it without zeros", of short_nonce: |scene| {
        document(scene, |document| document.nonce = Some(vec![0xC4; 31]));
    };
    "nitro-nonce", "an empty nonce, for a challenge of zeros", of zero_nonce: |scene| {
        document(scene, |document| document.nonce = Some(Vec::new()));
    };
    "nitro-nonce", "a nonce longer than a challenge", of named: |scene| {
        document(scene, |document| document.nonce = Some(vec![0xC4; 65]));
    };
    "nitro-user-data", "another challenge": |scene| scene.challenge[63] ^= 1;
    "nitro-user-data", "evidence of another challenge": |scene| scene.asked[0] ^= 1;
    "nitro-user-data", "no user data": |scene| document(scene, |document| document.user_data = None);
    "nitro-user-data", "the beginning of the challenge": |scene| {
        document(scene, |document| _ = document.user_data.as_mut().unwrap().pop());
    };
    "nitro-user-data", "another challenge than dstack was asked for", of document_only: |scene| scene.challenge[0] ^= 1;
    "nitro-user-data", "user data beside a nonce, where the policy names none", of short_nonce: |scene| {
        document(scene, |document| document.user_data = Some(vec![0xA2; 16]));
    };
    "nitro-user-data", "other user data than the policy names", of named: |scene| {
        document(scene, |document| document.user_data = Some(vec![0xC4; 64]));
    };
    "nitro-public-key", "a key that the profile does not have": |scene| {
        document(scene, |document| document.public_key = Some(vec![4; 65]));
    };
    "nitro-public-key", "another key than the policy names", of named: |scene| {
        document(scene, |document| document.public_key = Some(vec![5; 65]));
    };
}

/// Changes the document before it is signed, after what the base changed.
pub(super) fn document(scene: &mut Scene, change: fn(&mut lab::aws::DocumentSpec)) {
    scene.guest.edit_document.push(change);
}

/// A report of the guest for another challenge.
fn other_report() -> Vec<u8> {
    Guest::new().v1_parts(&[0xC5; 64]).report
}

/// A document of the guest that commits to this report and to the challenge.
fn document_of(report: &[u8]) -> Vec<u8> {
    Guest::new().document_for(Some(&backend_aws::v1_nonce(report)), Some(&[0xC4; 64]))
}

/// A relying party that takes documents of the last thirty seconds.
fn younger() -> Scene {
    Scene { policy: "[backend.aws.document]\nmax-age = 30\n".to_owned(), ..Scene::v1() }
}

/// What another tool made, and a relying party that knows what its members must hold.
pub(crate) fn named() -> Scene {
    let mut scene = raw();
    document(&mut scene, |document| {
        document.nonce = Some(vec![0xC4; 64]);
        document.user_data = Some(vec![0xA2; 16]);
        document.public_key = Some(vec![4; 65]);
    });
    scene.policy = format!(
        "[backend.aws.raw]\nchallenge = \"nonce\"\nuser-data = \"{}\"\npublic-key = \"{}\"\n",
        "a2".repeat(16),
        "04".repeat(65)
    );
    scene
}

/// The same for a challenge of which nothing but zeros is left.
fn zero_nonce() -> Scene {
    let mut scene = short_nonce();
    (scene.asked, scene.challenge) = ([0; 64], [0; 64]);
    document(&mut scene, |document| document.nonce = Some(vec![0; 32]));
    scene
}

/// The same of a tool that has a nonce of 32 bytes and nothing else.
pub(crate) fn short_nonce() -> Scene {
    let mut scene = raw();
    scene.asked = [0; 64];
    scene.asked[..32].fill(0xC4);
    scene.challenge = scene.asked;
    document(&mut scene, |document| (document.nonce, document.user_data) = (Some(vec![0xC4; 32]), None));
    scene.policy = "[backend.aws.raw]\nchallenge = \"nonce\"\n".to_owned();
    scene
}
