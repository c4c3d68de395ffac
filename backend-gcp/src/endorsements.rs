//! What the verification of a guest's Evidence needs beyond it.

use backend_api::{EndorsementKind, EndorsementRequest, Endorsements, Evidence, Failed, Result};
use evidence_gce::{ItemKind, Launch, ak_items, endorsement::described, endorsement_items};
use evidence_snp::{Report, kds};
use evidence_tdx::{Quote, needed};
use evidence_tpm::without_padding;
use evidence_x509::Certificate;

use crate::{
    Error, GcpEvidence, Tee, checks,
    verify::{payload, refused},
};

pub(crate) fn endorsements_for(evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
    let (evidence, tee, _) =
        payload(evidence).map_err(|error| refused(Failed { check: checks::payload::PAYLOAD, error }))?;
    let (mut requests, launch) = match tee {
        Tee::Snp => of_report(&evidence)?,
        Tee::Tdx => of_td_quote(&evidence)?,
    };
    // One that came along may be the host's scribble, or lack the root's certificate.
    let [endorsement, root] = endorsement_items(&launch);
    let is_sent = evidence.launch_endorsement.as_ref().is_some_and(|sent| described(sent).is_ok());
    requests.extend((!is_sent).then_some(endorsement).into_iter().chain([root]).map(of_google));
    requests.extend(of_ak_certificate(&evidence, have));
    Ok(requests)
}

fn of_report(evidence: &GcpEvidence) -> Result<(Vec<EndorsementRequest>, Launch)> {
    let report = Report::parse(&evidence.report).map_err(|error| {
        refused(Failed { check: evidence_snp::checks::REPORT_FORMAT, error: Error::Report(error) })
    })?;
    let request = |item: kds::Item| {
        let kind = match item.kind {
            kds::ItemKind::Certificate => EndorsementKind::Certificate,
            kds::ItemKind::RevocationList => EndorsementKind::RevocationList,
        };
        EndorsementRequest::new(kind, item.what, item.url)
    };
    let missing = kds::missing(&report, evidence.certificates.iter().map(|der| der.as_slice()));
    let launch = Launch::Snp { measurement: report.measurement, vcpus: None };
    Ok((missing.into_iter().map(request).collect(), launch))
}

fn of_td_quote(evidence: &GcpEvidence) -> Result<(Vec<EndorsementRequest>, Launch)> {
    let quote = Quote::trim_padding(&evidence.report).and_then(Quote::parse).map_err(|error| {
        refused(Failed { check: evidence_tdx::checks::QUOTE_FORMAT, error: Error::TdQuote(error) })
    })?;
    let items = needed(&quote).map_err(|failed| refused(failed.map(Error::from)))?;
    let request = |item: evidence_tdx::Item| {
        let kind = match item.kind {
            evidence_tdx::ItemKind::Certificate => EndorsementKind::Certificate,
            evidence_tdx::ItemKind::Document => EndorsementKind::Document,
            evidence_tdx::ItemKind::RevocationList => EndorsementKind::RevocationList,
        };
        EndorsementRequest::new(kind, item.what, item.url)
    };
    let launch = Launch::Tdx { mrtd: quote.report.mr_td };
    Ok((items.into_iter().map(request).collect(), launch))
}

/// The authorities above the certificate of the attestation key, and their revocation lists, as the certificates name them.
fn of_ak_certificate(evidence: &GcpEvidence, have: &Endorsements) -> Vec<EndorsementRequest> {
    let leaf = without_padding(&evidence.ak_certificate).ok().and_then(|der| Certificate::parse(der).ok());
    let sent = evidence.certificates.iter().map(|der| der.as_slice());
    let candidates = sent.chain(have.of(EndorsementKind::Certificate));
    let candidates: Vec<Certificate> = candidates.filter_map(|der| Certificate::parse(der).ok()).collect();
    let items = leaf.map(|leaf| ak_items(&leaf, &candidates));
    items.into_iter().flatten().map(of_google).collect()
}

fn of_google(item: evidence_gce::Item) -> EndorsementRequest {
    let kind = match item.kind {
        ItemKind::Certificate => EndorsementKind::Certificate,
        ItemKind::Document => EndorsementKind::Document,
        ItemKind::RevocationList => EndorsementKind::RevocationList,
    };
    EndorsementRequest::new(kind, item.what, item.url)
}
