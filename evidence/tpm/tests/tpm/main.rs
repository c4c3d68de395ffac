//! Quotes, keys and certificates of TPMs: real ones, those of a software TPM, and forged ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]

mod boot;
mod cache;
mod keys;
mod quotes;
mod real;
mod schemes;

use evidence_tpm::{BoundAk, Error, ExtraData, Selection, VerifiedQuote, VerifyQuote};

/// A quote with all that its verdict depends on.
#[derive(Debug, Clone)]
struct Quote {
    attest: Vec<u8>,
    signature: Vec<u8>,
    pcrs: Vec<Vec<u8>>,
    ak: BoundAk,
    extra_data: Vec<u8>,
    selections: Vec<Selection>,
}

impl Quote {
    /// The verdict: the registers, or the name of the check that failed and why.
    fn verify(&self) -> Result<VerifiedQuote, (&'static str, Error)> {
        let pcrs: Vec<&[u8]> = self.pcrs.iter().map(Vec::as_slice).collect();
        let verified = VerifyQuote {
            attest: &self.attest,
            signature: &self.signature,
            pcrs: &pcrs,
            ak: &self.ak,
            extra_data: ExtraData::Exactly(&self.extra_data),
            selections: &self.selections,
        };
        verified.verify().map_err(|failed| (failed.check.name(), failed.error))
    }

    fn failed_check(&self) -> &'static str {
        self.verify().unwrap_err().0
    }
}

/// TPMT_SIGNATURE: the scheme, its hash, and one or two numbers.
fn signature(scheme: u16, hash: u16, numbers: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [scheme.to_be_bytes(), hash.to_be_bytes()].concat();
    for number in numbers {
        bytes.extend(u16::try_from(number.len()).unwrap().to_be_bytes());
        bytes.extend(*number);
    }
    bytes
}

/// TPMT_PUBLIC of a key on `curve` that signs with ECDSA: attributes of an attestation key, nameAlg SHA-256.
fn ecc_public(curve: u16, hash: u16, x: &[u8], y: &[u8]) -> Vec<u8> {
    let mut bytes = [0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0, 0, 0x00, 0x10, 0x00, 0x18].to_vec();
    for word in [hash, curve, 0x0010] {
        bytes.extend(word.to_be_bytes());
    }
    for coordinate in [x, y] {
        bytes.extend(u16::try_from(coordinate.len()).unwrap().to_be_bytes());
        bytes.extend(coordinate);
    }
    bytes
}

const RSASSA: u16 = 0x0014;
const RSAPSS: u16 = 0x0016;
const ECDSA: u16 = 0x0018;
const P256: u16 = 0x0003;
const P384: u16 = 0x0004;
