//! From the bytes of a quote to the registers that a bound attestation key signed.

use evidence_event_log::{Bank, HashAlgorithm};
use evidence_ledger::{Failed, Ledger};
use subtle::ConstantTimeEq;

use crate::{
    Attest, ClockInfo, Error, PublicKey, Selection, Signature, VerifiedAkCertificate, checks::quote as checks,
};

/// An attestation key of which something that was verified says whose it is: the only key under which a quote is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundAk {
    key: PublicKey,
}

impl BoundAk {
    /// A backend's assertion that verified Evidence names this key: a hardware-signed report that commits to it.
    pub const fn assertion(key: PublicKey) -> Self {
        Self { key }
    }

    /// The key that a provider's certificate names.
    pub fn certified(certificate: &VerifiedAkCertificate) -> Self {
        Self { key: certificate.key().clone() }
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// What extraData must be.
#[derive(Debug, Clone, Copy)]
pub enum ExtraData<'a> {
    /// Exactly these bytes.
    Exactly(&'a [u8]),
    /// With zeros behind it to 64 bytes, it is these bytes. An empty one is refused: it would match zeros alone.
    BeginningOf(&'a [u8; 64]),
}

impl ExtraData<'_> {
    /// Compares in a time that depends on lengths alone.
    fn matches(&self, found: &[u8]) -> bool {
        match self {
            Self::Exactly(expected) => expected.ct_eq(found).into(),
            Self::BeginningOf(expected) => {
                let mut padded = [0; 64];
                if found.is_empty() {
                    return false;
                }
                let Some(beginning) = padded.get_mut(..found.len()) else { return false };
                beginning.copy_from_slice(found);
                expected.ct_eq(&padded).into()
            }
        }
    }
}

/// Everything that the verdict on a quote depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyQuote<'a> {
    /// TPMS_ATTEST, as received.
    pub attest: &'a [u8],
    /// TPMT_SIGNATURE, as received.
    pub signature: &'a [u8],
    /// The values of the quoted registers: bank for bank, ascending in each.
    pub pcrs: &'a [&'a [u8]],
    /// Whose key must have signed.
    pub ak: &'a BoundAk,
    /// What extraData must be.
    pub extra_data: ExtraData<'a>,
    /// Which registers must be quoted: these banks, in this order, and no other register.
    pub selections: &'a [Selection],
}

/// Registers whose values a TPM signed: nothing else is in here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pcrs(Vec<(HashAlgorithm, u8, Vec<u8>)>);

impl Pcrs {
    /// A backend's assertion that something else than a quote, which it verified, holds these registers of a TPM: bank, index, value.
    pub fn assertion(registers: impl IntoIterator<Item = (HashAlgorithm, u8, Vec<u8>)>) -> Self {
        Self(registers.into_iter().collect())
    }

    /// The value of a register; `None` if it was not quoted.
    pub fn get(&self, bank: Bank, pcr: u8) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(algorithm, index, _)| (*algorithm, *index) == (bank.algorithm(), pcr))
            .map(|(_, _, value)| value.as_slice())
    }

    /// Each register that was quoted: bank, index, value.
    pub fn iter(&self) -> impl Iterator<Item = (HashAlgorithm, u8, &[u8])> {
        self.0.iter().map(|(algorithm, pcr, value)| (*algorithm, *pcr, value.as_slice()))
    }
}

/// A quote that a bound attestation key signed.
///
/// There is no other way to one than [`VerifyQuote::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedQuote {
    pcrs: Pcrs,
    qualified_signer: Vec<u8>,
    clock_info: ClockInfo,
    firmware_version: u64,
    ledger: Ledger,
}

impl VerifyQuote<'_> {
    /// Verifies the quote: its form, its signature, its freshness, what it selects, and the values of that.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::quote`]) and why.
    pub fn verify(&self) -> Result<VerifiedQuote, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());
        let parsed =
            Attest::parse(self.attest).and_then(|attest| Ok((attest, Signature::parse(self.signature)?)));
        let (attest, signature) = ledger.record(checks::TPM_QUOTE_FORMAT, parsed)?;
        let signed = self.ak.key.verifies(attest.raw, &signature);
        ledger.require(checks::TPM_QUOTE_SIGNATURE, signed, || Error::QuoteSignature)?;
        let fresh = self.extra_data.matches(attest.extra_data);
        ledger.require(checks::TPM_EXTRA_DATA, fresh, || Error::ExtraData)?;
        ledger.require(checks::TPM_SELECTION, attest.selections == self.selections, || Error::Selection {
            expected: shown(self.selections),
            found: shown(&attest.selections),
        })?;
        let pcrs = ledger.record(checks::PCR_VALUES, self.values(&attest.selections))?;
        let values: Vec<&[u8]> = pcrs.iter().map(|(_, _, value)| value).collect();
        let digest = signature.hash.hash(&values);
        ledger.require(checks::PCR_DIGEST, digest == attest.pcr_digest, || Error::PcrDigest)?;
        Ok(VerifiedQuote {
            pcrs,
            qualified_signer: attest.qualified_signer.to_vec(),
            clock_info: attest.clock_info,
            firmware_version: attest.firmware_version,
            ledger: std::mem::take(ledger),
        })
    }

    /// The given values, each as that of the register that the signed selection has in its place.
    fn values(&self, selections: &[Selection]) -> Result<Pcrs, Error> {
        let registers = selections.iter().flat_map(|of| of.pcrs().map(|pcr| (of.algorithm, pcr)));
        let registers: Vec<(HashAlgorithm, u8)> = registers.collect();
        if registers.len() != self.pcrs.len() {
            return Err(Error::PcrCount { expected: registers.len(), found: self.pcrs.len() });
        }
        let value = |((algorithm, pcr), value): ((HashAlgorithm, u8), &&[u8])| {
            if value.len() != algorithm.size() {
                return Err(Error::PcrLength { pcr, expected: algorithm.size(), found: value.len() });
            }
            Ok((algorithm, pcr, value.to_vec()))
        };
        registers.into_iter().zip(self.pcrs).map(value).collect::<Result<_, _>>().map(Pcrs)
    }
}

impl VerifiedQuote {
    /// The registers that were signed.
    pub const fn pcrs(&self) -> &Pcrs {
        &self.pcrs
    }

    /// The qualified name of the key that signed, as the TPM says.
    pub fn qualified_signer(&self) -> &[u8] {
        &self.qualified_signer
    }

    /// The TPM's clock.
    pub const fn clock_info(&self) -> ClockInfo {
        self.clock_info
    }

    /// The TPM vendor's firmware version.
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }

    /// Every check of [`crate::checks::quote`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn shown(selections: &[Selection]) -> String {
    let shown: Vec<String> = selections.iter().map(ToString::to_string).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(" ") }
}
