//! The guest that really runs: a software TPM behind a paravisor, collected by the code that runs in guests of Azure's.

use backend_api::{Guest as Outside, Result};
use backend_azure::{AzureEvidence, ID};
use lab::{
    azure::{Guest, Machine},
    swtpm::Swtpm,
};

use super::{AzureLived, forged_because};
use crate::commands::demo::vtpm::{Lived, NO_TPM, no_guest};

pub(super) fn lived() -> Result<AzureLived> {
    if !Swtpm::is_installed() {
        return Ok(forged_because(NO_TPM));
    }
    let machine = match Machine::start(Guest::snp()) {
        Ok(machine) => machine,
        Err(error) => return Ok(forged_because(&no_guest(&error))),
    };
    let outside =
        Outside::at(machine.root()).with_tcti(machine.tcti()).with_metadata("azure", machine.metadata_url());
    let how = "On a real software TPM (swtpm), behind a simulated paravisor and beside a metadata service on loopback, the guest \
               extends its launch events into PCR14 and collects, by the code that runs in real guests.";
    Lived::collected(machine.guest(), &outside, ID, AzureEvidence::decode, how)
}
