//! dstack's runtime events: what a guest extends into its register after boot, and the log of them.
//!
//! Source: Dstack-TEE/dstack, workspace version 0.6.0, `cc-eventlog/src/runtime_events.rs`.

mod lines;
mod log;
mod logged;

pub use lines::MAX_TEXT_LEN;
pub use log::{LaunchEvents, MAX_EVENTS, MAX_LOG_LEN, MAX_PAYLOAD_LEN, RuntimeLog, RuntimeLogError};
pub use logged::{LoggedEvent, UnknownVersion};

use crate::hash::{sha256, sha384, sha512};

/// The event type of every runtime event, in both digest versions.
pub const RUNTIME_EVENT_TYPE: u32 = 0x0800_0001;

/// Which bytes of an event are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EventVersion {
    /// `event type (4 bytes, little-endian) ‖ ":" ‖ name ‖ ":" ‖ payload`. Fields are not length-delimited:
    /// a colon can move between name and payload without a change of the digest. No name before
    /// `system-ready` may hold one ([`RuntimeLog::launch_events`]), so that there the first colon after the
    /// type ends the name.
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
            EventVersion::V1 => self.v1_parts(&RUNTIME_EVENT_TYPE.to_le_bytes()).concat(),
            EventVersion::V2 => self.canonical_json().into_bytes(),
        }
    }

    /// The digest extended into a SHA-256 register (vTPM PCR 14).
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.hash(sha256)
    }

    /// The digest extended into a SHA-384 register (RTMR3, NitroTPM PCR 14).
    #[must_use]
    pub fn sha384(&self) -> [u8; 48] {
        self.hash(sha384)
    }

    /// The digest extended into a SHA-512 register.
    #[must_use]
    pub fn sha512(&self) -> [u8; 64] {
        self.hash(sha512)
    }

    /// Without a copy of the payload where none is needed.
    fn hash<const N: usize>(&self, hash: fn(&[&[u8]]) -> [u8; N]) -> [u8; N] {
        match self.version {
            EventVersion::V1 => hash(&self.v1_parts(&RUNTIME_EVENT_TYPE.to_le_bytes())),
            EventVersion::V2 => hash(&[self.canonical_json().as_bytes()]),
        }
    }

    fn v1_parts<'a>(&'a self, event_type: &'a [u8; 4]) -> [&'a [u8]; 5] {
        [event_type, b":", self.name.as_bytes(), b":", &self.payload]
    }

    fn canonical_json(&self) -> String {
        // `serde_json` escapes strings exactly as RFC 8785 section 3.2.2.2 asks.
        let name = serde_json::Value::from(self.name.as_str());
        let payload = hex::encode(&self.payload);
        format!(r#"{{"name":{name},"payload":"{payload}","type":{RUNTIME_EVENT_TYPE}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn digests_are_of_the_preimage() {
        for version in [EventVersion::V1, EventVersion::V2] {
            let event = event("compose-hash", &[7; 32], version);
            assert_eq!(event.sha256(), sha256(&[&event.preimage()]));
            assert_eq!(event.sha384(), sha384(&[&event.preimage()]));
        }
    }
}
