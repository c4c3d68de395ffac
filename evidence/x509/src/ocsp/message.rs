//! The messages of OCSP, in the ASN.1 of RFC 6960 appendix B.1 (explicit tags).

use std::fmt;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use const_oid::{
    ObjectIdentifier,
    db::{
        rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_384},
        rfc6960::ID_PKIX_OCSP_BASIC,
    },
};
use der::{
    Choice, Decode, Encode, Enumerated, Reader, Sequence, SliceReader, TagNumber,
    asn1::{Any, AnyRef, ContextSpecific, GeneralizedTime, Int, Null, OctetString, OctetStringRef},
};
use x509_cert::{ext::Extension, name::Name, spki::AlgorithmIdentifierOwned};

use super::MAX_OCSP_RESPONSE;
use crate::{Certificate, OcspError, signed::Signed};

/// The most answers of a response: NVIDIA's have one.
const MAX_ANSWERS: usize = 8;

/// The most certificates of a response: NVIDIA's have one.
const MAX_CERTIFICATES: usize = 4;

/// OCSPResponseStatus (RFC 6960 §4.2.1): what a responder says before it says anything of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumerated)]
#[non_exhaustive]
#[repr(u8)]
pub enum ResponderStatus {
    /// There is a response.
    Successful = 0,
    /// The request did not parse.
    MalformedRequest = 1,
    /// The responder failed.
    InternalError = 2,
    /// It cannot answer now.
    TryLater = 3,
    /// It wants requests to be signed.
    SigRequired = 5,
    /// It may not answer this client, or for this certificate.
    Unauthorized = 6,
}

impl fmt::Display for ResponderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Successful => "successful",
            Self::MalformedRequest => "malformed request",
            Self::InternalError => "internal error",
            Self::TryLater => "try later",
            Self::SigRequired => "signature required",
            Self::Unauthorized => "unauthorized",
        })
    }
}

/// CRLReason (RFC 5280 §5.3.1): why a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumerated)]
#[non_exhaustive]
#[repr(u8)]
pub enum RevocationReason {
    /// No reason.
    Unspecified = 0,
    /// Its key is in other hands.
    KeyCompromise = 1,
    /// The key of its issuer is in other hands.
    CaCompromise = 2,
    /// Its holder has another name or belongs elsewhere.
    AffiliationChanged = 3,
    /// Another certificate has its place.
    Superseded = 4,
    /// It is no longer needed.
    CessationOfOperation = 5,
    /// For a while.
    CertificateHold = 6,
    /// No longer, after a while: for lists of changes.
    RemoveFromCrl = 8,
    /// It says what no longer holds.
    PrivilegeWithdrawn = 9,
    /// The key of the issuer of its attributes is in other hands.
    AaCompromise = 10,
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key compromise",
            Self::CaCompromise => "ca compromise",
            Self::AffiliationChanged => "affiliation changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation of operation",
            Self::CertificateHold => "certificate hold",
            Self::RemoveFromCrl => "remove from crl",
            Self::PrivilegeWithdrawn => "privilege withdrawn",
            Self::AaCompromise => "aa compromise",
        })
    }
}

/// OCSPResponse (RFC 6960 §4.2.1).
#[derive(Sequence)]
struct Outer<'a> {
    status: ResponderStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes<'a>>,
}

#[derive(Sequence)]
struct ResponseBytes<'a> {
    response_type: ObjectIdentifier,
    response: &'a OctetStringRef,
}

/// BasicOCSPResponse, of version 1.
#[derive(Debug)]
pub(super) struct Basic<'a> {
    /// Over the bytes that were received.
    pub(super) signed: Signed<'a>,
    pub(super) data: ResponseData,
    pub(super) certificates: Vec<Certificate>,
}

#[derive(Debug, Sequence)]
pub(super) struct ResponseData {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    pub(super) responder: ResponderId,
    pub(super) produced_at: GeneralizedTime,
    responses: Vec<Answer>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Vec<Extension>>,
}

#[derive(Debug, Choice)]
pub(super) enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
    /// SHA-1 of the public key.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

/// SingleResponse.
#[derive(Debug, Sequence)]
pub(super) struct Answer {
    pub(super) id: CertId,
    pub(super) status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Vec<Extension>>,
}

#[derive(Debug, Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Debug, Sequence)]
pub(super) struct RevokedInfo {
    pub(super) time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) reason: Option<RevocationReason>,
}

/// Which certificate is meant (RFC 6960 §4.1.1).
#[derive(Debug, Sequence)]
pub(super) struct CertId {
    hash_algorithm: AlgorithmIdentifierOwned,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    serial: Int,
}

impl<'a> Basic<'a> {
    /// Reads a response that is successful, basic and of version 1, and holds no more than is read.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, OcspError> {
        let malformed = |error: der::Error| OcspError::Malformed(error.to_string());
        if der.len() > MAX_OCSP_RESPONSE {
            return Err(OcspError::TooLarge { found: der.len(), limit: MAX_OCSP_RESPONSE });
        }
        let outer = Outer::from_der(der).map_err(malformed)?;
        if outer.status != ResponderStatus::Successful {
            return Err(OcspError::Unsuccessful(outer.status));
        }
        let Some(bytes) = outer.bytes else {
            return Err(OcspError::Malformed("successful, without a response".to_owned()));
        };
        if bytes.response_type != ID_PKIX_OCSP_BASIC {
            return Err(OcspError::NotBasic(bytes.response_type.to_string()));
        }
        let (signed, certificates) = split(bytes.response.as_bytes()).map_err(malformed)?;
        let data = ResponseData::from_der(signed.tbs()).map_err(malformed)?;
        if let Some(version) = data.version.filter(|version| *version != 0) {
            return Err(OcspError::Version(version));
        }
        if data.responses.len() > MAX_ANSWERS {
            return Err(OcspError::TooManyAnswers { found: data.responses.len(), limit: MAX_ANSWERS });
        }
        if certificates.len() > MAX_CERTIFICATES {
            return Err(OcspError::TooManyCertificates {
                found: certificates.len(),
                limit: MAX_CERTIFICATES,
            });
        }
        let certificates = certificates.iter().map(|certificate| {
            Certificate::parse(&certificate.to_der().map_err(malformed)?).map_err(OcspError::Certificate)
        });
        Ok(Self { signed, data, certificates: certificates.collect::<Result<_, _>>()? })
    }

    pub(super) fn answers(&self) -> &[Answer] {
        &self.data.responses
    }
}

/// BasicOCSPResponse: what is signed, and the certificates beside it.
fn split(der: &[u8]) -> der::Result<(Signed<'_>, Vec<AnyRef<'_>>)> {
    let mut outer = SliceReader::new(der)?;
    let parts = outer.sequence(|inner| {
        let signed = Signed::decode(inner)?;
        let certificates = ContextSpecific::<Vec<AnyRef<'_>>>::decode_explicit(inner, TagNumber(0))?;
        Ok::<_, der::Error>((signed, certificates.map(|field| field.value).unwrap_or_default()))
    })?;
    outer.finish()?;
    Ok(parts)
}

impl ResponderId {
    /// Whether this is `certificate`, by its name or its key: a hint, which a signature must bear out.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::ByName(name) => name.to_der().is_ok_and(|name| name == certificate.subject_der()),
            Self::ByKey(hash) => {
                digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.public_key()).as_ref() == hash.as_bytes()
            }
        }
    }
}

impl CertId {
    /// The certificate `subject` of `issuer`, by SHA-256.
    fn new(subject: &Certificate, issuer: &Certificate) -> der::Result<Self> {
        let hash = |bytes| OctetString::new(digest(&SHA256, bytes).as_ref());
        Ok(Self {
            // With NULL, as most write it; either form is to be accepted (RFC 5754 §2).
            hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: Some(Any::null()) },
            issuer_name_hash: hash(issuer.subject_der())?,
            issuer_key_hash: hash(issuer.public_key())?,
            serial: Int::new(subject.serial())?,
        })
    }

    /// Whether it is `subject` that is meant, as a certificate of `issuer`.
    ///
    /// SHA-1 does here: it names the issuer, by whose word alone the answer counts in the end.
    pub(super) fn is_of(&self, subject: &Certificate, issuer: &Certificate) -> bool {
        self.algorithm().is_some_and(|algorithm| {
            self.serial.as_bytes() == subject.serial()
                && subject.issuer_der() == issuer.subject_der()
                && self.issuer_name_hash.as_bytes() == digest(algorithm, issuer.subject_der()).as_ref()
                && self.issuer_key_hash.as_bytes() == digest(algorithm, issuer.public_key()).as_ref()
        })
    }

    fn algorithm(&self) -> Option<&'static Algorithm> {
        match self.hash_algorithm.oid {
            ID_SHA_1 => Some(&SHA1_FOR_LEGACY_USE_ONLY),
            ID_SHA_256 => Some(&SHA256),
            ID_SHA_384 => Some(&SHA384),
            _ => None,
        }
    }
}

/// OCSPRequest (RFC 6960 §4.1.1): unsigned, of version 1.
#[derive(Sequence)]
struct OcspRequest {
    tbs: TbsRequest,
}

#[derive(Sequence)]
struct TbsRequest {
    requests: Vec<Request>,
}

#[derive(Sequence)]
struct Request {
    id: CertId,
}

/// The DER OCSPRequest that asks for the status of `subject`, a certificate of `issuer`: by SHA-256, without nonce or other extensions,
/// so that a responder may answer it in advance.
pub fn ocsp_request(subject: &Certificate, issuer: &Certificate) -> Vec<u8> {
    let request = CertId::new(subject, issuer)
        .and_then(|id| OcspRequest { tbs: TbsRequest { requests: vec![Request { id }] } }.to_der());
    // Two hashes and the serial number of a certificate that was read do not fail to encode.
    request.unwrap_or_default()
}

/// What follows `{url}/` where `request` is sent by GET to a responder at `{url}` (RFC 6960 appendix A.1): base64, percent-encoded.
pub fn ocsp_get_path(request: &[u8]) -> String {
    BASE64_STANDARD.encode(request).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}
