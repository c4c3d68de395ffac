//! From dstack's formats to the payload.

use evidence_dstack::{
    events::TdxEvent,
    vm_config::{TdxLaunch, VmConfig},
    wire::{Attestation, Platform},
};
use evidence_tdx::Quote;
use serde_bytes::ByteBuf;

use crate::{BootEvent, BootLog, Error, LaunchEvidence, TdxEvidence};

/// The register of the runtime events.
const RTMR3: u32 = 3;

impl TdxEvidence {
    /// The payload of one of dstack's attestations (V0, V1 or the verifier's JSON, decoded by [`Attestation::decode`]).
    ///
    /// Zeros after the quote are cut. Digests that the log gives for runtime events are left behind: they are made of the
    /// events themselves.
    ///
    /// # Errors
    ///
    /// [`Error::NotTdx`] for another platform; [`Error::VmConfig`] for a configuration that cannot be read; errors of the
    /// quote's form.
    pub fn from_dstack(attestation: &Attestation) -> Result<Self, Error> {
        let Platform::Tdx { quote, event_log } = &attestation.platform else {
            return Err(Error::NotTdx(attestation.platform.tee_variant()));
        };
        let config = VmConfig::parse(&attestation.config)?;
        let mut evidence = Self::new(Quote::trim_padding(quote)?.to_vec());
        evidence.set_event_log(event_log)?;
        configure(&mut evidence, config);
        Ok(evidence)
    }

    /// Takes boot log and runtime events from one of dstack's logs, in place of those that are there.
    ///
    /// # Errors
    ///
    /// [`Error::BootRegister`] for an event of a register that there is not; [`Error::EventType`] for one of RTMR3 that is no
    /// runtime event.
    pub fn set_event_log(&mut self, events: &[TdxEvent]) -> Result<(), Error> {
        let (runtime, boot): (Vec<&TdxEvent>, Vec<&TdxEvent>) =
            events.iter().partition(|event| event.imr == RTMR3);
        self.boot_log = boot_log(&boot)?;
        let runtime_event = |event: &&TdxEvent| {
            let runtime = event.runtime_event().ok_or(Error::EventType(event.event_type))?;
            Ok((&runtime).into())
        };
        self.runtime_events = runtime.iter().map(runtime_event).collect::<Result<_, Error>>()?;
        Ok(())
    }
}

/// Adds what a VM's configuration says of application and launch.
pub(crate) fn configure(evidence: &mut TdxEvidence, config: VmConfig) {
    evidence.mr_config = config.mr_config.filter(|document| !document.is_empty());
    evidence.launch = config.tdx_measurement.map(launch);
}

/// A log that dstack put into a certificate has its ACPI events alone.
fn boot_log(events: &[&TdxEvent]) -> Result<Option<BootLog>, Error> {
    let convert = |event: &&TdxEvent| {
        let rtmr = u8::try_from(event.imr).ok().filter(|rtmr| *rtmr < 3);
        let rtmr = rtmr.ok_or(Error::BootRegister(event.imr))?;
        Ok(BootEvent { rtmr, digest: ByteBuf::from(event.digest.clone()), name: event.event.clone() })
    };
    let converted = events.iter().map(convert).collect::<Result<Vec<_>, Error>>()?;
    let only_acpi = converted.iter().all(|event| event.rtmr == 0 && event.name.starts_with("acpi-"));
    Ok(match converted.is_empty() {
        true => None,
        false if only_acpi => Some(BootLog::Acpi(converted)),
        false => Some(BootLog::Digests(converted)),
    })
}

fn launch(launch: TdxLaunch) -> LaunchEvidence {
    let two_pass = launch.machine.two_pass_add_pages();
    LaunchEvidence {
        checksum_file: ByteBuf::from(launch.material.checksum_file),
        measurement: ByteBuf::from(launch.material.measurement),
        memory_size: launch.machine.memory_size,
        two_pass,
    }
}

#[cfg(test)]
mod tests {
    use evidence_event_log::runtime::EventVersion;

    use super::*;

    fn event(imr: u32, event_type: u32) -> TdxEvent {
        TdxEvent {
            imr,
            event_type,
            digest: vec![0; 48],
            event: "acpi-loader".to_owned(),
            event_payload: Vec::new(),
            version: EventVersion::V1,
            preimage: None,
        }
    }

    /// dstack's type of a runtime event (`dstack/cc-eventlog`).
    const RUNTIME: u32 = 0x0800_0001;

    #[test]
    fn a_log_is_parted_by_its_registers() {
        let mut evidence = TdxEvidence::new(Vec::new());
        let taken = evidence.set_event_log(&[event(0, 10), event(2, 10), event(3, RUNTIME)]);
        assert!(taken.is_ok() && evidence.runtime_events.len() == 1);
        assert!(matches!(&evidence.boot_log, Some(BootLog::Digests(events)) if events.len() == 2));
        let taken = evidence.set_event_log(&[event(0, 10), event(3, RUNTIME)]);
        assert!(
            taken.is_ok() && matches!(&evidence.boot_log, Some(BootLog::Acpi(events)) if events.len() == 1)
        );
        for imr in [4, 255, 256, u32::MAX] {
            let refused = evidence.set_event_log(&[event(imr, 10)]);
            assert!(matches!(refused, Err(Error::BootRegister(found)) if found == imr));
        }
        assert!(matches!(evidence.set_event_log(&[event(3, 10)]), Err(Error::EventType(10))));
    }
}
