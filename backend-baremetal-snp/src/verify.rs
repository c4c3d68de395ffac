//! `verify`: from a payload to a verified report.

use std::sync::LazyLock;

use backend_api::{
    Authority, BindingGraph, EndorsementKind, EndorsementRequest, Error as ApiError, Evidence, Failed,
    Ledger, Result, TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_snp::{AMD_PINS, BARE_METAL, ChainCache, Report, VerifiedReport, VerifyReport, kds};

use crate::{DESCRIPTOR, Error, ID, MEDIA_TYPE, Policy, SnpEvidence, claims};

/// The checks that `verify` makes beside those of [`evidence_snp::checks`].
pub mod checks {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits", "SnpEvidence";
    }
}

/// Chains that were verified in this process.
static CHAINS: LazyLock<ChainCache> = LazyLock::new(ChainCache::default);

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) report: VerifiedReport,
    /// The rest of the payload: claims that nothing has tied to the report yet.
    pub(crate) evidence: SnpEvidence,
}

pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut ledger = Ledger::default();
    let evidence = ledger.record(checks::PAYLOAD, payload(input.evidence)).map_err(refused)?;

    let certificates: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
    let endorsements: Vec<&[u8]> = input.endorsements.of(EndorsementKind::Certificate).collect();
    let revocation_lists: Vec<&[u8]> = input.endorsements.of(EndorsementKind::RevocationList).collect();
    let policy: &Policy = input.policy.get()?;
    let report = VerifyReport {
        report: &evidence.report,
        certificates: &certificates,
        endorsements: &endorsements,
        revocation_lists: &revocation_lists,
        anchors: &input.trust_anchors.pins().collect(),
        profile: &BARE_METAL,
        report_data: input.challenge.as_bytes(),
        policy: &policy.report,
        at: input.at,
    }
    .verify(&CHAINS)
    .map_err(|failed| refused(failed.map(Error::from)))?;
    ledger.append(report.ledger().clone());

    let product = report.product();
    let graph = BindingGraph::default()
        .link(format!("ARK-{product}"), "VCEK", "certificate path", Authority::TeeHardware)
        .link("VCEK", "report", "ECDSA P-384 signature", Authority::TeeHardware)
        .link("report", "challenge", "REPORT_DATA", Authority::TeeHardware);
    let claims = claims::of(&report);
    VerifiedEvidence::assertion(&DESCRIPTOR, input, ledger, graph, claims, Verified { report, evidence })
}

pub(crate) fn endorsements_for(evidence: &Evidence) -> Result<Vec<EndorsementRequest>> {
    let unread = |check| move |error: Error| refused(Failed { check, error });
    let evidence = payload(evidence).map_err(unread(checks::PAYLOAD))?;
    let report = Report::parse(&evidence.report)
        .map_err(Error::from)
        .map_err(unread(evidence_snp::checks::REPORT_FORMAT))?;
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

/// AMD's roots.
pub(crate) fn trust_anchors() -> TrustAnchors {
    AMD_PINS.iter().map(|pin| (pin.subject.clone(), pin.spki_sha256)).collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

fn payload(evidence: &Evidence) -> Result<SnpEvidence, Error> {
    if *evidence.media_type() != MEDIA_TYPE {
        return Err(Error::MediaType {
            expected: MEDIA_TYPE.to_string(),
            found: evidence.media_type().to_string(),
        });
    }
    SnpEvidence::decode(evidence.bytes())
}
