//! What booted: logs of boots that replay to quoted registers, and the values that a relying party expects of them.
//!
//! A register is known by its value, or by the exact list of the events that made it: the list is complete, so that nothing can
//! have been booted before, between or after them.

mod image;

use std::collections::BTreeSet;

use evidence_event_log::{Bank, EventLog, EventType};
use serde::Deserialize;

pub use image::{ExpectedPcrs, Image, ImageError, ImageRules, booted, validate_images};

use crate::{Error, Pcrs};

/// The registers that firmware, boot loader and kernel extend and whose events they log (PC Client Platform Firmware Profile,
/// §3.3.4; 11 to 13: systemd-stub). Beside them, 10 is of a kernel that measures files (IMA), 15 and 16 to 23 are no boot's.
pub const LOGGED_PCRS: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14];

/// A log that replays to every quoted register of [`LOGGED_PCRS`], but for those that were left out by name.
#[derive(Debug, Clone)]
pub struct ReplayedLog<'a> {
    log: &'a EventLog<'a>,
    bank: Bank,
    /// The registers that were compared: of no other do the log's events mean anything.
    compared: Vec<u8>,
}

impl<'a> ReplayedLog<'a> {
    /// Replays `log` and compares it with the quoted registers of `bank`. A quoted register without events must be at its start;
    /// the log's events of a register that was not quoted mean nothing. `except` are registers that a running guest extends.
    ///
    /// # Errors
    ///
    /// [`Error::NoBootDigests`], [`Error::BootReplay`].
    pub fn replay(log: &'a EventLog<'a>, pcrs: &Pcrs, bank: Bank, except: &[u8]) -> Result<Self, Error> {
        let quoted = pcrs.iter().filter(|(algorithm, ..)| *algorithm == bank.algorithm());
        let compared = compare(log, bank, quoted.map(|(_, pcr, value)| (pcr, value)), except)?;
        Ok(Self { log, bank, compared })
    }

    /// Whether the events of `pcr` are these, one after the other.
    fn has_exactly(&self, pcr: u8, expected: &[ExpectedEvent]) -> bool {
        let found: Vec<_> = self.log.events_of(u32::from(pcr)).collect();
        self.compared.contains(&pcr)
            && found.len() == expected.len()
            && found.iter().zip(expected).all(|(event, expected)| match expected {
                ExpectedEvent::Digest(digest) => {
                    event.digest(self.bank.algorithm()) == Some(digest.as_slice())
                }
                // No digest covers the type: what counts is that the digest is the hash of a partition table.
                ExpectedEvent::PartitionTable => {
                    event.event_type == EventType::EV_EFI_GPT_EVENT
                        && event.tied_data(self.bank).is_some_and(is_partition_table)
                }
            })
    }
}

/// Compares what `log` replays to with values of registers of `bank`: those of [`LOGGED_PCRS`] that are not in `except`. Gives the
/// registers that were compared.
///
/// # Errors
///
/// [`Error::NoBootDigests`], [`Error::BootReplay`].
pub fn compare<'a>(
    log: &EventLog<'_>,
    bank: Bank,
    registers: impl IntoIterator<Item = (u8, &'a [u8])>,
    except: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut compared = Vec::with_capacity(LOGGED_PCRS.len());
    for (pcr, value) in registers {
        if except.contains(&pcr) || !LOGGED_PCRS.contains(&pcr) {
            continue;
        }
        let replayed = log.replay(u32::from(pcr), bank).ok_or(Error::NoBootDigests(bank.algorithm()))?;
        if replayed != value {
            let (replayed, quoted) = (hex::encode(replayed), hex::encode(value));
            return Err(Error::BootReplay { pcr, replayed, quoted });
        }
        compared.push(pcr);
    }
    Ok(compared)
}

/// UEFI_GPT_DATA (PC Client Platform Firmware Profile, §10.2.5): a header of 92 bytes, how many partitions follow (u64), and as many
/// entries of the length that the header names. An image, whose digest may be a hash of its bytes too, does not begin like that.
fn is_partition_table(data: &[u8]) -> bool {
    const HEADER_LEN: usize = 92;
    let word = |at: usize| data.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let entries = data.get(HEADER_LEN..).and_then(<[u8]>::split_first_chunk);
    let Some((count, entries)) = entries else { return false };
    let count = usize::try_from(u64::from_le_bytes(*count)).ok();
    let entry = word(84).and_then(|length| usize::try_from(length).ok());
    data.starts_with(b"EFI PART")
        && word(12).and_then(|length| usize::try_from(length).ok()) == Some(HEADER_LEN)
        && count.zip(entry).and_then(|(count, entry)| count.checked_mul(entry)) == Some(entries.len())
}

/// What a register must hold: one of some values, or what an exact list of events leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// One of these values, hex.
    Values(BTreeSet<Digest>),
    /// What these events lead to, from zeros.
    Events(ExpectedEvents),
}

/// An exact list of events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedEvents {
    /// The events in their order: digests in hex, or `gpt` for one partition table, whatever it is.
    pub events: Vec<ExpectedEvent>,
}

/// One event of an exact list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ExpectedEvent {
    /// The event with this digest.
    Digest(Digest),
    /// EV_EFI_GPT_EVENT, whose digest follows from the layout of a disk: only a log tells.
    PartitionTable,
}

/// A digest in the hex of policies, of the length of some bank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(Vec<u8>);

impl Digest {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = hex::decode(&text).ok().filter(|bytes| [32, 48, 64].contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| "expected a digest of 32, 48 or 64 bytes of hex".to_owned())
    }
}

impl TryFrom<String> for ExpectedEvent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "gpt" { Ok(Self::PartitionTable) } else { Digest::try_from(text).map(Self::Digest) }
    }
}

impl Expected {
    /// Whether the expectation can be met at all of `pcr` in `bank`: at least one value, each of the bank's length; a partition table
    /// in a register alone whose events are logged.
    pub fn is_satisfiable(&self, pcr: u8, bank: Bank) -> bool {
        let fits = |digest: &Digest| digest.0.len() == bank.algorithm().size();
        match self {
            Self::Values(values) => !values.is_empty() && values.iter().all(fits),
            Self::Events(ExpectedEvents { events }) => events.iter().all(|event| match event {
                ExpectedEvent::Digest(digest) => fits(digest),
                ExpectedEvent::PartitionTable => LOGGED_PCRS.contains(&pcr),
            }),
        }
    }

    /// Whether the quoted register `pcr` holds what is expected. A list with a partition table needs a log that replays.
    ///
    /// # Errors
    ///
    /// [`Error::NotQuoted`], [`Error::BootRegister`], [`Error::BootLogNeeded`], [`Error::BootEvents`].
    pub fn holds(
        &self,
        pcr: u8,
        bank: Bank,
        pcrs: &Pcrs,
        log: Option<&ReplayedLog<'_>>,
    ) -> Result<(), Error> {
        let quoted = pcrs.get(bank, pcr).ok_or(Error::NotQuoted(pcr))?;
        let other = || Error::BootRegister { pcr, found: hex::encode(quoted) };
        match self {
            Self::Values(values) => {
                if values.iter().any(|value| value.0 == quoted) {
                    Ok(())
                } else {
                    Err(other())
                }
            }
            Self::Events(ExpectedEvents { events }) => {
                let digests: Option<Vec<&[u8]>> = events.iter().map(ExpectedEvent::digest).collect();
                let Some(digests) = digests else {
                    let log = log.ok_or(Error::BootLogNeeded(pcr))?;
                    return if log.has_exactly(pcr, events) {
                        Ok(())
                    } else {
                        Err(Error::BootEvents { pcr })
                    };
                };
                let value =
                    digests.iter().fold(bank.initial(), |value, digest| bank.extended(&value, digest));
                if value == quoted { Ok(()) } else { Err(other()) }
            }
        }
    }
}

impl ExpectedEvent {
    fn digest(&self) -> Option<&[u8]> {
        match self {
            Self::Digest(digest) => Some(digest.as_slice()),
            Self::PartitionTable => None,
        }
    }
}
