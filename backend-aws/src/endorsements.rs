//! What the verification of a guest's Evidence needs beyond it.

use backend_api::{EndorsementKind, EndorsementRequest, Endorsements, Evidence, Failed, Result};
use evidence_snp::{Report, kds};

use crate::{
    Error, checks,
    verify::{payload, refused},
};

/// The ASVK's certificate and AMD's revocation list. What vouches for a document is in it, but for the root, whose key is pinned.
pub(crate) fn endorsements_for(evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
    let (evidence, _) =
        payload(evidence).map_err(|error| refused(Failed { check: checks::payload::PAYLOAD, error }))?;
    let Some(report) = &evidence.report else { return Ok(Vec::new()) };
    let report = Report::parse(report).map_err(|error| {
        refused(Failed { check: evidence_snp::checks::REPORT_FORMAT, error: Error::Report(error) })
    })?;
    let sent = evidence.certificates.iter().map(|der| der.as_slice());
    let missing = kds::missing_under_vlek(&report, sent.chain(have.of(EndorsementKind::Certificate)));
    let request = |item: kds::Item| {
        let kind = match item.kind {
            kds::ItemKind::Certificate => EndorsementKind::Certificate,
            kds::ItemKind::RevocationList => EndorsementKind::RevocationList,
        };
        EndorsementRequest::new(kind, item.what, item.url)
    };
    Ok(missing.into_iter().map(request).collect())
}
