//! `attest measure tdx`.

use backend_api::{Error, ErrorKind, Result};
use backend_tdx::{LaunchDocument, TdxEvidence};
use evidence_dstack::vm_config::TdxMachine;
use evidence_tdx::launch::{AcpiDigests, AddPages, Machine, measure};
use serde_json::{Map, Value};

use crate::{
    cli::MeasureTdx,
    event_log,
    files::{self, MAX_FILE},
    output::{Answer, table},
};

/// Computes the registers of a TDX launch.
pub(crate) fn run(args: &MeasureTdx) -> Result<Answer> {
    let document = files::read(&args.measurement, MAX_FILE)?;
    let document = LaunchDocument::parse(&document).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format_args!("{:?}: {error}", args.measurement))
    })?;
    let inputs = document.inputs(machine(args), acpi(args)?);
    let measured = measure(&inputs).map_err(|error| Error::with_source(ErrorKind::InvalidConfig, error))?;
    let registers = measured.registers().map(|(name, value)| (name, hex::encode(value)));
    let json: Map<String, Value> =
        registers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().into())).collect();
    Ok(Answer::done(table(registers.map(|(name, value)| [name.to_owned(), value])), json.into()))
}

fn machine(args: &MeasureTdx) -> Machine {
    let machine = TdxMachine {
        memory_size: args.memory_size,
        qemu_version: args.qemu_version,
        qemu_single_pass_add_pages: args.two_pass.then_some(true),
        ovmf_variant: None,
    };
    let add_pages = if machine.two_pass_add_pages() { AddPages::TwoPass } else { AddPages::SinglePass };
    Machine { memory_size: args.memory_size, add_pages }
}

fn acpi(args: &MeasureTdx) -> Result<AcpiDigests> {
    let invalid = |error: backend_tdx::Error| Error::with_source(ErrorKind::InvalidConfig, error);
    match (&args.acpi, &args.event_log) {
        (Some(digests), _) => Ok(*digests),
        (None, Some(path)) => {
            let mut logs = TdxEvidence::new(Vec::new());
            event_log::read_into(&mut logs, path)?;
            let log = logs.boot_log.ok_or(backend_tdx::Error::AcpiEvents { found: 0 });
            log.and_then(|log| log.acpi_digests()).map_err(invalid)
        }
        (None, None) => Err(Error::new(ErrorKind::InvalidConfig, "--acpi or --event-log is missing")),
    }
}
