//! PCK certificates: the keys that sign the reports of Quoting Enclaves.

#![expect(clippy::expect_used, reason = "the lab encodes short values, so a failure is a mistake in the lab")]

use const_oid::ObjectIdentifier;
use der::asn1::{Any, OctetString};
use der::{Decode as _, Sequence};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;

use super::PckCa;
use super::hierarchy::{Hierarchy, intel_name};
use crate::keys::{P256Key, sha256};
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, crl_distribution_point,
    encode, enumerated, extension, key_usage, pem_chain, subject_key_identifier,
};

/// The identifiers inside of Intel's certificate extension (PCK certificate profile).
pub mod oid {
    use const_oid::ObjectIdentifier;

    /// The extension itself: a SEQUENCE of (identifier, value).
    pub const SGX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
    /// PPID, OCTET STRING of 16 bytes.
    pub const PPID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.1");
    /// TCB, SEQUENCE of (identifier, value): the 16 components `TCB.1` to `TCB.16`, PCESVN, CPUSVN.
    pub const TCB: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.2");
    /// PCESVN, INTEGER.
    pub const PCE_SVN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.2.17");
    /// CPUSVN, OCTET STRING of 16 bytes.
    pub const CPU_SVN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.2.18");
    /// PCE-ID, OCTET STRING of 2 bytes.
    pub const PCE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.3");
    /// FMSPC, OCTET STRING of 6 bytes.
    pub const FMSPC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.4");
    /// SGX Type, ENUMERATED.
    pub const SGX_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.5");
    /// Platform Instance ID, OCTET STRING of 16 bytes. Only in certificates of the Platform CA.
    pub const PLATFORM_INSTANCE_ID: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.6");
    /// Configuration, SEQUENCE of (identifier, BOOLEAN). Only in certificates of the Platform CA.
    pub const CONFIGURATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7");
    /// Dynamic Platform, BOOLEAN.
    pub const DYNAMIC_PLATFORM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7.1");
    /// Cached Keys, BOOLEAN.
    pub const CACHED_KEYS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7.2");
    /// SMT Enabled, BOOLEAN.
    pub const SMT_ENABLED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7.3");
}

/// What a certificate of the Platform CA says of the platform's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration {
    /// Packages can be added to the platform.
    pub dynamic_platform: bool,
    /// Intel's registration service keeps the platform's root keys.
    pub cached_keys: bool,
    /// Simultaneous multithreading is on.
    pub smt_enabled: bool,
}

/// A PCK certificate to be issued (PCK certificate profile).
#[derive(Debug, Clone)]
pub struct PckSpec {
    /// The issuer.
    pub ca: PckCa,
    /// `serialNumber`: unsigned, big-endian, 20 bytes.
    pub serial: Vec<u8>,
    /// The subject's common name: `Intel SGX PCK Certificate`.
    pub common_name: String,
    /// `notBefore`, in seconds since the Unix epoch.
    pub not_before: u64,
    /// `notAfter`, in seconds since the Unix epoch.
    pub not_after: u64,
    /// PPID, 16 bytes: identifies the processor package.
    pub ppid: Vec<u8>,
    /// The security versions of the components `TCB.1` to `TCB.16`, with which TCB levels are compared.
    pub components: [u8; 16],
    /// PCESVN.
    pub pce_svn: u16,
    /// CPUSVN, 16 bytes: the components again, on every certificate of Intel's that was seen.
    pub cpu_svn: Vec<u8>,
    /// PCE-ID, 2 bytes.
    pub pce_id: Vec<u8>,
    /// FMSPC, 6 bytes: family, model, stepping, platform and custom SKU.
    pub fmspc: Vec<u8>,
    /// SGX Type: 0 is Standard, 1 is Scalable, 2 is Scalable with Integrity.
    pub sgx_type: u8,
    /// Platform Instance ID, 16 bytes. Only in certificates of the Platform CA.
    pub platform_instance_id: Option<Vec<u8>>,
    /// Configuration. Only in certificates of the Platform CA.
    pub configuration: Option<Configuration>,
    /// The identifiers of values to leave out of the SGX extension, at any depth.
    pub omit: Vec<ObjectIdentifier>,
    /// The identifier of a value that comes twice in the SGX extension, at any depth.
    pub duplicate: Option<ObjectIdentifier>,
    /// The label that fixes the P-256 key.
    pub key_label: String,
}

/// An issued certificate, its issuers, and the key that it certifies.
#[derive(Debug, Clone)]
pub struct Pck {
    /// The PCK certificate, its CA and the root CA, DER-encoded, in this order.
    pub chain: Vec<Vec<u8>>,
    /// The key that signs the reports of Quoting Enclaves.
    pub key: P256Key,
}

impl Pck {
    /// The PCK certificate, DER-encoded: the first of the chain.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.chain.first().expect("a chain is not empty")
    }

    /// The chain as PEM, in its order.
    #[must_use]
    pub fn pem_chain(&self) -> String {
        pem_chain(self.chain.iter().map(Vec::as_slice))
    }
}

impl Default for PckSpec {
    fn default() -> Self {
        Self::new(PckCa::Platform)
    }
}

impl PckSpec {
    /// The certificate of the lab's one platform as `ca` issues it: valid from 2025-01-01 for seven years,
    /// FMSPC
    /// `90C06F000000` (a Xeon with TDX), SGX Type Scalable.
    #[must_use]
    pub fn new(ca: PckCa) -> Self {
        let components = [4, 4, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
        let platform = ca == PckCa::Platform;
        Self {
            ca,
            serial: bytes_of("PCK serial number", 20),
            common_name: "Intel SGX PCK Certificate".to_owned(),
            not_before: utc_day(2025, 1, 1),
            not_after: utc_day(2032, 1, 1),
            ppid: bytes_of("PPID", 16),
            components,
            pce_svn: 13,
            cpu_svn: components.to_vec(),
            pce_id: vec![0, 0],
            fmspc: vec![0x90, 0xc0, 0x6f, 0, 0, 0],
            sgx_type: 1,
            platform_instance_id: platform.then(|| bytes_of("platform instance", 16)),
            configuration: platform.then_some(Configuration {
                dynamic_platform: true,
                cached_keys: false,
                smt_enabled: true,
            }),
            omit: Vec::new(),
            duplicate: None,
            key_label: "PCK".to_owned(),
        }
    }

    /// Changes the components, and CPUSVN with them.
    pub fn set_components(&mut self, components: [u8; 16]) {
        self.components = components;
        self.cpu_svn = components.to_vec();
    }

    /// The key that the certificate is for.
    #[must_use]
    pub fn key(&self) -> P256Key {
        P256Key::from_label(&self.key_label)
    }

    /// The certificate, issued by its CA, with the chain and the key.
    #[must_use]
    pub fn issue(&self, hierarchy: &Hierarchy) -> Pck {
        let der = self.cert_spec(hierarchy).sign(hierarchy.pck_ca_key(self.ca));
        let chain = vec![der, hierarchy.pck_ca(self.ca).to_vec(), hierarchy.root().to_vec()];
        Pck { chain, key: self.key() }
    }

    /// The certificate before it is signed, to change what this type has no field for (issuer, key, other
    /// extensions).
    #[must_use]
    pub fn cert_spec(&self, hierarchy: &Hierarchy) -> CertSpec {
        let key = self.key();
        CertSpec {
            version: 2,
            serial: self.serial.clone(),
            issuer: intel_name(self.ca.common_name()),
            not_before: self.not_before,
            not_after: self.not_after,
            subject: intel_name(&self.common_name),
            spki: key.spki(),
            extensions: vec![
                authority_key_identifier(hierarchy.pck_ca_key(self.ca).key_identifier()),
                crl_distribution_point(&crl_url(self.ca)),
                subject_key_identifier(key.key_identifier()),
                key_usage(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation),
                basic_constraints(false, None),
                self.sgx_extension(),
            ],
            algorithm: SignatureAlgorithm::EcdsaSha256,
            outer_algorithm: None,
        }
    }

    /// The SGX extension (PCK certificate profile), not critical.
    #[must_use]
    pub fn sgx_extension(&self) -> Extension {
        let mut values = vec![
            (oid::PPID, octet_string(&self.ppid)),
            (oid::TCB, self.sequence(self.tcb())),
            (oid::PCE_ID, octet_string(&self.pce_id)),
            (oid::FMSPC, octet_string(&self.fmspc)),
            (oid::SGX_TYPE, enumerated(self.sgx_type)),
        ];
        if let Some(id) = &self.platform_instance_id {
            values.push((oid::PLATFORM_INSTANCE_ID, octet_string(id)));
        }
        if let Some(Configuration { dynamic_platform, cached_keys, smt_enabled }) = self.configuration {
            let flags = vec![
                (oid::DYNAMIC_PLATFORM, encode(&dynamic_platform)),
                (oid::CACHED_KEYS, encode(&cached_keys)),
                (oid::SMT_ENABLED, encode(&smt_enabled)),
            ];
            values.push((oid::CONFIGURATION, self.sequence(flags)));
        }
        extension(oid::SGX, false, &self.sequence(values))
    }

    fn tcb(&self) -> Vec<(ObjectIdentifier, Vec<u8>)> {
        let components = (1..).zip(self.components);
        let mut values: Vec<_> = components
            .map(|(arc, svn)| (oid::TCB.push_arc(arc).expect("a short identifier"), encode(&svn)))
            .collect();
        values.push((oid::PCE_SVN, encode(&self.pce_svn)));
        values.push((oid::CPU_SVN, octet_string(&self.cpu_svn)));
        values
    }

    /// A SEQUENCE of pairs, each a SEQUENCE of identifier and value, without what is omitted.
    fn sequence(&self, values: Vec<(ObjectIdentifier, Vec<u8>)>) -> Vec<u8> {
        let again = values.iter().find(|(id, _)| Some(*id) == self.duplicate).cloned();
        let values = values.into_iter().filter(|(id, _)| !self.omit.contains(id)).chain(again);
        let pairs = values.map(|(id, value)| Pair { id, value: Any::from_der(&value).expect("a DER value") });
        encode(&pairs.collect::<Vec<_>>())
    }
}

/// A value of the SGX extension under its identifier.
#[derive(Sequence)]
struct Pair {
    id: ObjectIdentifier,
    value: Any,
}

fn octet_string(bytes: &[u8]) -> Vec<u8> {
    encode(&OctetString::new(bytes).expect("a short value"))
}

/// Where Intel's PCK certificates say that the CRL of their CA is.
fn crl_url(ca: PckCa) -> String {
    let ca = ca.id();
    format!("https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca={ca}&encoding=der")
}

/// Up to 32 bytes that look random and belong to `label`.
fn bytes_of(label: &str, length: usize) -> Vec<u8> {
    sha256(format!("attestation lab: {label}").as_bytes()).into_iter().take(length).collect()
}
