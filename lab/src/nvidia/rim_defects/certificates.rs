//! Manifests whose certificates have one defect each, signed by the right key unless that is the defect.

use const_oid::db::rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_KEY_USAGE};
use x509_cert::ext::pkix::KeyUsages;

use super::{Case, case, edited, made};
use crate::keys::{EcKey, P256Key};
use crate::nvidia::rim::RimSpec;
use crate::nvidia::rim_hierarchy::{DEVICE_ROOT_NAME, RimHierarchy, authority_name, root_name};
use crate::x509::{basic_constraints, key_usage};

pub(super) fn cases() -> Vec<Case> {
    let of =
        |name, check, edit: &dyn Fn(&mut RimHierarchy)| made(name, check, |spec| edit(&mut spec.hierarchy));
    let nobody = EcKey::from_label("nobody");
    let mut cases = vec![
        of("a signer on P-256", "rim-certificates", &|of| {
            of.spec(0).spki = P256Key::from_label("rim").spki()
        }),
        of("an authority on P-256", "rim-certificates", &|of| {
            of.spec(1).spki = P256Key::from_label("rim").spki()
        }),
        of("another root of the right name", "rim-root-pinned", &|of| of.replace_root_key(&nobody)),
        of("a root of another name", "rim-root-pinned", &|of| {
            of.spec(RimHierarchy::ROOT).subject = root_name("NVIDIA CoRIM L1 Root CA Debug Only");
            of.spec(RimHierarchy::ROOT).issuer = root_name("NVIDIA CoRIM L1 Root CA Debug Only");
            of.spec(RimHierarchy::UPPER).issuer = root_name("NVIDIA CoRIM L1 Root CA Debug Only");
        }),
        of("the root of devices", "rim-root-pinned", &|of| {
            of.spec(RimHierarchy::ROOT).subject = root_name(DEVICE_ROOT_NAME);
            of.spec(RimHierarchy::ROOT).issuer = root_name(DEVICE_ROOT_NAME);
            of.spec(RimHierarchy::UPPER).issuer = root_name(DEVICE_ROOT_NAME);
        }),
        of("root first", "rim-root-pinned", &|of| of.certificates.reverse()),
        of("a signer that is for certificates too", "rim-key-usage", &|of| {
            of.spec(0).set_extension(key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
        }),
        of("a signer without usage", "rim-key-usage", &|of| of.spec(0).remove_extension(ID_CE_KEY_USAGE)),
        of("a signer that is an authority", "rim-chain-signatures", &|of| {
            of.spec(0).set_extension(basic_constraints(true, None));
        }),
        of("more below the lower authority than may be", "rim-chain-signatures", &|of| {
            of.spec(RimHierarchy::UPPER).set_extension(basic_constraints(true, Some(0)));
        }),
        of("a signer of another issuer", "rim-chain-signatures", &|of| {
            of.spec(0).issuer = authority_name("NVIDIA Reference Value L3 GH100 001");
        }),
        of("authorities in another order", "rim-chain-signatures", &|of| of.certificates.swap(1, 2)),
        of("an authority twice", "rim-chain-signatures", &|of| {
            of.certificates[RimHierarchy::UPPER] = of.certificates[RimHierarchy::LOWER].clone();
        }),
        of("an authority that has nothing to do with it", "rim-chain-signatures", &|of| {
            // The signer is issued by the upper one.
            of.certificates[0].1 = of.certificates[RimHierarchy::LOWER].1.clone();
            of.spec(0).issuer = authority_name("NVIDIA Reference Value GH100 CA");
        }),
        of("certificates that are never valid at one time", "rim-chain-signatures", &|of| {
            of.spec(RimHierarchy::LOWER).not_after = of.spec(0).not_before.saturating_sub(1);
        }),
        of("a signer that has expired", "rim-chain-validity", &|of| {
            of.spec(0).not_after = RimHierarchy::now().saturating_sub(1);
        }),
        of("a signer that is not yet valid", "rim-chain-validity", &|of| {
            of.spec(0).not_before = RimHierarchy::now().saturating_add(1);
        }),
        of("an authority that has expired", "rim-chain-validity", &|of| {
            of.spec(RimHierarchy::UPPER).not_after = RimHierarchy::now().saturating_sub(1);
        }),
        of("a root that has expired", "rim-chain-validity", &|of| {
            of.spec(RimHierarchy::ROOT).not_after = RimHierarchy::now().saturating_sub(1);
        }),
    ];
    for (at, name) in [(1, "a lower authority"), (2, "an upper authority"), (3, "a root")] {
        cases.push(of(name, "rim-key-usage", &|of| of.spec(at).set_extension(key_usage(KeyUsages::CRLSign))));
    }
    for (at, name) in [(0, "signer"), (1, "lower authority"), (2, "upper authority"), (3, "root")] {
        // Of the root the key is pinned, and nobody but itself signs it.
        cases.push(of(name, "rim-chain-signatures", &|of| of.sign_by(at, &nobody)));
    }
    for (at, name) in [(1, "a lower one that is no authority"), (2, "an upper one that is no authority")] {
        cases.push(of(name, "rim-chain-signatures", &|of| {
            of.spec(at).remove_extension(ID_CE_BASIC_CONSTRAINTS)
        }));
    }
    let broken = |document: &str| edited(document, "<ds:X509Certificate>MII", "<ds:X509Certificate>MIJ");
    cases.push(case("a certificate that is none", "rim-certificates", broken(&RimSpec::new().sign())));
    cases
}
