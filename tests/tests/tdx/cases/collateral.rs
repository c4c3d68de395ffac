//! What Intel says of the platform, and revocation.

use lab::intel::Configuration;

use super::*;

cases! {
    "collateral", "no TCB info": |scene| scene.edit_bundle = |_, bundle| drop(bundle.documents.remove(0));
    "collateral", "TCB info of another platform": |scene| {
        scene.guest.collateral.tcb_info.fmspc = "50806F000000".to_owned();
    };
    "collateral", "TCB info of SGX": |scene| scene.guest.collateral.tcb_info.id = "SGX".to_owned();
    "collateral", "TCB info whose signature is in upper case": |scene| {
        scene.edit_bundle = |_, bundle| {
            let text = String::from_utf8(bundle.documents[0].clone()).unwrap();
            let (body, signature) = text.rsplit_once(":\"").unwrap();
            bundle.documents[0] = format!("{body}:\"{}", signature.to_uppercase()).into_bytes();
        };
    };
    "collateral", "TCB info with a member that is not known": |scene| {
        scene.edit_bundle = |_, bundle| { bundle.documents[0].splice(1..1, *br#""x":1,"#); };
    };
    "collateral", "TCB info whose date has no time": |scene| {
        scene.guest.collateral.tcb_info.issue_date = "2026-01-01".to_owned();
    };
    "collateral", "no identity of the quoting enclave": |scene| {
        scene.edit_bundle = |_, bundle| drop(bundle.documents.remove(1));
    };
    "collateral", "the identity of the quoting enclave for SGX": |scene| {
        scene.guest.collateral.qe_identity.id = "QE".to_owned();
    };
    "collateral", "no signer": |scene| scene.edit_bundle = |_, bundle| bundle.certificates.clear();
    "collateral", "a signer of another name": |scene| {
        issue_signer(scene, |spec| spec.subject = lab::intel::hierarchy::intel_name("Another signer"));
    };
    "collateral", "no list of the root": |scene| {
        scene.edit_bundle = |_, bundle| drop(bundle.revocation_lists.remove(0));
    };
    "collateral", "no list of the CA": |scene| {
        scene.edit_bundle = |_, bundle| drop(bundle.revocation_lists.remove(1));
    };
    "collateral", "the list of the other CA": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let list = pck_crl_spec(&guest.hierarchy, PckCa::Processor);
            bundle.revocation_lists[1] = list.sign(guest.hierarchy.pck_ca_key(PckCa::Processor));
        };
    };
    "crl-signature", "a list that the root did not sign": |scene| {
        scene.edit_bundle = |guest, bundle| {
            bundle.revocation_lists[0] = guest.collateral.root_ca_crl.sign(guest.hierarchy.tcb_signing_key());
        };
    };
    "crl-signature", "a list that the CA did not sign": |scene| {
        scene.edit_bundle = |guest, bundle| {
            bundle.revocation_lists[1] = guest.collateral.pck_crl.sign(guest.hierarchy.root_key());
        };
    };
    "crl-signature", "a list without an end": |scene| scene.guest.collateral.pck_crl.next_update = None;
    "crl-signature", "a list with a critical extension": |scene| {
        // id-ce-deltaCRLIndicator (RFC 5280 §5.2.4): the list speaks of changes only.
        let delta = extension("2.5.29.27".parse().unwrap(), true, &[2, 1, 1]);
        scene.guest.collateral.root_ca_crl.extensions.push(delta);
    };
    "not-revoked", "the PCK certificate revoked": |scene| {
        let guest = &mut scene.guest;
        revoke(&mut guest.collateral.pck_crl, &guest.pck_spec.serial);
    };
    "not-revoked", "the CA revoked": |scene| {
        let ca = scene.guest.hierarchy.pck_ca_key(PckCa::Platform).key_identifier();
        revoke(&mut scene.guest.collateral.root_ca_crl, &ca);
    };
    "not-revoked", "the root revoked": |scene| {
        let root = scene.guest.hierarchy.root_key().key_identifier();
        revoke(&mut scene.guest.collateral.root_ca_crl, &root);
    };
    "not-revoked", "the signer of documents revoked": |scene| {
        let signer = scene.guest.hierarchy.tcb_signing_key().key_identifier();
        revoke(&mut scene.guest.collateral.root_ca_crl, &signer);
    };
    "not-revoked", "the signer of the enclave's identity revoked, which is not that of TCB info", after two_signers: |scene| {
        scene.edit_bundle = |guest, bundle| {
            let serial = second_signer(guest, bundle);
            let list = root_crl_spec(&guest.hierarchy).revoke(&serial);
            bundle.revocation_lists[0] = list.sign(guest.hierarchy.root_key());
        };
    };
    "not-revoked", "the PCK certificate revoked by an older list, beside a current one that is silent": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let mut old = pck_crl_spec(&guest.hierarchy, PckCa::Platform).revoke(&guest.pck_spec.serial);
            old.next_update = Some(june_2026() - DAY);
            bundle.revocation_lists.push(old.sign(guest.hierarchy.pck_ca_key(PckCa::Platform)));
        };
    };
    "crl-current", "a list of the root that ended yesterday": |scene| {
        scene.guest.collateral.root_ca_crl.next_update = Some(june_2026() - DAY);
    };
    "crl-current", "a list of the root that ends now": |scene| {
        scene.guest.collateral.root_ca_crl.next_update = Some(june_2026());
    };
    "crl-current", "a list of the root of tomorrow": |scene| {
        scene.guest.collateral.root_ca_crl.this_update = june_2026() + DAY;
    };
    "crl-current", "a list of the CA that ended yesterday": |scene| {
        scene.guest.collateral.pck_crl.next_update = Some(june_2026() - DAY);
    };
    "crl-current", "a list of the CA of tomorrow": |scene| {
        scene.guest.collateral.pck_crl.this_update = june_2026() + DAY;
    };
    "tcb-info-signature", "TCB info that somebody else signed": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let signed = SignedDocument::tcb_info(&guest.collateral.tcb_info, &stranger());
            bundle.documents[0] = signed.json().into_bytes();
        };
    };
    "tcb-info-signature", "TCB info changed after signing": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let mut info = guest.collateral();
            info.tcb_info.body = info.tcb_info.body.replacen("\"pcesvn\":13", "\"pcesvn\":12", 1);
            bundle.documents[0] = info.tcb_info.json().into_bytes();
        };
    };
    "tcb-info-current", "TCB info that ended yesterday": |scene| {
        scene.guest.collateral.tcb_info.next_update = rfc3339(june_2026() - DAY);
    };
    "tcb-info-current", "TCB info of tomorrow": |scene| {
        scene.guest.collateral.tcb_info.issue_date = rfc3339(june_2026() + DAY);
    };
    "tcb-info-platform", "TCB info of another PCE": |scene| {
        scene.guest.collateral.tcb_info.pce_id = "0001".to_owned();
    };
    "tcb-info-platform", "a platform of another PCE": |scene| issue(scene, |spec| spec.pce_id = vec![1, 0]);
    "tcb-info-platform", "TCB info of another type": |scene| scene.guest.collateral.tcb_info.tcb_type = 1;
    "tcb-info-platform", "TCB info of version 2": |scene| scene.guest.collateral.tcb_info.version = 2;
    "qe-identity-signature", "an identity that somebody else signed": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let signed = SignedDocument::qe_identity(&guest.collateral.qe_identity, &stranger());
            bundle.documents[1] = signed.json().into_bytes();
        };
    };
    "qe-identity-signature", "an identity changed after signing": |scene| {
        scene.edit_bundle = |guest, bundle| {
            let mut all = guest.collateral();
            all.qe_identity.body = all.qe_identity.body.replacen("\"isvsvn\":4", "\"isvsvn\":3", 1);
            bundle.documents[1] = all.qe_identity.json().into_bytes();
        };
    };
    "qe-identity-current", "an identity that ended yesterday": |scene| {
        scene.guest.collateral.qe_identity.next_update = rfc3339(june_2026() - DAY);
    };
    "qe-identity-current", "an identity of tomorrow": |scene| {
        scene.guest.collateral.qe_identity.issue_date = rfc3339(june_2026() + DAY);
    };
    "tcb-level", "a processor below every level": |scene| {
        issue(scene, |spec| {
            let mut components = spec.components;
            components[0] -= 2;
            spec.set_components(components);
        });
    };
    "tcb-level", "a PCE below every level": |scene| issue(scene, |spec| spec.pce_svn = 4);
    "tcb-level", "a late microcode update below every level": |scene| scene.guest.quote.body.tee_tcb_svn[2] = 2;
    "tcb-level", "a TDX module below every level": |scene| scene.guest.quote.body.tee_tcb_svn[0] = 1;
    "tcb-level", "a TDX module of a version that Intel does not list": |scene| scene.guest.quote.body.tee_tcb_svn[1] = 2;
    "tcb-level", "a TDX module that is now below every level", after td15: |scene| {
        scene.guest.quote.body.tee_tcb_svn2[2] = 2;
    };
    "tcb-level", "a quoting enclave below every level": |scene| scene.guest.quote.qe_report.isv_svn = 3;
    "tcb-level", "a platform at a revoked level": |scene| scene.guest.collateral.tcb_info.set_status("Revoked", &[]);
    "tcb-level", "a TDX module at a revoked level": |scene| {
        module_levels(scene, |level| level.tcb_status = "Revoked".to_owned());
    };
    "tcb-level", "a quoting enclave at a revoked level": |scene| {
        scene.guest.collateral.qe_identity.tcb_levels[0].tcb_status = "Revoked".to_owned();
    };
    "tcb-accepted", "a platform that is out of date": |scene| {
        scene.guest.collateral.tcb_info.set_status("OutOfDate", &[]);
    };
    "tcb-accepted", "a TDX module that is out of date": |scene| scene.guest.quote.body.tee_tcb_svn[0] = 4;
    "tcb-accepted", "a quoting enclave that is out of date": |scene| {
        let levels = &mut scene.guest.collateral.qe_identity.tcb_levels;
        *levels = vec![TcbLevel::up_to_date(IsvTcb { isv_svn: 8 }), TcbLevel::out_of_date(IsvTcb { isv_svn: 7 })];
    };
    "tcb-accepted", "a quoting enclave whose platform must be configured otherwise": |scene| {
        scene.guest.collateral.qe_identity.tcb_levels[0].tcb_status = "ConfigurationNeeded".to_owned();
    };
    "tcb-accepted", "a platform whose software must guard itself": |scene| {
        scene.guest.collateral.tcb_info.set_status("SWHardeningNeeded", &[]);
    };
    "tcb-accepted", "a TD that outlived its TDX module", after td15: |scene| scene.guest.quote.body.tee_tcb_svn[0] = 4;
    "tcb-accepted", "a TD that outlived its TDX module, under a quoting enclave that must be configured otherwise", after relaunch: |scene| {
        scene.guest.collateral.qe_identity.tcb_levels[0].tcb_status = "ConfigurationNeeded".to_owned();
    };
    "tcb-accepted", "another status than the accepted one", after out_of_date: |scene| {
        scene.guest.collateral.tcb_info.set_status("ConfigurationNeeded", &[]);
    };
    "tcb-accepted", "a grace period that ended a second ago", after grace_period: |scene| scene.at += 1;
    "tcb-evaluation-floor", "TCB info of an earlier evaluation", after evaluation: |scene| {
        scene.guest.collateral.tcb_info.tcb_evaluation_data_number = 18;
    };
    "tcb-evaluation-floor", "an identity of an earlier evaluation", after evaluation: |scene| {
        scene.guest.collateral.qe_identity.tcb_evaluation_data_number = 18;
    };
    "tcb-date-floor", "a platform's level of an earlier date", after dated: |scene| {
        scene.guest.collateral.tcb_info.tcb_levels[0].tcb_date = "2025-05-13T23:59:59Z".to_owned();
    };
    "tcb-date-floor", "a quoting enclave's level of an earlier date", after dated: |scene| {
        scene.guest.collateral.qe_identity.tcb_levels[0].tcb_date = "2025-05-13T23:59:59Z".to_owned();
    };
    "advisories", "an advisory of the platform", after advisories: |scene| {
        scene.guest.collateral.tcb_info.set_status("OutOfDate", &["INTEL-SA-00001"]);
    };
    "advisories", "an advisory of the quoting enclave", after advisories: |scene| {
        scene.guest.collateral.qe_identity.tcb_levels[0].advisory_ids = vec!["INTEL-SA-00001".to_owned()];
    };
    "platform-flags", "a platform that can grow", after plain_platform: |scene| {
        issue(scene, |spec| spec.configuration.as_mut().unwrap().dynamic_platform = true);
    };
    "platform-flags", "a platform whose certificate does not say what it is", after plain_platform: |scene| {
        issue(scene, |spec| spec.configuration = None);
    };
    "platform-flags", "a platform whose keys Intel keeps", after plain_platform: |scene| {
        issue(scene, |spec| spec.configuration.as_mut().unwrap().cached_keys = true);
    };
    "platform-flags", "a platform with hyper-threading", after plain_platform: |scene| {
        issue(scene, |spec| spec.configuration.as_mut().unwrap().smt_enabled = true);
    };
}

/// Names a certificate in a list.
fn revoke(list: &mut CrlSpec, serial: &[u8]) {
    *list = list.clone().revoke(serial);
}

/// A grace period that ends at the time of verification: 383 days after the date of the level.
pub(crate) fn grace_period(scene: &mut Scene) {
    out_of_date(scene);
    add_policy(scene, "grace-period-days = 383");
}

/// A TD that was launched under an older TDX module than the one that runs now, which the policy takes.
pub(crate) fn relaunch(scene: &mut Scene) {
    td15(scene);
    scene.guest.quote.body.tee_tcb_svn[0] = 4;
    scene.policy = quote_policy(r#"accept-tcb-status = ["TDRelaunchAdvised"]"#);
}

fn evaluation(scene: &mut Scene) {
    scene.policy = quote_policy("minimum-tcb-evaluation = 19");
}

fn dated(scene: &mut Scene) {
    scene.policy = quote_policy("minimum-tcb-date = \"2025-05-14\"");
}

fn advisories(scene: &mut Scene) {
    out_of_date(scene);
    add_policy(scene, "reject-advisories = [\"INTEL-SA-00001\"]");
}

/// A platform that is none of what a policy rejects.
pub(crate) fn plain_platform(scene: &mut Scene) {
    scene.policy = quote_policy(r#"reject-platforms = ["cached-keys", "dynamic-platform", "smt"]"#);
    issue(scene, |spec| {
        let plain = Configuration { dynamic_platform: false, cached_keys: false, smt_enabled: false };
        spec.configuration = Some(plain);
    });
}
