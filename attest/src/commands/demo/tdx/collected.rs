//! Evidence that a guest in a simulated file tree collects.

use backend_api::{Error, ErrorKind, Guest, Result};
use backend_tdx::{ID, TdxEvidence};
use lab::intel::TdGuest;

use super::tree;
use crate::commands::demo;

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
    let evidence = demo::collect(ID, &Guest::at(folder.path()), &guest.launch.events)?;
    let payload = TdxEvidence::decode(evidence.bytes());
    Ok(Ok(payload.map_err(|error| Error::with_source(ErrorKind::Internal, error))?))
}
