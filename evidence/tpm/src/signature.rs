//! How a TPM writes signatures: TPMT_SIGNATURE.

use der::{Decode, asn1::UintRef};
use evidence_event_log::Bank;

use crate::{Error, reader::Reader};

/// The largest TPMT_SIGNATURE that is read, in bytes: one of RSA-4096 has 518.
pub const MAX_SIGNATURE: usize = 1024;

/// TPM_ALG_RSASSA, TPM_ALG_RSAPSS and TPM_ALG_ECDSA (TCG Algorithm Registry).
pub(crate) const RSASSA: u16 = 0x0014;
pub(crate) const RSAPSS: u16 = 0x0016;
pub(crate) const ECDSA: u16 = 0x0018;

/// TPMT_SIGNATURE (TPM 2.0 Library, part 2, §11.3.4): the scheme, its hash, the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The hash of the scheme, which also makes a quote's pcrDigest.
    pub hash: Bank,
    /// The scheme and its numbers.
    pub(crate) value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// RSASSA-PKCS1-v1_5: as long as the modulus.
    Rsassa(&'a [u8]),
    /// RSASSA-PSS, with a salt as long as the hash.
    Rsapss(&'a [u8]),
    /// ECDSA: r and s, big-endian, perhaps without leading zeros.
    Ecdsa { r: &'a [u8], s: &'a [u8] },
}

impl<'a> Signature<'a> {
    /// Reads exactly one TPMT_SIGNATURE: RSASSA, RSAPSS or ECDSA, with SHA-256, SHA-384 or SHA-512.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::SignatureScheme`], [`Error::SignatureHash`], [`Error::Signature`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_SIGNATURE {
            return Err(Error::TooLarge { what: "TPMT_SIGNATURE", found: bytes.len(), limit: MAX_SIGNATURE });
        }
        let mut fields = Reader::new(bytes);
        let scheme = fields.u16().ok_or(Error::Signature)?;
        if ![RSASSA, RSAPSS, ECDSA].contains(&scheme) {
            return Err(Error::SignatureScheme(scheme));
        }
        let hash = fields.u16().ok_or(Error::Signature)?;
        let hash = bank_of(hash).ok_or(Error::SignatureHash(hash))?;
        let number = fields.sized().ok_or(Error::Signature)?;
        let value = match scheme {
            RSASSA => Value::Rsassa(number),
            RSAPSS => Value::Rsapss(number),
            _ => Value::Ecdsa { r: number, s: fields.sized().ok_or(Error::Signature)? },
        };
        if !fields.rest().is_empty() {
            return Err(Error::Signature);
        }
        Ok(Self { hash, value })
    }

    /// Writes a TPMT_SIGNATURE around an RSASSA signature with SHA-256: for tools that hand out its number alone.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for more than [`MAX_SIGNATURE`] bytes.
    pub fn rsassa_sha256(number: &[u8]) -> Result<Vec<u8>, Error> {
        let too_large =
            Error::TooLarge { what: "RSASSA signature", found: number.len(), limit: MAX_SIGNATURE };
        let length = u16::try_from(number.len()).map_err(|_| too_large.clone())?;
        let written =
            [&RSASSA.to_be_bytes(), &0x000B_u16.to_be_bytes(), &length.to_be_bytes(), number].concat();
        if written.len() > MAX_SIGNATURE { Err(too_large) } else { Ok(written) }
    }

    /// Writes a TPMT_SIGNATURE around an ECDSA signature with SHA-256 in DER (Ecdsa-Sig-Value): for tools that hand out that.
    ///
    /// # Errors
    ///
    /// [`Error::Signature`] for what is not in that form.
    pub fn ecdsa_sha256(der: &[u8]) -> Result<Vec<u8>, Error> {
        let EcdsaSigValue { r, s } = EcdsaSigValue::from_der(der).map_err(|_| Error::Signature)?;
        let mut written = [ECDSA.to_be_bytes(), 0x000B_u16.to_be_bytes()].concat();
        for number in [r.as_bytes(), s.as_bytes()] {
            written.extend(u16::try_from(number.len()).map_err(|_| Error::Signature)?.to_be_bytes());
            written.extend(number);
        }
        if written.len() > MAX_SIGNATURE { Err(Error::Signature) } else { Ok(written) }
    }
}

/// Ecdsa-Sig-Value (RFC 3279, §2.2.3).
#[derive(der::Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// The hash with this TPM_ALG_ID, if a signature or a name may rest on it.
pub(crate) fn bank_of(id: u16) -> Option<Bank> {
    [Bank::Sha256, Bank::Sha384, Bank::Sha512].into_iter().find(|bank| bank.algorithm().id() == id)
}
