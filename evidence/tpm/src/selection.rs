//! Which registers of which bank: TPML_PCR_SELECTION.

use std::fmt;

use evidence_event_log::HashAlgorithm;

use crate::{Error, reader::Reader};

/// A TPM has PCRs 0 to 23 (PC Client Platform TPM Profile, §4.6): three bytes of selection.
const SELECT_LEN: u8 = 3;

/// The most banks of a selection: one for each hash algorithm that a TPM may have.
const MAX_BANKS: usize = HashAlgorithm::ALL.len();

/// TPMS_PCR_SELECTION (TPM 2.0 Library, part 2, §10.6.2): registers of one bank.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The bank's hash algorithm.
    pub algorithm: HashAlgorithm,
    /// Bit `n` stands for PCR `n`.
    bits: u32,
}

impl Selection {
    /// The registers `pcrs` of the bank `algorithm`. What is no register of a TPM (24 and above) is left out.
    pub fn new(algorithm: HashAlgorithm, pcrs: impl IntoIterator<Item = u8>) -> Self {
        let pcrs = pcrs.into_iter().filter(|pcr| *pcr < 24);
        let bits = pcrs.fold(0, |bits, pcr| bits | 1 << pcr.min(23));
        Self { algorithm, bits }
    }

    /// The registers, ascending: the order in which their values are hashed.
    pub fn pcrs(&self) -> impl Iterator<Item = u8> + use<> {
        let bits = self.bits;
        (0..24_u8).filter(move |pcr| bits >> *pcr & 1 == 1)
    }

    /// How many registers there are.
    pub fn count(&self) -> usize {
        self.pcrs().count()
    }

    /// Reads TPML_PCR_SELECTION (part 2, §10.9.7): a count, then as many selections of three bytes each.
    pub(crate) fn read_list(fields: &mut Reader<'_>) -> Result<Vec<Self>, Error> {
        let malformed = Error::Quote("the list of selected pcrs");
        let count = fields.u32().ok_or(malformed.clone())?;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_BANKS);
        let count = count.ok_or(malformed.clone())?;
        let mut selections: Vec<Self> = Vec::with_capacity(count);
        for _ in 0..count {
            let id = fields.u16().ok_or(malformed.clone())?;
            let algorithm = HashAlgorithm::ALL.into_iter().find(|known| known.id() == id);
            let algorithm = algorithm.ok_or(Error::UnknownBank(id))?;
            let length = fields.u8().filter(|length| *length == SELECT_LEN);
            let [low, middle, high] = length.and_then(|_| fields.array()).ok_or(malformed.clone())?;
            selections.push(Self { algorithm, bits: u32::from_le_bytes([low, middle, high, 0]) });
        }
        Ok(selections)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm)?;
        let mut separator = "";
        for pcr in self.pcrs() {
            write!(f, "{separator}{pcr}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selection({self})")
    }
}
