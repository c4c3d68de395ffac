//! The certificate authorities of Google's virtual TPMs, and the certificates of attestation keys.

use std::sync::{Arc, LazyLock};

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc2256, rfc4519};
use der::Tag;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::InstanceSpec;
use crate::keys::{EcdsaKey, P256, P256Key, Pkcs1, RsaKey};
use crate::time::utc_day;
use crate::x509::{
    CertSpec, CrlSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, ca_issuers,
    crl_distribution_point, crl_number, distinguished_name, ext_key_usage, key_usage, subject_key_identifier,
};

/// The common name of the root.
pub const ROOT_NAME: &str = "EK/AK CA Root";
/// The common name of every authority below it.
pub const CA_NAME: &str = "EK/AK CA Intermediate";

/// Where the forged root publishes.
pub const ROOT_FOLDER: &str = "http://privateca-content-00000000-0000-0000-0000-000000000001.storage.googleapis.com/00000000000000000001";
/// Where the forged authority publishes its certificate.
pub const CA_FOLDER: &str = "http://privateca-content-00000000-0000-0000-0000-000000000002.storage.googleapis.com/00000000000000000002";

/// tcg-kp-EKCertificate (TCG EK Credential Profile, §3.2.16): what Google's authorities say of themselves.
pub const EK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");

/// The forged authorities. Their certificates are valid from 2022-07-08 to 2122-07-08 and signed once in a process; they mirror
/// Google's: names, extensions and their order, algorithms.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    root_key: RsaKey,
    ca_key: RsaKey,
    certificates: Arc<[Vec<u8>; 2]>,
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self::new()
    }
}

impl Hierarchy {
    /// The lab's only hierarchy of Google.
    #[must_use]
    pub fn new() -> Self {
        static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(|| {
            let unsigned = Hierarchy {
                root_key: RsaKey::from_pkcs8(include_bytes!("../../keys/google_ak_root.pk8")),
                ca_key: RsaKey::from_pkcs8(include_bytes!("../../keys/google_ak_ca.pk8")),
                certificates: Arc::default(),
            };
            let root = unsigned.root_spec().sign(&Pkcs1::Sha256(&unsigned.root_key));
            let ca = unsigned.ca_spec().sign(&Pkcs1::Sha256(&unsigned.root_key));
            Hierarchy { certificates: Arc::new([root, ca]), ..unsigned }
        });
        HIERARCHY.clone()
    }

    /// The root's certificate, DER-encoded, self-signed.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        let [root, _] = &*self.certificates;
        root
    }

    /// The certificate of the authority below it, DER-encoded.
    #[must_use]
    pub fn ca(&self) -> &[u8] {
        let [_, ca] = &*self.certificates;
        ca
    }

    /// The root's key.
    #[must_use]
    pub const fn root_key(&self) -> &RsaKey {
        &self.root_key
    }

    /// The key of the authority below it.
    #[must_use]
    pub const fn ca_key(&self) -> &RsaKey {
        &self.ca_key
    }

    /// The root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        vec![(ROOT_NAME.to_owned(), self.root_key.spki_sha256())]
    }

    /// The attestation key of the forged VM.
    #[must_use]
    pub fn ak() -> EcdsaKey<P256> {
        P256Key::from_label("google ak")
    }

    /// The root's certificate before it is signed.
    #[must_use]
    pub fn root_spec(&self) -> CertSpec {
        CertSpec {
            version: 2,
            serial: vec![0xA6, 1],
            issuer: google(ROOT_NAME),
            not_before: utc_day(2022, 7, 8),
            not_after: utc_day(2122, 7, 8),
            subject: google(ROOT_NAME),
            spki: self.root_key.spki().to_vec(),
            extensions: vec![
                key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
                ext_key_usage(&[EK_CERTIFICATE]),
                basic_constraints(true, None),
                subject_key_identifier(self.root_key.key_identifier()),
                authority_key_identifier(self.root_key.key_identifier()),
            ],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
            outer_algorithm: None,
        }
    }

    /// The certificate of the authority before it is signed by [`Self::root_key`].
    #[must_use]
    pub fn ca_spec(&self) -> CertSpec {
        CertSpec {
            serial: vec![0x68, 0x8F],
            not_before: utc_day(2024, 2, 22),
            subject: google(CA_NAME),
            spki: self.ca_key.spki().to_vec(),
            extensions: vec![
                key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
                ext_key_usage(&[EK_CERTIFICATE]),
                basic_constraints(true, None),
                subject_key_identifier(self.ca_key.key_identifier()),
                authority_key_identifier(self.root_key.key_identifier()),
                ca_issuers(&format!("{ROOT_FOLDER}/ca.crt")),
                crl_distribution_point(&format!("{ROOT_FOLDER}/crl.crl")),
            ],
            ..self.root_spec()
        }
    }

    /// The certificate of [`Self::ak`], before it is signed by [`Self::ca_key`]: for the VM of `instance`, for thirty years from
    /// 2026-02-02. Google's names no revocation list, and neither does this one.
    #[must_use]
    pub fn ak_spec(&self, instance: &InstanceSpec) -> CertSpec {
        let ak = Self::ak();
        CertSpec {
            version: 2,
            serial: vec![0x94, 0xB2, 2],
            issuer: google(CA_NAME),
            not_before: utc_day(2026, 2, 2),
            not_after: utc_day(2056, 1, 26),
            subject: distinguished_name(&[
                (rfc4519::LOCALITY_NAME, Tag::PrintableString, &instance.zone),
                (rfc4519::ORGANIZATION_NAME, Tag::PrintableString, "Google Compute Engine"),
                (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::PrintableString, &instance.project_id),
                (rfc4519::COMMON_NAME, Tag::PrintableString, &instance.instance_id.to_string()),
            ]),
            spki: ak.spki(),
            extensions: vec![
                key_usage(KeyUsages::DigitalSignature),
                basic_constraints(false, None),
                subject_key_identifier(ak.key_identifier()),
                authority_key_identifier(self.ca_key.key_identifier()),
                ca_issuers(&format!("{CA_FOLDER}/ca.crt")),
                instance.extension(),
            ],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
            outer_algorithm: None,
        }
    }

    /// The revocation list of the root (`true`) or of the authority below it, before it is signed: of 2026, empty.
    #[must_use]
    pub fn crl_spec(&self, of_root: bool) -> CrlSpec {
        CrlSpec {
            issuer: google(if of_root { ROOT_NAME } else { CA_NAME }),
            this_update: utc_day(2026, 1, 1),
            next_update: Some(utc_day(2027, 1, 1)),
            revoked: Vec::new(),
            entry_extensions: Vec::new(),
            extensions: vec![crl_number(1)],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
            outer_algorithm: None,
        }
    }

    /// The list of the root, and one of the authority below it, which Google's does not publish; signed.
    #[must_use]
    pub fn crls(&self) -> [Vec<u8>; 2] {
        [
            self.crl_spec(true).sign(&Pkcs1::Sha256(&self.root_key)),
            self.crl_spec(false).sign(&Pkcs1::Sha256(&self.ca_key)),
        ]
    }
}

/// A name as Google's authorities of virtual TPMs have it.
#[must_use]
pub fn google(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc2256::STATE_OR_PROVINCE_NAME, Tag::PrintableString, "California"),
        (rfc4519::LOCALITY_NAME, Tag::PrintableString, "Mountain View"),
        (rfc4519::ORGANIZATION_NAME, Tag::PrintableString, "Google LLC"),
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::PrintableString, "Google Cloud"),
        (rfc4519::COMMON_NAME, Tag::PrintableString, name),
    ])
}
