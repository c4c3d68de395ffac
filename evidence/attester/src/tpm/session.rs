//! A salted session, as AWS's command wants one. It protects nothing that a verdict depends on: the key of the salt is whatever the TPM
//! says, and the index's own authorization is sent in clear.
//!
//! Source: TPM 2.0 Library, revision 1.59, part 1, 19.6 (sessions), 11.4.10 (KDFa), B.10.2 (salts under RSA).

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA512};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};

use super::TpmError;
use super::error::UNEXPECTED;
use super::wire::{Answer, Command, Reader, Wire, password, sized};

/// TPM_CC.
const CREATE_PRIMARY: u32 = 0x131;
const START_AUTH_SESSION: u32 = 0x176;
const FLUSH_CONTEXT: u32 = 0x165;

/// TPM_RH_ENDORSEMENT and TPM_RH_NULL.
const ENDORSEMENT: u32 = 0x4000_000B;
const NULL: u32 = 0x4000_0007;

/// TPM_ALG_SHA512.
pub(super) const ALG_SHA512: u16 = 0x000D;

/// TPMA_SESSION: the session goes on after the command.
const CONTINUE: u8 = 1;

/// Bytes of a nonce of ours.
const NONCE: usize = 32;

/// Bytes of a salt: a digest of the key's nameAlg.
const SALT: usize = 32;

/// What stands before the modulus in the SubjectPublicKeyInfo of an RSA key of 2048 bits (RFC 8017, A.1.1), and behind it the exponent
/// 65537.
const SPKI_BEFORE: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x03, 0x82, 0x01, 0x0F, 0x00, 0x30, 0x82, 0x01, 0x0A, 0x02, 0x82, 0x01, 0x01, 0x00,
];
const SPKI_BEHIND: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// Bytes of the modulus.
const MODULUS: usize = 256;

/// TPMT_PUBLIC of an endorsement key by the template L-1 up to its modulus (TCG EK Credential Profile, B.3.3): RSA, SHA-256,
/// attributes, PolicySecret of the endorsement hierarchy, AES-128-CFB, no scheme, 2048 bits.
const EK_TEMPLATE: [u8; 56] = [
    0x00, 0x01, 0x00, 0x0B, 0x00, 0x03, 0x00, 0xB2, 0x00, 0x20, 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3,
    0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52, 0x0B, 0x64,
    0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10, 0x08,
    0x00, 0x00, 0x00, 0x00, 0x00,
];

/// An HMAC session.
#[derive(Debug)]
pub(super) struct Session {
    handle: u32,
    key: Vec<u8>,
    nonce: Vec<u8>,
    ek_public: Vec<u8>,
}

impl Session {
    /// Starts a session with SHA-512, with a salt for the TPM's endorsement key. The key is made anew and let go of.
    pub(super) fn start(tpm: &mut Wire) -> Result<Self, TpmError> {
        let template = [&EK_TEMPLATE[..], &sized(&[0; MODULUS])].concat();
        let sensitive = sized(&[sized(&[]), sized(&[])].concat());
        let created = tpm.send(&Command {
            name: "TPM2_CreatePrimary",
            code: CREATE_PRIMARY,
            handles: vec![ENDORSEMENT],
            authorization: Some(password(&[])),
            parameters: [sensitive, sized(&template), sized(&[]), vec![0; 4]].concat(),
        })?;
        let key = created.handle()?;
        let started = modulus(&created)
            .and_then(|modulus| Self::salted(tpm, key, [&SPKI_BEFORE[..], &modulus, &SPKI_BEHIND].concat()));
        let flushed = flush(tpm, key);
        started.and_then(|session| flushed.map(|()| session))
    }

    fn salted(tpm: &mut Wire, key: u32, ek_public: Vec<u8>) -> Result<Self, TpmError> {
        let (salt, ours) = (random::<SALT>()?, random::<NONCE>()?);
        let started = tpm.send(&Command {
            name: "TPM2_StartAuthSession",
            code: START_AUTH_SESSION,
            handles: vec![key, NULL],
            authorization: None,
            parameters: [
                sized(&ours),
                sized(&encrypted(&salt, &ek_public)?),
                // An HMAC session, without encryption of parameters.
                vec![0],
                0x0010_u16.to_be_bytes().to_vec(),
                ALG_SHA512.to_be_bytes().to_vec(),
            ]
            .concat(),
        })?;
        let nonce = started.behind(1)?.sized().ok_or_else(|| started.unexpected())?.to_vec();
        // KDFa: one block is all of the key.
        let block = [&1_u32.to_be_bytes()[..], b"ATH\0", &nonce, &ours, &512_u32.to_be_bytes()].concat();
        Ok(Self { handle: started.handle()?, key: mac(&salt, &block), nonce, ek_public })
    }

    /// Authorizes `command` as to the first of its handles, whose authorization `auth` is, and sends it. `names` are the Names of its
    /// handles.
    ///
    /// The answer's own HMAC is not looked at: what is in a document is signed.
    pub(super) fn send(
        &mut self,
        tpm: &mut Wire,
        mut command: Command,
        names: &[&[u8]],
        auth: &[u8],
    ) -> Result<Answer, TpmError> {
        let (code, ours) = (command.code.to_be_bytes(), random::<NONCE>()?);
        let hashed = digest(&SHA512, &[&code[..], &names.concat(), &command.parameters].concat());
        let signed = [hashed.as_ref(), &ours, &self.nonce, &[CONTINUE]].concat();
        let authorization = mac(&[&self.key[..], auth].concat(), &signed);
        let parts = [&self.handle.to_be_bytes()[..], &sized(&ours), &[CONTINUE], &sized(&authorization)];
        command.authorization = Some(parts.concat());
        let answer = tpm.send(&command)?;
        let (_parameters, mut authorizations) = answer.with_sessions(0)?;
        self.nonce = authorizations.sized().ok_or_else(|| answer.unexpected())?.to_vec();
        Ok(answer)
    }

    /// Ends the session. SubjectPublicKeyInfo of the endorsement key.
    pub(super) fn end(self, tpm: &mut Wire) -> Result<Vec<u8>, TpmError> {
        flush(tpm, self.handle).map(|()| self.ek_public)
    }
}

fn flush(tpm: &mut Wire, handle: u32) -> Result<(), TpmError> {
    let flush = Command {
        name: "TPM2_FlushContext",
        code: FLUSH_CONTEXT,
        handles: Vec::new(),
        authorization: None,
        parameters: handle.to_be_bytes().to_vec(),
    };
    tpm.send(&flush).map(|_answer| ())
}

/// The modulus in the answer to TPM2_CreatePrimary: the last field of the key's public area.
fn modulus(created: &Answer) -> Result<Vec<u8>, TpmError> {
    let (mut parameters, _) = created.with_sessions(1)?;
    let public = parameters.sized().and_then(|public| {
        let mut unique = Reader(public.strip_prefix(&EK_TEMPLATE)?);
        unique.sized().filter(|modulus| modulus.len() == MODULUS)
    });
    public.map(<[u8]>::to_vec).ok_or_else(|| created.unexpected())
}

/// A salt that only the owner of the key can read.
fn encrypted(salt: &[u8], spki: &[u8]) -> Result<Vec<u8>, TpmError> {
    let encrypt = || {
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki).ok()?).ok()?;
        let mut encrypted = vec![0; key.ciphertext_size()];
        let label = Some(&b"SECRET\0"[..]);
        Some(key.encrypt(&OAEP_SHA256_MGF1SHA256, salt, &mut encrypted, label).ok()?.to_vec())
    };
    encrypt()
        .ok_or_else(|| TpmError::Command { command: "TPM2_CreatePrimary", answer: UNEXPECTED.to_owned() })
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA512, key), message).as_ref().to_vec()
}

/// Bytes that nobody else knows.
pub(super) fn random<const N: usize>() -> Result<[u8; N], TpmError> {
    let mut bytes = [0; N];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|error| TpmError::Command {
        command: "the system's random numbers",
        answer: error.to_string(),
    })?;
    Ok(bytes)
}
