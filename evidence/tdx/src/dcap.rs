//! `dcap-qvl`, an independent verifier, over our cryptography.
//!
//! It verifies a whole quote with its collateral once more, and alone appraises the TCB: levels of platform, TDX module and
//! quoting enclave, converged into one status. Both verifiers must accept; nothing here loosens what [`crate::verify`] asks.

use std::{fmt, sync::LazyLock};

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA384, digest};
use dcap_qvl::{
    QuoteClaims, QuoteCollateralV3, QuotePolicy,
    config::{Config, CryptoProvider, EcdsaSigEncoder as _},
    intel::{PckExtension, parse_pck_extension_with},
    signature::DerSigEncoder,
    verify::QuoteVerifier,
    x509::X509CertBackend,
};
use evidence_x509::{ECDSA_P256_SHA256, SignatureVerificationAlgorithm};
use moka::sync::Cache;
use pki_types::{AlgorithmIdentifier, InvalidSignature};

/// ECDSA P-256 with SHA-256 that remembers which signatures verified, so that a second verifier of the same bytes, or the same
/// collateral with the next quote, costs no public-key operation.
pub(crate) static P256: &dyn SignatureVerificationAlgorithm = &Remembering;

/// The most signatures that are remembered.
const REMEMBERED: u64 = 16_384;

static VERIFIED: LazyLock<Cache<[u8; 32], ()>> = LazyLock::new(|| Cache::new(REMEMBERED));

#[derive(Debug)]
struct Remembering;

impl SignatureVerificationAlgorithm for Remembering {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.signature_alg_id()
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let id = digest_of_parts(&[key, message, signature]);
        if !VERIFIED.contains_key(&id) {
            ECDSA_P256_SHA256.verify_signature(key, message, signature)?;
            VERIFIED.insert(id, ());
        }
        Ok(())
    }
}

/// SHA-256 over byte strings, each preceded by its length.
pub(crate) fn digest_of_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Whether `signature` (`r || s`, 32 bytes each, big-endian) over `message` is of the P-256 key `point` (SEC1, uncompressed).
pub(crate) fn signed_by(point: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    verifies(P256, point, message, signature)
}

/// The same for what no second verifier will look at, and nobody sends twice: it is not remembered.
pub(crate) fn signed_once_by(point: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    verifies(ECDSA_P256_SHA256, point, message, signature)
}

fn verifies(
    algorithm: &dyn SignatureVerificationAlgorithm,
    point: &[u8],
    message: &[u8],
    signature: &[u8; 64],
) -> bool {
    let (r, s) = signature.split_at(32);
    DerSigEncoder::encode_ecdsa_sig(r, s)
        .is_ok_and(|der| algorithm.verify_signature(point, message, &der).is_ok())
}

/// What Intel's extension of a PCK certificate (DER) says.
pub(crate) fn pck_extension(certificate: &[u8]) -> Result<PckExtension, String> {
    parse_pck_extension_with::<OverAwsLc>(certificate).map_err(|error| one_line(&error))
}

/// Verifies `quote` with `collateral` under `root` (DER) at `at` (seconds since 1970), and appraises its TCB.
///
/// Debugging, profiling, migration and revoked levels are refused whatever a policy says; `service_td` lets a bound service TD
/// pass, which [`crate::checks::SERVICE_TD`] compared with the policy.
pub(crate) fn appraise(
    quote: &[u8],
    collateral: QuoteCollateralV3,
    root: &[u8],
    service_td: bool,
    at: u64,
) -> Result<QuoteClaims, String> {
    QuoteVerifier::<OverAwsLc>::new_with_config(root.to_vec())
        .allow_service_td(service_td)
        .verify_with_policy(quote, collateral, at, &QuotePolicy::claims_only(at))
        .map_err(|error| one_line(&error))
}

/// An error and what it came from, in one line.
fn one_line(error: &impl fmt::Display) -> String {
    format!("{error:#}").replace(['\n', '\r'], " ")
}

struct OverAwsLc;

impl Config for OverAwsLc {
    type X509 = X509CertBackend;
    type SigEncoder = DerSigEncoder;
    type Crypto = Self;
}

impl CryptoProvider for OverAwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        P256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        hash(&SHA256, data)
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        hash(&SHA384, data)
    }
}

/// `N` is the output length of `algorithm`: the two callers above are the only ones.
fn hash<const N: usize>(algorithm: &'static Algorithm, data: &[u8]) -> [u8; N] {
    let mut hash = [0; N];
    hash.copy_from_slice(digest(algorithm, data).as_ref());
    hash
}
