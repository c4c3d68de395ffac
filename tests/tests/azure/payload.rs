//! What a forged guest of Azure's sends.

use backend_azure::AzureEvidence;
use evidence_event_log::runtime::LoggedEvent;
use lab::azure::{Guest, guest::Parts};
use serde_bytes::ByteBuf;

/// Everything that the guest hands out, for this challenge in the profile v1.
pub(crate) fn payload(guest: &Guest, challenge: &[u8; 64]) -> AzureEvidence {
    assembled(guest, guest.v1_parts(challenge))
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
