//! What a guest of dstack extends into its register while it runs.

use serde_json::json;

use crate::keys::{sha256, sha384};

/// The type of dstack's runtime events.
const RUNTIME_EVENT_TYPE: u32 = 0x0800_0001;

/// An event that a guest extends into its register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub name: String,
    /// The event's data.
    pub payload: Vec<u8>,
    /// 1 or 2: which bytes are hashed.
    pub version: u8,
}

impl Event {
    /// An event of the first version.
    #[must_use]
    pub fn new(name: &str, payload: &[u8]) -> Self {
        Self { name: name.to_owned(), payload: payload.to_vec(), version: 1 }
    }

    /// The digest that is extended, SHA-384: of `type:name:payload` in version 1, of canonical JSON in version 2.
    #[must_use]
    pub fn sha384(&self) -> [u8; 48] {
        sha384(&self.preimage())
    }

    /// The same with SHA-256, for vTPMs.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.preimage())
    }

    fn preimage(&self) -> Vec<u8> {
        let Self { name, payload, version } = self;
        if *version == 2 {
            let json = json!({ "name": name, "payload": hex::encode(payload), "type": RUNTIME_EVENT_TYPE });
            return json.to_string().into_bytes();
        }
        [&RUNTIME_EVENT_TYPE.to_le_bytes()[..], b":", name.as_bytes(), b":", payload].concat()
    }
}

/// The events of a launch in dstack's order, and one of the application.
#[must_use]
pub fn launch_events(app_compose: &[u8], kms_root_spki: &[u8]) -> Vec<Event> {
    let compose_hash = sha256(app_compose);
    let short = |hash: [u8; 32]| hash.into_iter().take(20).collect::<Vec<_>>();
    let key_provider = format!(r#"{{"name":"kms","id":"{}"}}"#, hex::encode(kms_root_spki));
    vec![
        Event::new("system-preparing", b""),
        Event::new("app-id", &short(compose_hash)),
        Event::new("compose-hash", &compose_hash),
        Event::new("instance-id", &short(sha256(&compose_hash))),
        Event::new("boot-mr-done", b""),
        Event::new("key-provider", key_provider.as_bytes()),
        Event::new("system-ready", b""),
        Event::new("application-started", b"lab"),
    ]
}

/// Measures devices into a launch: the event stands right before `instance-id`, where a guest extends it.
pub fn measure_devices(events: &mut Vec<Event>, payload: &[u8]) {
    let at = events.iter().position(|event| event.name == "instance-id").unwrap_or(events.len());
    events.insert(at, Event::new("gpu-attestation", payload));
}
