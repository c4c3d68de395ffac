//! Attestation documents of a NitroTPM: a command of AWS's own.
//!
//! Source: aws/NitroTPM-Tools (`nitro-tpm-attest`), as the EC2 User Guide recommends it: the request stands in an NV index, the command
//! names the index twice, and the answer stands in the same index.

use aws_lc_rs::digest::{SHA512, digest};
use ciborium::Value;

use super::error::UNEXPECTED;
use super::session::{ALG_SHA512, Session, random};
use super::wire::{Command, Wire, password, sized};
use super::{TpmError, TpmGuest};

/// The command of AWS's: TPM_CC with the bit V.
const NITRO_TPM_REQUEST: u32 = 0x2000_0001;

/// TPM_CC.
const NV_UNDEFINE_SPACE: u32 = 0x122;
const NV_DEFINE_SPACE: u32 = 0x12A;
const NV_WRITE: u32 = 0x137;
const NV_READ: u32 = 0x14E;
const NV_READ_PUBLIC: u32 = 0x169;

/// TPM_RH_OWNER.
const OWNER: u32 = 0x4000_0001;

/// The first of the indices among which one is taken. They are the owner's to use (TCG Registry of reserved TPM 2.0 handles).
const FIRST_INDEX: u32 = 0x0180_0000;

/// TPMA_NV_AUTHREAD and TPMA_NV_AUTHWRITE.
const ATTRIBUTES: u32 = 0x0004_0004;

/// Bytes of the index: of the largest request and the largest answer.
const SIZE: u16 = 8192;

/// The most bytes that one command writes or reads: what every TPM takes.
const CHUNK: usize = 512;

/// The most bytes of what a document commits to (EC2 User Guide).
const MAX_MEMBER: usize = 1024;

/// The name that errors have for the command.
const NAME: &str = "NitroTPM's attestation";

/// What a NitroTPM was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NitroDocument {
    /// The document: COSE_Sign1, at most 8 KiB.
    pub document: Vec<u8>,
    /// The endorsement key by the template L-1, for which the session was salted: DER SubjectPublicKeyInfo of RSA with 2048 bits.
    /// Nothing vouches for it.
    pub ek_public: Vec<u8>,
}

impl TpmGuest {
    /// A document of the registers as they are now, which commits to `nonce` and `user_data`. Whether it does is the caller's to check.
    ///
    /// It is asked for on a connection of its own, in whose time no [`super::Tpm`] of the caller's may be open: a plain device has one
    /// user. The index through which it comes is let go of on every path but one: where the process ends in between.
    ///
    /// # Errors
    ///
    /// [`TpmError::Open`], [`TpmError::Command`], [`TpmError::NoDocument`], [`TpmError::TooLong`].
    pub fn nitro_document(
        &self,
        nonce: Option<&[u8]>,
        user_data: Option<&[u8]>,
    ) -> Result<NitroDocument, TpmError> {
        let request = request(nonce, user_data)?;
        let mut tpm = Wire::open(&self.root, self.tcti.as_deref())?;
        let mut session = Session::start(&mut tpm)?;
        let index = Index::define(&mut tpm).and_then(|index| {
            let answered = index.exchange(&mut tpm, &mut session, &request);
            let undefined = index.undefine(&mut tpm);
            answered.and_then(|answer| undefined.map(|()| answer))
        });
        let ended = session.end(&mut tpm);
        let answer = index.and_then(|answer| ended.map(|ek_public| (answer, ek_public)));
        let (answer, ek_public) = answer?;
        Ok(NitroDocument { document: document(&answer)?, ek_public })
    }
}

/// An index of this process's.
struct Index {
    handle: u32,
    auth: [u8; 64],
}

impl Index {
    /// Defines one with an authorization of its own, so that no other process of the guest writes into it by mistake.
    fn define(tpm: &mut Wire) -> Result<Self, TpmError> {
        // One of 2^20, so that two processes do not meet.
        let [a, b, c] = random::<3>()?;
        let handle = FIRST_INDEX | u32::from_be_bytes([0, a & 0x0F, b, c]);
        let mut auth = random::<64>()?;
        // Zeros at the end of an authorization do not count.
        if let Some(last) = auth.last_mut() {
            *last |= 1;
        }
        let public = [
            &handle.to_be_bytes()[..],
            &ALG_SHA512.to_be_bytes(),
            &ATTRIBUTES.to_be_bytes(),
            &sized(&[]),
            &SIZE.to_be_bytes(),
        ];
        tpm.send(&Command {
            name: "TPM2_NV_DefineSpace",
            code: NV_DEFINE_SPACE,
            handles: vec![OWNER],
            authorization: Some(password(&[])),
            parameters: [sized(&auth), sized(&public.concat())].concat(),
        })?;
        Ok(Self { handle, auth })
    }

    fn undefine(&self, tpm: &mut Wire) -> Result<(), TpmError> {
        let undefine = Command {
            name: "TPM2_NV_UndefineSpace",
            code: NV_UNDEFINE_SPACE,
            handles: vec![OWNER, self.handle],
            authorization: Some(password(&[])),
            parameters: Vec::new(),
        };
        tpm.send(&undefine).map(|_answer| ())
    }

    /// Writes the request, has it answered, reads the answer: as many bytes as the index has.
    fn exchange(&self, tpm: &mut Wire, session: &mut Session, request: &[u8]) -> Result<Vec<u8>, TpmError> {
        let mut offset = 0;
        for chunk in request.chunks(CHUNK) {
            // The Name changes with the first write.
            let name = self.name(tpm)?;
            let write = Command {
                name: "TPM2_NV_Write",
                code: NV_WRITE,
                handles: vec![self.handle; 2],
                authorization: None,
                parameters: [sized(chunk), u16_bytes(offset)].concat(),
            };
            session.send(tpm, write, &[&name, &name], &self.auth)?;
            offset = offset.saturating_add(chunk.len());
        }
        let name = self.name(tpm)?;
        let ask = Command {
            name: NAME,
            code: NITRO_TPM_REQUEST,
            handles: vec![self.handle; 2],
            authorization: None,
            parameters: Vec::new(),
        };
        session.send(tpm, ask, &[&name, &name], &self.auth)?;
        let mut answer = Vec::with_capacity(SIZE.into());
        while answer.len() < usize::from(SIZE) {
            let length = CHUNK.min(usize::from(SIZE).saturating_sub(answer.len()));
            let read = tpm.send(&Command {
                name: "TPM2_NV_Read",
                code: NV_READ,
                handles: vec![self.handle; 2],
                authorization: Some(password(&self.auth)),
                parameters: [u16_bytes(length), u16_bytes(answer.len())].concat(),
            })?;
            let chunk = read.with_sessions(0)?.0.sized().filter(|chunk| chunk.len() == length);
            answer.extend_from_slice(chunk.ok_or_else(|| read.unexpected())?);
        }
        Ok(answer)
    }

    /// The Name of the index: nameAlg, and its hash of the public area as the TPM has it.
    fn name(&self, tpm: &mut Wire) -> Result<Vec<u8>, TpmError> {
        let public = tpm.send(&Command {
            name: "TPM2_NV_ReadPublic",
            code: NV_READ_PUBLIC,
            handles: vec![self.handle],
            authorization: None,
            parameters: Vec::new(),
        })?;
        let area = public.behind(0)?.sized().ok_or_else(|| public.unexpected())?;
        Ok([&ALG_SHA512.to_be_bytes()[..], digest(&SHA512, area).as_ref()].concat())
    }
}

/// A length or an offset inside of the index.
fn u16_bytes(number: usize) -> Vec<u8> {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes().to_vec()
}

/// `{"Attestation": {"user_data": …, "nonce": …, "public_key": null}}`.
fn request(nonce: Option<&[u8]>, user_data: Option<&[u8]>) -> Result<Vec<u8>, TpmError> {
    let members = [("user_data", user_data), ("nonce", nonce), ("public_key", None)];
    let mut map = Vec::with_capacity(members.len());
    for (name, member) in members {
        if let Some(found) = member.map(<[u8]>::len).filter(|found| *found > MAX_MEMBER) {
            return Err(TpmError::TooLong { what: name, found, most: MAX_MEMBER });
        }
        let value = member.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()));
        map.push((Value::Text(name.to_owned()), value));
    }
    let request = Value::Map(vec![(Value::Text("Attestation".to_owned()), Value::Map(map))]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&request, &mut bytes).map_err(|_error| unexpected())?;
    Ok(bytes)
}

/// The document in `{"Attestation": {"document": …}}`, with whatever behind it; or why there is none: `{"Error": code}`.
fn document(answer: &[u8]) -> Result<Vec<u8>, TpmError> {
    let answer: Value = ciborium::from_reader(answer).map_err(|_error| unexpected())?;
    match single(answer).ok_or_else(unexpected)? {
        (name, value) if name == "Attestation" => match single(value).ok_or_else(unexpected)? {
            (name, Value::Bytes(document)) if name == "document" => Ok(document),
            _ => Err(unexpected()),
        },
        (name, Value::Text(code)) if name == "Error" => {
            Err(TpmError::NoDocument { code: code.escape_default().take(64).collect() })
        }
        _ => Err(unexpected()),
    }
}

/// The one member of a map.
fn single(value: Value) -> Option<(String, Value)> {
    let members: [(Value, Value); 1] = value.into_map().ok()?.try_into().ok()?;
    let [(name, value)] = members;
    Some((name.into_text().ok()?, value))
}

fn unexpected() -> TpmError {
    TpmError::Command { command: NAME, answer: UNEXPECTED.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_aws_s_tool_writes_it() {
        let expected =
            "a16b4174746573746174696f6ea369757365725f6461746142c4c4656e6f6e6365f66a7075626c69635f6b6579f6";
        assert_eq!(hex::encode(request(None, Some(&[0xC4; 2])).unwrap()), expected);
        let long = TpmError::TooLong { what: "nonce", found: 1025, most: 1024 };
        assert_eq!(request(Some(&[0; 1025]), None), Err(long));
    }

    #[test]
    fn an_answer_is_a_document_or_a_code() {
        let of = |hex: &str| document(&[hex::decode(hex).unwrap(), vec![0xFF; 9]].concat());
        assert_eq!(of("a16b4174746573746174696f6ea168646f63756d656e744107"), Ok(vec![7]));
        // The same without lengths.
        assert_eq!(of("bf6b4174746573746174696f6ebf68646f63756d656e744107ffff"), Ok(vec![7]));
        let code = "InvalidOperation".to_owned();
        let error = of("a1654572726f7270496e76616c69644f7065726174696f6e");
        assert_eq!(error, Err(TpmError::NoDocument { code }));
        for other in [
            "",
            "a0",
            "f6",
            "a1654572726f7207",
            "a16b4174746573746174696f6ea0",
            "a16b4174746573746174696f6ea168646f63756d656e74f6",
            "a16b4174746573746174696f6ea168646f63756d656e7458ff",
            "a16b446573637269626550435281",
        ] {
            assert!(matches!(of(other), Err(TpmError::Command { .. })), "{other}");
        }
    }
}
