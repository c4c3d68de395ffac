//! The authorities of Nitro's attestation, and an instance whose NitroTPM has documents signed.

use const_oid::db::rfc4519;
use const_oid::db::rfc5280::ID_CE_KEY_USAGE;
use der::Tag;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};
use x509_cert::name::Name;

use super::document::DocumentSpec;
use crate::keys::EcKey;
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, crl_distribution_point,
    distinguished_name, encode, extension, key_usage, subject_key_identifier,
};

/// The common name of the root.
pub const ROOT_NAME: &str = "aws.nitro-enclaves";

/// Seconds of a day.
const DAY: u64 = 86_400;

/// When documents are made: 2026-06-01T00:00:00Z.
fn now() -> u64 {
    utc_day(2026, 6, 1)
}

/// The keys of the forged authorities. Their certificates mirror AWS's: names, extensions, algorithms, and how long they live.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    /// The root's.
    pub root: EcKey,
    /// That of the authority of a region.
    pub regional: EcKey,
    /// That of the authority of a part of it.
    pub zonal: EcKey,
    /// That of an instance.
    pub instance: EcKey,
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self::new()
    }
}

impl Hierarchy {
    /// The lab's only hierarchy of AWS.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: EcKey::from_label("aws nitro root"),
            regional: EcKey::from_label("aws nitro regional"),
            zonal: EcKey::from_label("aws nitro zonal"),
            instance: EcKey::from_label("aws nitro instance"),
        }
    }

    /// The root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        vec![(ROOT_NAME.to_owned(), self.root.spki_sha256())]
    }

    /// The root's certificate before it signs itself.
    #[must_use]
    pub fn root_spec(&self) -> CertSpec {
        CertSpec {
            version: 2,
            serial: vec![0xF9, 0x31],
            issuer: amazon(ROOT_NAME),
            not_before: utc_day(2024, 1, 1),
            not_after: utc_day(2049, 1, 1),
            subject: amazon(ROOT_NAME),
            spki: self.root.spki(),
            extensions: vec![
                basic_constraints(true, None),
                subject_key_identifier(self.root.key_identifier()),
                key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            ],
            algorithm: SignatureAlgorithm::EcdsaSha384,
            outer_algorithm: None,
        }
    }

    /// The certificate of the authority of `region` before [`Self::root`] signs it: for 20 days.
    #[must_use]
    pub fn regional_spec(&self, region: &str) -> CertSpec {
        CertSpec {
            serial: vec![0x57, 0x8A],
            not_before: now().saturating_sub(4 * DAY),
            not_after: now().saturating_add(16 * DAY),
            subject: amazon(&format!("733655d6d68f7bdf.{region}.{ROOT_NAME}")),
            spki: self.regional.spki(),
            extensions: authority(
                2,
                &self.root,
                &self.regional,
                "http://aws-nitro-enclaves-crl.s3.amazonaws.com/crl/ab4960cc-7d63-42bd-9e9f-59338cb67f84.crl",
            ),
            ..self.root_spec()
        }
    }

    /// The certificate of the authority below it before [`Self::regional`] signs it: for five days and 19 hours.
    #[must_use]
    pub fn zonal_spec(&self, region: &str) -> CertSpec {
        let regional = self.regional_spec(region);
        let list = format!(
            "http://crl-{region}-aws-nitro-enclaves.s3.{region}.amazonaws.com/crl/2a531136-8223-4f3c-9c5c-35382d5df64c.crl"
        );
        CertSpec {
            serial: vec![0x74, 0xDD],
            issuer: regional.subject,
            not_before: now().saturating_sub(DAY),
            not_after: now().saturating_add(4 * DAY + 19 * 3600),
            subject: zonal_name(&format!("74d947fb1bac401d.zonal.{region}.{ROOT_NAME}")),
            spki: self.zonal.spki(),
            extensions: authority(1, &self.regional, &self.zonal, &list),
            ..self.root_spec()
        }
    }

    /// The certificate of an instance (its id) before [`Self::zonal`] signs it: for a day.
    #[must_use]
    pub fn instance_spec(&self, instance: &str, region: &str) -> CertSpec {
        CertSpec {
            serial: vec![0x66, 0x91],
            issuer: self.zonal_spec(region).subject,
            not_before: now().saturating_sub(3600),
            not_after: now().saturating_add(DAY - 3600),
            subject: amazon_seattle(&format!("{instance}.{region}.{ROOT_NAME}")),
            spki: self.instance.spki(),
            extensions: vec![
                basic_constraints(true, Some(0)),
                key_usage(KeyUsages::KeyCertSign),
                subject_key_identifier(self.instance.key_identifier()),
                authority_key_identifier(self.zonal.key_identifier()),
            ],
            ..self.root_spec()
        }
    }

    /// The certificate of an instance's TPM (`module_id`) with this SubjectPublicKeyInfo, before [`Self::instance`] signs it: from three
    /// seconds before now, for three hours.
    #[must_use]
    pub fn tpm_spec(&self, module_id: &str, instance: &str, region: &str, spki: Vec<u8>) -> CertSpec {
        let usage = KeyUsage(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation);
        CertSpec {
            serial: vec![0x69, 0x81],
            issuer: self.instance_spec(instance, region).subject,
            not_before: now().saturating_sub(3),
            not_after: now().saturating_add(3 * 3600),
            subject: amazon_seattle(&format!("{module_id}.{region}.aws")),
            spki,
            extensions: vec![
                basic_constraints(false, None),
                extension(ID_CE_KEY_USAGE, false, &encode(&usage)),
            ],
            ..self.root_spec()
        }
    }
}

/// An instance in `us-east-2`. Its parts agree with each other when it is made: a test changes one of them before the document is.
///
/// All is good at 2026-06-01.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The authorities' keys.
    pub hierarchy: Hierarchy,
    /// The key that signs documents.
    pub tpm: EcKey,
    /// The authorities' certificates before they are signed, root first, and who signs each.
    pub authorities: Vec<(CertSpec, EcKey)>,
    /// The certificate of [`Self::tpm`] before it is signed, and who signs it.
    pub certificate: (CertSpec, EcKey),
    /// The document before it is signed. Its certificates are put in when it is.
    pub document: DocumentSpec,
}

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}

impl Instance {
    /// The instance's id.
    pub const ID: &str = "i-01cfb383223e42522";
    /// The instance's TPM.
    pub const MODULE_ID: &str = "i-01cfb383223e42522-tpm0000000000000000";
    /// Where it runs.
    pub const REGION: &str = "us-east-2";

    /// The instance.
    #[must_use]
    pub fn new() -> Self {
        Self::named(Self::ID, Self::REGION)
    }

    /// The instance with this id in this region.
    #[must_use]
    pub fn named(id: &str, region: &str) -> Self {
        let hierarchy = Hierarchy::new();
        let tpm = EcKey::from_label("aws nitro tpm");
        let module_id = format!("{id}-tpm0000000000000000");
        let certificate = hierarchy.tpm_spec(&module_id, id, region, tpm.spki());
        Self {
            authorities: vec![
                (hierarchy.root_spec(), hierarchy.root.clone()),
                (hierarchy.regional_spec(region), hierarchy.root.clone()),
                (hierarchy.zonal_spec(region), hierarchy.regional.clone()),
                (hierarchy.instance_spec(id, region), hierarchy.zonal.clone()),
            ],
            certificate: (certificate, hierarchy.instance.clone()),
            document: DocumentSpec::new(&module_id, Self::now().saturating_mul(1000).saturating_add(437)),
            tpm,
            hierarchy,
        }
    }

    /// When its document is made, in seconds since the Unix epoch.
    #[must_use]
    pub fn now() -> u64 {
        now()
    }

    /// The document's fields, with the certificates signed and put in.
    #[must_use]
    pub fn filled(&self) -> DocumentSpec {
        let (certificate, issuer) = &self.certificate;
        DocumentSpec {
            certificate: certificate.sign(issuer),
            cabundle: self.authorities.iter().map(|(spec, issuer)| spec.sign(issuer)).collect(),
            ..self.document.clone()
        }
    }

    /// The document.
    #[must_use]
    pub fn sign(&self) -> Vec<u8> {
        self.filled().sign(&self.tpm)
    }
}

/// The extensions of an authority that is no instance's.
fn authority(length: u8, issuer: &EcKey, key: &EcKey, list: &str) -> Vec<x509_cert::ext::Extension> {
    vec![
        basic_constraints(true, Some(length)),
        authority_key_identifier(issuer.key_identifier()),
        subject_key_identifier(key.key_identifier()),
        key_usage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign),
        crl_distribution_point(list),
    ]
}

/// A name as the root and the authorities of regions have it.
#[must_use]
pub fn amazon(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Amazon"),
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::Utf8String, "AWS"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
    ])
}

/// A name as the authorities below those have it.
#[must_use]
pub fn zonal_name(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::Utf8String, "AWS"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Amazon"),
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ST, Tag::Utf8String, "WA"),
        (rfc4519::LOCALITY_NAME, Tag::Utf8String, "Seattle"),
    ])
}

/// A name as instances and their TPMs have it.
#[must_use]
pub fn amazon_seattle(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
        (rfc4519::ST, Tag::Utf8String, "Washington"),
        (rfc4519::LOCALITY_NAME, Tag::Utf8String, "Seattle"),
        (rfc4519::ORGANIZATION_NAME, Tag::Utf8String, "Amazon"),
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::Utf8String, "AWS"),
        (rfc4519::COMMON_NAME, Tag::Utf8String, name),
    ])
}
