//! Keys of the simulated vendors: RSA keys from the files of `keys/`, elliptic-curve keys derived from
//! labels.

#![expect(
    clippy::expect_used,
    reason = "the keys are constants of the lab, so a failure is a mistake in the lab"
)]

use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey};
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
};
use const_oid::db::rfc5912::RSA_ENCRYPTION;
use der::asn1::{Any, BitString, Uint};
use der::{Decode as _, Sequence};

use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::x509::encode;

/// A key that signs certificates and revocation lists.
pub trait Signer {
    /// A randomised signature over `message`, in the form in which X.509 carries it: what the BIT STRING
    /// holds.
    fn sign_x509(&self, message: &[u8]) -> Vec<u8>;
}

/// An RSA key that signs with RSASSA-PSS, SHA-384 and a salt of 48 bytes (RFC 8017 §8.1): AMD's. [`Pkcs1`] makes it sign
/// otherwise.
#[derive(Debug, Clone)]
pub struct RsaKey {
    pair: Arc<RsaKeyPair>,
    spki: Vec<u8>,
}

impl RsaKey {
    /// The key of a PKCS#8 file in DER form (RFC 5958).
    ///
    /// # Panics
    ///
    /// If `pkcs8` is not an RSA key of 2048 to 8192 bits in that form.
    #[must_use]
    pub fn from_pkcs8(pkcs8: &[u8]) -> Self {
        let pair = RsaKeyPair::from_pkcs8(pkcs8).expect("an RSA key in PKCS#8 form");
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("an encodable public key");
        let spki = spki.as_ref().to_vec();
        Self { pair: Arc::new(pair), spki }
    }

    /// The DER-encoded SubjectPublicKeyInfo: `rsaEncryption` with NULL parameters (RFC 3279 §2.3.1).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of [`Self::spki`], the form in which trust anchors are pinned.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// The key identifier of 20 bytes: SHA-1 of the RSAPublicKey (RFC 5280 §4.2.1.2, method 1).
    #[must_use]
    pub fn key_identifier(&self) -> [u8; 20] {
        sha1(self.pair.public_key().as_ref())
    }

    /// A randomised signature over `message`, as long as the modulus.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PSS_SHA384, &SystemRandom::new(), message, &mut signature)
            .expect("RSA-PSS signing with a sound key");
        signature
    }
}

/// RSAPublicKey (RFC 8017, A.1.1).
#[derive(Sequence)]
struct RsaPublicKey {
    modulus: Uint,
    exponent: Uint,
}

impl RsaKey {
    /// The modulus, big-endian, without leading zeros.
    #[must_use]
    pub fn modulus(&self) -> Vec<u8> {
        let key = RsaPublicKey::from_der(self.pair.public_key().as_ref()).expect("an RSAPublicKey");
        key.modulus.as_bytes().to_vec()
    }

    fn sign_as(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .expect("RSA signing with a sound key");
        signature
    }

    /// A signature by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2), as long as the modulus.
    #[must_use]
    pub fn sign_pkcs1_sha256(&self, message: &[u8]) -> Vec<u8> {
        self.sign_as(&RSA_PKCS1_SHA256, message)
    }
}

/// An RSA key that signs with RSASSA-PSS, SHA-256 and a salt of 32 bytes (RFC 8017 §8.1): Google's, of launch endorsements.
#[derive(Debug, Clone, Copy)]
pub struct PssSha256<'a>(pub &'a RsaKey);

impl Signer for PssSha256<'_> {
    fn sign_x509(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign_as(&RSA_PSS_SHA256, message)
    }
}

/// An RSA key that signs certificates with RSASSA-PKCS1-v1_5: Microsoft's, and Google's of attestation keys.
#[derive(Debug, Clone, Copy)]
pub enum Pkcs1<'a> {
    /// With SHA-256.
    Sha256(&'a RsaKey),
    /// With SHA-384.
    Sha384(&'a RsaKey),
}

impl Signer for Pkcs1<'_> {
    fn sign_x509(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256(key) => key.sign_as(&RSA_PKCS1_SHA256, message),
            Self::Sha384(key) => key.sign_as(&RSA_PKCS1_SHA384, message),
        }
    }
}

impl Signer for RsaKey {
    /// As [`RsaKey::sign`].
    fn sign_x509(&self, message: &[u8]) -> Vec<u8> {
        self.sign(message)
    }
}

/// A curve of FIPS 186-5, with the hash that its keys sign with.
pub trait Curve: 'static {
    /// `r ‖ s`, each as long as the group's order, big-endian.
    type Signature: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// The curve's name in FIPS 186-5.
    const NAME: &'static str;
    /// Separates the keys derived here from every other use of the hash.
    const DOMAIN: &'static [u8];
    /// The hash from which scalars are derived, as long as the group's order.
    const HASH: &'static digest::Algorithm;
    /// The curve, as the library names it where it finds the public key of a scalar.
    const AGREEMENT: &'static agreement::Algorithm;
    /// The curve and the hash, as the library names them where it signs.
    const SIGNING: &'static EcdsaSigningAlgorithm;
}

/// P-256 with SHA-256: Intel's keys.
#[derive(Debug, Clone, Copy)]
pub struct P256;

impl Curve for P256 {
    type Signature = [u8; 64];
    const NAME: &'static str = "P-256";
    const DOMAIN: &'static [u8] = b"attestation lab: P-256 test key v1";
    const HASH: &'static digest::Algorithm = &SHA256;
    const AGREEMENT: &'static agreement::Algorithm = &ECDH_P256;
    const SIGNING: &'static EcdsaSigningAlgorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
}

/// P-384 with SHA-384: the keys of AMD's chips.
#[derive(Debug, Clone, Copy)]
pub struct P384;

impl Curve for P384 {
    type Signature = [u8; 96];
    const NAME: &'static str = "P-384";
    const DOMAIN: &'static [u8] = b"attestation lab: P-384 test key v1";
    const HASH: &'static digest::Algorithm = &SHA384;
    const AGREEMENT: &'static agreement::Algorithm = &ECDH_P384;
    const SIGNING: &'static EcdsaSigningAlgorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
}

/// An ECDSA P-256 key that signs with SHA-256.
pub type P256Key = EcdsaKey<P256>;

/// An ECDSA P-384 key that signs with SHA-384.
pub type EcKey = EcdsaKey<P384>;

/// An ECDSA key on the curve `C`, derived from a label.
#[derive(Clone)]
pub struct EcdsaKey<C> {
    pair: Arc<EcdsaKeyPair>,
    label: String,
    curve: PhantomData<C>,
}

impl<C: Curve> fmt::Debug for EcdsaKey<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcdsaKey")
            .field("curve", &C::NAME)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl<C: Curve> EcdsaKey<C> {
    /// The key that belongs to `label`: the same label always gives the same key, and two labels give two
    /// keys.
    ///
    /// The scalar is the first of hash(domain ‖ counter ‖ label), counter 0, 1, ..., that lies in the group's
    /// range.
    #[must_use]
    pub fn from_label(label: &str) -> Self {
        let pair =
            (0..=u8::MAX).find_map(|counter| Self::pair_from(counter, label)).expect("a scalar in range");
        Self { pair: Arc::new(pair), label: label.to_owned(), curve: PhantomData }
    }

    fn pair_from(counter: u8, label: &str) -> Option<EcdsaKeyPair> {
        let scalar = digest(C::HASH, &[C::DOMAIN, &[counter], label.as_bytes()].concat());
        let public =
            PrivateKey::from_private_key(C::AGREEMENT, scalar.as_ref()).ok()?.compute_public_key().ok()?;
        EcdsaKeyPair::from_private_key_and_public_key(C::SIGNING, scalar.as_ref(), public.as_ref()).ok()
    }

    /// The public key as an uncompressed point: `04 ‖ X ‖ Y`, 65 bytes on P-256, 97 bytes on P-384 (SEC 1
    /// §2.3.3).
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The DER-encoded SubjectPublicKeyInfo: `id-ecPublicKey` on the named curve (RFC 5480 §2.1.1).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        let spki: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("an encodable public key");
        spki.as_ref().to_vec()
    }

    /// SHA-256 of [`Self::spki`], the form in which trust anchors are pinned.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki())
    }

    /// The key identifier of 20 bytes: SHA-1 of the public point (RFC 5280 §4.2.1.2, method 1).
    #[must_use]
    pub fn key_identifier(&self) -> [u8; 20] {
        sha1(self.public_point())
    }

    /// A randomised signature over `message`: `r ‖ s`, big-endian, 32 bytes each on P-256 and 48 on P-384.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> C::Signature {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).expect("ECDSA signing with a sound key");
        signature.as_ref().try_into().ok().expect("two numbers of the group's length")
    }
}

/// Ecdsa-Sig-Value (RFC 3279 §2.2.3).
#[derive(Sequence)]
struct EcdsaSigValue {
    r: Uint,
    s: Uint,
}

impl<C: Curve> Signer for EcdsaKey<C> {
    /// A DER-encoded Ecdsa-Sig-Value.
    fn sign_x509(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.sign(message);
        let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
        let number = |bytes: &[u8]| Uint::new(bytes).expect("a positive number");
        encode(&EcdsaSigValue { r: number(r), s: number(s) })
    }
}

/// The DER-encoded SubjectPublicKeyInfo of the RSA key with this modulus and the exponent 65537 (RFC 3279 §2.3.1): for keys that a
/// TPM made.
///
/// # Panics
///
/// If the modulus is empty.
#[must_use]
pub fn rsa_spki(modulus: &[u8]) -> Vec<u8> {
    let key = RsaPublicKey {
        modulus: Uint::new(modulus).expect("a modulus"),
        exponent: Uint::new(&[1, 0, 1]).expect("an exponent"),
    };
    encode(&SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier { oid: RSA_ENCRYPTION, parameters: Some(Any::null()) },
        subject_public_key: BitString::from_bytes(&encode(&key)).expect("whole bytes"),
    })
}

/// The DER-encoded SubjectPublicKeyInfo of the P-256 key that belongs to `label`: 91 bytes, for what wants an
/// elliptic-curve key but no signature of it (a KMS root key, or a VEK on the wrong curve).
#[must_use]
pub fn p256_spki(label: &str) -> Vec<u8> {
    P256Key::from_label(label).spki()
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SHA-384 of `bytes`.
pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    digest(&SHA384, bytes).as_ref().try_into().expect("SHA-384 has 48 bytes")
}

/// SHA-512 of `bytes`.
pub(crate) fn sha512(bytes: &[u8]) -> [u8; 64] {
    digest(&SHA512, bytes).as_ref().try_into().expect("SHA-512 has 64 bytes")
}

/// SHA-1 of `bytes`.
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().try_into().expect("SHA-1 has 20 bytes")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn a_label_fixes_its_key() {
        let (a, again, b) = (EcKey::from_label("a"), EcKey::from_label("a"), EcKey::from_label("b"));
        assert_eq!(a.public_point(), again.public_point());
        assert_ne!(a.public_point(), b.public_point());
        assert_eq!(a.public_point().len(), 97);
    }

    #[test]
    fn the_pair_signs_for_its_public_key() {
        let key = EcKey::from_label("a");
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.public_point())
            .verify(b"m", &key.sign(b"m"))
            .unwrap();
        let key = P256Key::from_label("a");
        assert_eq!((key.public_point().len(), key.spki().len()), (65, 91));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_point())
            .verify(b"m", &key.sign(b"m"))
            .unwrap();
        // Often enough that numbers with a leading zero byte, and with the highest bit set, are among them.
        for _ in 0..1024 {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_point())
                .verify(b"m", &key.sign_x509(b"m"))
                .unwrap();
        }
    }
}
