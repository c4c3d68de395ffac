//! Keys that sign quotes.

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use der::{Decode, asn1::UintRef};
use evidence_event_log::Bank;
use evidence_x509::Certificate;

use crate::{Error, Signature, signature::Value};

/// The exponent that a TPM writes as zero (part 2, §12.2.3.5).
pub(crate) const DEFAULT_EXPONENT: u32 = 65_537;

/// The least and the most bytes of a modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// A curve that TPM keys are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Bytes of a coordinate, and of each number of a signature.
    const fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// A public key that verifies quotes: RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Key);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// The uncompressed point, `04 ‖ X ‖ Y`.
    Ecc { curve: Curve, point: Vec<u8> },
}

impl PublicKey {
    /// An RSA key: its modulus, big-endian without leading zeros, and its exponent.
    ///
    /// # Errors
    ///
    /// [`Error::WeakKey`] for less than 2048 bits, more than 8192, or an exponent that is even or below 65537.
    pub fn rsa(modulus: &[u8], exponent: u32) -> Result<Self, Error> {
        let first = modulus.first().copied().unwrap_or(0);
        // A modulus of n bytes has 8n bits: its first bit is set.
        if !MODULUS.contains(&modulus.len())
            || first < 0x80
            || exponent < DEFAULT_EXPONENT
            || exponent & 1 == 0
        {
            return Err(Error::WeakKey { bytes: modulus.len(), exponent });
        }
        let exponent = exponent.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        Ok(Self(Key::Rsa { modulus: modulus.to_vec(), exponent }))
    }

    /// A key on `curve`: its coordinates, big-endian, perhaps without leading zeros.
    pub(crate) fn ecc(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, Error> {
        let coordinate = |bytes| padded(bytes, curve.len()).ok_or(Error::Public("the point"));
        Ok(Self(Key::Ecc { curve, point: [vec![4], coordinate(x)?, coordinate(y)?].concat() }))
    }

    /// The key of a certificate.
    ///
    /// # Errors
    ///
    /// [`Error::CertificateKey`] for a key of another kind.
    pub fn of_certificate(certificate: &Certificate) -> Result<Self, Error> {
        let bytes = certificate.public_key();
        match bytes {
            [4, coordinates @ ..] => {
                let curve = [Curve::P256, Curve::P384]
                    .into_iter()
                    .find(|curve| coordinates.len() == curve.len().saturating_mul(2));
                let curve = curve.ok_or(Error::CertificateKey)?;
                Ok(Self(Key::Ecc { curve, point: bytes.to_vec() }))
            }
            _ => {
                let key = RsaPublicKey::from_der(bytes).map_err(|_| Error::CertificateKey)?;
                let exponent = key.exponent.as_bytes();
                let exponent = padded(exponent, 4).and_then(|bytes| bytes.try_into().ok());
                let exponent = exponent.map(u32::from_be_bytes).ok_or(Error::CertificateKey)?;
                Self::rsa(key.modulus.as_bytes(), exponent)
            }
        }
    }

    /// The modulus of an RSA key, big-endian.
    pub fn modulus(&self) -> Option<&[u8]> {
        match &self.0 {
            Key::Rsa { modulus, .. } => Some(modulus),
            Key::Ecc { .. } => None,
        }
    }

    /// Whether `signature` is one of `message` by this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Signature<'_>) -> bool {
        match (&self.0, signature.value) {
            (Key::Rsa { modulus, exponent }, Value::Rsassa(number)) => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(pkcs1(signature.hash), message, number).is_ok()
            }
            (Key::Rsa { modulus, exponent }, Value::Rsapss(number)) => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(pss(signature.hash), message, number).is_ok()
            }
            (Key::Ecc { curve, point }, Value::Ecdsa { r, s }) => {
                let (Some(algorithm), Some(r), Some(s)) =
                    (ecdsa(*curve, signature.hash), padded(r, curve.len()), padded(s, curve.len()))
                else {
                    return false;
                };
                UnparsedPublicKey::new(algorithm, point).verify(message, &[r, s].concat()).is_ok()
            }
            _ => false,
        }
    }
}

/// RSAPublicKey (RFC 8017, A.1.1).
#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

const fn pkcs1(hash: Bank) -> &'static RsaParameters {
    match hash {
        Bank::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Bank::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Bank::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

const fn pss(hash: Bank) -> &'static RsaParameters {
    match hash {
        Bank::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
        Bank::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
        Bank::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
    }
}

/// The hashes of FIPS 186-5 that are as strong as the curve.
const fn ecdsa(curve: Curve, hash: Bank) -> Option<&'static EcdsaVerificationAlgorithm> {
    match (curve, hash) {
        (Curve::P256, Bank::Sha256) => Some(&signature::ECDSA_P256_SHA256_FIXED),
        (Curve::P384, Bank::Sha384) => Some(&signature::ECDSA_P384_SHA384_FIXED),
        _ => None,
    }
}

/// A number in exactly `length` bytes, with zeros before it; `None` for one that does not fit.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([vec![0; zeros], number.to_vec()].concat())
}
