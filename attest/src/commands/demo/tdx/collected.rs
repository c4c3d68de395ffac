//! Evidence that a guest in a simulated file tree collects.

use backend_api::{Challenge, CollectRequest, Error, ErrorKind, Guest, Result, RuntimeEvent};
use backend_tdx::{ID, TdxEvidence};
use lab::intel::TdGuest;
use registry::Registry;

use super::tree;
use crate::commands::{demo::CHALLENGE, verify::block_on};

/// Extends the launch events of `guest` and collects its evidence, as in a guest. The inner error says why
/// there can be no tree here.
pub(super) fn collect(guest: &TdGuest) -> Result<std::result::Result<TdxEvidence, String>> {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Ok(Err(error.to_string())),
    };
    // Dropped before the folder.
    let _tree = match tree::mount(folder.path(), guest) {
        Ok(tree) => tree,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let (registry, root) = (Registry::linked()?, Guest::at(folder.path()));
    let backend = registry.backend(ID.as_str())?;
    for event in &guest.launch.events {
        let event = RuntimeEvent::new(event.name.as_str(), event.payload.clone())?;
        block_on(backend.extend_runtime(&root, &event))??;
    }
    let request = CollectRequest::new(Challenge::new(CHALLENGE));
    let evidence = block_on(backend.collect(&root, &request))??;
    let payload = TdxEvidence::decode(evidence.bytes());
    Ok(Ok(payload.map_err(|error| Error::with_source(ErrorKind::Internal, error))?))
}
