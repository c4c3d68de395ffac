//! TCG crypto-agile event logs, and Intel TDX's CCEL log, which has the same form.
//!
//! Sources: TCG PC Client Platform Firmware Profile, revision 1.05, sections 10.2 (events) and 10.4.5
//! (EV_NO_ACTION events); Intel Guest-Host-Communication Interface for TDX 1.5, CCEL. Integers are
//! little-endian.

use crate::header::SpecId;
use crate::reader::Reader;
use crate::{Bank, EventLogError, EventType, HashAlgorithm, Tie, hash, tie};

/// The most bytes of a log, its padding included.
pub const MAX_LOG_LEN: usize = 4 * 1024 * 1024;
/// The most events of a log, its header included. Real logs were seen with up to 117.
pub const MAX_EVENTS: usize = 16_384;
/// The most bytes of data of one event. Real logs were seen with up to 17,874: Secure Boot's `dbx`.
pub const MAX_DATA_LEN: usize = 64 * 1024;
/// A TPM has PCRs 0 to 23.
pub const REGISTERS: u32 = 24;

/// Bytes of an event before its digests: register, type, number of digests.
const EVENT_HEADER_LEN: usize = 12;

/// The first bytes of a StartupLocality event's data (Platform Firmware Profile, section 10.4.5.3).
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

/// A parsed log. It borrows the bytes that it was parsed from and proves nothing: its digests count once they
/// replay to a quoted register, an event's data once it is [tied](Event::tie) to such a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog<'a> {
    header: SpecId<'a>,
    events: Vec<Event<'a>>,
    startup_locality: Option<u8>,
    len: usize,
}

impl<'a> EventLog<'a> {
    /// Parses a log that ends at the end of `bytes`, or where only 0x00 or only 0xFF follows.
    ///
    /// # Errors
    ///
    /// [`EventLogError`] for more than [`MAX_LOG_LEN`] bytes, [`MAX_EVENTS`] events or [`MAX_DATA_LEN`] bytes
    /// of data, for a header of another form, and for an event that does not carry exactly the header's
    /// algorithms.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventLogError> {
        if bytes.len() > MAX_LOG_LEN {
            return Err(EventLogError::TooLarge { found: bytes.len() });
        }
        let mut reader = Reader::new(bytes);
        let header = SpecId::read(&mut reader)?;
        let mut log = Self { header, events: Vec::new(), startup_locality: None, len: 0 };
        while !only_padding(reader.rest(), bytes.len())? {
            let index = log.events.len().saturating_add(1);
            if index >= MAX_EVENTS {
                return Err(EventLogError::TooManyEvents);
            }
            let event = Event::read(&mut reader, &log.header.algorithms, index)?;
            log.note_startup_locality(&event, index)?;
            log.events.push(event);
        }
        log.len = bytes.len().saturating_sub(reader.rest().len());
        Ok(log)
    }

    /// What the log says of its own form.
    #[must_use]
    pub const fn header(&self) -> &SpecId<'a> {
        &self.header
    }

    /// How many of the bytes are the log; padding follows.
    #[must_use]
    pub const fn len_without_padding(&self) -> usize {
        self.len
    }

    /// The events after the header, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// The locality at which PCR 0 starts; 0 where the log does not say.
    #[must_use]
    pub fn startup_locality(&self) -> u8 {
        self.startup_locality.unwrap_or(0)
    }

    fn note_startup_locality(&mut self, event: &Event<'_>, index: usize) -> Result<(), EventLogError> {
        if event.extends() {
            return Ok(());
        }
        let Some(locality) = event.data.strip_prefix(STARTUP_LOCALITY) else { return Ok(()) };
        let (&[locality @ (0 | 3 | 4)], 0) = (locality, event.register) else {
            return Err(EventLogError::StartupLocality { event: index });
        };
        if self.startup_locality.is_some() || self.extends(0) {
            return Err(EventLogError::StartupLocalityLate { event: index });
        }
        self.startup_locality = Some(locality);
        Ok(())
    }
}

/// Whether the log has ended. No event begins with twelve bytes of padding: it would have no digests, or four
/// billion.
fn only_padding(rest: &[u8], log_len: usize) -> Result<bool, EventLogError> {
    let Some(&padding @ (0x00 | 0xFF)) = rest.first() else { return Ok(rest.is_empty()) };
    match rest.iter().position(|&byte| byte != padding) {
        None => Ok(true),
        Some(other) if other < EVENT_HEADER_LEN => Ok(false),
        Some(other) => {
            let offset = log_len.saturating_sub(rest.len()).saturating_add(other);
            Err(EventLogError::BehindPadding { padding, offset })
        }
    }
}

/// One event: TCG_PCR_EVENT2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The register that the event extends: a PCR, or in a CCEL log 1 to 4 for RTMR0 to RTMR3.
    pub register: u32,
    /// What the event says it is. No digest covers it.
    pub event_type: EventType,
    /// One digest for each declared algorithm, each after its TPM_ALG_ID.
    digests: &'a [u8],
    data: &'a [u8],
}

impl<'a> Event<'a> {
    fn read(
        reader: &mut Reader<'a>,
        algorithms: &[HashAlgorithm],
        event: usize,
    ) -> Result<Self, EventLogError> {
        let truncated = EventLogError::Truncated { event };
        let register = reader.u32().ok_or(truncated.clone())?;
        let event_type = EventType(reader.u32().ok_or(truncated.clone())?);
        if event_type != EventType::EV_NO_ACTION && register >= REGISTERS {
            return Err(EventLogError::Register { event, found: register });
        }
        let count = reader.u32().ok_or(truncated.clone())?;
        if usize::try_from(count) != Ok(algorithms.len()) {
            return Err(EventLogError::DigestCount { event, expected: algorithms.len(), found: count });
        }
        let digests = read_digests(reader, algorithms, event)?;
        let length = reader.length().ok_or(truncated.clone())?;
        if length > MAX_DATA_LEN {
            return Err(EventLogError::DataTooLarge { event, found: length });
        }
        let data = reader.bytes(length).ok_or(truncated)?;
        Ok(Self { register, event_type, digests, data })
    }

    /// Whether the event extends its register: every one does but EV_NO_ACTION.
    #[must_use]
    pub fn extends(&self) -> bool {
        self.event_type != EventType::EV_NO_ACTION
    }

    /// The RTMR that the event extends, 0 to 3, in a log from a CCEL table; `None` for another register.
    #[must_use]
    pub fn rtmr(&self) -> Option<u8> {
        // Register 0 is MRTD, which no event extends.
        let rtmr = u8::try_from(self.register.checked_sub(1)?).ok();
        rtmr.filter(|rtmr| *rtmr < 4)
    }

    /// The digest of `algorithm`, if the log has such.
    #[must_use]
    pub fn digest(&self, algorithm: HashAlgorithm) -> Option<&'a [u8]> {
        let mut digests = Reader::new(self.digests);
        loop {
            let found = HashAlgorithm::from_id(digests.u16()?)?;
            let digest = digests.bytes(found.size())?;
            if found == algorithm {
                return Some(digest);
            }
        }
    }

    /// Whether the event's digest in `bank` is the hash of its data.
    #[must_use]
    pub fn tie(&self, bank: Bank) -> Tie<'a> {
        match self.digest(bank.algorithm()) {
            Some(digest) => tie::tie(self.event_type, self.data, |data| hash::hashes_to(bank, data, digest)),
            None => Tie::Opaque,
        }
    }

    /// The bytes whose hash is the event's digest in `bank`: the only data that a claim may rest on, and only
    /// if the register replays. For some types this is a part of what was logged; see [`Tie`].
    #[must_use]
    pub fn tied_data(&self, bank: Bank) -> Option<&'a [u8]> {
        match self.tie(bank) {
            Tie::Tied(data) => Some(data),
            Tie::Contradicted | Tie::Opaque => None,
        }
    }

    /// The data as logged: whoever handed out the log may have written anything here. To show, never to claim.
    #[must_use]
    pub const fn unverified_data(&self) -> &'a [u8] {
        self.data
    }
}

/// Reads the digests and gives back all of their bytes.
fn read_digests<'a>(
    reader: &mut Reader<'a>,
    algorithms: &[HashAlgorithm],
    event: usize,
) -> Result<&'a [u8], EventLogError> {
    let start = *reader;
    let mut seen = [false; HashAlgorithm::ALL.len()];
    for _ in algorithms {
        let found = reader.u16().ok_or(EventLogError::Truncated { event })?;
        let (&algorithm, seen) = algorithms
            .iter()
            .zip(&mut seen)
            .find(|(algorithm, _)| algorithm.id() == found)
            .ok_or(EventLogError::UndeclaredAlgorithm { event, found })?;
        if std::mem::replace(seen, true) {
            return Err(EventLogError::DigestTwice { event, algorithm });
        }
        reader.bytes(algorithm.size()).ok_or(EventLogError::Truncated { event })?;
    }
    let length = start.rest().len().saturating_sub(reader.rest().len());
    start.rest().get(..length).ok_or(EventLogError::Truncated { event })
}
