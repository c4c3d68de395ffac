//! The authorities of reference integrity manifests, and the certificate that signs one.

use const_oid::db::rfc4519;
use const_oid::db::rfc5280::ID_PE_AUTHORITY_INFO_ACCESS;
use const_oid::db::rfc5912::ID_AD_OCSP;
use der::Tag;
use der::asn1::Ia5String;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, KeyUsages};
use x509_cert::name::Name;

use crate::keys::EcKey;
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, crl_distribution_point,
    distinguished_name, encode, extension, key_usage, subject_key_identifier,
};

/// The common name of the root.
pub const ROOT_NAME: &str = "NVIDIA CoRIM signing Root CA";

/// The common name of the root of devices, which is none of manifests.
pub const DEVICE_ROOT_NAME: &str = "NVIDIA Device Identity CA";

/// Four certificates before they are signed, the signer's first, and who signs each. They mirror NVIDIA's: names, extensions, algorithms,
/// and how long they live. All are valid at 2026-06-01.
#[derive(Debug, Clone)]
pub struct RimHierarchy {
    /// The key that signs manifests.
    pub signer: EcKey,
    /// Certificates, and the keys that sign them.
    pub certificates: Vec<(CertSpec, EcKey)>,
}

impl Default for RimHierarchy {
    fn default() -> Self {
        Self::new()
    }
}

impl RimHierarchy {
    /// Where the signer's certificate stands.
    pub const SIGNER: usize = 0;
    /// Where that of its issuer stands.
    pub const LOWER: usize = 1;
    /// Where that of the authority above stands.
    pub const UPPER: usize = 2;
    /// Where the root's stands.
    pub const ROOT: usize = 3;

    /// The lab's only hierarchy of manifests.
    #[must_use]
    pub fn new() -> Self {
        let key = |name: &str| EcKey::from_label(&format!("nvidia rim {name}"));
        let (root, upper, lower, signer) = (key("root"), key("upper"), key("lower"), key("signer"));
        let ca = KeyUsages::KeyCertSign | KeyUsages::CRLSign;
        let root_spec = CertSpec {
            version: 2,
            serial: vec![0x45, 0xDA],
            issuer: root_name(ROOT_NAME),
            not_before: utc_day(2023, 3, 16),
            not_after: utc_day(2053, 3, 8),
            subject: root_name(ROOT_NAME),
            spki: root.spki(),
            extensions: vec![
                subject_key_identifier(root.key_identifier()),
                authority_key_identifier(root.key_identifier()),
                basic_constraints(true, None),
                key_usage(ca),
            ],
            algorithm: SignatureAlgorithm::EcdsaSha384,
            outer_algorithm: None,
        };
        let upper_spec = CertSpec {
            serial: vec![0x46, 0xDB],
            not_before: utc_day(2023, 5, 11),
            not_after: utc_day(2033, 5, 11),
            subject: authority_name("NVIDIA Reference Value GH100 CA"),
            spki: upper.spki(),
            extensions: vec![
                basic_constraints(true, None),
                key_usage(ca),
                crl_distribution_point("http://crl.ndis.nvidia.com/crl-corim/l1-corim"),
                ocsp("http://ocsp.ndis.nvidia.com"),
                subject_key_identifier(upper.key_identifier()),
                authority_key_identifier(root.key_identifier()),
            ],
            ..root_spec.clone()
        };
        let lower_spec = CertSpec {
            serial: vec![0x34, 0xEB],
            issuer: upper_spec.subject.clone(),
            not_before: utc_day(2023, 10, 31),
            not_after: utc_day(2027, 4, 30),
            subject: authority_name("NVIDIA Reference Value L3 GH100 002"),
            spki: lower.spki(),
            extensions: vec![
                basic_constraints(true, Some(0)),
                key_usage(ca),
                ocsp("http://ocsp.ndis.nvidia.com"),
                subject_key_identifier(lower.key_identifier()),
                authority_key_identifier(upper.key_identifier()),
            ],
            ..root_spec
        };
        let signer_spec = CertSpec {
            serial: vec![0x56, 0x9F],
            issuer: lower_spec.subject.clone(),
            not_before: utc_day(2025, 1, 1),
            not_after: utc_day(2027, 1, 1),
            subject: signer_name("HCC RIM L4 Signer"),
            spki: signer.spki(),
            extensions: vec![
                subject_key_identifier(signer.key_identifier()),
                authority_key_identifier(lower.key_identifier()),
                basic_constraints(false, None),
                key_usage(KeyUsages::DigitalSignature),
                ocsp("http://ocsp.ndis.nvidia.com"),
            ],
            ..root_spec
        };
        let certificates =
            vec![(signer_spec, lower), (lower_spec, upper), (upper_spec, root.clone()), (root_spec, root)];
        Self { signer, certificates }
    }

    /// When everything that the lab issues is valid, in seconds since the Unix epoch.
    #[must_use]
    pub fn now() -> u64 {
        utc_day(2026, 6, 1)
    }

    /// The root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins() -> Vec<(String, [u8; 32])> {
        vec![(ROOT_NAME.to_owned(), EcKey::from_label("nvidia rim root").spki_sha256())]
    }

    /// The certificates, DER, signer first.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.certificates.iter().map(|(spec, issuer)| spec.sign(issuer)).collect()
    }

    /// The certificate at `at`, before it is signed.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn spec(&mut self, at: usize) -> &mut CertSpec {
        &mut self.at(at).0
    }

    /// Has another key sign the certificate at `at`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn sign_by(&mut self, at: usize, key: &EcKey) {
        self.at(at).1 = key.clone();
    }

    /// Another key for the root, which signs itself and what stands below it.
    pub fn replace_root_key(&mut self, key: &EcKey) {
        self.spec(Self::ROOT).spki = key.spki();
        self.sign_by(Self::ROOT, key);
        self.sign_by(Self::UPPER, key);
    }

    #[expect(clippy::expect_used, reason = "tests give the constants of this type")]
    fn at(&mut self, at: usize) -> &mut (CertSpec, EcKey) {
        self.certificates.get_mut(at).expect("one of four certificates")
    }
}

/// A name as the root has it.
#[must_use]
pub fn root_name(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "NVIDIA"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
    ])
}

/// A name as the authorities below it have it.
#[must_use]
pub fn authority_name(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "NVIDIA Corporation"),
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
    ])
}

/// A name as signers have it.
#[must_use]
pub fn signer_name(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ST, Tag::Utf8String, "CA"),
        (rfc4519::LOCALITY_NAME, Tag::Utf8String, "Santa Clara"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "NVIDIA Corporation"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
    ])
}

/// `authorityInfoAccess` with one `ocsp` at a URL (RFC 5280 §4.2.2.1).
#[expect(clippy::expect_used, reason = "the URL is a constant of the lab")]
fn ocsp(url: &str) -> Extension {
    let access = AccessDescription {
        access_method: ID_AD_OCSP,
        access_location: GeneralName::UniformResourceIdentifier(Ia5String::new(url).expect("an ASCII URL")),
    };
    extension(ID_PE_AUTHORITY_INFO_ACCESS, false, &encode(&AuthorityInfoAccessSyntax(vec![access])))
}
