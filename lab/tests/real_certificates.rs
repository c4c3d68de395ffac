//! The certificates and the CRL are AMD's in every byte but keys, dates and signatures: with those of a real one put
//! in, the forged TBSCertificate is the real one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may panic like tests"
)]

mod vectors;

use const_oid::ObjectIdentifier;
use der::{Decode as _, DecodePem as _, Encode as _};
use lab::amd::vek::oid;
use lab::amd::{Hierarchy, Product, Tcb, VekKind, VekSpec, crl_spec};
use lab::x509::{CertSpec, PssEncoding, authority_key_identifier, subject_key_identifier};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

use vectors::vectors;

/// Puts the key and the dates of a real certificate into a forged one.
fn adopt(spec: CertSpec, real: &Certificate) -> CertSpec {
    let tbs = real.tbs_certificate();
    let mut spec = CertSpec {
        spki: tbs.subject_public_key_info().to_der().unwrap(),
        not_before: tbs.validity().not_before.to_unix_duration().as_secs(),
        not_after: tbs.validity().not_after.to_unix_duration().as_secs(),
        ..spec
    };
    if let Some((_, id)) = tbs.get_extension::<SubjectKeyIdentifier>().unwrap() {
        spec.set_extension(subject_key_identifier(id.0.as_bytes().try_into().unwrap()));
    }
    if let Some((_, id)) = tbs.get_extension::<AuthorityKeyIdentifier>().unwrap() {
        spec.set_extension(authority_key_identifier(
            id.key_identifier.unwrap().as_bytes().try_into().unwrap(),
        ));
    }
    spec
}

fn pss_encoding(parameters: &der::Any) -> PssEncoding {
    let parameters = parameters.to_der().unwrap();
    [PssEncoding::Explicit, PssEncoding::Default]
        .into_iter()
        .find(|encoding| encoding.parameters() == parameters)
        .unwrap()
}

#[test]
fn authorities_have_the_bytes_of_amds() {
    let Some(vectors) = vectors("authorities_have_the_bytes_of_amds") else { return };
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        let name = product.name().to_lowercase();
        for (file, spec) in
            [("ark", hierarchy.ark_spec()), ("ask", hierarchy.ask_spec()), ("asvk", hierarchy.asvk_spec())]
        {
            let pem = std::fs::read(vectors.join(format!("roots/amd/{file}_{name}.pem"))).unwrap();
            let real = Certificate::from_pem(pem).unwrap();
            let forged = adopt(spec, &real).tbs();
            assert_eq!(
                hex::encode(forged),
                hex::encode(real.tbs_certificate().to_der().unwrap()),
                "{file}_{name}"
            );
        }
    }
}

/// The value of an extension that holds an INTEGER from 0 to 255.
fn integer(real: &Certificate, oid: ObjectIdentifier) -> Option<u8> {
    Some(u8::from_der(&raw(real, oid)?).unwrap())
}

/// The value of an extension that holds an IA5String.
fn text(real: &Certificate, oid: ObjectIdentifier) -> Option<String> {
    let value = raw(real, oid)?;
    assert_eq!((value[0], usize::from(value[1])), (0x16, value.len() - 2));
    Some(String::from_utf8(value[2..].to_vec()).unwrap())
}

fn raw(real: &Certificate, oid: ObjectIdentifier) -> Option<Vec<u8>> {
    let extensions = real.tbs_certificate().extensions().unwrap();
    let extension = extensions.iter().find(|extension| extension.extn_id == oid)?;
    Some(extension.extn_value.as_bytes().to_vec())
}

/// The specification of a real VEK certificate.
fn vek_spec(real: &Certificate) -> VekSpec {
    let product_name = text(real, oid::PRODUCT_NAME).unwrap();
    let product = Product::ALL.into_iter().find(|product| product_name.starts_with(product.name())).unwrap();
    let hwid = raw(real, oid::HWID);
    let (kind, common_name) = match hwid {
        Some(_) => (VekKind::Vcek, "SEV-VCEK"),
        None => (VekKind::Vlek, "SEV-VLEK"),
    };
    VekSpec {
        kind,
        product,
        struct_version: integer(real, oid::STRUCT_VERSION).unwrap(),
        product_name,
        tcb: Tcb {
            fmc: integer(real, oid::FMC),
            bl: integer(real, oid::BL).unwrap(),
            tee: integer(real, oid::TEE).unwrap(),
            snp: integer(real, oid::SNP).unwrap(),
            spl4: integer(real, oid::SPL4).unwrap_or(0),
            spl5: integer(real, oid::SPL5).unwrap(),
            spl6: integer(real, oid::SPL6).unwrap(),
            spl7: integer(real, oid::SPL7).unwrap(),
            ucode: integer(real, oid::UCODE).unwrap(),
        },
        hwid,
        csp_id: text(real, oid::CSP_ID),
        common_name: common_name.to_owned(),
        pss_encoding: pss_encoding(real.signature_algorithm().parameters.as_ref().unwrap()),
        ..VekSpec::vcek(product)
    }
}

#[test]
fn veks_have_the_bytes_of_amds() {
    let Some(vectors) = vectors("veks_have_the_bytes_of_amds") else { return };
    let mut count = 0;
    for folder in ["snp", "aws"] {
        for entry in std::fs::read_dir(vectors.join(folder)).unwrap() {
            for file in ["vcek.der", "vlek.der"] {
                let path = entry.as_ref().unwrap().path().join(file);
                let Ok(der) = std::fs::read(&path) else { continue };
                let real = Certificate::from_der(&der).unwrap();
                let spec = vek_spec(&real);
                let forged = adopt(spec.cert_spec(&Hierarchy::new(spec.product)), &real);
                assert_eq!(
                    hex::encode(forged.tbs()),
                    hex::encode(real.tbs_certificate().to_der().unwrap()),
                    "{}",
                    path.display()
                );
                count += 1;
            }
        }
    }
    assert_eq!(count, 14);
}

#[test]
fn the_crl_has_the_bytes_of_amds() {
    let Some(vectors) = vectors("the_crl_has_the_bytes_of_amds") else { return };
    let der = std::fs::read(vectors.join("roots/amd/crl_milan_2023-05-09.crl")).unwrap();
    let real = <CertificateList>::from_der(&der).unwrap();
    let mut spec = crl_spec(&Hierarchy::new(Product::Milan));
    spec.this_update = real.tbs_cert_list.this_update.to_unix_duration().as_secs();
    spec.next_update = real.tbs_cert_list.next_update.map(|time| time.to_unix_duration().as_secs());
    let extensions = real.tbs_cert_list.crl_extensions.as_ref().unwrap();
    assert_eq!(extensions[1], spec.extensions[1], "the CRL's number is the real one's");
    spec.extensions[0] = extensions[0].clone();
    assert_eq!(hex::encode(spec.tbs()), hex::encode(real.tbs_cert_list.to_der().unwrap()));
}
