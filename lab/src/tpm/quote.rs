//! TPMS_ATTEST of a quote, field by field, and its signature.

#![expect(clippy::expect_used, reason = "the lab encodes what it made itself")]

use super::alg;
use crate::keys::{P256Key, RsaKey, sha256};

/// TPMS_PCR_SELECTION: a bank, and its registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionSpec {
    /// TPM_ALG_ID of the bank.
    pub algorithm: u16,
    /// The registers.
    pub pcrs: Vec<u8>,
    /// sizeofSelect.
    pub size: u8,
}

impl SelectionSpec {
    /// These registers of the bank of SHA-256, selected in three bytes.
    #[must_use]
    pub fn sha256(pcrs: &[u8]) -> Self {
        Self { algorithm: alg::SHA256, pcrs: pcrs.to_vec(), size: 3 }
    }

    fn bytes(&self) -> Vec<u8> {
        let selected = |byte: u8| {
            let of_byte = self.pcrs.iter().filter(|pcr| **pcr / 8 == byte);
            of_byte.fold(0, |bits: u8, pcr| bits | 1 << (pcr % 8))
        };
        let bits = (0..self.size).map(selected);
        self.algorithm.to_be_bytes().into_iter().chain([self.size]).chain(bits).collect()
    }
}

/// A quote before it is signed: TPMS_ATTEST (part 2, §10.12.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestSpec {
    /// TPM_GENERATED_VALUE.
    pub magic: u32,
    /// TPM_ST_ATTEST_QUOTE.
    pub kind: u16,
    /// qualifiedSigner.
    pub qualified_signer: Vec<u8>,
    /// extraData.
    pub extra_data: Vec<u8>,
    /// clock, resetCount, restartCount, and the byte safe.
    pub clock_info: (u64, u32, u32, u8),
    /// firmwareVersion.
    pub firmware_version: u64,
    /// pcrSelect.
    pub selections: Vec<SelectionSpec>,
    /// pcrDigest.
    pub pcr_digest: Vec<u8>,
    /// What follows, where nothing should.
    pub after: Vec<u8>,
}

impl AttestSpec {
    /// A quote by the key of this qualified name, over these values of registers.
    #[must_use]
    pub fn new(qualified_signer: Vec<u8>, selection: SelectionSpec, values: &[Vec<u8>]) -> Self {
        Self {
            magic: 0xFF54_4347,
            kind: 0x8018,
            qualified_signer,
            extra_data: Vec::new(),
            clock_info: (1_234_567, 3, 0, 1),
            firmware_version: 0x2020_0312_0012_0003,
            selections: vec![selection],
            pcr_digest: sha256(&values.concat()).to_vec(),
            after: Vec::new(),
        }
    }

    /// The bytes that are signed.
    ///
    /// # Panics
    ///
    /// If a field is longer than its length can say.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (clock, resets, restarts, safe) = self.clock_info;
        let count = u32::try_from(self.selections.len()).expect("a few banks");
        let selections: Vec<u8> = self.selections.iter().flat_map(SelectionSpec::bytes).collect();
        [
            self.magic.to_be_bytes().to_vec(),
            self.kind.to_be_bytes().to_vec(),
            sized(&self.qualified_signer),
            sized(&self.extra_data),
            clock.to_be_bytes().to_vec(),
            resets.to_be_bytes().to_vec(),
            restarts.to_be_bytes().to_vec(),
            vec![safe],
            self.firmware_version.to_be_bytes().to_vec(),
            count.to_be_bytes().to_vec(),
            selections,
            sized(&self.pcr_digest),
            self.after.clone(),
        ]
        .concat()
    }
}

/// TPMT_SIGNATURE of `message`: RSASSA with SHA-256.
#[must_use]
pub fn rsassa_sha256(key: &RsaKey, message: &[u8]) -> Vec<u8> {
    [&0x0014_u16.to_be_bytes()[..], &alg::SHA256.to_be_bytes(), &sized(&key.sign_pkcs1_sha256(message))]
        .concat()
}

/// TPMT_SIGNATURE of `message`: ECDSA on P-256 with SHA-256.
#[must_use]
pub fn ecdsa_p256(key: &P256Key, message: &[u8]) -> Vec<u8> {
    let signature = key.sign(message);
    let (r, s) = signature.split_at(32);
    [&0x0018_u16.to_be_bytes()[..], &alg::SHA256.to_be_bytes(), &sized(r), &sized(s)].concat()
}

/// TPMT_PUBLIC of an attestation key as Azure's and Google's vTPMs make it: RSA-2048, RSASSA with SHA-256, the default exponent.
#[must_use]
pub fn ak_public(attributes: u32, modulus: &[u8]) -> Vec<u8> {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    [
        words(&[0x0001, alg::SHA256]),
        attributes.to_be_bytes().to_vec(),
        words(&[0, 0x0010, 0x0014, alg::SHA256, 2048, 0, 0]),
        sized(modulus),
    ]
    .concat()
}

/// The qualified name of a primary key of the endorsement hierarchy (part 1, §16).
#[must_use]
pub fn qualified_name(public: &[u8]) -> Vec<u8> {
    let name = [&alg::SHA256.to_be_bytes()[..], &sha256(public)].concat();
    let qualified = sha256(&[&0x4000_000B_u32.to_be_bytes()[..], &name].concat());
    [&alg::SHA256.to_be_bytes()[..], &qualified].concat()
}

/// A length of 16 bits, big-endian, and the bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short data").to_be_bytes();
    [&length[..], bytes].concat()
}
