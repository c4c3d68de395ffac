//! Event logs of TDX guests: CCEL, or dstack's in JSON.

use std::path::Path;

use backend_api::{Error, ErrorKind, Result};
use backend_tdx::{BootLog, TdxEvidence};
use evidence_dstack::wire::{Request, WireError};
use evidence_event_log::EventLog;
use serde_json::json;

use crate::files::{self, MAX_FILE};

/// Reads a log into `evidence`: a CCEL log is the boot's alone, dstack's has the runtime events too.
pub(crate) fn read_into(evidence: &mut TdxEvidence, path: &Path) -> Result<()> {
    let bytes = files::read(path, MAX_FILE)?;
    let malformed = |error: &dyn std::error::Error| {
        Error::new(ErrorKind::MalformedEvidence, format_args!("{path:?}: {error}"))
    };
    if bytes.trim_ascii_start().starts_with(b"[") {
        let text = String::from_utf8(bytes).map_err(|error| malformed(&error))?;
        let request = as_request(&text).map_err(|error| malformed(&error))?;
        let Request::Quote(request) = request else {
            return Err(Error::new(ErrorKind::Internal, "a request with a quote was read as another"));
        };
        return evidence.set_event_log(&request.event_log).map_err(|error| malformed(&error));
    }
    EventLog::parse(&bytes).map_err(|error| malformed(&error))?;
    evidence.boot_log = Some(BootLog::Ccel(bytes.into()));
    Ok(())
}

/// The log as it stands in a verifier's request, whose reader is strict and bounded.
fn as_request(log: &str) -> std::result::Result<Request, WireError> {
    Request::parse(&json!({ "quote": "", "event_log": log, "vm_config": "{}" }).to_string())
}
