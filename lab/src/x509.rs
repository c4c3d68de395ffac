//! Certificates and certificate revocation lists, encoded field by field so that a test can state each of
//! them.
//!
//! The types of `x509-cert` only encode here, and `x509-cert` decodes nothing: a certificate may hold what no
//! parser accepts.

#![expect(
    clippy::expect_used,
    reason = "the lab encodes bounded values, so a failure is a mistake in the lab"
)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_CRL_NUMBER,
    ID_CE_CRL_REASONS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER,
    ID_PE_AUTHORITY_INFO_ACCESS,
};
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_AD_CA_ISSUERS, ID_RSASSA_PSS, SHA_256_WITH_RSA_ENCRYPTION,
    SHA_384_WITH_RSA_ENCRYPTION,
};
use der::asn1::{Any, BitString, Ia5String, OctetString, Uint};
use der::flagset::FlagSet;
use der::{Decode as _, Encode, Sequence, Tag};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage,
    KeyUsage, KeyUsages,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::keys::Signer;
use crate::time::x509_time;

/// RSASSA-PSS-params (RFC 4055 §3.1) with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes: 54 bytes,
/// without the default `trailerField`.
pub const PSS_PARAMETERS_DEFAULT: [u8; 54] = [
    0x30, 0x34, // SEQUENCE
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
    0x00, // [0] SHA-384
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x08, // [1] MGF1 with
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, // SHA-384
    0xa2, 0x03, 0x02, 0x01, 0x30, // [2] saltLength 48
];

/// RSASSA-PSS-params (RFC 4055 §3.1) with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes: 54 bytes, as
/// [`PSS_PARAMETERS_DEFAULT`].
pub const PSS_SHA256_PARAMETERS: [u8; 54] = [
    0x30, 0x34, // SEQUENCE
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, // [0] SHA-256
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x08, // [1] MGF1 with
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, // SHA-256
    0xa2, 0x03, 0x02, 0x01, 0x20, // [2] saltLength 32
];

/// How the parameters of RSASSA-PSS spell the `trailerField` (RFC 4055 §3.1).
///
/// Both forms mean the same, and both are in use by AMD: its ARKs, ASKs and ASVKs and the older VCEKs spell
/// the field out, the newer VCEKs and its CRLs leave it to its default, as DER (X.690 §11.5) wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PssEncoding {
    /// `trailerField` 1 is spelled out: 59 bytes of parameters.
    Explicit,
    /// `trailerField` is absent: 54 bytes of parameters.
    Default,
}

impl PssEncoding {
    /// The DER-encoded parameters, 59 or 54 bytes.
    #[must_use]
    pub fn parameters(self) -> Vec<u8> {
        let mut parameters = PSS_PARAMETERS_DEFAULT.to_vec();
        if self == Self::Explicit {
            parameters.extend([0xa3, 0x03, 0x02, 0x01, 0x01]);
            if let Some(length) = parameters.get_mut(1) {
                *length = 0x39;
            }
        }
        parameters
    }
}

/// What a certificate or a list says of its signature (RFC 5280 §4.1.1.2). It need not be true of the key
/// that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// `id-RSASSA-PSS` with SHA-384 (RFC 4055 §3.1): AMD's authorities.
    RsaPssSha384(PssEncoding),
    /// `id-RSASSA-PSS` with SHA-256 (RFC 4055 §3.1): Google's authority of launch endorsements.
    RsaPssSha256,
    /// `ecdsa-with-SHA256`, without parameters (RFC 5758 §3.2): Intel's authorities.
    EcdsaSha256,
    /// `ecdsa-with-SHA384`, without parameters (RFC 5758 §3.2): AWS's authorities.
    EcdsaSha384,
    /// `sha256WithRSAEncryption`, with NULL (RFC 4055 §5): what Microsoft's and Google's authorities for virtual TPMs issue.
    RsaPkcs1Sha256,
    /// `sha384WithRSAEncryption`, with NULL (RFC 4055 §5): what their root issues.
    RsaPkcs1Sha384,
}

impl SignatureAlgorithm {
    pub(crate) fn identifier(self) -> AlgorithmIdentifierOwned {
        match self {
            Self::RsaPssSha384(encoding) => AlgorithmIdentifierOwned {
                oid: ID_RSASSA_PSS,
                parameters: Some(Any::from_der(&encoding.parameters()).expect("constant parameters")),
            },
            Self::RsaPssSha256 => AlgorithmIdentifierOwned {
                oid: ID_RSASSA_PSS,
                parameters: Some(Any::from_der(&PSS_SHA256_PARAMETERS).expect("constant parameters")),
            },
            Self::EcdsaSha256 => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None },
            Self::EcdsaSha384 => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_384, parameters: None },
            Self::RsaPkcs1Sha256 => {
                AlgorithmIdentifierOwned { oid: SHA_256_WITH_RSA_ENCRYPTION, parameters: Some(Any::null()) }
            }
            Self::RsaPkcs1Sha384 => {
                AlgorithmIdentifierOwned { oid: SHA_384_WITH_RSA_ENCRYPTION, parameters: Some(Any::null()) }
            }
        }
    }
}

/// A certificate to be issued (RFC 5280 §4.1): every field of the TBSCertificate, and the form of its
/// signature.
#[derive(Debug, Clone)]
pub struct CertSpec {
    /// `version`, as it is encoded: 2 stands for v3.
    pub version: u8,
    /// `serialNumber`: unsigned, big-endian; `[0]` is the serial number of every VEK.
    pub serial: Vec<u8>,
    /// `issuer`.
    pub issuer: Name,
    /// `notBefore`, in seconds since the Unix epoch.
    pub not_before: u64,
    /// `notAfter`, in seconds since the Unix epoch.
    pub not_after: u64,
    /// `subject`.
    pub subject: Name,
    /// `subjectPublicKeyInfo`, DER-encoded.
    pub spki: Vec<u8>,
    /// `extensions`, in this order, duplicates included; an empty list omits the field.
    pub extensions: Vec<Extension>,
    /// The algorithm that the TBSCertificate names.
    pub algorithm: SignatureAlgorithm,
    /// The algorithm outside of the TBSCertificate, where it differs from the one inside (a defect: RFC 5280
    /// §4.1.1.2 wants them equal).
    pub outer_algorithm: Option<SignatureAlgorithm>,
}

/// TBSCertificate (RFC 5280 §4.1.2), without the unique identifiers that nobody uses.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: Uint,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

impl CertSpec {
    /// The DER-encoded TBSCertificate, which the signature covers.
    ///
    /// # Panics
    ///
    /// If `serial` is empty, `spki` is not a SubjectPublicKeyInfo, or a time is after the year 9999.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        encode(&TbsCertificate {
            version: self.version,
            serial_number: Uint::new(&self.serial).expect("a serial number"),
            signature: self.algorithm.identifier(),
            issuer: self.issuer.clone(),
            validity: Validity::new(x509_time(self.not_before), x509_time(self.not_after)),
            subject: self.subject.clone(),
            spki: SubjectPublicKeyInfoOwned::from_der(&self.spki).expect("a SubjectPublicKeyInfo"),
            extensions: some(&self.extensions),
        })
    }

    /// The DER-encoded certificate, signed by `issuer_key`, whether or not that is the key of the issuer it
    /// names.
    ///
    /// # Panics
    ///
    /// As [`Self::tbs`].
    #[must_use]
    pub fn sign(&self, issuer_key: &impl Signer) -> Vec<u8> {
        signed(&self.tbs(), self.outer_algorithm.unwrap_or(self.algorithm), issuer_key)
    }

    /// Takes out every extension with the identifier `oid`.
    pub fn remove_extension(&mut self, oid: ObjectIdentifier) {
        self.extensions.retain(|extension| extension.extn_id != oid);
    }

    /// Puts `extension` in the place of the one with the same identifier, or last where there is none.
    pub fn set_extension(&mut self, extension: Extension) {
        match self.extensions.iter_mut().find(|present| present.extn_id == extension.extn_id) {
            Some(present) => *present = extension,
            None => self.extensions.push(extension),
        }
    }
}

/// A certificate revocation list to be issued (RFC 5280 §5.1).
#[derive(Debug, Clone)]
pub struct CrlSpec {
    /// `issuer`.
    pub issuer: Name,
    /// `thisUpdate`, in seconds since the Unix epoch.
    pub this_update: u64,
    /// `nextUpdate`, in seconds since the Unix epoch, or absent.
    pub next_update: Option<u64>,
    /// `revokedCertificates`: serial number (unsigned, big-endian) and revocation date; an empty list omits the field.
    pub revoked: Vec<(Vec<u8>, u64)>,
    /// `crlEntryExtensions` of every entry, in this order; an empty list omits the field.
    pub entry_extensions: Vec<Extension>,
    /// `crlExtensions`, in this order; an empty list omits the field.
    pub extensions: Vec<Extension>,
    /// The algorithm that the TBSCertList names.
    pub algorithm: SignatureAlgorithm,
    /// The algorithm outside of the TBSCertList, where it differs from the one inside (a defect).
    pub outer_algorithm: Option<SignatureAlgorithm>,
}

/// An entry of `revokedCertificates` (RFC 5280 §5.1.2.6). The serial number is not bounded, as `x509-cert`
/// would: a positive number of 20 bytes may need 21 in DER, and Intel's do.
#[derive(Sequence)]
struct RevokedCertificate {
    serial_number: Uint,
    revocation_date: Time,
    #[asn1(optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// TBSCertList (RFC 5280 §5.1.2).
#[derive(Sequence)]
struct TbsCertList {
    version: u8,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    #[asn1(optional = "true")]
    next_update: Option<Time>,
    #[asn1(optional = "true")]
    revoked: Option<Vec<RevokedCertificate>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

impl CrlSpec {
    /// The DER-encoded TBSCertList (version 2), which the signature covers.
    ///
    /// # Panics
    ///
    /// If a serial number is empty, or a time is after the year 9999.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let revoked = self.revoked.iter().map(|(serial, date)| RevokedCertificate {
            serial_number: Uint::new(serial).expect("a serial number"),
            revocation_date: x509_time(*date),
            extensions: some(&self.entry_extensions),
        });
        encode(&TbsCertList {
            version: 1,
            signature: self.algorithm.identifier(),
            issuer: self.issuer.clone(),
            this_update: x509_time(self.this_update),
            next_update: self.next_update.map(x509_time),
            revoked: (!self.revoked.is_empty()).then(|| revoked.collect()),
            extensions: some(&self.extensions),
        })
    }

    /// The DER-encoded list, signed by `issuer_key`, whether or not that is the key of the issuer it names.
    ///
    /// # Panics
    ///
    /// As [`Self::tbs`].
    #[must_use]
    pub fn sign(&self, issuer_key: &impl Signer) -> Vec<u8> {
        signed(&self.tbs(), self.outer_algorithm.unwrap_or(self.algorithm), issuer_key)
    }

    /// Adds an entry for the certificate with this serial number, revoked on the day of `this_update`.
    #[must_use]
    pub fn revoke(mut self, serial: &[u8]) -> Self {
        self.revoked.push((serial.to_vec(), self.this_update));
        self
    }
}

/// The extensions, or none where the list is empty: DER has no empty `Extensions` (RFC 5280 §4.1.2.9).
fn some(extensions: &[Extension]) -> Option<Vec<Extension>> {
    (!extensions.is_empty()).then(|| extensions.to_vec())
}

/// What certificates and lists have in common: the signed part, the algorithm, the signature.
#[derive(Sequence)]
struct Signed {
    tbs: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

fn signed(tbs: &[u8], algorithm: SignatureAlgorithm, key: &impl Signer) -> Vec<u8> {
    encode(&Signed {
        tbs: Any::from_der(tbs).expect("a SEQUENCE"),
        algorithm: algorithm.identifier(),
        signature: BitString::from_bytes(&key.sign_x509(tbs)).expect("a signature of whole bytes"),
    })
}

/// A distinguished name of single attributes, in this order: identifier, string type, text (RFC 5280
/// §4.1.2.4).
pub(crate) fn distinguished_name(attributes: &[(ObjectIdentifier, Tag, &str)]) -> Name {
    let mut names = RdnSequence::default();
    for (oid, tag, text) in attributes {
        let value = Any::new(*tag, text.as_bytes()).expect("a short name");
        let attributes = vec![AttributeTypeAndValue { oid: *oid, value }];
        names.push(RelativeDistinguishedName::try_from(attributes).expect("one attribute"));
    }
    Name::from_der(&encode(&names)).expect("a sequence of relative names")
}

/// A certificate extension from the bytes inside of its OCTET STRING (RFC 5280 §4.1).
///
/// # Panics
///
/// If `value` is longer than DER can say (2^28 bytes).
#[must_use]
pub fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Extension {
    Extension { extn_id: oid, critical, extn_value: OctetString::new(value).expect("a short value") }
}

/// `keyUsage`, critical (RFC 5280 §4.2.1.3).
#[must_use]
pub fn key_usage(usages: impl Into<FlagSet<KeyUsages>>) -> Extension {
    extension(ID_CE_KEY_USAGE, true, &encode(&KeyUsage(usages.into())))
}

/// `extKeyUsage` (RFC 5280 §4.2.1.12).
#[must_use]
pub fn ext_key_usage(purposes: &[ObjectIdentifier]) -> Extension {
    extension(ID_CE_EXT_KEY_USAGE, false, &encode(&ExtendedKeyUsage(purposes.to_vec())))
}

/// `basicConstraints`, critical (RFC 5280 §4.2.1.9).
#[must_use]
pub fn basic_constraints(ca: bool, path_len_constraint: Option<u8>) -> Extension {
    extension(ID_CE_BASIC_CONSTRAINTS, true, &encode(&BasicConstraints { ca, path_len_constraint }))
}

/// `subjectKeyIdentifier` (RFC 5280 §4.2.1.2).
#[must_use]
pub fn subject_key_identifier(identifier: [u8; 20]) -> Extension {
    extension(ID_CE_SUBJECT_KEY_IDENTIFIER, false, &encode(&octets(&identifier)))
}

/// `authorityKeyIdentifier` with a key identifier alone (RFC 5280 §4.2.1.1 and §5.2.1).
#[must_use]
pub fn authority_key_identifier(identifier: [u8; 20]) -> Extension {
    let value = AuthorityKeyIdentifier {
        key_identifier: Some(octets(&identifier)),
        ..AuthorityKeyIdentifier::default()
    };
    extension(ID_CE_AUTHORITY_KEY_IDENTIFIER, false, &encode(&value))
}

/// `cRLDistributionPoints` with one URL (RFC 5280 §4.2.1.13).
///
/// # Panics
///
/// If `url` is not ASCII.
#[must_use]
pub fn crl_distribution_point(url: &str) -> Extension {
    let name = GeneralName::UniformResourceIdentifier(Ia5String::new(url).expect("an ASCII URL"));
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![name])),
        reasons: None,
        crl_issuer: None,
    };
    extension(ID_CE_CRL_DISTRIBUTION_POINTS, false, &encode(&CrlDistributionPoints(vec![point])))
}

/// `authorityInfoAccess` with one `caIssuers` at a URL (RFC 5280 §4.2.2.1).
///
/// # Panics
///
/// If `url` is not ASCII.
#[must_use]
pub fn ca_issuers(url: &str) -> Extension {
    let access = AccessDescription {
        access_method: ID_AD_CA_ISSUERS,
        access_location: GeneralName::UniformResourceIdentifier(Ia5String::new(url).expect("an ASCII URL")),
    };
    extension(ID_PE_AUTHORITY_INFO_ACCESS, false, &encode(&AuthorityInfoAccessSyntax(vec![access])))
}

/// `cRLNumber` (RFC 5280 §5.2.3).
#[must_use]
pub fn crl_number(number: u64) -> Extension {
    extension(ID_CE_CRL_NUMBER, false, &encode(&number))
}

/// `reasonCode` of a list's entry (RFC 5280 §5.3.1): 1 is `keyCompromise`.
#[must_use]
pub fn reason_code(code: u8) -> Extension {
    extension(ID_CE_CRL_REASONS, false, &enumerated(code))
}

/// The DER encoding of an ENUMERATED from 0 to 127.
pub(crate) fn enumerated(value: u8) -> Vec<u8> {
    encode(&Any::new(Tag::Enumerated, [value]).expect("one byte"))
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).expect("a short value")
}

/// DER-encoded certificates as PEM, in this order (RFC 7468 §5): lines of 64 characters, ended by LF.
#[must_use]
pub fn pem_chain<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut chain = String::new();
    for der in certificates {
        chain.push_str("-----BEGIN CERTIFICATE-----\n");
        for (position, character) in BASE64_STANDARD.encode(der).chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                chain.push('\n');
            }
            chain.push(character);
        }
        chain.push_str("\n-----END CERTIFICATE-----\n");
    }
    chain
}

/// The DER encoding of a value that is known to have one.
pub(crate) fn encode(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("an encodable value")
}
