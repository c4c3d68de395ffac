//! `attest import azure`, and what is told of an imported report and quote.

use std::path::Path;

use backend_api::{Error, ErrorKind, Result};
use backend_azure::{AzureEvidence, Error as AzureError, Profile, Tee, hcl::HclReport, media_type};
use evidence_tdx::Quote;
use evidence_tpm::Attest;
use serde_json::Value;

use super::{
    Imported, boot_log, certificates, malformed, not_as_written,
    vtpm::{self, Quoted},
};
use crate::{
    cli::{AzureProfile, ImportAzure},
    files::{self, MAX_FILE},
    output::Answer,
};

/// Imports a report of the paravisor and a quote of its vTPM.
pub(crate) fn run(args: &ImportAzure) -> Result<Answer> {
    let read = |path: &Path| files::read(path, MAX_FILE);
    let hcl_report = read(&args.hcl_report)?;
    HclReport::parse(&hcl_report).map_err(|error| malformed(&args.hcl_report, &error))?;
    let Quoted { quote, signature, pcrs, .. } = Quoted::read(&args.vtpm)?;

    let mut evidence = AzureEvidence::new(hcl_report, quote, signature, pcrs);
    if let Some(path) = &args.ak_cert {
        let certificate = vtpm::ak_certificate(read(path)?).map_err(|error| malformed(path, &error))?;
        evidence.ak_certificate = Some(certificate.into());
    }
    let all = certificates(args.vcek.iter().chain(&args.certificate))?;
    evidence.certificates = all.into_iter().map(Into::into).collect();
    let mut received = 0;
    if let Some(path) = &args.td_quote {
        let padded = read(path)?;
        received = padded.len();
        let quote = Quote::trim_padding(&padded).map_err(|error| malformed(path, &error))?;
        evidence.td_quote = Some(quote.to_vec().into());
    }
    evidence.boot_log = args.event_log.as_deref().map(boot_log).transpose()?.map(Into::into);
    let profile = match args.profile {
        AzureProfile::V1 => Profile::V1,
        AzureProfile::Coco => Profile::Coco,
        AzureProfile::Raw => Profile::Raw,
    };
    imported(&args.hcl_report, profile, &evidence, received)?.write(&args.target)
}

/// `received` is the size of the TD quote before zeros after it were cut.
pub(super) fn imported(
    source: &Path,
    profile: Profile,
    evidence: &AzureEvidence,
    received: usize,
) -> Result<Imported> {
    let hcl = HclReport::parse(&evidence.hcl_report).map_err(|error| malformed(source, &error))?;
    let tee = hcl.tee().ok_or_else(|| {
        let found = hcl.report_type;
        let message = format_args!(
            "{source:?}: report of the paravisor has the type {found}, expected 2 (SEV-SNP) or 4 (TDX)"
        );
        Error::new(ErrorKind::UnsupportedEvidence, message)
    })?;
    let presence = match (tee, &evidence.td_quote) {
        (Tee::Snp, None) | (Tee::Tdx, Some(_)) => None,
        (Tee::Snp, Some(_)) => Some(("a TD quote", "none")),
        (Tee::Tdx, None) => Some(("no TD quote", "one")),
    };
    if let Some((found, expected)) = presence {
        let error = AzureError::TdQuotePresence { tee: tee.name(), found, expected };
        return Err(malformed(source, &error));
    }
    let attest = Attest::parse(&evidence.quote).map_err(|error| malformed(source, &error))?;
    let payload = evidence.encode();
    let again = AzureEvidence::decode(&payload).map_err(|error| malformed(source, &error))?;
    if again != *evidence {
        return Err(not_as_written());
    }
    let cut = evidence.td_quote.as_ref().map(|quote| received.saturating_sub(quote.len()));
    let mut facts = vec![
        ("technology", "technology", tee.name().into()),
        ("quoted registers", "registers", evidence.pcrs.len().into()),
        ("certificate of the attestation key", "ak-certificate", evidence.ak_certificate.is_some().into()),
        ("other certificates", "certificates", evidence.certificates.len().into()),
        ("boot log", "boot-log", evidence.boot_log.is_some().into()),
        ("extraData, unverified", "unverified-extra-data", hex::encode(attest.extra_data).into()),
    ];
    facts.extend(cut.map(|cut| ("zeros cut after the TD quote", "zeros-cut", Value::from(cut))));
    Ok(Imported { media_type: media_type(tee, profile), payload, facts })
}
