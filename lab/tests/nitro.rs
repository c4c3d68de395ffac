//! What is forged of AWS is AWS's in every byte but keys, dates, serial numbers and signatures: with those of a real document put in,
//! certificates and payload are the real ones.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like tests")]

mod vectors;

use std::fs;

use ciborium::Value;
use der::{Decode as _, Encode as _};
use lab::aws::{DocumentSpec, Hierarchy, Lengths};
use lab::x509::{CertSpec, authority_key_identifier, crl_distribution_point, subject_key_identifier};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlDistributionPoints, SubjectKeyIdentifier};

use vectors::vectors;

/// Where the real document was made.
const REGION: &str = "us-east-1";
const INSTANCE: &str = "i-01cfb383223e42522";

/// Puts the key, the dates, the serial number and what names keys and lists of a real certificate into a forged one.
fn adopt(spec: CertSpec, real: &Certificate) -> CertSpec {
    let tbs = real.tbs_certificate();
    let mut spec = CertSpec {
        serial: tbs.serial_number().as_bytes().to_vec(),
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
    if let Some((_, points)) = tbs.get_extension::<CrlDistributionPoints>().unwrap()
        && let Some(DistributionPointName::FullName(names)) = &points.0[0].distribution_point
        && let GeneralName::UniformResourceIdentifier(url) = &names[0]
    {
        spec.set_extension(crl_distribution_point(url.as_str()));
    }
    spec
}

#[test]
fn a_forged_document_is_a_real_one_but_for_keys_and_signatures() {
    let Some(vectors) = vectors("a_forged_document_is_a_real_one_but_for_keys_and_signatures") else {
        return;
    };
    let bytes = fs::read(vectors.join("aws/nitrotpm-vaportpm/document.cbor")).unwrap();
    let message: Value = ciborium::from_reader(&bytes[..]).unwrap();
    let message = message.into_array().unwrap();
    let payload = message[2].as_bytes().unwrap();
    let members: Value = ciborium::from_reader(&payload[..]).unwrap();
    let members = members.into_map().unwrap();
    let member = |name: &str| {
        members
            .iter()
            .find(|(known, _)| known.as_text() == Some(name))
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    let number = |value: &Value| u64::try_from(value.as_integer().unwrap()).unwrap();

    let module_id = member("module_id").into_text().unwrap();
    let mut spec = DocumentSpec::new(&module_id, number(&member("timestamp")));
    let pcrs = member("nitrotpm_pcrs").into_map().unwrap();
    spec.pcrs = pcrs.iter().map(|(pcr, value)| (number(pcr), value.as_bytes().unwrap().clone())).collect();
    spec.certificate = member("certificate").into_bytes().unwrap();
    let bundle = member("cabundle").into_array().unwrap();
    spec.cabundle = bundle.into_iter().map(|der| der.into_bytes().unwrap()).collect();
    spec.public_key = member("public_key").into_bytes().ok();
    spec.user_data = member("user_data").into_bytes().ok();
    spec.nonce = member("nonce").into_bytes().ok();
    assert_eq!(spec.payload, Lengths::Indefinite);
    assert_eq!(&spec.payload(), payload);
    assert_eq!(spec.message(payload, message[3].as_bytes().unwrap()), bytes);

    let hierarchy = Hierarchy::new();
    let forged = [
        hierarchy.root_spec(),
        hierarchy.regional_spec(REGION),
        hierarchy.zonal_spec(REGION),
        hierarchy.instance_spec(INSTANCE, REGION),
        hierarchy.tpm_spec(&module_id, INSTANCE, REGION, hierarchy.instance.spki()),
    ];
    let real = spec.cabundle.iter().chain([&spec.certificate]);
    for (forged, real) in forged.into_iter().zip(real) {
        let real = Certificate::from_der(real).unwrap();
        let tbs = real.tbs_certificate().to_der().unwrap();
        assert_eq!(adopt(forged, &real).tbs(), tbs, "{}", real.tbs_certificate().subject());
    }
}
