//! OCSP responses, encoded field by field (RFC 6960 §4.2), and the certificates of delegated responders.

#![expect(
    clippy::expect_used,
    reason = "the lab encodes bounded values, so a failure is a mistake in the lab"
)]

use core::time::Duration;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_KP_OCSP_SIGNING, ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512};
use const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use der::asn1::{Any, BitString, GeneralizedTime, OctetString, Uint};
use der::{Decode as _, Tag, TagNumber};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::keys::{Signer, sha1, sha256, sha384, sha512};
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, distinguished_name, encode,
    enumerated, ext_key_usage, key_usage, subject_key_identifier,
};

/// The hash by which a CertID names an issuer (RFC 6960 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertIdHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384: NVIDIA's.
    Sha384,
    /// SHA-512, which nobody asks by.
    Sha512,
}

impl CertIdHash {
    fn identifier(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ID_SHA_1,
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1(bytes).into(),
            Self::Sha256 => sha256(bytes).into(),
            Self::Sha384 => sha384(bytes).into(),
            Self::Sha512 => sha512(bytes).into(),
        }
    }
}

/// `certStatus` (RFC 6960 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `good`.
    Good,
    /// `revoked`, in seconds since the Unix epoch, with the CRLReason or without.
    Revoked(u64, Option<u8>),
    /// `unknown`.
    Unknown,
}

/// `responderID` (RFC 6960 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponderId {
    /// `byName`.
    Name(Name),
    /// `byKey`: SHA-1 of the public key.
    Key([u8; 20]),
}

/// A SingleResponse (RFC 6960 §4.2.1).
#[derive(Debug, Clone)]
pub struct Answer {
    /// `hashAlgorithm`.
    pub hash: CertIdHash,
    /// What `issuerNameHash` is made of.
    pub issuer_name: Name,
    /// The SubjectPublicKeyInfo, DER-encoded, of whose key `issuerKeyHash` is made.
    pub issuer_spki: Vec<u8>,
    /// `serialNumber`: unsigned, big-endian.
    pub serial: Vec<u8>,
    /// `certStatus`.
    pub status: Status,
    /// `thisUpdate`, in seconds since the Unix epoch.
    pub this_update: u64,
    /// `nextUpdate`, in seconds since the Unix epoch, or absent.
    pub next_update: Option<u64>,
    /// `singleExtensions`, in this order; an empty list omits the field.
    pub extensions: Vec<Extension>,
}

impl Answer {
    /// Good news of `subject`, which `issuer` issued, for the 24 hours from `this_update` on.
    ///
    /// # Panics
    ///
    /// If `this_update` is no time.
    #[must_use]
    pub fn good(subject: &CertSpec, issuer: &CertSpec, this_update: u64) -> Self {
        Self {
            hash: CertIdHash::Sha384,
            issuer_name: issuer.subject.clone(),
            issuer_spki: issuer.spki.clone(),
            serial: subject.serial.clone(),
            status: Status::Good,
            this_update,
            next_update: Some(this_update.checked_add(86_400).expect("a time")),
            extensions: Vec::new(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let algorithm =
            AlgorithmIdentifierOwned { oid: self.hash.identifier(), parameters: Some(Any::null()) };
        let cert_id = sequence(&[
            encode(&algorithm),
            octets(&self.hash.of(&encode(&self.issuer_name))),
            octets(&self.hash.of(&public_key(&self.issuer_spki))),
            encode(&Uint::new(&self.serial).expect("a serial number")),
        ]);
        // good [0] and unknown [2] are NULL, revoked [1] a RevokedInfo, all three IMPLICIT.
        let status = match self.status {
            Status::Good => context(0, false, &[]),
            Status::Unknown => context(2, false, &[]),
            Status::Revoked(at, reason) => {
                let reason = reason.map(|reason| explicit(0, &enumerated(reason)));
                context(1, true, &[time(at), reason.unwrap_or_default()].concat())
            }
        };
        let next_update = self.next_update.map(|at| explicit(0, &time(at)));
        sequence(&[
            cert_id,
            status,
            time(self.this_update),
            next_update.unwrap_or_default(),
            some(&self.extensions),
        ])
    }
}

/// A response to be given (RFC 6960 §4.2.1).
#[derive(Debug, Clone)]
pub struct OcspSpec {
    /// `responseStatus`, as it is encoded: 0 stands for successful.
    pub response_status: u8,
    /// `responseType`.
    pub response_type: ObjectIdentifier,
    /// `version`, as it is encoded: 0 stands for v1, which DER leaves out.
    pub version: Option<u8>,
    /// `responderID`.
    pub responder: ResponderId,
    /// `producedAt`, in seconds since the Unix epoch.
    pub produced_at: u64,
    /// `responses`, in this order.
    pub answers: Vec<Answer>,
    /// `responseExtensions`, in this order; an empty list omits the field.
    pub extensions: Vec<Extension>,
    /// `signatureAlgorithm`.
    pub algorithm: SignatureAlgorithm,
    /// `certs`, DER-encoded, in this order; an empty list omits the field.
    pub certificates: Vec<Vec<u8>>,
    /// What follows the BasicOCSPResponse in its OCTET STRING: nothing, unless as a defect.
    pub trailing: Vec<u8>,
}

impl OcspSpec {
    /// A response of `answer` by the key of `signer`, named by its key, without certificates, made when the answer was.
    #[must_use]
    pub fn new(answer: Answer, signer: &CertSpec) -> Self {
        Self {
            response_status: 0,
            response_type: ID_PKIX_OCSP_BASIC,
            version: None,
            responder: ResponderId::Key(sha1(&public_key(&signer.spki))),
            produced_at: answer.this_update,
            answers: vec![answer],
            extensions: Vec::new(),
            algorithm: signer.algorithm,
            certificates: Vec::new(),
            trailing: Vec::new(),
        }
    }

    /// The DER-encoded ResponseData, which the signature covers.
    ///
    /// # Panics
    ///
    /// If a serial number is empty, a SubjectPublicKeyInfo is none, or a time is after the year 9999.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let version = self.version.map(|version| explicit(0, &encode(&version)));
        let responder = match &self.responder {
            ResponderId::Name(name) => explicit(1, &encode(name)),
            ResponderId::Key(hash) => explicit(2, &octets(hash)),
        };
        let answers: Vec<Vec<u8>> = self.answers.iter().map(Answer::der).collect();
        sequence(&[
            version.unwrap_or_default(),
            responder,
            time(self.produced_at),
            sequence(&answers),
            some(&self.extensions),
        ])
    }

    /// The DER-encoded OCSPResponse, signed by `key`, whether or not that is the key of the responder it names.
    ///
    /// # Panics
    ///
    /// As [`Self::tbs`].
    #[must_use]
    pub fn sign(&self, key: &impl Signer) -> Vec<u8> {
        self.around(&self.tbs(), key)
    }

    /// The same around any bytes in the place of the ResponseData.
    ///
    /// # Panics
    ///
    /// If `tbs` is longer than DER can say (2^28 bytes).
    #[must_use]
    pub fn around(&self, tbs: &[u8], key: &impl Signer) -> Vec<u8> {
        let signature = BitString::from_bytes(&key.sign_x509(tbs)).expect("a signature of whole bytes");
        let certificates = match self.certificates.as_slice() {
            [] => Vec::new(),
            certificates => explicit(0, &sequence(certificates)),
        };
        let basic = [tbs.to_vec(), encode(&self.algorithm.identifier()), encode(&signature), certificates];
        let bytes = sequence(&[
            encode(&self.response_type),
            octets(&[sequence(&basic), self.trailing.clone()].concat()),
        ]);
        sequence(&[enumerated(self.response_status), explicit(0, &bytes)])
    }
}

/// What a responder says that gives no response: only `responseStatus`, such as 3 for `tryLater`.
#[must_use]
pub fn unsuccessful(response_status: u8) -> Vec<u8> {
    sequence(&[enumerated(response_status)])
}

/// The certificate of a delegated responder before `issuer` signs it, as NVIDIA's are but for the name: valid as long as the issuer's,
/// for signing OCSP responses and nothing else, with id-pkix-ocsp-nocheck in the extended key usage.
///
/// # Panics
///
/// If `spki` or the issuer's is not a SubjectPublicKeyInfo.
#[must_use]
pub fn responder_spec(issuer: &CertSpec, spki: &[u8]) -> CertSpec {
    use const_oid::db::{rfc4519::COMMON_NAME, rfc6960::ID_PKIX_OCSP_NOCHECK};
    let key = sha1(&public_key(spki));
    CertSpec {
        version: 2,
        serial: key.to_vec(),
        issuer: issuer.subject.clone(),
        not_before: issuer.not_before,
        not_after: issuer.not_after,
        subject: distinguished_name(&[(COMMON_NAME, Tag::Utf8String, RESPONDER_NAME)]),
        spki: spki.to_vec(),
        extensions: vec![
            Extension { critical: false, ..basic_constraints(false, None) },
            key_usage(KeyUsages::DigitalSignature),
            Extension { critical: true, ..ext_key_usage(&[ID_KP_OCSP_SIGNING, ID_PKIX_OCSP_NOCHECK]) },
            subject_key_identifier(key),
            authority_key_identifier(sha1(&public_key(&issuer.spki))),
        ],
        algorithm: issuer.algorithm,
        outer_algorithm: None,
    }
}

/// The common name of a delegated responder.
pub const RESPONDER_NAME: &str = "Lab OCSP Responder";

/// What the subjectPublicKey of a SubjectPublicKeyInfo holds.
fn public_key(spki: &[u8]) -> Vec<u8> {
    let spki = SubjectPublicKeyInfoOwned::from_der(spki).expect("a SubjectPublicKeyInfo");
    spki.subject_public_key.raw_bytes().to_vec()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    encode(&Any::new(Tag::Sequence, parts.concat()).expect("a short value"))
}

/// A context-specific tag with this number around `value`.
fn context(number: u32, constructed: bool, value: &[u8]) -> Vec<u8> {
    let tag = Tag::ContextSpecific { constructed, number: TagNumber(number) };
    encode(&Any::new(tag, value).expect("a short value"))
}

fn explicit(number: u32, inner: &[u8]) -> Vec<u8> {
    context(number, true, inner)
}

/// `[1] EXPLICIT Extensions`, or nothing where the list is empty.
fn some(extensions: &[Extension]) -> Vec<u8> {
    if extensions.is_empty() { Vec::new() } else { explicit(1, &encode(&extensions.to_vec())) }
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    encode(&OctetString::new(bytes).expect("a short value"))
}

fn time(seconds: u64) -> Vec<u8> {
    let time = GeneralizedTime::from_unix_duration(Duration::from_secs(seconds));
    encode(&time.expect("a time before the year 10000"))
}
