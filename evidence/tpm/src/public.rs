//! A key as a TPM describes it: TPMT_PUBLIC, and the names made of it.

use crate::{
    Error, PublicKey,
    key::{Curve, DEFAULT_EXPONENT},
    reader::Reader,
    signature::{ECDSA, RSAPSS, RSASSA, bank_of},
};
use evidence_event_log::Bank;

/// The largest TPMT_PUBLIC that is read, in bytes: one of RSA-4096 has less than 600.
pub const MAX_PUBLIC: usize = 1024;

/// TPM_ALG_RSA, TPM_ALG_NULL and TPM_ALG_ECC (TCG Algorithm Registry).
const RSA: u16 = 0x0001;
const NULL: u16 = 0x0010;
const ECC: u16 = 0x0023;

/// TPM_ECC_NIST_P256 and TPM_ECC_NIST_P384 (TCG Algorithm Registry).
const NIST_P256: u16 = 0x0003;
const NIST_P384: u16 = 0x0004;

/// TPMA_OBJECT (part 2, §8.3): what makes an attestation key. fixedTPM, fixedParent and sensitiveDataOrigin (the TPM made it, and
/// it cannot leave), restricted and sign (it signs only what the TPM itself made); not decrypt.
const ATTESTATION_KEY: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 18;
const DECRYPT: u32 = 1 << 17;

/// A hierarchy of a TPM, whose handle is the name of its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hierarchy {
    /// TPM_RH_ENDORSEMENT.
    Endorsement,
    /// TPM_RH_OWNER.
    Owner,
}

impl Hierarchy {
    /// The handle (part 2, §7.4), big-endian.
    pub const fn handle(self) -> [u8; 4] {
        match self {
            Self::Endorsement => 0x4000_000B_u32.to_be_bytes(),
            Self::Owner => 0x4000_0001_u32.to_be_bytes(),
        }
    }
}

/// TPMT_PUBLIC of a signing key (TPM 2.0 Library, part 2, §12.2.4): RSA with 2048 bits and more, P-256 or P-384.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Public {
    raw: Vec<u8>,
    name_hash: Bank,
    /// TPMA_OBJECT.
    pub attributes: u32,
    /// authPolicy: empty, or a digest.
    pub auth_policy: Vec<u8>,
    /// The key.
    pub key: PublicKey,
}

impl Public {
    /// Reads exactly one TPMT_PUBLIC of a signing key: symmetric NULL, scheme RSASSA, RSAPSS or ECDSA (or none, for a key that is
    /// not restricted), key derivation NULL.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::Public`], and those of [`PublicKey::rsa`].
    pub fn parse(raw: &[u8]) -> Result<Self, Error> {
        if raw.len() > MAX_PUBLIC {
            return Err(Error::TooLarge { what: "TPMT_PUBLIC", found: raw.len(), limit: MAX_PUBLIC });
        }
        let mut fields = Reader::new(raw);
        let kind = fields.u16().ok_or(Error::Public("the type"))?;
        let name_hash = fields.u16().and_then(bank_of).ok_or(Error::Public("nameAlg"))?;
        let attributes = fields.u32().ok_or(Error::Public("objectAttributes"))?;
        let auth_policy = fields.sized().ok_or(Error::Public("authPolicy"))?.to_vec();
        let symmetric = fields.u16().ok_or(Error::Public("symmetric"))?;
        if symmetric != NULL {
            return Err(Error::Public("symmetric, which a signing key has not"));
        }
        let scheme = fields.u16().ok_or(Error::Public("the scheme"))?;
        match (kind, scheme) {
            (_, NULL) => {}
            (RSA, RSASSA | RSAPSS) | (ECC, ECDSA) => {
                fields.u16().and_then(bank_of).ok_or(Error::Public("the hash of the scheme"))?;
            }
            _ => return Err(Error::Public("the scheme")),
        }
        let key = match kind {
            RSA => rsa(&mut fields)?,
            ECC => ecc(&mut fields)?,
            _ => return Err(Error::Public("the type, which is rsa or ecc")),
        };
        if !fields.rest().is_empty() {
            return Err(Error::Public("its end, found more bytes"));
        }
        Ok(Self { raw: raw.to_vec(), name_hash, attributes, auth_policy, key })
    }

    /// TPMT_PUBLIC of an attestation key with RSASSA and SHA-256, as clouds create them: nameAlg SHA-256, empty authPolicy,
    /// symmetric NULL, the given attributes and modulus, the default exponent.
    ///
    /// # Errors
    ///
    /// Those of [`PublicKey::rsa`].
    pub fn rsassa_sha256(attributes: u32, modulus: &[u8]) -> Result<Self, Error> {
        let too_large = || Error::TooLarge { what: "modulus", found: modulus.len(), limit: MAX_PUBLIC };
        let length = u16::try_from(modulus.len()).map_err(|_| too_large())?;
        let bits = length.checked_mul(8).ok_or_else(too_large)?;
        let half_words = [RSA, 0x000B].map(u16::to_be_bytes).concat();
        let parameters = [0, NULL, RSASSA, 0x000B, bits, 0, 0, length].map(u16::to_be_bytes).concat();
        Self::parse(&[&half_words, attributes.to_be_bytes().as_slice(), &parameters, modulus].concat())
    }

    /// The key's name (part 1, §16): nameAlg, and the hash of TPMT_PUBLIC by it.
    pub fn name(&self) -> Vec<u8> {
        self.named(&[&self.raw])
    }

    /// The qualified name of the key as a primary key of `hierarchy` (part 1, §16): nameAlg, and the hash of the hierarchy's handle
    /// and the key's name by it.
    pub fn qualified_name(&self, hierarchy: Hierarchy) -> Vec<u8> {
        self.named(&[&hierarchy.handle(), &self.name()])
    }

    /// Whether the TPM made the key, never gives it away, and signs with it only what it made itself.
    pub const fn is_attestation_key(&self) -> bool {
        self.attributes & (ATTESTATION_KEY | DECRYPT) == ATTESTATION_KEY
    }

    fn named(&self, parts: &[&[u8]]) -> Vec<u8> {
        [&self.name_hash.algorithm().id().to_be_bytes(), self.name_hash.hash(parts).as_slice()].concat()
    }
}

/// TPMS_RSA_PARMS behind its scheme, and TPM2B_PUBLIC_KEY_RSA (part 2, §12.2.3.5, §11.2.4.5).
fn rsa(fields: &mut Reader<'_>) -> Result<PublicKey, Error> {
    let bits = fields.u16().ok_or(Error::Public("keyBits"))?;
    let exponent = match fields.u32().ok_or(Error::Public("the exponent"))? {
        0 => DEFAULT_EXPONENT,
        exponent => exponent,
    };
    let modulus = fields.sized().ok_or(Error::Public("the modulus"))?;
    if usize::from(bits) != modulus.len().saturating_mul(8) {
        return Err(Error::Public("a modulus of keyBits bits"));
    }
    PublicKey::rsa(modulus, exponent)
}

/// TPMS_ECC_PARMS behind its scheme, and TPMS_ECC_POINT (part 2, §12.2.3.6, §11.2.5.2).
fn ecc(fields: &mut Reader<'_>) -> Result<PublicKey, Error> {
    let curve = match fields.u16() {
        Some(NIST_P256) => Curve::P256,
        Some(NIST_P384) => Curve::P384,
        _ => return Err(Error::Public("the curve, which is P-256 or P-384")),
    };
    if fields.u16() != Some(NULL) {
        return Err(Error::Public("no key derivation"));
    }
    let x = fields.sized().ok_or(Error::Public("the point"))?;
    let y = fields.sized().ok_or(Error::Public("the point"))?;
    PublicKey::ecc(curve, x, y)
}
