//! What the demos of guests with a virtual TPM have in common.

use backend_api::{Endorsement, EndorsementKind, Evidence, MediaType};
#[cfg(feature = "attester")]
use backend_api::{Error, ErrorKind, Guest as Outside, Result};
use evidence_event_log::runtime::LoggedEvent;
use lab::events::Event;
#[cfg(feature = "attester")]
use lab::{events::launch_events, keys::p256_spki};

use super::{CHALLENGE, Trial, later};

/// Why a guest cannot run where there is no software TPM.
#[cfg(feature = "attester")]
pub(super) const NO_TPM: &str = "There is no software TPM here (Debian: swtpm, libtss2-tcti-swtpm0)";

/// Why a guest cannot run where its machine does not start, such as for want of FUSE.
#[cfg(feature = "attester")]
pub(super) fn no_guest(error: &std::io::Error) -> String {
    format!("No guest can be simulated here ({error})")
}

/// Why a guest cannot run in a build without that side.
#[cfg(not(feature = "attester"))]
pub(super) const NO_ATTESTER: &str = "This build cannot collect";

/// A guest's evidence, before it is put into an envelope.
#[derive(Debug, Clone)]
pub(super) struct Draft<E> {
    pub(super) evidence: E,
    pub(super) challenge: [u8; 64],
    /// What a verifier has of the vendors.
    pub(super) endorsements: Vec<(EndorsementKind, Vec<u8>)>,
}

impl<E> Draft<E> {
    pub(super) fn new(evidence: E, endorsements: Vec<(EndorsementKind, Vec<u8>)>) -> Self {
        Self { evidence, challenge: CHALLENGE, endorsements }
    }

    pub(super) fn seal(&self, media_type: MediaType, encode: fn(&E) -> Vec<u8>) -> Trial {
        let endorsement = |(kind, bytes): &(EndorsementKind, Vec<u8>)| Endorsement::new(*kind, bytes.clone());
        Trial {
            evidence: Evidence::new(media_type, encode(&self.evidence)),
            devices: Vec::new(),
            challenge: self.challenge,
            endorsements: self.endorsements.iter().map(endorsement).collect(),
        }
    }
}

/// What stands behind a story: the guest, its evidence, the same after more events, and a word about how it came about.
pub(super) struct Lived<G, E> {
    pub(super) guest: G,
    pub(super) evidence: E,
    pub(super) later: Vec<(&'static str, E)>,
    pub(super) collected: bool,
    pub(super) how: String,
}

impl<G, E> Lived<G, E> {
    /// Nothing was collected, for this reason: `forge` makes the evidence of a guest that extends one event more.
    pub(super) fn forged(guest: G, why: &str, forge: impl Fn(&G, Option<Event>) -> E) -> Self {
        Self {
            evidence: forge(&guest, None),
            later: later().map(|(change, event)| (change, forge(&guest, Some(event)))).into(),
            guest,
            collected: false,
            how: format!("{why}, so that the guest's evidence is forged: nothing was extended or collected."),
        }
    }

    /// Launched and collected in a guest that runs, by the code that runs in guests.
    #[cfg(feature = "attester")]
    pub(super) fn collected<D: std::error::Error + Send + Sync + 'static>(
        guest: G,
        outside: &Outside,
        backend: backend_api::BackendId,
        decode: fn(&[u8]) -> std::result::Result<E, D>,
        how: &str,
    ) -> Result<Self> {
        let collect = |events: Vec<Event>| {
            let evidence = super::collect(backend, outside, &events)?;
            let unreadable = |error| Error::with_source(ErrorKind::Internal, error).in_backend(backend);
            decode(evidence.bytes()).map_err(unreadable)
        };
        let evidence = collect(launch_events(b"lab app compose", &p256_spki("kms root")))?;
        let mut more = Vec::new();
        for (change, event) in later() {
            more.push((change, collect(vec![event])?));
        }
        Ok(Self { guest, evidence, later: more, collected: true, how: how.to_owned() })
    }
}

/// An event as evidence has it.
pub(super) fn logged(event: &Event) -> LoggedEvent {
    LoggedEvent { name: event.name.clone(), payload: event.payload.clone().into(), version: event.version }
}

/// Changes one bit, if the byte is there.
pub(super) fn flip(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

/// The names of events, in order.
pub(super) fn names(events: &[LoggedEvent]) -> String {
    events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>().join(" ")
}
