//! PCRs as registers of the journal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence_event_log::Bank;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::PcrSelection;
use tss_esapi::tss2_esys::TPMI_ALG_HASH;

use super::{Tpm, TpmError, algorithm, slot};
use crate::register::{Register, RegisterError};

/// The banks that a register may be in, in the order of the registers.
const BANKS: [Bank; 3] = [Bank::Sha256, Bank::Sha384, Bank::Sha512];

/// One PCR in one bank of SHA-2.
#[derive(Debug)]
pub struct Pcr {
    tpm: Arc<Mutex<Tpm>>,
    pcr: u8,
    bank: Bank,
    name: String,
    /// The other banks that are extended together with this one, and the bytes of their digests.
    companions: Vec<(HashingAlgorithm, usize)>,
}

impl Pcr {
    /// PCR `pcr` in each bank of SHA-2 that has it, SHA-256 first. The registers share `tpm`, and take it for
    /// one command at a time.
    ///
    /// Other banks (SHA-1, SM3) are never read, and nothing may ever rest on them. But a bank that stays
    /// clean could be extended later with what whoever extends it likes. So the first register extends them
    /// together with itself, in one command, with its own digest: cut to the length of their digests, or
    /// with zeros after it.
    ///
    /// # Errors
    ///
    /// [`TpmError::NoBank`] where no bank of SHA-2 has it; [`TpmError::UnknownBank`] where a bank has it that
    /// cannot be extended; [`TpmError::Command`].
    pub fn all_banks(tpm: &Arc<Mutex<Tpm>>, pcr: u8) -> Result<Vec<Self>, TpmError> {
        let banks = lock(tpm).allocated()?;
        let has_it = |bank: &&PcrSelection| slot(pcr).is_some_and(|slot| bank.is_selected(slot));
        let having_it: Vec<HashingAlgorithm> =
            banks.iter().filter(has_it).map(PcrSelection::hashing_algorithm).collect();
        let (ours, others): (Vec<_>, Vec<_>) =
            having_it.into_iter().partition(|found| BANKS.into_iter().any(|bank| algorithm(bank) == *found));
        let companion = |other: HashingAlgorithm| match other {
            HashingAlgorithm::Sha1 => Ok((other, 20)),
            HashingAlgorithm::Sm3_256 => Ok((other, 32)),
            _ => Err(TpmError::UnknownBank { algorithm: TPMI_ALG_HASH::from(other), pcr }),
        };
        let companions = others.into_iter().map(companion).collect::<Result<Vec<_>, _>>()?;
        let mut registers: Vec<Self> = BANKS
            .into_iter()
            .filter(|bank| ours.contains(&algorithm(*bank)))
            .map(|bank| {
                let name = format!("PCR{pcr}:{}", name(bank));
                Self { tpm: Arc::clone(tpm), pcr, bank, name, companions: Vec::new() }
            })
            .collect();
        match registers.first_mut() {
            Some(first) => first.companions = companions,
            None => {
                let found = banks.iter().map(|bank| TPMI_ALG_HASH::from(bank.hashing_algorithm())).collect();
                return Err(TpmError::NoBank { pcr, found });
            }
        }
        Ok(registers)
    }

    fn device(&self) -> impl Fn(TpmError) -> RegisterError {
        |error| RegisterError::Device { register: self.name.clone(), problem: error.to_string() }
    }
}

impl Register for Pcr {
    fn name(&self) -> &str {
        &self.name
    }

    fn bank(&self) -> Bank {
        self.bank
    }

    fn read(&mut self) -> Result<Vec<u8>, RegisterError> {
        let values = lock(&self.tpm).pcr_read(self.bank, &[self.pcr]).map_err(self.device())?;
        Ok(values.into_iter().next().unwrap_or_default())
    }

    fn extend(&mut self, digest: &[u8]) -> Result<(), RegisterError> {
        let expected = self.bank.algorithm().size();
        if digest.len() != expected {
            let (register, found) = (self.name.clone(), digest.len());
            return Err(RegisterError::Length { register, expected, found });
        }
        let mut digests = vec![(algorithm(self.bank), digest.to_vec())];
        for (companion, len) in &self.companions {
            let mut fitted = digest.to_vec();
            fitted.resize(*len, 0);
            digests.push((*companion, fitted));
        }
        lock(&self.tpm).pcr_extend(self.pcr, &digests).map_err(self.device())
    }
}

const fn name(bank: Bank) -> &'static str {
    match bank {
        Bank::Sha256 => "sha256",
        Bank::Sha384 => "sha384",
        Bank::Sha512 => "sha512",
    }
}

/// Between two commands there is nothing that a panic could have left half done.
fn lock(tpm: &Mutex<Tpm>) -> MutexGuard<'_, Tpm> {
    tpm.lock().unwrap_or_else(PoisonError::into_inner)
}
