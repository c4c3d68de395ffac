//! The bytes of a document: COSE_Sign1 around a map.

use std::collections::BTreeMap;

use crate::{Error, cbor::Reader, module_id::shown};

/// The largest document, in bytes: the largest payload of the specification of Nitro Enclaves' documents (aws-nitro-enclaves-nsm-api,
/// `docs/attestation_process.md`, §3.1), which is twice what NitroTPM-Tools has room for. Real ones have near 5,000.
pub const MAX_DOCUMENT: usize = 16 * 1024;

/// The largest certificate, in bytes (EC2 User Guide, `cert`).
pub const MAX_CERTIFICATE: usize = 1024;

/// The largest public_key, user_data and nonce, in bytes (EC2 User Guide, `user_data`).
pub const MAX_MEMBER: usize = 1024;

/// The most certificates of cabundle: twice as many as real documents have.
pub const MAX_CABUNDLE: usize = 8;

/// The highest register (EC2 User Guide, `index`). A TPM has 0 to 23.
const MAX_PCR: u8 = 31;

/// The one protected header: a map of alg (1) to ES384 (-35), RFC 9052 §3.1 and RFC 9053 §2.1.
const PROTECTED: [u8; 4] = [0xA1, 0x01, 0x38, 0x22];

/// The registers of a document, in the bank of SHA-384: index, and value of 48 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pcrs(BTreeMap<u8, [u8; 48]>);

impl Pcrs {
    /// The value of a register; `None` if the document has none.
    pub fn get(&self, pcr: u8) -> Option<&[u8; 48]> {
        self.0.get(&pcr)
    }

    /// Each register that the document has, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8; 48])> {
        self.0.iter().map(|(pcr, value)| (*pcr, value))
    }
}

/// An attestation document of a NitroTPM (EC2 User Guide, "Validate a NitroTPM Attestation Document"), as received.
///
/// Parsing says nothing about trust: see [`crate::VerifyDocument`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    /// The protected header: what its byte string holds.
    pub protected: &'a [u8],
    /// The payload: what its byte string holds.
    pub payload: &'a [u8],
    /// `r ‖ s`, big-endian, 48 bytes each.
    pub signature: &'a [u8; 96],
    /// Who made it.
    pub module_id: &'a str,
    /// When, in milliseconds since 1970-01-01T00:00:00Z. Not zero.
    pub timestamp: u64,
    /// The registers. There is at least one.
    pub pcrs: Pcrs,
    /// The signer's certificate, DER, 1 to [`MAX_CERTIFICATE`] bytes.
    pub certificate: &'a [u8],
    /// Its issuers, DER, root first: 1 to [`MAX_CABUNDLE`], each as long as the certificate may be.
    pub cabundle: Vec<&'a [u8]>,
    /// What the guest had signed as its key: at most [`MAX_MEMBER`] bytes, as are the next two. `None` for null and for no such member.
    pub public_key: Option<&'a [u8]>,
    /// What the guest had signed as its data.
    pub user_data: Option<&'a [u8]>,
    /// What the guest had signed as its nonce.
    pub nonce: Option<&'a [u8]>,
}

/// Which member the registers stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `nitrotpm_pcrs`.
    NitroTpm,
    /// `pcrs`.
    NitroEnclave,
}

impl<'a> Document<'a> {
    /// Reads exactly one document of at most [`MAX_DOCUMENT`] bytes.
    ///
    /// COSE_Sign1 may have its tag (18). Arrays and maps may be of definite or indefinite length, strings only of definite. The protected
    /// header is exactly `{1: -35}` in its shortest form, the unprotected header is empty. Every member is known and stands there once.
    ///
    /// # Errors
    ///
    /// [`Error::WrongType`] for a document of a Nitro Enclave, and the errors of what is not in the format or above a limit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match Self::read(bytes)? {
            (document, Kind::NitroTpm) => Ok(document),
            (_, Kind::NitroEnclave) => Err(Error::WrongType),
        }
    }

    /// The same of a document that may be a Nitro Enclave's.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<(Self, Kind), Error> {
        limited("bytes of a document", bytes.len(), MAX_DOCUMENT)?;
        let Message { protected, payload, signature } = Message::parse(bytes)?;
        let members = Members::parse(payload)?;
        let (kind, pcrs) = members.pcrs.ok_or(Error::Missing("nitrotpm_pcrs"))?;
        match members.digest.ok_or(Error::Missing("digest"))? {
            "SHA384" => {}
            other => return Err(Error::Digest(shown(other))),
        }
        let document = Self {
            protected,
            payload,
            signature,
            module_id: members.module_id.ok_or(Error::Missing("module_id"))?,
            timestamp: members.timestamp.ok_or(Error::Missing("timestamp"))?,
            pcrs,
            certificate: members.certificate.ok_or(Error::Missing("certificate"))?,
            cabundle: members.cabundle.ok_or(Error::Missing("cabundle"))?,
            public_key: members.public_key.flatten(),
            user_data: members.user_data.flatten(),
            nonce: members.nonce.flatten(),
        };
        Ok((document, kind))
    }
}

/// COSE_Sign1 (RFC 9052, §4.2).
struct Message<'a> {
    protected: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8; 96],
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let fields = &mut Reader::new(bytes);
        let mut items = fields.sign1().ok_or(Error::Document("no array"))?;
        let mut next = |fields: &mut Reader<'_>| match fields.more(&mut items) {
            Some(true) => Ok(()),
            _ => Err(Error::Document("an array of less than four")),
        };
        next(fields)?;
        let protected = fields.bytes().filter(|protected| *protected == PROTECTED);
        let protected = protected.ok_or(Error::Document("another protected header than {1: -35}"))?;
        next(fields)?;
        let unprotected = fields.map().and_then(|mut members| fields.more(&mut members));
        if unprotected != Some(false) {
            return Err(Error::Document("an unprotected header that is no empty map"));
        }
        next(fields)?;
        let payload = fields.bytes().ok_or(Error::Document("no payload of bytes"))?;
        next(fields)?;
        let signature = fields.bytes().and_then(|signature| signature.try_into().ok());
        let signature = signature.ok_or(Error::Document("no signature of 96 bytes"))?;
        if fields.more(&mut items) != Some(false) || !fields.is_at_end() {
            return Err(Error::Document("something behind the signature"));
        }
        Ok(Self { protected, payload, signature })
    }
}

/// The payload's members, of which each may be missing.
#[derive(Default)]
struct Members<'a> {
    module_id: Option<&'a str>,
    digest: Option<&'a str>,
    timestamp: Option<u64>,
    pcrs: Option<(Kind, Pcrs)>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

impl<'a> Members<'a> {
    fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let fields = &mut Reader::new(payload);
        let mut members = Self::default();
        let mut items = fields.map().ok_or(Error::Document("a payload that is no map"))?;
        while fields.more(&mut items).ok_or(Error::Document("a payload that ends early"))? {
            let name = fields.text().ok_or(Error::Document("a member whose name is no text"))?;
            match name {
                "module_id" => {
                    let text = fields.text().ok_or(Error::Document("a module_id that is no text"));
                    once(&mut members.module_id, "module_id", text?)?;
                }
                "digest" => {
                    let text = fields.text().ok_or(Error::Document("a digest that is no text"));
                    once(&mut members.digest, "digest", text?)?;
                }
                "timestamp" => {
                    let number = fields.unsigned().filter(|number| *number > 0);
                    let number = number.ok_or(Error::Document("a timestamp that is no number above zero"));
                    once(&mut members.timestamp, "timestamp", number?)?;
                }
                "nitrotpm_pcrs" => once(&mut members.pcrs, "pcrs", (Kind::NitroTpm, pcrs(fields)?))?,
                "pcrs" => once(&mut members.pcrs, "pcrs", (Kind::NitroEnclave, pcrs(fields)?))?,
                "certificate" => once(&mut members.certificate, "certificate", certificate(fields)?)?,
                "cabundle" => once(&mut members.cabundle, "cabundle", cabundle(fields)?)?,
                "public_key" => once(&mut members.public_key, "public_key", optional(fields)?)?,
                "user_data" => once(&mut members.user_data, "user_data", optional(fields)?)?,
                "nonce" => once(&mut members.nonce, "nonce", optional(fields)?)?,
                _ => return Err(Error::UnknownMember(shown(name))),
            }
        }
        if !fields.is_at_end() {
            return Err(Error::Document("a payload with something behind its map"));
        }
        Ok(members)
    }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Duplicate(name)),
    }
}

const fn limited(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Registers by their number. Numbers are few and stand there once, so a map of indefinite length ends too.
fn pcrs(fields: &mut Reader<'_>) -> Result<Pcrs, Error> {
    let malformed = Error::Document("registers that are no map of numbers to bytes");
    let mut pcrs = BTreeMap::new();
    let mut items = fields.map().ok_or(malformed.clone())?;
    while fields.more(&mut items).ok_or(malformed.clone())? {
        let pcr = fields.unsigned().ok_or(malformed.clone())?;
        let pcr = u8::try_from(pcr).ok().filter(|pcr| *pcr <= MAX_PCR);
        let pcr = pcr.ok_or(Error::Document("a register above 31"))?;
        let value = fields.bytes().ok_or(malformed.clone())?;
        let value = value.try_into().map_err(|_| Error::Document("a register without 48 bytes"))?;
        if pcrs.insert(pcr, value).is_some() {
            return Err(Error::Duplicate("a register"));
        }
    }
    if pcrs.is_empty() {
        return Err(Error::Document("no registers"));
    }
    Ok(Pcrs(pcrs))
}

fn certificate<'a>(fields: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let certificate = fields.bytes().filter(|certificate| !certificate.is_empty());
    let certificate = certificate.ok_or(Error::Document("a certificate that is no bytes"))?;
    limited("bytes of a certificate", certificate.len(), MAX_CERTIFICATE)?;
    Ok(certificate)
}

fn cabundle<'a>(fields: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Error> {
    let malformed = Error::Document("a cabundle that is no array of certificates");
    let mut bundle = Vec::new();
    let mut items = fields.array().ok_or(malformed.clone())?;
    while fields.more(&mut items).ok_or(malformed.clone())? {
        limited("certificates in cabundle", bundle.len().saturating_add(1), MAX_CABUNDLE)?;
        bundle.push(certificate(fields)?);
    }
    if bundle.is_empty() {
        return Err(malformed);
    }
    Ok(bundle)
}

/// A member that may be null.
fn optional<'a>(fields: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Error> {
    let member = fields.nullable_bytes().ok_or(Error::Document("a member that is neither bytes nor null"))?;
    limited("bytes of a member", member.map_or(0, <[u8]>::len), MAX_MEMBER)?;
    Ok(member)
}
