//! A runtime event as Evidence carries it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{EventVersion, RuntimeEvent};

/// One event that a guest extended into its register, as Evidence carries it in CBOR: a claim, until the register replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoggedEvent {
    /// What happened, such as `app-id`.
    pub name: String,
    /// The event's data.
    pub payload: ByteBuf,
    /// Which bytes are hashed: 1 or 2 ([`EventVersion`]).
    pub version: u8,
}

/// A version of runtime events that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("runtime event has version {0}, expected 1 or 2")]
pub struct UnknownVersion(pub u8);

impl From<&RuntimeEvent> for LoggedEvent {
    fn from(event: &RuntimeEvent) -> Self {
        let version = match event.version {
            EventVersion::V1 => 1,
            EventVersion::V2 => 2,
        };
        Self { name: event.name.clone(), payload: ByteBuf::from(event.payload.clone()), version }
    }
}

impl TryFrom<&LoggedEvent> for RuntimeEvent {
    type Error = UnknownVersion;

    fn try_from(event: &LoggedEvent) -> Result<Self, UnknownVersion> {
        let version = match event.version {
            1 => EventVersion::V1,
            2 => EventVersion::V2,
            found => return Err(UnknownVersion(found)),
        };
        Ok(Self { name: event.name.clone(), payload: event.payload.to_vec(), version })
    }
}
