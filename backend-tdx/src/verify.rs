//! `verify`: from a payload to a verified quote.

use std::sync::LazyLock;

use backend_api::{
    Authority, BindingGraph, EndorsementKind, EndorsementRequest, Error as ApiError, Evidence, Failed,
    Ledger, Result, TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_tdx::{
    BARE_METAL, Collateral, INTEL_PINS, ItemKind, PlatformCache, Quote, VerifiedQuote, VerifyQuote, needed,
};

use crate::{DESCRIPTOR, Error, ID, MEDIA_TYPE, Policy, TdxEvidence, claims};

/// The checks that `verify` makes beside those of [`evidence_tdx::checks`].
pub mod checks {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits", "TdxEvidence";
    }
}

/// Platforms that were verified in this process.
static PLATFORMS: LazyLock<PlatformCache> = LazyLock::new(PlatformCache::default);

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) quote: VerifiedQuote,
    /// The rest of the payload: claims that nothing has tied to the quote yet.
    pub(crate) evidence: TdxEvidence,
}

pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut ledger = Ledger::default();
    let evidence = ledger.record(checks::PAYLOAD, payload(input.evidence)).map_err(refused)?;

    let of = |kind| input.endorsements.of(kind).collect::<Vec<&[u8]>>();
    let (certificates, documents, revocation_lists) = (
        of(EndorsementKind::Certificate),
        of(EndorsementKind::Document),
        of(EndorsementKind::RevocationList),
    );
    let policy: &Policy = input.policy.get()?;
    let quote = VerifyQuote {
        quote: &evidence.quote,
        collateral: Collateral {
            certificates: &certificates,
            documents: &documents,
            revocation_lists: &revocation_lists,
        },
        anchors: &input.trust_anchors.pins().collect(),
        report_data: input.challenge.as_bytes(),
        profile: &BARE_METAL,
        policy: &policy.quote,
        at: input.at,
    }
    .verify(&PLATFORMS)
    .map_err(|failed| refused(failed.map(Error::from)))?;
    ledger.append(quote.ledger().clone());

    let graph = BindingGraph::default()
        .link("Intel SGX Root CA", "PCK", "certificate path", Authority::TeeHardware)
        .link("PCK", "quoting enclave", "ECDSA P-256 signature over the QE report", Authority::TeeHardware)
        .link("quoting enclave", "attestation key", "REPORTDATA of the QE report", Authority::TeeHardware)
        .link("attestation key", "quote", "ECDSA P-256 signature", Authority::TeeHardware)
        .link("quote", "challenge", "REPORTDATA", Authority::TeeHardware);
    let claims = claims::of(&quote);
    VerifiedEvidence::assertion(&DESCRIPTOR, input, ledger, graph, claims, Verified { quote, evidence })
}

pub(crate) fn endorsements_for(evidence: &Evidence) -> Result<Vec<EndorsementRequest>> {
    let unread = |check| move |error: Error| refused(Failed { check, error });
    let evidence = payload(evidence).map_err(unread(checks::PAYLOAD))?;
    let quote = Quote::parse(&evidence.quote).map_err(Error::from);
    let quote = quote.map_err(unread(evidence_tdx::checks::QUOTE_FORMAT))?;
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

/// Intel's root.
pub(crate) fn trust_anchors() -> TrustAnchors {
    INTEL_PINS.iter().map(|pin| (pin.subject.clone(), pin.spki_sha256)).collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

fn payload(evidence: &Evidence) -> Result<TdxEvidence, Error> {
    if *evidence.media_type() != MEDIA_TYPE {
        return Err(Error::MediaType {
            expected: MEDIA_TYPE.to_string(),
            found: evidence.media_type().to_string(),
        });
    }
    TdxEvidence::decode(evidence.bytes())
}
