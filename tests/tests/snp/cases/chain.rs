//! From the VCEK's certificate to AMD's root, and revocation.

use super::*;

cases! {
    "certificates", "a certificate with a byte behind it": |scene| scene.certificates[1].push(0);
    "certificates", "a VCEK with an extension twice": |scene| {
        issue(scene, |spec| spec.duplicate = Some(vek::oid::TEE));
    };
    "vek-present", "no VCEK": |scene| { scene.certificates.remove(0); };
    "vek-extensions", "a struct version that is not known": |scene| issue(scene, |spec| spec.struct_version = 2);
    "vek-extensions", "a product that is not known": |scene| issue(scene, |spec| spec.product_name = "Naples".into());
    "vek-extensions", "no SNP security patch level": |scene| issue(scene, |spec| spec.omit = vec![vek::oid::SNP]);
    "vek-extensions", "no hardware id": |scene| issue(scene, |spec| spec.hwid = None);
    "vek-extensions", "a hardware id of 63 bytes": |scene| {
        issue(scene, |spec| spec.hwid = Some(vek::chip_id(Product::Milan)[..63].to_vec()));
    };
    "vek-extensions", "a provider's id on a VCEK": |scene| issue(scene, |spec| spec.csp_id = Some("CN=x".into()));
    "vek-extensions", "a patch level that is no INTEGER": |scene| {
        issue(scene, |spec| {
            spec.omit = vec![vek::oid::SNP];
            spec.extra_extensions = vec![extension(vek::oid::SNP, false, &[4, 1, 0x17])];
        });
    };
    "root-pinned", "no ARK": |scene| { scene.certificates.remove(2); };
    "chain-signatures", "the lab's chain under AMD's roots, whose ARK and ASK are always at hand": |scene| {
        scene.anchors = (backend_api::AttestationBackend::descriptor(&backend_baremetal_snp::BaremetalSnp::default()).trust_anchors)();
    };
    "root-pinned", "the ARK's name on another key": |scene| {
        let spki_sha256 = scene.guest.hierarchy.ask_key().spki_sha256();
        scene.anchors.0.retain(|anchor| anchor.subject != "ARK-Milan");
        scene.anchors.0.push(backend_api::TrustAnchor { subject: "ARK-Milan".into(), spki_sha256 });
    };
    "issuer-pinned", "no ASK": |scene| { scene.certificates.remove(1); };
    "issuer-pinned", "an ASK with another key": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.spki = scene.guest.hierarchy.asvk_key().spki().to_vec();
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "issuer-pinned", "the ASVK under the ASK's name": |scene| {
        scene.anchors.0.retain(|anchor| anchor.subject != "SEV-Milan");
    };
    "chain-validity", "after the VCEK": |scene| {
        scene.at = scene.guest.vek_spec.not_after + 1;
        scene.policy = report_policy("danger-accept-unknown-revocation = true");
    };
    "chain-validity", "before the VCEK": |scene| {
        scene.at = scene.guest.vek_spec.not_before - 1;
        scene.policy = report_policy("danger-accept-unknown-revocation = true");
    };
    "chain-validity", "an ASK that ended yesterday": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.not_after = june_2026() - DAY;
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-validity", "an ARK that ended yesterday": |scene| {
        let mut spec = scene.guest.hierarchy.ark_spec();
        spec.not_after = june_2026() - DAY;
        scene.certificates[2] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-signatures", "an ASK that the ARK did not sign": |scene| {
        scene.certificates[1] = scene.guest.hierarchy.ask_spec().sign(scene.guest.hierarchy.asvk_key());
    };
    "chain-signatures", "an ARK that did not sign itself": |scene| {
        scene.certificates[2] = scene.guest.hierarchy.ark_spec().sign(scene.guest.hierarchy.ask_key());
    };
    "chain-signatures", "a VCEK that the ASK did not sign": |scene| {
        let spec = scene.guest.vek_spec.cert_spec(&scene.guest.hierarchy);
        scene.certificates[0] = spec.sign(scene.guest.hierarchy.asvk_key());
    };
    "chain-signatures", "an ASK that is no certificate authority": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.set_extension(basic_constraints(false, None));
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-signatures", "a VCEK of another issuer's name": |scene| {
        let mut spec = scene.guest.vek_spec.cert_spec(&scene.guest.hierarchy);
        spec.issuer = lab::amd::hierarchy::amd_name("SEV-Genoa");
        scene.certificates[0] = spec.sign(scene.guest.hierarchy.ask_key());
    };
    "crl-signature", "a revocation list that the ARK did not sign": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        scene.revocation_lists = vec![crl_spec(hierarchy).sign(hierarchy.ask_key())];
    };
    "crl-signature", "a revocation list without an end": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.next_update = None;
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-signature", "a revocation list with a critical extension": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        // id-ce-deltaCRLIndicator (RFC 5280 §5.2.4): the list speaks of changes only.
        spec.extensions.push(extension("2.5.29.27".parse().unwrap(), true, &[2, 1, 1]));
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-signature", "a revocation list that is no DER": |scene| scene.revocation_lists[0].truncate(40);
    "not-revoked", "the ASK revoked": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let list = crl_spec(hierarchy).revoke(&hierarchy.ask_serial()).sign(hierarchy.ark_key());
        scene.revocation_lists = vec![list];
    };
    "not-revoked", "the ASK revoked by an older list, beside a current one that is silent": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let mut old = crl_spec(hierarchy).revoke(&hierarchy.ask_serial());
        old.next_update = Some(june_2026() - DAY);
        scene.revocation_lists.push(old.sign(hierarchy.ark_key()));
    };
    "not-revoked", "the ARK revoked": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let list = crl_spec(hierarchy).revoke(&hierarchy.ark_serial()).sign(hierarchy.ark_key());
        scene.revocation_lists = vec![list];
    };
    "crl-current", "no revocation list": |scene| scene.revocation_lists.clear();
    "crl-current", "a revocation list of another product": |scene| {
        let hierarchy = lab::amd::Hierarchy::new(Product::Genoa);
        scene.revocation_lists = vec![crl_spec(&hierarchy).sign(hierarchy.ark_key())];
    };
    "crl-current", "a revocation list that ended yesterday": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.next_update = Some(june_2026() - DAY);
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-current", "a revocation list of tomorrow": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.this_update = june_2026() + DAY;
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
}
