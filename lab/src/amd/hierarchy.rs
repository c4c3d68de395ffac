//! The certificate authorities of a product line: ARK, ASK and ASVK.

use std::sync::{Arc, LazyLock};

use const_oid::db::rfc4519;
use const_oid::db::rfc5280::ID_CE_KEY_USAGE;
use der::Tag;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::Product;
use crate::keys::RsaKey;
use crate::time::utc_day;
use crate::x509::{
    CertSpec, PssEncoding, SignatureAlgorithm, authority_key_identifier, basic_constraints,
    crl_distribution_point, distinguished_name, extension, key_usage, subject_key_identifier,
};

/// `keyCertSign` as AMD's ASKs and ASVKs encode it: a bit string with 1 unused bit, where DER (X.690 §11.2.2) strips the
/// trailing zero bit and so counts 2.
const KEY_CERT_SIGN: [u8; 4] = [0x03, 0x02, 0x01, 0x04];

/// The forged certificate authorities of one product line (publication 57230).
///
/// The certificates are valid from 2024-01-01 to 2049-01-01, and signed once in a process. They mirror those that AMD
/// issues: names, serial numbers, extensions with their order and encoding, and the spelled-out `trailerField`. Only the keys and
/// the dates are the lab's.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    /// The product line.
    pub product: Product,
    keys: [RsaKey; 3],
    certificates: Arc<[Vec<u8>; 3]>,
}

impl Hierarchy {
    /// The authorities of `product`.
    #[must_use]
    pub fn new(product: Product) -> Self {
        static HIERARCHIES: LazyLock<[Hierarchy; 3]> = LazyLock::new(|| Product::ALL.map(Hierarchy::make));
        let [milan, genoa, turin] = &*HIERARCHIES;
        match product {
            Product::Milan => milan.clone(),
            Product::Genoa => genoa.clone(),
            Product::Turin => turin.clone(),
        }
    }

    fn make(product: Product) -> Self {
        let files: [&[u8]; 3] = match product {
            Product::Milan => [
                include_bytes!("../../keys/ark_milan.pk8"),
                include_bytes!("../../keys/ask_milan.pk8"),
                include_bytes!("../../keys/asvk_milan.pk8"),
            ],
            Product::Genoa => [
                include_bytes!("../../keys/ark_genoa.pk8"),
                include_bytes!("../../keys/ask_genoa.pk8"),
                include_bytes!("../../keys/asvk_genoa.pk8"),
            ],
            Product::Turin => [
                include_bytes!("../../keys/ark_turin.pk8"),
                include_bytes!("../../keys/ask_turin.pk8"),
                include_bytes!("../../keys/asvk_turin.pk8"),
            ],
        };
        let unsigned = Self { product, keys: files.map(RsaKey::from_pkcs8), certificates: Arc::default() };
        let specs = [unsigned.ark_spec(), unsigned.ask_spec(), unsigned.asvk_spec()];
        let certificates = specs.map(|spec| spec.sign(unsigned.ark_key()));
        Self { certificates: Arc::new(certificates), ..unsigned }
    }

    /// The AMD Root Key's certificate, DER-encoded, self-signed.
    #[must_use]
    pub fn ark(&self) -> &[u8] {
        let [ark, _, _] = &*self.certificates;
        ark
    }

    /// The AMD SEV Key's certificate, DER-encoded, signed by the ARK. The ASK issues VCEK certificates.
    #[must_use]
    pub fn ask(&self) -> &[u8] {
        let [_, ask, _] = &*self.certificates;
        ask
    }

    /// The AMD SEV VLEK Key's certificate, DER-encoded, signed by the ARK. The ASVK issues VLEK certificates.
    #[must_use]
    pub fn asvk(&self) -> &[u8] {
        let [_, _, asvk] = &*self.certificates;
        asvk
    }

    /// The key of the ARK.
    #[must_use]
    pub fn ark_key(&self) -> &RsaKey {
        let [ark, _, _] = &self.keys;
        ark
    }

    /// The key of the ASK.
    #[must_use]
    pub fn ask_key(&self) -> &RsaKey {
        let [_, ask, _] = &self.keys;
        ask
    }

    /// The key of the ASVK.
    #[must_use]
    pub fn asvk_key(&self) -> &RsaKey {
        let [_, _, asvk] = &self.keys;
        asvk
    }

    /// The common names of ARK, ASK and ASVK, each with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        let pins = [self.ark_name(), self.ask_name(), self.asvk_name()].into_iter().zip(&self.keys);
        pins.map(|(name, key)| (name, key.spki_sha256())).collect()
    }

    /// The common name of the ARK: `ARK-{product}`.
    #[must_use]
    pub fn ark_name(&self) -> String {
        format!("ARK-{}", self.product.name())
    }

    /// The common name of the ASK: `SEV-{product}`.
    #[must_use]
    pub fn ask_name(&self) -> String {
        format!("SEV-{}", self.product.name())
    }

    /// The common name of the ASVK: `SEV-VLEK-{product}`.
    #[must_use]
    pub fn asvk_name(&self) -> String {
        format!("SEV-VLEK-{}", self.product.name())
    }

    /// The serial number of the ARK's certificate, 3 bytes, AMD's own (Milan: 01 00 00).
    #[must_use]
    pub fn ark_serial(&self) -> [u8; 3] {
        [self.serial_prefix(), 0, 0]
    }

    /// The serial number of the ASK's certificate, 3 bytes, AMD's own (Milan: 01 00 01; Genoa: 02 00 02).
    #[must_use]
    pub fn ask_serial(&self) -> [u8; 3] {
        [self.serial_prefix(), 0, if self.product == Product::Genoa { 2 } else { 1 }]
    }

    /// The serial number of the ASVK's certificate, 3 bytes, AMD's own (Milan: 01 01 01).
    #[must_use]
    pub fn asvk_serial(&self) -> [u8; 3] {
        [self.serial_prefix(), 1, 1]
    }

    fn serial_prefix(&self) -> u8 {
        match self.product {
            Product::Milan => 1,
            Product::Genoa => 2,
            Product::Turin => 3,
        }
    }

    /// The ARK's certificate before it is signed, to re-issue it with one change by [`Self::ark_key`].
    #[must_use]
    pub fn ark_spec(&self) -> CertSpec {
        let extensions = vec![
            key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            subject_key_identifier(self.ark_key().key_identifier()),
            basic_constraints(true, None),
            crl_distribution_point(&self.crl_url("vcek")),
        ];
        CertSpec { extensions, ..self.authority(&self.ark_name(), &self.ark_serial(), self.ark_key()) }
    }

    /// The ASK's certificate before it is signed, to re-issue it with one change by [`Self::ark_key`].
    #[must_use]
    pub fn ask_spec(&self) -> CertSpec {
        let extensions = self.intermediate_extensions(self.ask_key(), "vcek");
        CertSpec { extensions, ..self.authority(&self.ask_name(), &self.ask_serial(), self.ask_key()) }
    }

    /// The ASVK's certificate before it is signed, to re-issue it with one change by [`Self::ark_key`].
    #[must_use]
    pub fn asvk_spec(&self) -> CertSpec {
        let extensions = self.intermediate_extensions(self.asvk_key(), "vlek");
        CertSpec { extensions, ..self.authority(&self.asvk_name(), &self.asvk_serial(), self.asvk_key()) }
    }

    fn authority(&self, common_name: &str, serial: &[u8], key: &RsaKey) -> CertSpec {
        CertSpec {
            version: 2,
            serial: serial.to_vec(),
            issuer: amd_name(&self.ark_name()),
            not_before: utc_day(2024, 1, 1),
            not_after: utc_day(2049, 1, 1),
            subject: amd_name(common_name),
            spki: key.spki().to_vec(),
            extensions: Vec::new(),
            algorithm: SignatureAlgorithm::RsaPssSha384(PssEncoding::Explicit),
            outer_algorithm: None,
        }
    }

    fn intermediate_extensions(&self, key: &RsaKey, endpoint: &str) -> Vec<x509_cert::ext::Extension> {
        vec![
            subject_key_identifier(key.key_identifier()),
            authority_key_identifier(self.ark_key().key_identifier()),
            basic_constraints(true, Some(0)),
            extension(ID_CE_KEY_USAGE, true, &KEY_CERT_SIGN),
            crl_distribution_point(&self.crl_url(endpoint)),
        ]
    }

    /// Where AMD's certificates of this product say that the CRL is.
    fn crl_url(&self, endpoint: &str) -> String {
        format!("https://kdsintf.amd.com/{endpoint}/v1/{}/crl", self.product.name())
    }
}

/// A distinguished name as in every certificate of AMD's SEV hierarchy: six relative names in AMD's order, of which
/// only the common name changes.
#[must_use]
pub fn amd_name(common_name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::Utf8String, "Engineering"),
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::LOCALITY_NAME, Tag::Utf8String, "Santa Clara"),
        (rfc4519::ST, Tag::Utf8String, "CA"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Advanced Micro Devices"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, common_name),
    ])
}
