//! dstack's TDX event log, and the runtime events in it.
//!
//! Source: `cc-eventlog/src/tdx.rs`.

pub use evidence_event_log::runtime::{EventVersion, RUNTIME_EVENT_TYPE, RuntimeEvent};

/// One entry of dstack's TDX event log: a firmware event of RTMR 0 to 2, or a runtime event of RTMR 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxEvent {
    /// The register: 0 to 3 are RTMR0 to RTMR3.
    pub imr: u32,
    /// TCG event type, or [`RUNTIME_EVENT_TYPE`].
    pub event_type: u32,
    /// SHA-384 digest that was extended; empty where dstack stripped it (runtime events).
    pub digest: Vec<u8>,
    /// The event's name; empty for most firmware events.
    pub event: String,
    /// The event's data; empty where dstack stripped it (firmware events).
    pub event_payload: Vec<u8>,
    /// Which bytes of a runtime event are hashed.
    pub version: EventVersion,
    /// Hex of the bytes whose hash is the digest, if the guest was asked for it. A claim, never an input.
    pub preimage: Option<String>,
}

impl TdxEvent {
    /// The runtime event that this entry records, `None` for a firmware event.
    #[must_use]
    pub fn runtime_event(&self) -> Option<RuntimeEvent> {
        (self.event_type == RUNTIME_EVENT_TYPE).then(|| RuntimeEvent {
            name: self.event.clone(),
            payload: self.event_payload.clone(),
            version: self.version,
        })
    }
}

#[cfg(test)]
mod tests {
    use evidence_event_log::launch::Launch;
    use evidence_event_log::runtime::RuntimeLog;

    use crate::vectors;
    use crate::wire::{Attestation, Platform};

    #[test]
    fn digests_of_a_real_log() {
        let path = "dstack/simulator-attestation.bin";
        let Some(bytes) = vectors::read("events::digests_of_a_real_log", path) else { return };
        let Platform::Tdx { quote, event_log, .. } = Attestation::decode(&bytes).unwrap().platform else {
            panic!("a tdx attestation")
        };
        let runtime: Vec<_> = event_log.iter().filter_map(|e| Some((e, e.runtime_event()?))).collect();
        assert_eq!(runtime.len(), 9);
        for (logged, event) in &runtime {
            assert_eq!(logged.digest, event.sha384());
        }
        let log = RuntimeLog::new(runtime.into_iter().map(|(_, event)| event).collect()).unwrap();
        // RTMR3 of a quote of version 4.
        assert_eq!(log.replay_sha384(), quote[520..568]);
        assert!(Launch::read(log.launch_events().unwrap()).is_ok());
    }
}
