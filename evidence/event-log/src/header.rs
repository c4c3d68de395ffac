//! The log's header: TCG_EfiSpecIdEvent (Platform Firmware Profile, revision 1.05, section 10.4.5.1).

use crate::reader::Reader;
use crate::{EventLogError, EventType, HashAlgorithm};

/// The first bytes of the header's data.
const SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";

/// Bytes of the first event's one digest, which has SHA-1's size.
const FIRST_DIGEST_LEN: usize = 20;

/// What a log says of its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecId<'a> {
    /// 0: client, 1: server.
    pub platform_class: u32,
    /// specErrata of version 2.0.
    pub errata: u8,
    /// The algorithms of every event, in the order of the header.
    pub algorithms: Vec<HashAlgorithm>,
    /// What the vendor adds; at most 255 bytes.
    pub vendor_info: &'a [u8],
}

impl<'a> SpecId<'a> {
    /// Reads the first event, which has the form TCG_PCR_EVENT.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, EventLogError> {
        let (register, event_type, digest, data) =
            first_event(reader).ok_or(EventLogError::Truncated { event: 0 })?;
        let Some(fields) = data.strip_prefix(SIGNATURE) else {
            return Err(EventLogError::NotCryptoAgile { found: event_type });
        };
        if event_type != EventType::EV_NO_ACTION {
            return Err(EventLogError::NotCryptoAgile { found: event_type });
        }
        if register > 1 {
            return Err(EventLogError::HeaderRegister { found: register });
        }
        if digest != [0; FIRST_DIGEST_LEN] {
            return Err(EventLogError::HeaderDigest);
        }
        Self::fields(fields, data.len())
    }

    fn fields(fields: &'a [u8], found: usize) -> Result<Self, EventLogError> {
        let length = EventLogError::HeaderLength { found };
        let mut fields = Reader::new(fields);
        let platform_class = fields.u32().ok_or(length.clone())?;
        let [minor, major, errata, uintn_size] = fields.array().ok_or(length.clone())?;
        let count = fields.u32().ok_or(length.clone())?;
        if platform_class > 1 {
            return Err(EventLogError::PlatformClass { found: platform_class });
        }
        if (major, minor) != (2, 0) {
            return Err(EventLogError::Version { major, minor });
        }
        if !matches!(uintn_size, 1 | 2) {
            return Err(EventLogError::UintnSize { found: uintn_size });
        }
        if !usize::try_from(count).is_ok_and(|count| (1..=HashAlgorithm::ALL.len()).contains(&count)) {
            return Err(EventLogError::AlgorithmCount { found: count });
        }
        let mut algorithms = Vec::new();
        for _ in 0..count {
            let id = fields.u16().ok_or(length.clone())?;
            let size = fields.u16().ok_or(length.clone())?;
            let algorithm =
                HashAlgorithm::from_id(id).ok_or(EventLogError::UnknownAlgorithm { found: id })?;
            if usize::from(size) != algorithm.size() {
                return Err(EventLogError::AlgorithmSize { algorithm, found: size });
            }
            if algorithms.contains(&algorithm) {
                return Err(EventLogError::AlgorithmTwice { algorithm });
            }
            algorithms.push(algorithm);
        }
        let vendor_len = fields.u8().ok_or(length.clone())?;
        if fields.rest().len() != usize::from(vendor_len) {
            return Err(length);
        }
        Ok(Self { platform_class, errata, algorithms, vendor_info: fields.rest() })
    }
}

type FirstEvent<'a> = (u32, EventType, [u8; FIRST_DIGEST_LEN], &'a [u8]);

fn first_event<'a>(reader: &mut Reader<'a>) -> Option<FirstEvent<'a>> {
    let register = reader.u32()?;
    let event_type = EventType(reader.u32()?);
    let digest = reader.array()?;
    let length = reader.length()?;
    Some((register, event_type, digest, reader.bytes(length)?))
}
