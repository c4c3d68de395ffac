//! The guest that really runs: a software TPM behind a paravisor, collected by the code that runs in guests of Azure's.

use std::time::Duration;

use backend_api::{
    AttestationBackend, Challenge, CollectRequest, Error, ErrorKind, Guest as Outside, Result, RuntimeEvent,
};
use backend_azure::{Azure, AzureEvidence, ID};
use lab::{
    azure::{Guest, Machine},
    events::{Event, launch_events},
    keys::p256_spki,
    swtpm::Swtpm,
};

use super::{CHALLENGE, Lived, changes};
use crate::commands::verify::block_on;

/// How long the paravisor, the TPM and the metadata service may take together.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn lived() -> Result<Lived> {
    if !Swtpm::is_installed() {
        return Ok(Lived::forged("There is no software TPM here (Debian: swtpm, libtss2-tcti-swtpm0)"));
    }
    let machine = Machine::start(Guest::snp()).map_err(|error| {
        Error::new(ErrorKind::DeviceUnavailable, format_args!("software TPM of the demo: {error}"))
            .in_backend(ID)
    })?;
    let outside =
        Outside::at(machine.root()).with_tcti(machine.tcti()).with_metadata("azure", machine.metadata_url());
    for event in launch_events(b"lab app compose", &p256_spki("kms root")) {
        extend(&outside, &event)?;
    }
    let evidence = collect(&outside)?;
    let mut later = Vec::new();
    for (change, event) in [
        (changes::LATER_EVENT, Event::new("application-event", b"later")),
        (changes::LATER_APP_ID, Event::new("app-id", &[7; 20])),
    ] {
        extend(&outside, &event)?;
        later.push((change, collect(&outside)?));
    }
    Ok(Lived {
        guest: machine.guest(),
        evidence,
        later,
        collected: true,
        how: "On a real software TPM (swtpm), behind a simulated paravisor and beside a metadata service on loopback, the guest \
              extends its launch events into PCR14 and collects, by the code that runs in real guests."
            .to_owned(),
    })
}

fn extend(outside: &Outside, event: &Event) -> Result<()> {
    let event = RuntimeEvent::new(event.name.as_str(), event.payload.clone())?;
    block_on(Azure::default().extend_runtime(outside, &event))?.map(|_| ())
}

fn collect(outside: &Outside) -> Result<AzureEvidence> {
    let request = CollectRequest::new(Challenge::new(CHALLENGE)).within(DEADLINE);
    let evidence = block_on(Azure::default().collect(outside, &request))??;
    AzureEvidence::decode(evidence.bytes())
        .map_err(|error| Error::with_source(ErrorKind::Internal, error).in_backend(ID))
}
