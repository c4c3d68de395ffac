//! A guest that really runs, as its own tools see it.

use backend_api::{BackendId, Challenge, CollectRequest, Evidence, Guest, Result, RuntimeEvent};
use lab::events::Event;
use registry::Registry;

use super::CHALLENGE;
use crate::commands::verify::block_on;

/// Extends these events in `guest` and collects its evidence, by the code that runs in guests.
pub(super) fn collect(backend: BackendId, guest: &Guest, events: &[Event]) -> Result<Evidence> {
    let registry = Registry::linked()?;
    let backend = registry.backend(backend.as_str())?;
    for event in events {
        let event = RuntimeEvent::new(event.name.as_str(), event.payload.clone())?;
        block_on(backend.extend_runtime(guest, &event))??;
    }
    block_on(backend.collect(guest, &CollectRequest::new(Challenge::new(CHALLENGE))?))?
}
