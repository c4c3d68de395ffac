//! The certificate authorities: root CA, PCK Platform CA, PCK Processor CA, and the key that signs
//! collateral.

use std::sync::{Arc, LazyLock};

use const_oid::db::rfc4519;
use der::Tag;
use der::flagset::FlagSet;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::PckCa;
use crate::keys::P256Key;
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, crl_distribution_point,
    distinguished_name, key_usage, subject_key_identifier,
};

/// The common name of the root CA.
pub const ROOT_NAME: &str = "Intel SGX Root CA";
/// The common name of the certificate whose key signs TCB info and QE identity.
pub const TCB_SIGNING_NAME: &str = "Intel SGX TCB Signing";
/// Where Intel's certificates say that the root CA's CRL is.
pub const ROOT_CRL_URL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/// The forged certificate authorities (PCK certificate profile).
///
/// The certificates are valid from 2024-01-01 to 2049-01-01, and signed once in a process. They mirror those
/// that Intel issues: names, extensions with their order and encoding, and serial numbers that equal the key
/// identifier. Only the keys, what is derived from them, and the dates are the lab's.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    root_key: P256Key,
    platform_key: P256Key,
    processor_key: P256Key,
    tcb_signing_key: P256Key,
    certificates: Arc<[Vec<u8>; 4]>,
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self::new()
    }
}

impl Hierarchy {
    /// The lab's only hierarchy of Intel.
    #[must_use]
    pub fn new() -> Self {
        static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(Hierarchy::make);
        HIERARCHY.clone()
    }

    fn make() -> Self {
        let unsigned = Self {
            root_key: P256Key::from_label(ROOT_NAME),
            platform_key: P256Key::from_label(PckCa::Platform.common_name()),
            processor_key: P256Key::from_label(PckCa::Processor.common_name()),
            tcb_signing_key: P256Key::from_label(TCB_SIGNING_NAME),
            certificates: Arc::default(),
        };
        let specs = [
            unsigned.root_spec(),
            unsigned.pck_ca_spec(PckCa::Platform),
            unsigned.pck_ca_spec(PckCa::Processor),
            unsigned.tcb_signing_spec(),
        ];
        let certificates = specs.map(|spec| spec.sign(&unsigned.root_key));
        Self { certificates: Arc::new(certificates), ..unsigned }
    }

    /// The root CA's certificate, DER-encoded, self-signed.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        let [root, _, _, _] = &*self.certificates;
        root
    }

    /// The certificate of a PCK CA, DER-encoded, signed by the root CA.
    #[must_use]
    pub fn pck_ca(&self, ca: PckCa) -> &[u8] {
        let [_, platform, processor, _] = &*self.certificates;
        match ca {
            PckCa::Platform => platform,
            PckCa::Processor => processor,
        }
    }

    /// The certificate of the key that signs collateral, DER-encoded, signed by the root CA.
    #[must_use]
    pub fn tcb_signing(&self) -> &[u8] {
        let [_, _, _, tcb_signing] = &*self.certificates;
        tcb_signing
    }

    /// The key of the root CA.
    #[must_use]
    pub fn root_key(&self) -> &P256Key {
        &self.root_key
    }

    /// The key of a PCK CA.
    #[must_use]
    pub fn pck_ca_key(&self, ca: PckCa) -> &P256Key {
        match ca {
            PckCa::Platform => &self.platform_key,
            PckCa::Processor => &self.processor_key,
        }
    }

    /// The key that signs TCB info and QE identity.
    #[must_use]
    pub fn tcb_signing_key(&self) -> &P256Key {
        &self.tcb_signing_key
    }

    /// The root CA's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        vec![(ROOT_NAME.to_owned(), self.root_key.spki_sha256())]
    }

    /// The root CA's certificate before it is signed, to re-issue it with one change by [`Self::root_key`].
    #[must_use]
    pub fn root_spec(&self) -> CertSpec {
        self.authority(ROOT_NAME, &self.root_key, 1)
    }

    /// The certificate of a PCK CA before it is signed, to re-issue it with one change by [`Self::root_key`].
    #[must_use]
    pub fn pck_ca_spec(&self, ca: PckCa) -> CertSpec {
        self.authority(ca.common_name(), self.pck_ca_key(ca), 0)
    }

    /// The certificate of the collateral's key before it is signed, to re-issue it with one change by
    /// [`Self::root_key`].
    #[must_use]
    pub fn tcb_signing_spec(&self) -> CertSpec {
        self.issued_by_root(
            TCB_SIGNING_NAME,
            &self.tcb_signing_key,
            KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
            basic_constraints(false, None),
        )
    }

    fn authority(&self, common_name: &str, key: &P256Key, path_length: u8) -> CertSpec {
        let constraints = basic_constraints(true, Some(path_length));
        self.issued_by_root(common_name, key, KeyUsages::KeyCertSign | KeyUsages::CRLSign, constraints)
    }

    fn issued_by_root(
        &self,
        common_name: &str,
        key: &P256Key,
        usages: FlagSet<KeyUsages>,
        constraints: Extension,
    ) -> CertSpec {
        CertSpec {
            version: 2,
            serial: key.key_identifier().to_vec(),
            issuer: intel_name(ROOT_NAME),
            not_before: utc_day(2024, 1, 1),
            not_after: utc_day(2049, 1, 1),
            subject: intel_name(common_name),
            spki: key.spki(),
            extensions: vec![
                authority_key_identifier(self.root_key.key_identifier()),
                crl_distribution_point(ROOT_CRL_URL),
                subject_key_identifier(key.key_identifier()),
                key_usage(usages),
                constraints,
            ],
            algorithm: SignatureAlgorithm::EcdsaSha256,
            outer_algorithm: None,
        }
    }
}

/// A distinguished name as in every certificate of Intel's SGX hierarchy: five relative names in Intel's
/// order, of which only the common name changes.
#[must_use]
pub fn intel_name(common_name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COMMON_NAME, Tag::Utf8String, common_name),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Intel Corporation"),
        (rfc4519::LOCALITY_NAME, Tag::Utf8String, "Santa Clara"),
        (rfc4519::ST, Tag::Utf8String, "CA"),
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
    ])
}
