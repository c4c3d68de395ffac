//! `attest import aws`.

use std::path::Path;

use backend_api::{Error, ErrorKind, Result};
use backend_aws::{AwsEvidence, Profile, media_type};
use evidence_nitro::Document;
use evidence_snp::Report;
use serde_json::Value;

use super::{Imported, boot_log, certificate_table, certificates, malformed, not_as_written, runtime_events};
use crate::{
    cli::{AwsProfile, ImportAws},
    files::{self, MAX_FILE},
    output::Answer,
};

/// Imports a report, a document of a NitroTPM, or both.
pub(crate) fn run(args: &ImportAws) -> Result<Answer> {
    let profile = match args.profile {
        AwsProfile::V1 => Profile::V1,
        AwsProfile::NitrotpmOnly => Profile::NitroTpmOnly,
        AwsProfile::Raw => Profile::Raw,
    };
    halves(args, profile)?;
    let read = |path: &Path| files::read(path, MAX_FILE);
    let mut facts: Vec<(_, _, Value)> = Vec::new();
    let mut evidence = AwsEvidence::default();
    if let Some(path) = &args.report {
        let bytes = read(path)?;
        let report = Report::parse(&bytes).map_err(|error| malformed(path, &error))?;
        let data = hex::encode(report.report_data);
        facts.push(("report data, unverified", "unverified-report-data", data.into()));
        evidence.report = Some(bytes.into());
    }
    if let Some(path) = &args.document {
        let bytes = read(path)?;
        let document = Document::parse(&bytes).map_err(|error| malformed(path, &error))?;
        let module_id = document.module_id;
        facts.push(("module of the document, unverified", "unverified-module-id", module_id.into()));
        for (fact, key, member) in [
            ("user_data, unverified", "unverified-user-data", document.user_data),
            ("nonce, unverified", "unverified-nonce", document.nonce),
        ] {
            facts.extend(member.map(|bytes| (fact, key, hex::encode(bytes).into())));
        }
        evidence.document = Some(bytes.into());
    }
    let mut chain = certificates(&args.cert)?;
    if let Some(path) = &args.cert_table {
        chain.extend(certificate_table(path)?);
    }
    evidence.certificates = chain.into_iter().map(Into::into).collect();
    evidence.boot_log = args.boot_log.as_deref().map(boot_log).transpose()?.map(Into::into);
    evidence.runtime_events = args.events.as_deref().map(runtime_events).transpose()?.unwrap_or_default();
    let payload = evidence.encode();
    let source = args.report.as_ref().or(args.document.as_ref());
    let again = AwsEvidence::decode(&payload).map_err(|error| match source {
        Some(path) => malformed(path, &error),
        None => not_as_written(),
    })?;
    if again != evidence {
        return Err(not_as_written());
    }
    let mut all: Vec<(_, _, Value)> = vec![
        ("report", "report", evidence.report.is_some().into()),
        ("document", "document", evidence.document.is_some().into()),
        ("certificates", "certificates", evidence.certificates.len().into()),
        ("boot log", "boot-log", evidence.boot_log.is_some().into()),
        ("runtime events", "runtime-events", evidence.runtime_events.len().into()),
    ];
    all.append(&mut facts);
    Imported { media_type: media_type(profile), payload, facts: all }.write(&args.target)
}

/// Both halves, or the one that the profile has. The command line's rules see to it that there is one at least.
fn halves(args: &ImportAws, profile: Profile) -> Result<()> {
    let problem = match (profile, &args.report, &args.document) {
        (Profile::V1, None, _) => "--report is missing: evidence of the profile v1 has both halves",
        (Profile::V1, _, None) => "--document is missing: evidence of the profile v1 has both halves",
        (Profile::NitroTpmOnly, Some(_), _) => {
            "--report is given, and evidence of the profile nitrotpm-only has none"
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidConfig, problem))
}
