//! Manifests: who signed them, of what they are, and what they say of the measurements.

use lab::nvidia::rim::set;

use super::*;

/// Changes the manifest of the driver before it is signed.
fn driver(scene: &mut Scene, change: impl FnOnce(&mut lab::nvidia::rim::RimSpec)) {
    change(&mut scene.machine.manifests[0]);
}

/// The resource of the measurement `index` of a manifest.
fn measurement(scene: &mut Scene, manifest: usize, index: usize) -> &mut lab::nvidia::rim::Attributes {
    &mut scene.machine.manifests[manifest].resources[index]
}

/// Where the statuses of the signers of manifests begin: behind the three of the GPU.
const SIGNERS: usize = 3;

fn edit_document(scene: &mut Scene, edit: fn(&mut Vec<(EndorsementKind, Vec<u8>)>)) {
    scene.edit_endorsements = edit;
}

/// Replaces text in every manifest after it was signed.
fn replace(all: &mut [(EndorsementKind, Vec<u8>)], from: &str, to: &str) {
    for (_, document) in all.iter_mut().filter(|(kind, _)| *kind == EndorsementKind::Document) {
        *document = String::from_utf8(document.clone()).unwrap().replace(from, to).into_bytes();
    }
}

cases! {
    "rim-root-pinned", "manifests under another root": |scene| {
        scene.anchors = lab::nvidia::device::device_pins().into_iter().collect();
    };
    "rim-key-usage", "a signer that may sign certificates": |scene| driver(scene, |rim| {
        let usages = KeyUsages::DigitalSignature | KeyUsages::KeyCertSign;
        rim.hierarchy.spec(RimHierarchy::SIGNER).set_extension(key_usage(usages));
    });
    "rim-chain-signatures", "a signer that no authority signed": |scene| driver(scene, |rim| {
        rim.hierarchy.certificates[0].1 = EcKey::from_label("nobody");
    });
    "rim-digest", "a manifest changed after signing": |scene| {
        edit_document(scene, |all| replace(all, "revision=\"r1\"", "revision=\"r2\""));
    };
    "rim-signature", "a manifest signed by another key": |scene| driver(scene, |rim| {
        rim.key = Some(EcKey::from_label("nobody"));
    });
    "rim-chain-validity", "a signer that has ended": |scene| driver(scene, |rim| {
        rim.hierarchy.spec(RimHierarchy::SIGNER).not_after = Machine::now() - 1;
    });
    "rim-status-signature", "a status of a signer that no responder of the issuer signed": |scene| {
        scene.machine.statuses[SIGNERS].1 = EcKey::from_label("nobody");
    };
    "rim-not-revoked", "a signer on hold": |scene| status(scene, SIGNERS, Status::Revoked(Machine::now() - 1, Some(6)));
    "rim-status-current", "no status of the signer": |scene| _ = scene.machine.statuses.remove(SIGNERS);
    "rim-present", "no manifest of the driver": |scene| _ = scene.machine.manifests.remove(0);
    "rim-present", "no manifest of the video BIOS": |scene| _ = scene.machine.manifests.remove(1);
    "rim-present", "a manifest of another driver": |scene| driver(scene, |rim| set(&mut rim.meta, "colloquialVersion", "550.90.08"));
    "rim-present", "a manifest that NVIDIA's service has for another board": |scene| {
        edit_document(scene, |all| {
            for (kind, document) in all.iter_mut() {
                if *kind == EndorsementKind::Document {
                    let rim = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &*document);
                    *document = serde_json::json!({ "id": "NV_GPU_VBIOS_9999_0200_882_96009F0001", "rim": rim }).to_string().into_bytes();
                }
            }
        });
    };
    "rim-of-device", "a manifest of another chip": |scene| driver(scene, |rim| {
        set(&mut rim.identity, "name", "GB100");
        set(&mut rim.meta, "product", "GB100");
        set(&mut rim.meta, "ns1:PlatformModel", "GB100");
    });
    "rim-indices", "a measurement in both manifests": |scene| {
        *measurement(scene, 0, 3) = measurement(scene, 1, 3).clone();
    };
    "nvdec0-status", "a video decoder of which nothing is said": |scene| {
        gpu(scene).report.opaque.retain(|(kind, _)| *kind != 11);
    };
    "nvdec0-status", "a video decoder that is neither on nor off": |scene| {
        *gpu(scene).report.opaque_mut(11) = vec![0];
    };
    "measurements-match", "another driver's code": |scene| gpu(scene).report.measurements[25].1[0] ^= 1;
    "measurements-match", "another video BIOS's code": |scene| gpu(scene).report.measurements[2].1[0] ^= 1;
    "measurements-match", "something where there should be zeros": |scene| gpu(scene).report.measurements[8].1[0] ^= 1;
    "measurements-match", "another decoder's code, and the decoder enabled": |scene| {
        *gpu(scene).report.opaque_mut(11) = vec![0xAA];
        gpu(scene).report.measurements[35].1[0] ^= 1;
    };
    "measurements-match", "another decoder's code, and a strict relying party": |scene| {
        scene.policy("strict = true");
        gpu(scene).report.measurements[35].1[0] ^= 1;
    };
}
