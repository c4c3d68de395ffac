//! What the verification of a guest's Evidence needs beyond it.

use std::collections::BTreeSet;

use backend_api::{EndorsementKind, EndorsementRequest, Endorsements, Evidence, Failed, Result};
use evidence_snp::{Report, kds};
use evidence_tdx::{ItemKind, Quote, needed};
use evidence_tpm::without_padding;
use evidence_x509::Certificate;

use crate::{
    AzureEvidence, Error, Tee, checks,
    hcl::HclReport,
    verify::{payload, refused},
};

/// Where Microsoft keeps the certificates of its authorities.
const CERTIFICATES: &str = "http://www.microsoft.com/pkiops/certs";

/// Where it keeps their revocation lists.
const LISTS: &str = "http://www.microsoft.com/pkiops/crl";

/// The most authorities between an attestation key and its root.
const MAX_AUTHORITIES: usize = 4;

pub(crate) fn endorsements_for(evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
    let (evidence, tee, _) =
        payload(evidence).map_err(|error| refused(Failed { check: checks::paravisor::PAYLOAD, error }))?;
    let mut requests = match tee {
        Tee::Snp => of_report(&evidence)?,
        Tee::Tdx => of_td_quote(&evidence)?,
    };
    requests.extend(of_ak_certificate(&evidence, have));
    Ok(requests)
}

fn of_report(evidence: &AzureEvidence) -> Result<Vec<EndorsementRequest>> {
    let unread = |check| move |error: Error| refused(Failed { check, error });
    let hcl = HclReport::parse(&evidence.hcl_report).map_err(unread(checks::paravisor::HCL_FORMAT))?;
    let report = Report::parse(hcl.hardware_report).map_err(Error::from);
    let report = report.map_err(unread(evidence_snp::checks::REPORT_FORMAT))?;
    let missing = kds::missing(&report, evidence.certificates.iter().map(|der| der.as_slice()));
    let request = |item: kds::Item| {
        let kind = match item.kind {
            kds::ItemKind::Certificate => EndorsementKind::Certificate,
            kds::ItemKind::RevocationList => EndorsementKind::RevocationList,
        };
        EndorsementRequest::new(kind, item.what, item.url)
    };
    Ok(missing.into_iter().map(request).collect())
}

fn of_td_quote(evidence: &AzureEvidence) -> Result<Vec<EndorsementRequest>> {
    let Some(quote) = &evidence.td_quote else { return Ok(Vec::new()) };
    let quote = Quote::parse(quote).map_err(|error| {
        refused(Failed { check: evidence_tdx::checks::QUOTE_FORMAT, error: Error::TdQuote(error) })
    })?;
    let items = needed(&quote).map_err(|failed| refused(failed.map(Error::from)))?;
    let request = |item: evidence_tdx::Item| {
        let kind = match item.kind {
            ItemKind::Certificate => EndorsementKind::Certificate,
            ItemKind::Document => EndorsementKind::Document,
            ItemKind::RevocationList => EndorsementKind::RevocationList,
        };
        EndorsementRequest::new(kind, item.what, item.url)
    };
    Ok(items.into_iter().map(request).collect())
}

/// The authorities above the certificate of the attestation key: each certificate that is not at hand (of which issuer is known once the
/// one below it is), and the revocation list of each that is. Certificates of one name are all followed: a stranger's does not hide
/// Azure's.
fn of_ak_certificate(evidence: &AzureEvidence, have: &Endorsements) -> Vec<EndorsementRequest> {
    let Some(leaf) = ak_certificate(evidence) else { return Vec::new() };
    let sent = evidence.certificates.iter().map(|der| der.as_slice());
    let candidates = sent.chain(have.of(EndorsementKind::Certificate));
    let candidates: Vec<Certificate> = candidates.filter_map(|der| Certificate::parse(der).ok()).collect();
    let mut above: BTreeSet<&str> = BTreeSet::from([leaf.issuer()]);
    for _ in 0..MAX_AUTHORITIES {
        let known = candidates.iter().filter(|candidate| above.contains(candidate.subject()));
        let issuers: Vec<&str> = known.map(Certificate::issuer).collect();
        above.extend(issuers);
    }
    above.into_iter().filter(|name| is_plain(name)).map(|name| of_authority(name, &candidates)).collect()
}

/// A name becomes a part of an address: Azure's have nothing else in them.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

fn of_authority(name: &str, candidates: &[Certificate]) -> EndorsementRequest {
    let (kind, what, folder, suffix) = if candidates.iter().any(|candidate| candidate.subject() == name) {
        (EndorsementKind::RevocationList, "revocation list", LISTS, "crl")
    } else {
        (EndorsementKind::Certificate, "certificate", CERTIFICATES, "crt")
    };
    let location = format!("{folder}/{}.{suffix}", name.replace(' ', "%20"));
    EndorsementRequest::new(kind, format!("{what} of {name}"), location)
}

fn ak_certificate(evidence: &AzureEvidence) -> Option<Certificate> {
    Certificate::parse(without_padding(evidence.ak_certificate.as_ref()?).ok()?).ok()
}
