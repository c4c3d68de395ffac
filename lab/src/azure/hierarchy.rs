//! The certificate authorities of Azure's virtual TPMs, and the certificates of attestation keys.

use std::sync::{Arc, LazyLock};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use der::Tag;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use crate::keys::{Pkcs1, RsaKey};
use crate::time::utc_day;
use crate::x509::{
    CertSpec, CrlSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, crl_number,
    distinguished_name, ext_key_usage, key_usage, subject_key_identifier,
};

/// The common name of the root.
pub const ROOT_NAME: &str = "Azure Virtual TPM Root Certificate Authority 2023";
/// The common name of the authority that issues certificates of attestation keys.
pub const CA_NAME: &str = "Global Virtual TPM CA - 03";

/// tcg-kp-AIKCertificate and tcg-kp-EKCertificate (TCG EK Credential Profile, §3.2.16).
pub const AIK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.3");
/// The purpose of certificates of endorsement keys.
pub const EK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");

/// The forged authorities. Their certificates are valid from 2024-01-01 to 2049-01-01 and signed once in a process; they mirror those
/// of Azure: names, extensions, algorithms.
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
    /// The lab's only hierarchy of Azure.
    #[must_use]
    pub fn new() -> Self {
        static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(|| {
            let unsigned = Hierarchy {
                root_key: RsaKey::from_pkcs8(include_bytes!("../../keys/azure_vtpm_root.pk8")),
                ca_key: RsaKey::from_pkcs8(include_bytes!("../../keys/azure_vtpm_ca.pk8")),
                certificates: Arc::default(),
            };
            let root = unsigned.root_spec().sign(&Pkcs1::Sha384(&unsigned.root_key));
            let ca = unsigned.ca_spec().sign(&Pkcs1::Sha384(&unsigned.root_key));
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

    /// The root's certificate before it is signed.
    #[must_use]
    pub fn root_spec(&self) -> CertSpec {
        CertSpec {
            version: 2,
            serial: vec![1],
            issuer: microsoft(ROOT_NAME),
            not_before: utc_day(2024, 1, 1),
            not_after: utc_day(2049, 1, 1),
            subject: microsoft(ROOT_NAME),
            spki: self.root_key.spki().to_vec(),
            extensions: vec![
                basic_constraints(true, None),
                key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature),
                subject_key_identifier(self.root_key.key_identifier()),
            ],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha384,
            outer_algorithm: None,
        }
    }

    /// The certificate of the authority before it is signed by [`Self::root_key`].
    #[must_use]
    pub fn ca_spec(&self) -> CertSpec {
        CertSpec {
            serial: vec![0x33, 9],
            subject: common_name(CA_NAME),
            spki: self.ca_key.spki().to_vec(),
            extensions: vec![
                basic_constraints(true, Some(0)),
                key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
                ext_key_usage(&[EK_CERTIFICATE, AIK_CERTIFICATE]),
                subject_key_identifier(self.ca_key.key_identifier()),
                authority_key_identifier(self.root_key.key_identifier()),
            ],
            ..self.root_spec()
        }
    }

    /// The certificate of the attestation key with this SubjectPublicKeyInfo, before it is signed by [`Self::ca_key`]: for one year
    /// from 2026-01-01, for a confidential VM.
    #[must_use]
    pub fn ak_spec(&self, spki: &[u8]) -> CertSpec {
        CertSpec {
            version: 2,
            serial: vec![0x64, 0x64, 0xDA],
            issuer: common_name(CA_NAME),
            not_before: utc_day(2026, 1, 1),
            not_after: utc_day(2027, 1, 1),
            subject: common_name("353c6d9a70bc.ConfidentialVM.Azure.windows.net"),
            spki: spki.to_vec(),
            extensions: vec![
                key_usage(KeyUsages::DigitalSignature),
                ext_key_usage(&[ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.12"), AIK_CERTIFICATE]),
                authority_key_identifier(self.ca_key.key_identifier()),
            ],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
            outer_algorithm: None,
        }
    }

    /// The revocation list of the root (`true`) or of the authority below it, before it is signed: of 2026, empty.
    #[must_use]
    pub fn crl_spec(&self, of_root: bool) -> CrlSpec {
        CrlSpec {
            issuer: if of_root { microsoft(ROOT_NAME) } else { common_name(CA_NAME) },
            this_update: utc_day(2026, 1, 1),
            next_update: Some(utc_day(2027, 1, 1)),
            revoked: Vec::new(),
            entry_extensions: Vec::new(),
            extensions: vec![crl_number(1)],
            algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
            outer_algorithm: None,
        }
    }

    /// The two revocation lists, signed.
    #[must_use]
    pub fn crls(&self) -> [Vec<u8>; 2] {
        [
            self.crl_spec(true).sign(&Pkcs1::Sha256(&self.root_key)),
            self.crl_spec(false).sign(&Pkcs1::Sha256(&self.ca_key)),
        ]
    }
}

/// A name as Microsoft's root has it.
#[must_use]
pub fn microsoft(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Microsoft Corporation"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
    ])
}

/// A name that is a common name alone.
#[must_use]
pub fn common_name(name: &str) -> Name {
    distinguished_name(&[(rfc4519::COMMON_NAME, Tag::Utf8String, name)])
}
