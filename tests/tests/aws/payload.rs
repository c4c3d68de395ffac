//! What a forged guest of AWS's sends.

use backend_aws::AwsEvidence;
use evidence_event_log::runtime::LoggedEvent;
use lab::aws::{Guest, guest::Parts};
use serde_bytes::ByteBuf;

/// Everything that the guest hands out, for this challenge in the profile v1.
pub(crate) fn payload(guest: &Guest, challenge: &[u8; 64]) -> AwsEvidence {
    assembled(guest, guest.v1_parts(challenge))
}

pub(crate) fn assembled(guest: &Guest, parts: Parts) -> AwsEvidence {
    let logged = |event: &lab::events::Event| LoggedEvent {
        name: event.name.clone(),
        payload: event.payload.clone().into(),
        version: event.version,
    };
    AwsEvidence {
        report: Some(parts.report.into()),
        document: Some(parts.document.into()),
        certificates: parts.certificates.into_iter().map(ByteBuf::from).collect(),
        boot_log: Some(parts.boot_log.into()),
        runtime_events: guest.events.iter().map(logged).collect(),
        ek_public: None,
    }
}
