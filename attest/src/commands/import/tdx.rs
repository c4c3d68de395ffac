//! `attest import tdx`, and what is told of an imported quote.

use std::path::Path;

use backend_api::Result;
use backend_tdx::{MEDIA_TYPE, TdxEvidence};
use evidence_tdx::Quote;

use super::{Imported, malformed, not_as_written};
use crate::{
    cli::ImportTdx,
    event_log,
    files::{self, MAX_FILE},
    output::Answer,
};

/// Imports a bare quote.
pub(crate) fn run(args: &ImportTdx) -> Result<Answer> {
    let padded = files::read(&args.quote, MAX_FILE)?;
    let quote = Quote::trim_padding(&padded).map_err(|error| malformed(&args.quote, &error))?;
    let mut evidence = TdxEvidence::new(quote.to_vec());
    if let Some(path) = &args.event_log {
        event_log::read_into(&mut evidence, path)?;
    }
    evidence.mr_config = args.mr_config.as_deref().map(files::read_text).transpose()?;
    imported(&args.quote, &evidence, padded.len())?.write(&args.target)
}

/// `received` is the size of the quote before zeros after it were cut.
pub(super) fn imported(source: &Path, evidence: &TdxEvidence, received: usize) -> Result<Imported> {
    let quote = Quote::parse(&evidence.quote).map_err(|error| malformed(source, &error))?;
    let payload = evidence.encode();
    let again = TdxEvidence::decode(&payload).map_err(|error| malformed(source, &error))?;
    if again != *evidence {
        return Err(not_as_written());
    }
    let cut = received.saturating_sub(evidence.quote.len());
    let facts = vec![
        ("quote version", "quote-version", quote.header.version.into()),
        ("zeros cut after the quote", "zeros-cut", cut.into()),
        ("boot log", "boot-log", evidence.boot_log.is_some().into()),
        ("runtime events", "runtime-events", evidence.runtime_events.len().into()),
        ("MRCONFIGID document", "mr-config", evidence.mr_config.is_some().into()),
        ("launch inputs", "launch-inputs", evidence.launch.is_some().into()),
        ("REPORTDATA, unverified", "unverified-report-data", hex::encode(quote.report.report_data).into()),
    ];
    Ok(Imported { media_type: MEDIA_TYPE, payload, facts })
}
