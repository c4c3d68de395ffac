//! dstack's runtime events: what a guest extends into its register after boot, and how the log keeps it.
//!
//! Source: `cc-eventlog/src/runtime_events.rs` and `cc-eventlog/src/tdx.rs`.

use crate::hash::{sha256, sha384};

/// The event type of every runtime event, in both digest versions.
pub const RUNTIME_EVENT_TYPE: u32 = 0x0800_0001;

/// Which bytes of an event are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EventVersion {
    /// `event type (4 bytes, little-endian) ‖ ":" ‖ name ‖ ":" ‖ payload`. Fields are not length-delimited:
    /// a colon can move between name and payload without a change of the digest.
    #[default]
    V1,
    /// Canonical JSON (RFC 8785) with the members `name`, `payload` (lower-case hex) and `type`.
    V2,
}

/// One event that the guest extended into its register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// What happened, such as `app-id` or `system-ready`.
    pub name: String,
    /// The event's data; empty for a marker.
    pub payload: Vec<u8>,
    /// Which bytes are hashed. Encoding V0 has no such field: what it carries is [`EventVersion::V1`].
    pub version: EventVersion,
}

impl RuntimeEvent {
    /// The bytes whose hash is extended.
    #[must_use]
    pub fn preimage(&self) -> Vec<u8> {
        match self.version {
            EventVersion::V1 => [
                RUNTIME_EVENT_TYPE.to_le_bytes().as_slice(),
                b":",
                self.name.as_bytes(),
                b":",
                self.payload.as_slice(),
            ]
            .concat(),
            EventVersion::V2 => {
                // `serde_json` escapes strings exactly as RFC 8785 section 3.2.2.2 asks.
                let name = serde_json::Value::from(self.name.as_str());
                let payload = hex::encode(&self.payload);
                format!(r#"{{"name":{name},"payload":"{payload}","type":{RUNTIME_EVENT_TYPE}}}"#).into_bytes()
            }
        }
    }

    /// The digest extended into a SHA-256 register (vTPM PCR 14).
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&[&self.preimage()])
    }

    /// The digest extended into a SHA-384 register (RTMR3, NitroTPM PCR 14).
    #[must_use]
    pub fn sha384(&self) -> [u8; 48] {
        sha384(&[&self.preimage()])
    }
}

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
    use super::*;
    use crate::vectors;
    use crate::wire::{Attestation, Platform};

    fn event(name: &str, payload: &[u8], version: EventVersion) -> RuntimeEvent {
        RuntimeEvent { name: name.to_owned(), payload: payload.to_vec(), version }
    }

    #[test]
    fn preimages() {
        assert_eq!(
            event("app-id", &[0xde, 0xad], EventVersion::V1).preimage(),
            b"\x01\0\0\x08:app-id:\xde\xad"
        );
        let preimage = |name| String::from_utf8(event(name, &[0xAB], EventVersion::V2).preimage()).unwrap();
        assert_eq!(preimage("app-id"), r#"{"name":"app-id","payload":"ab","type":134217729}"#);
        // RFC 8785 section 3.2.2.2: short escapes where JSON has them, other controls as lower-case \u00xx.
        let escaped = r#"{"name":"\"\\\b\f\n\r\t\u001f/é🦀","payload":"ab","type":134217729}"#;
        assert_eq!(preimage("\"\\\u{8}\u{c}\n\r\t\u{1f}/é🦀"), escaped);
    }

    #[test]
    fn digests_of_a_real_log() {
        let path = "dstack/simulator-attestation.bin";
        let Some(bytes) = vectors::read("events::digests_of_a_real_log", path) else { return };
        let Platform::Tdx { event_log, .. } = Attestation::decode(&bytes).unwrap().platform else {
            panic!("a tdx attestation")
        };
        let runtime: Vec<_> = event_log.iter().filter_map(|e| Some((e, e.runtime_event()?))).collect();
        assert_eq!(runtime.len(), 9);
        for (logged, event) in runtime {
            assert_eq!(logged.digest, event.sha384());
        }
    }
}
