//! The guest that really runs: a software TPM that answers AWS's command beside a simulated kernel, collected by the code that runs in
//! guests of AWS's.

use backend_api::{Guest as Outside, Result};
use backend_aws::{AwsEvidence, ID};
use lab::{
    aws::{Guest, Machine},
    swtpm::Swtpm,
};

use super::{AwsLived, forged_because};
use crate::commands::demo::vtpm::{Lived, NO_TPM, no_guest};

pub(super) fn lived() -> Result<AwsLived> {
    if !Swtpm::is_installed() {
        return Ok(forged_because(NO_TPM));
    }
    let machine = match Machine::start(Guest::new()) {
        Ok(machine) => machine,
        Err(error) => return Ok(forged_because(&no_guest(&error))),
    };
    let outside = Outside::at(machine.root()).with_tcti(machine.tcti());
    let how = "On a real software TPM (swtpm), to which a proxy adds AWS's command, and a simulated kernel (FUSE), the guest extends its \
               launch events into PCR14 and collects, by the code that runs in real guests.";
    Lived::collected(machine.guest(), &outside, ID, AwsEvidence::decode, how)
}
