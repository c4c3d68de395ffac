//! From the PCK certificate to Intel's root.

use backend_api::TrustAnchors;
use lab::intel::hierarchy::intel_name;

use super::*;

cases! {
    "pck-chain", "no root": |scene| _ = scene.guest.pck.chain.pop();
    "pck-chain", "one certificate more": |scene| {
        let root = scene.guest.hierarchy.root().to_vec();
        scene.guest.pck.chain.push(root);
    };
    "pck-chain", "no certificate": |scene| scene.guest.quote.cert_data = Some(Vec::new());
    "pck-chain", "text between the certificates": |scene| {
        let chain = scene.guest.pck.pem_chain().replace("-----END CERTIFICATE-----\n", "-----END CERTIFICATE-----\nx\n");
        scene.guest.quote.cert_data = Some(chain.into_bytes());
    };
    "pck-chain", "a certificate that cannot be read": |scene| {
        scene.guest.pck.chain[2].push(0);
    };
    "pck-chain", "two SGX extensions": |scene| {
        issue_pck(scene, |spec| spec.extensions.push(PckSpec::default().sgx_extension()));
    };
    "pck-extension", "the CA before the PCK certificate": |scene| scene.guest.pck.chain.swap(0, 1);
    "pck-extension", "no SGX extension": |scene| issue_pck(scene, |spec| spec.remove_extension(oid::SGX));
    "pck-extension", "no FMSPC": |scene| issue(scene, |spec| spec.omit = vec![oid::FMSPC]);
    "pck-extension", "an FMSPC of 5 bytes": |scene| issue(scene, |spec| _ = spec.fmspc.pop());
    "pck-extension", "two FMSPCs": |scene| issue(scene, |spec| spec.duplicate = Some(oid::FMSPC));
    "pck-extension", "no PPID": |scene| issue(scene, |spec| spec.omit = vec![oid::PPID]);
    "pck-extension", "a PPID of 15 bytes": |scene| issue(scene, |spec| _ = spec.ppid.pop());
    "pck-extension", "no CPUSVN": |scene| issue(scene, |spec| spec.omit = vec![oid::CPU_SVN]);
    "pck-extension", "a TCB component that differs from CPUSVN": |scene| issue(scene, |spec| spec.components[0] += 1);
    "pck-extension", "a CPUSVN that differs from the TCB components": |scene| issue(scene, |spec| spec.cpu_svn[15] = 1);
    "root-pinned", "the lab's root under Intel's pin": |scene| {
        scene.anchors = (backend_api::AttestationBackend::descriptor(&backend_tdx::Tdx::default()).trust_anchors)();
    };
    "root-pinned", "the root's name on another key": |scene| {
        let spki_sha256 = scene.guest.hierarchy.tcb_signing_key().spki_sha256();
        scene.anchors.0 = vec![TrustAnchor { subject: "Intel SGX Root CA".into(), spki_sha256 }];
    };
    "root-pinned", "the root's key under another name": |scene| {
        let mut spec = scene.guest.hierarchy.root_spec();
        spec.subject = intel_name("Another Root CA");
        scene.guest.pck.chain[2] = spec.sign(scene.guest.hierarchy.root_key());
    };
    "root-pinned", "a pin of another authority's": |scene| {
        let ca = scene.guest.hierarchy.pck_ca_key(PckCa::Platform).spki_sha256();
        scene.anchors = TrustAnchors::from_iter([("Intel SGX PCK Platform CA", ca)]);
        scene.guest.pck.chain.swap(1, 2);
    };
    "root-pinned", "the root before the CA": |scene| scene.guest.pck.chain.swap(1, 2);
    "pck-issuer", "a certificate of another name": |scene| issue(scene, |spec| spec.common_name = "Intel SGX TCB Signing".to_owned());
    "pck-issuer", "a CA of another name": |scene| {
        issue_ca(scene, |spec| spec.subject = intel_name("Intel SGX Other CA"));
    };
    "pck-issuer", "the signer of documents in the place of the CA": |scene| {
        scene.guest.pck.chain[1] = scene.guest.hierarchy.tcb_signing().to_vec();
    };
    "chain-validity", "after the PCK certificate": |scene| scene.at = scene.guest.pck_spec.not_after + 1;
    "chain-validity", "before the PCK certificate": |scene| scene.at = scene.guest.pck_spec.not_before - 1;
    "chain-validity", "a CA that ended yesterday": |scene| issue_ca(scene, |spec| spec.not_after = june_2026() - DAY);
    "chain-validity", "a root that ended yesterday": |scene| {
        let mut spec = scene.guest.hierarchy.root_spec();
        spec.not_after = june_2026() - DAY;
        scene.guest.pck.chain[2] = spec.sign(scene.guest.hierarchy.root_key());
    };
    "chain-validity", "a signer of documents that ended yesterday": |scene| {
        issue_signer(scene, |spec| spec.not_after = june_2026() - DAY);
    };
    "chain-validity", "a second signer that ended yesterday", after two_signers: |scene| {
        scene.edit_bundle = |guest, bundle| {
            second_signer(guest, bundle);
            let key = P256Key::from_label("second signer");
            let mut spec = guest.hierarchy.tcb_signing_spec();
            (spec.serial, spec.spki) = (key.key_identifier().to_vec(), key.spki());
            spec.not_after = june_2026() - DAY;
            bundle.certificates[1] = spec.sign(guest.hierarchy.root_key());
        };
    };
    "chain-signatures", "a PCK certificate that the CA did not sign": |scene| {
        let spec = scene.guest.pck_spec.cert_spec(&scene.guest.hierarchy);
        scene.guest.pck.chain[0] = spec.sign(scene.guest.hierarchy.pck_ca_key(PckCa::Processor));
    };
    "chain-signatures", "a PCK certificate of the other CA's name": |scene| {
        issue_pck(scene, |spec| spec.issuer = intel_name(PckCa::Processor.common_name()));
    };
    "chain-signatures", "a PCK certificate with a critical extension that is not known": |scene| {
        issue_pck(scene, |spec| spec.extensions.push(extension("1.3.6.1.4.1.1".parse().unwrap(), true, &[5, 0])));
    };
    "chain-signatures", "a CA that the root did not sign": |scene| {
        let spec = scene.guest.hierarchy.pck_ca_spec(PckCa::Platform);
        scene.guest.pck.chain[1] = spec.sign(scene.guest.hierarchy.tcb_signing_key());
    };
    "chain-signatures", "a CA that is no certificate authority": |scene| {
        issue_ca(scene, |spec| spec.set_extension(basic_constraints(false, None)));
    };
    "chain-signatures", "a root that did not sign itself": |scene| {
        let spec = scene.guest.hierarchy.root_spec();
        scene.guest.pck.chain[2] = spec.sign(scene.guest.hierarchy.tcb_signing_key());
    };
    "chain-signatures", "a signer of documents that the root did not sign": |scene| {
        let spec = scene.guest.hierarchy.tcb_signing_spec();
        let ca = scene.guest.hierarchy.pck_ca_key(PckCa::Platform);
        scene.guest.collateral.tcb_signing_chain[0] = spec.sign(ca);
    };
}
