//! What of a log means something to who reads it elsewhere: digests, and data that they cover.

use crate::{Bank, EventLog, EventType, Tie};

impl EventLog<'_> {
    /// The same events in one bank, each with its data only where its digest is the hash of all of them.
    ///
    /// No register covers other data: where a log lies in memory is the host's word (CCEL), and they may be anything of a guest's.
    #[must_use]
    pub fn condensed(&self, bank: Bank) -> Vec<u8> {
        let algorithm = bank.algorithm();
        let size = u16::try_from(algorithm.size()).unwrap_or_default();
        // TCG_EfiSpecIdEvent (Platform Firmware Profile, revision 1.05, section 10.4.5.1): version 2.0, one algorithm, no vendor info.
        let header = [
            &b"Spec ID Event03\0"[..],
            &self.header().platform_class.to_le_bytes(),
            &[0, 2, self.header().errata, 2],
            &1_u32.to_le_bytes(),
            &algorithm.id().to_le_bytes(),
            &size.to_le_bytes(),
            &[0],
        ]
        .concat();
        let mut log = [&[0; 4][..], &EventType::EV_NO_ACTION.0.to_le_bytes(), &[0; 20]].concat();
        log.extend(sized(&header));
        for event in self.events().iter().filter(|event| event.extends()) {
            let data = match event.tie(bank) {
                Tie::Tied(tied) if tied == event.unverified_data() => tied,
                _ => &[],
            };
            log.extend(event.register.to_le_bytes());
            log.extend(event.event_type.0.to_le_bytes());
            log.extend(1_u32.to_le_bytes());
            log.extend(algorithm.id().to_le_bytes());
            log.extend(event.digest(algorithm).unwrap_or_default());
            log.extend(sized(data));
        }
        log
    }
}

/// The length in four bytes, and the bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], bytes].concat()
}
