//! `attest import gcp`.

use std::path::{Path, PathBuf};

use backend_api::{Error, ErrorKind, Result};
use backend_gcp::{Error as GcpError, GcpEvidence, Profile, Tee, media_type};
use evidence_gce::endorsement;
use evidence_snp::Report;
use evidence_tdx::Quote;
use serde_json::Value;

use super::{
    Imported, boot_log, certificates, malformed, not_as_written, runtime_events,
    vtpm::{self, Quoted},
};
use crate::{
    cli::{GcpProfile, GcpTee, ImportGcp},
    files::{self, MAX_FILE},
    output::Answer,
};

/// Imports a processor's report and a quote of Google's vTPM beside it.
pub(crate) fn run(args: &ImportGcp) -> Result<Answer> {
    let tee = match args.tee {
        GcpTee::Snp => Tee::Snp,
        GcpTee::Tdx => Tee::Tdx,
    };
    let profile = match args.profile {
        GcpProfile::Raw => Profile::Raw,
        GcpProfile::Dstack => Profile::Dstack,
        GcpProfile::V1 => Profile::V1,
    };
    let media_type = media_type(tee, profile).ok_or_else(|| {
        let message = format!("--profile {} is not there for {}", profile.name(), tee.name());
        Error::new(ErrorKind::InvalidConfig, message)
    })?;
    let read = |path: &Path| files::read(path, MAX_FILE);
    let hardware = Hardware::read(&args.report, tee, profile)?;
    let Quoted { quote, signature, pcrs, extra_data } = Quoted::read(&args.vtpm)?;
    let ak = vtpm::ak_certificate(read(&args.ak_cert)?).map_err(|error| malformed(&args.ak_cert, &error))?;

    let mut evidence = GcpEvidence::new(hardware.report, quote, signature, pcrs, ak);
    evidence.certificates = certificates(&args.cert)?.into_iter().map(Into::into).collect();
    if let Some(path) = &args.endorsement {
        let document = read(path)?;
        endorsement::described(&document).map_err(|error| malformed(path, &error))?;
        evidence.launch_endorsement = Some(document.into());
    }
    let log = |path: &Option<PathBuf>| path.as_deref().map(boot_log).transpose();
    evidence.boot_log = log(&args.boot_log)?.map(Into::into);
    if let (Tee::Snp, Some(path)) = (tee, &args.cc_log) {
        return Err(malformed(path, &GcpError::StrayCcLog));
    }
    evidence.cc_log = log(&args.cc_log)?.map(Into::into);
    evidence.runtime_events = args.events.as_deref().map(runtime_events).transpose()?.unwrap_or_default();
    let payload = evidence.encode();
    let again = GcpEvidence::decode(&payload).map_err(|error| malformed(&args.report, &error))?;
    if again != evidence {
        return Err(not_as_written());
    }
    let mut facts = vec![
        ("technology", "technology", tee.name().into()),
        ("quoted registers", "registers", evidence.pcrs.len().into()),
        ("other certificates", "certificates", evidence.certificates.len().into()),
        ("launch endorsement", "launch-endorsement", evidence.launch_endorsement.is_some().into()),
        ("boot log", "boot-log", evidence.boot_log.is_some().into()),
        ("log of the TD's registers", "cc-log", evidence.cc_log.is_some().into()),
        ("runtime events", "runtime-events", evidence.runtime_events.len().into()),
        ("report data, unverified", "unverified-report-data", hex::encode(hardware.report_data).into()),
        ("extraData, unverified", "unverified-extra-data", hex::encode(extra_data).into()),
    ];
    facts.extend(hardware.cut.map(|cut| ("zeros cut after the TD quote", "zeros-cut", Value::from(cut))));
    Imported { media_type, payload, facts }.write(&args.target)
}

/// What the processor signed.
struct Hardware {
    report: Vec<u8>,
    report_data: [u8; 64],
    /// Zeros that were cut after it, where they are.
    cut: Option<usize>,
}

impl Hardware {
    fn read(path: &Path, tee: Tee, profile: Profile) -> Result<Self> {
        let mut report = files::read(path, MAX_FILE)?;
        if tee == Tee::Snp {
            let report_data = Report::parse(&report).map_err(|error| malformed(path, &error))?.report_data;
            return Ok(Self { report, report_data, cut: None });
        }
        let quote = Quote::trim_padding(&report).map_err(|error| malformed(path, &error))?;
        let read = Quote::parse(quote).map_err(|error| malformed(path, &error))?;
        let (report_data, length, received) = (read.report.report_data, quote.len(), report.len());
        // There the zeros are a part of what the vTPM's quote commits to.
        if profile == Profile::Dstack {
            return Ok(Self { report, report_data, cut: None });
        }
        report.truncate(length);
        Ok(Self { report, report_data, cut: Some(received.saturating_sub(length)) })
    }
}
