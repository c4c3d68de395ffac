//! The guest that really runs: a software TPM beside a simulated kernel, collected by the code that runs in guests of Google's.

use backend_api::{Guest as Outside, Result};
use backend_gcp::{GcpEvidence, ID};
use lab::{
    google::{Guest, Machine, machine::Setup},
    swtpm::Swtpm,
};

use super::{GcpLived, forged_because};
use crate::commands::demo::vtpm::{Lived, NO_TPM, no_guest};

pub(super) fn lived() -> Result<GcpLived> {
    if !Swtpm::is_installed() {
        return Ok(forged_because(NO_TPM));
    }
    // A trust domain has no table of its host's: the endorsement of its firmware is where Google publishes it.
    let machine = match Machine::start(Guest::tdx(), Setup { published: true, ..Setup::default() }) {
        Ok(machine) => machine,
        Err(error) => return Ok(forged_because(&no_guest(&error))),
    };
    let outside = Outside::at(machine.root())
        .with_tcti(machine.tcti())
        .with_metadata("google-storage", machine.storage_url());
    let how = "On a real software TPM (swtpm) and a simulated kernel (FUSE), beside what Google publishes on loopback, the guest extends \
               its launch events into RTMR3 and PCR14 and collects, by the code that runs in real guests.";
    Lived::collected(machine.guest().clone(), &outside, ID, GcpEvidence::decode, how)
}
