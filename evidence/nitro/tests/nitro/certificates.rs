//! Certificates with one defect each, signed by the right key unless that is the defect.

use const_oid::db::rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_KEY_USAGE};
use evidence_nitro::{Error, nitro_anchors};
use evidence_x509::PathError;
use lab::{
    aws::{
        Instance,
        hierarchy::{amazon, amazon_seattle, zonal_name},
    },
    keys::{EcKey, P256Key},
    x509::{basic_constraints, extension, key_usage},
};
use x509_cert::ext::pkix::KeyUsages;

use crate::{failed, input, verify};

const ROOT: usize = 0;
const REGIONAL: usize = 1;
const ZONAL: usize = 2;
const INSTANCE: usize = 3;

fn check(edit: impl FnOnce(&mut Instance)) -> &'static str {
    failed(edit).0
}

#[test]
fn certificates_can_be_read() {
    let of_p256 = |instance: &mut Instance| instance.certificate.0.spki = P256Key::from_label("nitro").spki();
    assert_eq!(failed(of_p256), ("nitro-certificates", Error::CertificateKey(65)));
    // The hybrid form of a point (X9.62, §4.3.6), which has as many bytes.
    let hybrid = |instance: &mut Instance| {
        let point = instance.certificate.0.spki.len() - 97;
        instance.certificate.0.spki[point] = 6;
    };
    assert_eq!(failed(hybrid), ("nitro-certificates", Error::CertificateKey(97)));
    let mut spec = Instance::new().filled();
    let key = Instance::new().tpm;
    let refused = |document: &[u8]| {
        assert!(matches!(verify(document), Err(("nitro-certificates", Error::Certificate(_)))))
    };
    let certificate = std::mem::replace(&mut spec.certificate, vec![0x30, 0]);
    refused(&spec.sign(&key));
    spec.certificate = [&certificate[..], &[0]].concat();
    refused(&spec.sign(&key));
    spec.certificate = certificate;
    spec.cabundle[REGIONAL].push(0);
    refused(&spec.sign(&key));
}

#[test]
fn the_root_is_pinned_by_name_and_key() {
    let document = Instance::new().sign();
    let aws = nitro_anchors();
    assert_eq!(input(&document, &aws).verify().unwrap_err().check.name(), "nitro-root-pinned");
    let other = EcKey::from_label("another root");
    let of_another_key = |instance: &mut Instance| {
        instance.authorities[ROOT].0.spki = other.spki();
        instance.authorities[ROOT].1 = other.clone();
        instance.authorities[REGIONAL].1 = other;
    };
    let unpinned = Error::UnpinnedRoot("aws.nitro-enclaves".to_owned());
    assert_eq!(failed(of_another_key), ("nitro-root-pinned", unpinned));
    let of_another_name = |instance: &mut Instance| {
        instance.authorities[ROOT].0.subject = amazon("aws-cn.nitro-enclaves");
        instance.authorities[ROOT].0.issuer = amazon("aws-cn.nitro-enclaves");
        instance.authorities[REGIONAL].0.issuer = amazon("aws-cn.nitro-enclaves");
    };
    assert_eq!(check(of_another_name), "nitro-root-pinned");
    // The other way round, and without the root.
    assert_eq!(check(|instance| instance.authorities.reverse()), "nitro-root-pinned");
    assert_eq!(check(|instance| drop(instance.authorities.remove(ROOT))), "nitro-root-pinned");
}

#[test]
fn every_certificate_is_valid_when_the_document_is_made() {
    let outside = |edit: &dyn Fn(&mut Instance)| {
        let (check, error) = failed(edit);
        assert_eq!(check, "nitro-chain-validity");
        assert!(matches!(error, Error::Path(PathError::OutsideValidity { .. })), "{error}");
    };
    for at in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        outside(&|instance| instance.authorities[at].0.not_before = Instance::now() + 1);
        outside(&|instance| instance.authorities[at].0.not_after = Instance::now() - 1);
    }
    outside(&|instance| instance.certificate.0.not_before = Instance::now() + 1);
    outside(&|instance| instance.certificate.0.not_after = Instance::now() - 1);
    let mut instance = Instance::new();
    instance.certificate.0.not_before = Instance::now();
    instance.certificate.0.not_after = Instance::now();
    verify(&instance.sign()).unwrap();
}

#[test]
fn each_key_is_for_what_it_does() {
    for (usage, what) in [
        (KeyUsages::NonRepudiation.into(), "does not sign data"),
        (KeyUsages::DigitalSignature | KeyUsages::KeyCertSign, "signs certificates"),
    ] {
        assert_eq!(
            check(|instance| instance.certificate.0.set_extension(key_usage(usage))),
            "nitro-key-usage",
            "{what}"
        );
    }
    assert_eq!(check(|instance| instance.certificate.0.remove_extension(ID_CE_KEY_USAGE)), "nitro-key-usage");
    for at in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        let usage = KeyUsages::DigitalSignature | KeyUsages::CRLSign;
        let other = |instance: &mut Instance| instance.authorities[at].0.set_extension(key_usage(usage));
        assert_eq!(check(other), "nitro-key-usage", "{at}");
        let none = |instance: &mut Instance| instance.authorities[at].0.remove_extension(ID_CE_KEY_USAGE);
        assert_eq!(check(none), "nitro-key-usage", "{at}");
    }
}

#[test]
fn signatures_names_and_constraints_lead_to_the_root() {
    const CHECK: &str = "nitro-chain-signatures";
    let other = EcKey::from_label("nobody");
    for at in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        assert_eq!(check(|instance| instance.authorities[at].1 = other.clone()), CHECK, "{at}");
    }
    assert_eq!(check(|instance| instance.certificate.1 = other.clone()), CHECK);
    // Another issuer's name, though the right key signed.
    let name = || zonal_name("74d947fb1bac401e.zonal.us-east-2.aws.nitro-enclaves");
    assert_eq!(check(|instance| instance.authorities[INSTANCE].0.issuer = name()), CHECK);
    // Fewer may follow than do.
    for (at, length) in [(REGIONAL, 1), (ZONAL, 0)] {
        let shorter = basic_constraints(true, Some(length));
        assert_eq!(check(|instance| instance.authorities[at].0.set_extension(shorter)), CHECK, "{at}");
    }
    for at in [REGIONAL, ZONAL, INSTANCE] {
        let no_authority = basic_constraints(false, None);
        assert_eq!(check(|instance| instance.authorities[at].0.set_extension(no_authority)), CHECK, "{at}");
        let remove =
            |instance: &mut Instance| instance.authorities[at].0.remove_extension(ID_CE_BASIC_CONSTRAINTS);
        assert_eq!(check(remove), CHECK, "{at}");
        assert_eq!(check(|instance| drop(instance.authorities.remove(at))), CHECK, "{at}");
    }
    let authority = basic_constraints(true, None);
    assert_eq!(check(|instance| instance.certificate.0.set_extension(authority)), CHECK);
    let unknown = extension("1.3.6.1.4.1.1.1".parse().unwrap(), true, &[5, 0]);
    assert_eq!(check(|instance| instance.certificate.0.extensions.push(unknown)), CHECK);
}

#[test]
fn cabundle_is_the_path_and_nothing_else() {
    let disorder = |edit: fn(&mut Vec<Vec<u8>>)| {
        let instance = Instance::new();
        let mut spec = instance.filled();
        edit(&mut spec.cabundle);
        assert_eq!(
            verify(&spec.sign(&instance.tpm)).unwrap_err(),
            ("nitro-cabundle-order", Error::CabundleOrder)
        );
    };
    disorder(|bundle| bundle.swap(REGIONAL, ZONAL));
    disorder(|bundle| bundle.swap(ZONAL, INSTANCE));
    disorder(|bundle| bundle.push(bundle[INSTANCE].clone()));
    disorder(|bundle| bundle.insert(ROOT, bundle[ROOT].clone()));
    // An authority that has nothing to do with it.
    disorder(|bundle| {
        let mut other = Instance::new();
        other.authorities[REGIONAL].0.subject = amazon("0000000000000000.us-east-2.aws.nitro-enclaves");
        bundle.insert(REGIONAL, other.filled().cabundle[REGIONAL].clone());
    });
}

#[test]
fn the_signer_and_its_issuer_are_those_of_the_module() {
    const CHECK: &str = "nitro-module-id";
    for (module_id, what) in [
        ("i-01cfb383223e42522-enc0000000000000000", "an enclave"),
        ("i-01cfb383223e42523-tpm0000000000000000", "another instance"),
        ("i-01cfb383223e42522-tpm0000000000000001", "another tpm"),
        ("i-01cfb383223e42522-tpm00000000000000", "the beginning of the name"),
        ("i-01cfb383223e42522", "no tpm"),
        ("", "nothing"),
    ] {
        assert_eq!(check(|instance| instance.document.module_id = module_id.to_owned()), CHECK, "{what}");
    }
    let named = |name: &str| check(|instance| instance.certificate.0.subject = amazon_seattle(name));
    for name in [
        "i-01cfb383223e42522-tpm0000000000000000.us-east-2.aws-cn",
        "i-01cfb383223e42522-tpm0000000000000000.us-east-2",
        "i-01cfb383223e42522-tpm0000000000000000.a.b.aws",
        "i-01cfb383223e42522-tpm0000000000000000..aws",
        "i-01cfb383223e42522-tpm0000000000000000.aws",
        "i-01cfb383223e42522-enc0000000000000000.us-east-2.aws",
        // The region of the issuer is another.
        "i-01cfb383223e42522-tpm0000000000000000.us-east-1.aws",
    ] {
        assert_eq!(named(name), CHECK, "{name}");
    }
    // The authority of another instance vouches for this one's.
    let other = |name: &'static str| {
        move |instance: &mut Instance| {
            instance.authorities[INSTANCE].0.subject = amazon_seattle(name);
            instance.certificate.0.issuer = amazon_seattle(name);
        }
    };
    assert_eq!(check(other("i-01cfb383223e42523.us-east-2.aws.nitro-enclaves")), CHECK);
    assert_eq!(check(other("i-01cfb383223e42522.us-east-1.aws.nitro-enclaves")), CHECK);
    assert_eq!(check(other("i-01cfb383223e42522.us-east-2.aws")), CHECK);
    // Both name a region, and the name is none.
    let no_region = |instance: &mut Instance| {
        other("i-01cfb383223e42522.us.east.aws.nitro-enclaves")(instance);
        instance.certificate.0.subject =
            amazon_seattle("i-01cfb383223e42522-tpm0000000000000000.us.east.aws");
    };
    assert_eq!(check(no_region), CHECK);
}

#[test]
fn the_authorities_are_of_one_region() {
    let zonal = |instance: &mut Instance| {
        let name = zonal_name("74d947fb1bac401d.zonal.us-east-1.aws.nitro-enclaves");
        instance.authorities[ZONAL].0.subject = name.clone();
        instance.authorities[INSTANCE].0.issuer = name;
    };
    assert_eq!(check(zonal), "nitro-region");
    let regional = |instance: &mut Instance| {
        let name = amazon("733655d6d68f7bdf.eu-west-1.aws.nitro-enclaves");
        instance.authorities[REGIONAL].0.subject = name.clone();
        instance.authorities[ZONAL].0.issuer = name;
    };
    let (found, error) = failed(regional);
    assert_eq!(found, "nitro-region");
    let subject = "733655d6d68f7bdf.eu-west-1.aws.nitro-enclaves".to_owned();
    assert_eq!(error, Error::Region { subject, region: Instance::REGION.to_owned() });
}

#[test]
fn the_signer_signs() {
    let other = |instance: &mut Instance| instance.tpm = EcKey::from_label("nobody");
    assert_eq!(failed(other), ("nitro-signature", Error::Signature));
    // The right key, over the payload alone, and over other bytes than the header's.
    let instance = Instance::new();
    let spec = instance.filled();
    let payload = spec.payload();
    let mut to_be_signed = spec.to_be_signed(&payload);
    verify(&spec.message(&payload, &instance.tpm.sign(&to_be_signed))).unwrap();
    let refused = |signed: &[u8]| {
        let document = spec.message(&payload, &instance.tpm.sign(signed));
        assert_eq!(verify(&document).unwrap_err().0, "nitro-signature");
    };
    refused(&payload);
    to_be_signed[15] ^= 1;
    refused(&to_be_signed);
    assert_eq!(verify(&spec.message(&payload, &[0; 96])).unwrap_err().0, "nitro-signature");
}
