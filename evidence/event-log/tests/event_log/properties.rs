//! What holds for any input.

use crate::support::{SHA256, event, hashed, header};
use evidence_event_log::runtime::{EventVersion, RuntimeEvent, RuntimeLog};
use evidence_event_log::{Bank, CcelTable, EventLog, Tie, replay};
use proptest::collection::vec;
use proptest::prelude::*;

fn runtime_event() -> impl Strategy<Value = RuntimeEvent> {
    (any::<String>(), vec(any::<u8>(), 0..64), any::<bool>()).prop_map(|(name, payload, second)| {
        let version = if second { EventVersion::V2 } else { EventVersion::V1 };
        RuntimeEvent { name, payload, version }
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = CcelTable::parse(&bytes);
        let _ = RuntimeLog::parse_lines(&bytes);
        let _ = EventLog::parse(&bytes);
        // Behind a whole header.
        let log = [header(&[SHA256]), bytes].concat();
        if let Ok(log) = EventLog::parse(&log) {
            let _ = log.replay_rtmrs();
            for event in log.events() {
                let _ = event.tie(Bank::Sha256);
            }
        }
    }

    /// A log holds the events that were written, and a register replays its own, in order.
    #[test]
    fn written_and_replayed(
        events in vec((0_u32..3, 4_u32..16, any::<[u8; 32]>(), vec(any::<u8>(), 0..20)), 0..20),
        padding in 0_usize..40,
    ) {
        let written = events.iter().map(|(r, t, digest, data)| event(*r, *t, &[(SHA256.0, digest)], data));
        let bytes = [header(&[SHA256]), written.flatten().collect(), vec![0xFF; padding]].concat();
        let log = EventLog::parse(&bytes).unwrap();
        prop_assert_eq!(log.events().len(), events.len());
        for (event, (register, event_type, _, data)) in log.events().iter().zip(&events) {
            prop_assert_eq!((event.register, event.event_type.0), (*register, *event_type));
            prop_assert_eq!(event.unverified_data(), data.as_slice());
        }
        for register in 0..3 {
            let own = events.iter().filter(|(r, ..)| *r == register).map(|(_, _, digest, _)| *digest);
            prop_assert_eq!(log.replay(register, Bank::Sha256).unwrap(), replay::replay_sha256(own));
        }
    }

    /// Any changed byte of tied data unties it.
    #[test]
    fn changed_data_is_not_tied(
        data in vec(any::<u8>(), 1..60),
        at in any::<prop::sample::Index>(),
        mask in 1_u8..,
    ) {
        let mut bytes = [header(&[SHA256]), hashed(0, 4, &data)].concat();
        prop_assert_eq!(EventLog::parse(&bytes).unwrap().events()[0].tie(Bank::Sha256), Tie::Tied(&data));
        let data_at = bytes.len() - data.len() + at.index(data.len());
        bytes[data_at] ^= mask;
        let log = EventLog::parse(&bytes).unwrap();
        prop_assert_eq!(log.events()[0].tie(Bank::Sha256), Tie::Contradicted);
        prop_assert_eq!(log.events()[0].tied_data(Bank::Sha256), None);
    }

    #[test]
    fn lines_read_back(events in vec(runtime_event(), 0..10)) {
        let text: String = events.iter().map(RuntimeEvent::to_line).collect();
        let log = RuntimeLog::parse_lines(text.as_bytes()).unwrap();
        prop_assert_eq!(log.events(), events);
    }

    /// Names of a launch cannot hold a colon: equal V1 preimages are equal events.
    #[test]
    fn launch_names_end_where_they_end(
        (name, other) in ("[a-z0-9-]{1,8}", "[a-z0-9-]{1,8}"),
        (payload, rest) in ("[a:]{0,4}", "[a:]{0,4}"),
    ) {
        let event = |name: &str, payload: &str| RuntimeEvent {
            name: name.to_owned(),
            payload: payload.as_bytes().to_vec(),
            version: EventVersion::V1,
        };
        let (one, two) = (event(&name, &payload), event(&other, &rest));
        prop_assert_eq!(one.preimage() == two.preimage(), one == two);
    }
}
