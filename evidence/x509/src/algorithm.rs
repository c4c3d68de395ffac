//! Signature algorithms over `aws-lc-rs`, keyed by the exact AlgorithmIdentifier bytes that issuers write.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes (RFC 4055 §3.1), as DER prescribes: the default
/// trailerField is left out.
pub static RSA_PSS_SHA384: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PSS_SHA384,
    verification: &signature::RSA_PSS_2048_8192_SHA384,
};

/// The same algorithm with the default trailerField spelled out, as in AMD's ARK, ASK, ASVK and older VCEK
/// certificates. DER forbids that, and `rustls-webpki` compares the bytes, so it is an algorithm of its own.
pub static RSA_PSS_SHA384_EXPLICIT_TRAILER: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: AlgorithmIdentifier::from_slice(&PSS_SHA384_EXPLICIT_TRAILER),
    verification: &signature::RSA_PSS_2048_8192_SHA384,
};

/// RSASSA-PSS with SHA-256, MGF1 with SHA-256, salt of 32 bytes (RFC 4055 §3.1), as DER prescribes.
pub static RSA_PSS_SHA256: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PSS_SHA256,
    verification: &signature::RSA_PSS_2048_8192_SHA256,
};

/// ECDSA with P-384 and SHA-384, signature in DER (RFC 5758 §3.2).
pub static ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA384,
    verification: &signature::ECDSA_P384_SHA384_ASN1,
};

/// ECDSA with P-256 and SHA-256, signature in DER (RFC 5758 §3.2).
pub static ECDSA_P256_SHA256: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA256,
    verification: &signature::ECDSA_P256_SHA256_ASN1,
};

/// RSASSA-PKCS1-v1_5 with SHA-256, modulus of 2048 to 8192 bits (RFC 4055 §5).
pub static RSA_PKCS1_SHA256: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA256,
    verification: &signature::RSA_PKCS1_2048_8192_SHA256,
};

/// RSASSA-PKCS1-v1_5 with SHA-384, modulus of 2048 to 8192 bits (RFC 4055 §5).
pub static RSA_PKCS1_SHA384: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA384,
    verification: &signature::RSA_PKCS1_2048_8192_SHA384,
};

/// RSASSA-PKCS1-v1_5 with SHA-512, modulus of 2048 to 8192 bits (RFC 4055 §5).
pub static RSA_PKCS1_SHA512: &dyn SignatureVerificationAlgorithm = &Algorithm {
    public_key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA512,
    verification: &signature::RSA_PKCS1_2048_8192_SHA512,
};

/// id-RSASSA-PSS and RSASSA-PSS-params { [0] sha384, [1] mgf1 sha384, [2] 48, [3] 1 }: RFC 4055 §3.1.
const PSS_SHA384_EXPLICIT_TRAILER: [u8; 70] = *b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x39\
\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\
\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa2\x03\x02\x01\x30\xa3\x03\x02\x01\x01";

#[derive(Debug)]
struct Algorithm {
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verification: &'static dyn VerificationAlgorithm,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.public_key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.verification, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }
}
