//! The value of a register after its events: `value = H(value ‖ digest)` for each, from zeros.

use crate::hash::{sha256, sha384, sha512};
use crate::{Bank, Event, EventLog, EventLogError, HashAlgorithm};

/// The PCRs whose value follows from a boot log: 16 and 23 can be reset by anyone, 17 to 22 belong to a
/// dynamic launch.
const BOOT_REGISTERS: u32 = 16;

/// TDX has RTMR0 to RTMR3.
const RTMRS: usize = 4;

/// Bytes of an RTMR.
const RTMR_LEN: usize = 48;

/// The value of a SHA-256 register that starts at zero.
#[must_use]
pub fn replay_sha256(digests: impl IntoIterator<Item = [u8; 32]>) -> [u8; 32] {
    digests.into_iter().fold([0; 32], |value, digest| sha256(&[&value, &digest]))
}

/// The value of a SHA-384 register that starts at zero.
#[must_use]
pub fn replay_sha384(digests: impl IntoIterator<Item = [u8; 48]>) -> [u8; 48] {
    digests.into_iter().fold([0; 48], |value, digest| sha384(&[&value, &digest]))
}

/// The value of a SHA-512 register that starts at zero.
#[must_use]
pub fn replay_sha512(digests: impl IntoIterator<Item = [u8; 64]>) -> [u8; 64] {
    digests.into_iter().fold([0; 64], |value, digest| sha512(&[&value, &digest]))
}

/// RTMR0 to RTMR3 as a CCEL log has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rtmrs {
    /// The four values.
    pub values: [[u8; RTMR_LEN]; RTMRS],
    /// How many events of the log extend each. One without events is zero here, which says nothing of what
    /// the guest extended after boot.
    pub events: [usize; RTMRS],
}

impl EventLog<'_> {
    /// Whether an event of the log extends `register`.
    #[must_use]
    pub fn extends(&self, register: u32) -> bool {
        self.events().iter().any(|event| event.extends() && event.register == register)
    }

    /// The events that extend `register`, in order.
    pub fn events_of(&self, register: u32) -> impl Iterator<Item = &Event<'_>> {
        self.events().iter().filter(move |event| event.extends() && event.register == register)
    }

    /// The value of PCR `register` after the log's events, PCR 0 from its StartupLocality. `None` where the
    /// log has no digests of `bank`, and for PCR 16 and above, which prove nothing about the boot.
    ///
    /// A register without events is at its start. Whether events must exist is the caller's to say
    /// ([`EventLog::extends`]).
    #[must_use]
    pub fn replay(&self, register: u32, bank: Bank) -> Option<Vec<u8>> {
        if register >= BOOT_REGISTERS || !self.header().algorithms.contains(&bank.algorithm()) {
            return None;
        }
        let locality = if register == 0 { self.startup_locality() } else { 0 };
        Some(match bank {
            Bank::Sha256 => self.chain(register, bank, locality, sha256).to_vec(),
            Bank::Sha384 => self.chain(register, bank, locality, sha384).to_vec(),
            Bank::Sha512 => self.chain(register, bank, locality, sha512).to_vec(),
        })
    }

    /// RTMR0 to RTMR3 after the log's events, for a log from a CCEL table.
    ///
    /// # Errors
    ///
    /// [`EventLogError::NoDigests`] without SHA-384, [`EventLogError::NotAnRtmr`] where an event extends
    /// another register.
    pub fn replay_rtmrs(&self) -> Result<Rtmrs, EventLogError> {
        let algorithm = HashAlgorithm::Sha384;
        if !self.header().algorithms.contains(&algorithm) {
            return Err(EventLogError::NoDigests { algorithm });
        }
        let mut rtmrs = Rtmrs { values: [[0; RTMR_LEN]; RTMRS], events: [0; RTMRS] };
        for (event, index) in self.events().iter().zip(1..).filter(|(event, _)| event.extends()) {
            let rtmr = event.rtmr().map(usize::from);
            let rtmr = rtmr.and_then(|i| Some((rtmrs.values.get_mut(i)?, rtmrs.events.get_mut(i)?)));
            let Some((value, events)) = rtmr else {
                return Err(EventLogError::NotAnRtmr { event: index, found: event.register });
            };
            let digest = event.digest(algorithm).ok_or(EventLogError::NoDigests { algorithm })?;
            *value = sha384(&[value.as_slice(), digest]);
            *events = events.saturating_add(1);
        }
        Ok(rtmrs)
    }

    fn chain<const N: usize>(
        &self,
        register: u32,
        bank: Bank,
        locality: u8,
        hash: fn(&[&[u8]]) -> [u8; N],
    ) -> [u8; N] {
        let mut start = [0; N];
        if let Some(last) = start.last_mut() {
            *last = locality;
        }
        self.events_of(register)
            .filter_map(|event| event.digest(bank.algorithm()))
            .fold(start, |value, digest| hash(&[&value, digest]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values computed with Python's hashlib: two extensions of a digest of ones.
    #[test]
    fn from_zeros() {
        assert_eq!(replay_sha256([]), [0; 32]);
        assert_eq!(
            hex::encode(replay_sha256([[1; 32]; 2])),
            "c6ceea5a68c978e77818ca675ea933918c44f07c1208a004062f13f3dd6cb66f"
        );
        assert_eq!(
            hex::encode(replay_sha384([[1; 48]; 2])),
            "971219f71d88dba4f9de7332d10df9ecba8c2b40873be646a3b4e838e0781dbd5ffe024d973662ce0224ed54bba531ad"
        );
        assert_eq!(
            hex::encode(replay_sha512([[1; 64]; 2])),
            "06e81b29924611dd1412b802b5abb9da145beb0ff463e79602a640085dc6ef9d\
             bf5a4c6a151e6dbc767813f0804dd881c922ccc5d7a2a4f60d50b0d60ed701d7"
        );
    }
}
