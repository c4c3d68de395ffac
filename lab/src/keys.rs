//! Keys of the simulated vendors: RSA keys from the files of `keys/`, P-384 keys derived from labels.

#![expect(
    clippy::expect_used,
    reason = "the keys are constants of the lab, so a failure is a mistake in the lab"
)]

use core::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, PrivateKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_SHA384};

/// Separates the keys derived here from every other use of SHA-384.
const P384_DOMAIN: &[u8] = b"attestation lab: P-384 test key v1";

/// An RSA-4096 key that signs with RSASSA-PSS, SHA-384 and a salt of 48 bytes (RFC 8017 §8.1).
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
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, self.pair.public_key().as_ref());
        hash.as_ref().try_into().expect("SHA-1 has 20 bytes")
    }

    /// A randomised signature over `message`, as long as the modulus (512 bytes).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PSS_SHA384, &SystemRandom::new(), message, &mut signature)
            .expect("RSA-PSS signing with a sound key");
        signature
    }
}

/// An ECDSA P-384 key that signs with SHA-384.
#[derive(Clone)]
pub struct EcKey {
    pair: Arc<EcdsaKeyPair>,
    label: String,
}

impl fmt::Debug for EcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcKey").field("label", &self.label).finish_non_exhaustive()
    }
}

impl EcKey {
    /// The key that belongs to `label`: the same label always gives the same key, and two labels give two keys.
    ///
    /// The scalar is the first of SHA-384(domain ‖ counter ‖ label), counter 0, 1, ..., that lies in the group's range.
    #[must_use]
    pub fn from_label(label: &str) -> Self {
        let pair =
            (0..=u8::MAX).find_map(|counter| Self::pair_from(counter, label)).expect("a scalar in range");
        Self { pair: Arc::new(pair), label: label.to_owned() }
    }

    fn pair_from(counter: u8, label: &str) -> Option<EcdsaKeyPair> {
        let scalar = digest(&SHA384, &[P384_DOMAIN, &[counter], label.as_bytes()].concat());
        let public =
            PrivateKey::from_private_key(&ECDH_P384, scalar.as_ref()).ok()?.compute_public_key().ok()?;
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar.as_ref(), public.as_ref()).ok()
    }

    /// The public key as an uncompressed point: `04 ‖ X ‖ Y`, 97 bytes (SEC 1 §2.3.3).
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The DER-encoded SubjectPublicKeyInfo: `id-ecPublicKey` on `secp384r1` (RFC 5480 §2.1.1).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        let spki: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("an encodable public key");
        spki.as_ref().to_vec()
    }

    /// A randomised signature over `message`: `r ‖ s`, 48 bytes each, big-endian.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 96] {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).expect("ECDSA signing with a sound key");
        signature.as_ref().try_into().expect("a P-384 signature has 96 bytes")
    }
}

/// The DER-encoded SubjectPublicKeyInfo of the P-256 key that belongs to `label`: 91 bytes, for what wants an
/// elliptic-curve key but no signature of it (a KMS root key, or a VEK on the wrong curve).
///
/// # Panics
///
/// For one label in 2^32, whose SHA-256 is no scalar of the group.
#[must_use]
pub fn p256_spki(label: &str) -> Vec<u8> {
    let scalar = sha256(&[b"attestation lab: P-256 test key v1", label.as_bytes()].concat());
    let key = PrivateKey::from_private_key(&ECDH_P256, &scalar).expect("a scalar in range");
    let public = key.compute_public_key().expect("a public key");
    let spki: PublicKeyX509Der<'_> = public.as_der().expect("an encodable public key");
    spki.as_ref().to_vec()
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

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
    }
}
