//! What a forged guest of Azure's sends.

use backend_azure::hcl::HclReport;
use backend_azure::{AzureEvidence, v1_extra_data};
use evidence_event_log::runtime::LoggedEvent;
use lab::azure::{Guest, guest::Parts};
use serde_bytes::ByteBuf;

/// Everything that the guest hands out, for this challenge in the profile v1.
pub(crate) fn payload(guest: &Guest, challenge: &[u8; 64]) -> AzureEvidence {
    let mut guest = guest.clone();
    guest.runtime_data.user_data = guest.runtime_data.user_data.map(|_| challenge.to_vec());
    let parts = guest.parts(|hcl_report| extra_data(challenge, hcl_report));
    assembled(&guest, parts)
}

/// extraData of the profile v1. A report of the paravisor that is not in its format has no padding to tell.
pub(crate) fn extra_data(challenge: &[u8; 64], hcl_report: &[u8]) -> Vec<u8> {
    let whole = HclReport::parse(hcl_report).map_or(hcl_report, |hcl| hcl.without_padding);
    v1_extra_data(challenge, whole).to_vec()
}

pub(crate) fn assembled(guest: &Guest, parts: Parts) -> AzureEvidence {
    let mut evidence = AzureEvidence::new(parts.hcl_report, parts.quote, parts.signature, parts.pcrs);
    evidence.td_quote = parts.td_quote.map(ByteBuf::from);
    evidence.ak_certificate = Some(parts.ak_certificate.into());
    evidence.certificates = parts.certificates.into_iter().map(ByteBuf::from).collect();
    evidence.boot_log = Some(parts.boot_log.into());
    let logged = |event: &lab::events::Event| LoggedEvent {
        name: event.name.clone(),
        payload: event.payload.clone().into(),
        version: event.version,
    };
    evidence.runtime_events = guest.events.iter().map(logged).collect();
    evidence
}
