//! `attest import snp`, and what is told of an imported report.

use std::path::Path;

use backend_api::Result;
use backend_baremetal_snp::{MEDIA_TYPE, SnpEvidence};
use evidence_snp::Report;

use super::{Imported, certificate_table, certificates, malformed, not_as_written};
use crate::{
    cli::ImportSnp,
    files::{self, MAX_FILE},
    output::Answer,
};

/// Imports a bare report.
pub(crate) fn run(args: &ImportSnp) -> Result<Answer> {
    let report = files::read(&args.report, MAX_FILE)?;
    let mut chain = certificates(&args.cert)?;
    if let Some(path) = &args.cert_table {
        chain.extend(certificate_table(path)?);
    }
    let mut evidence = SnpEvidence::new(report, chain);
    evidence.mr_config = args.mr_config.as_deref().map(files::read_text).transpose()?;
    imported(&args.report, &evidence)?.write(&args.target)
}

pub(super) fn imported(source: &Path, evidence: &SnpEvidence) -> Result<Imported> {
    let report = Report::parse(&evidence.report).map_err(|error| malformed(source, &error))?;
    let payload = evidence.encode();
    let again = SnpEvidence::decode(&payload).map_err(|error| malformed(source, &error))?;
    if again != *evidence {
        return Err(not_as_written());
    }
    let facts = vec![
        ("certificates", "certificates", evidence.certificates.len().into()),
        ("HOST_DATA document", "mr-config", evidence.mr_config.is_some().into()),
        ("launch inputs", "launch-inputs", evidence.launch.is_some().into()),
        ("REPORT_DATA, unverified", "unverified-report-data", hex::encode(report.report_data).into()),
    ];
    Ok(Imported { media_type: MEDIA_TYPE, payload, facts })
}
