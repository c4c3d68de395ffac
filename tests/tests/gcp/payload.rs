//! What a forged guest of Google's sends.

use backend_gcp::GcpEvidence;
use evidence_event_log::runtime::LoggedEvent;
use lab::google::{Guest, guest::Parts};
use serde_bytes::ByteBuf;

/// Everything that the guest hands out, for this challenge in the profile v1.
pub(crate) fn payload(guest: &Guest, challenge: &[u8; 64]) -> GcpEvidence {
    assembled(guest, guest.v1_parts(challenge))
}

pub(crate) fn assembled(guest: &Guest, parts: Parts) -> GcpEvidence {
    let Parts { report, quote, signature, pcrs, ak_certificate, .. } = parts;
    let mut evidence = GcpEvidence::new(report, quote, signature, pcrs, ak_certificate);
    evidence.certificates = parts.certificates.into_iter().map(ByteBuf::from).collect();
    evidence.launch_endorsement = Some(parts.launch_endorsement.into());
    evidence.boot_log = Some(parts.boot_log.into());
    evidence.cc_log = parts.cc_log.map(ByteBuf::from);
    evidence.runtime_events = guest.events.iter().map(logged).collect();
    evidence
}

pub(crate) fn logged(event: &lab::events::Event) -> LoggedEvent {
    LoggedEvent { name: event.name.clone(), payload: event.payload.clone().into(), version: event.version }
}
