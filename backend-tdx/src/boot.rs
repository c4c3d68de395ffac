//! Boot logs: the registers that they replay to, and what they say of ACPI.

use evidence_event_log::{Bank, EventLog, EventLogError, EventType, replay::replay_sha384};
use evidence_tdx::launch::AcpiDigests;
use serde_bytes::ByteBuf;

use crate::{BootEvent, BootLog, Error};

/// The most events of a log that is given by its digests.
pub(crate) const MAX_EVENTS: usize = 4_096;

/// What a firmware logs as the data of an event whose digest is that of a file with ACPI tables.
const ACPI_DATA: &[u8] = b"ACPI DATA";

/// dstack's names of the three files, in the order in which a firmware measures them.
const ACPI_FILES: [&str; 3] = ["acpi-loader", "acpi-rsdp", "acpi-tables"];

/// What a boot log holds.
pub(crate) struct BootRegisters {
    /// RTMR0 to RTMR2; `None` where the log was cut down.
    pub(crate) replayed: Option<[[u8; 48]; 3]>,
    pub(crate) acpi: AcpiEvents,
}

/// The events of RTMR0 that are about ACPI files: name and digest.
#[derive(Default)]
pub(crate) struct AcpiEvents(Vec<(String, [u8; 48])>);

/// The events of RTMR0 to RTMR2 in a firmware's own log, by their digests.
pub(crate) fn events(log: &EventLog<'_>) -> Result<Vec<BootEvent>, Error> {
    // A firmware measures the three files in their order, and the order is part of the register.
    let mut files = ACPI_FILES.into_iter();
    let mut events = Vec::new();
    for event in log.events().iter().filter(|event| event.extends() && event.rtmr() != Some(3)) {
        let rtmr = event.rtmr().ok_or(Error::BootRegister(event.register))?;
        let digest = event.digest(Bank::Sha384.algorithm());
        let digest = digest.ok_or(EventLogError::NoDigests { algorithm: Bank::Sha384.algorithm() })?;
        let is_acpi = rtmr == 0
            && event.event_type == EventType::EV_PLATFORM_CONFIG_FLAGS
            && event.unverified_data() == ACPI_DATA;
        let name = if is_acpi { files.next().unwrap_or("acpi-more") } else { "" };
        events.push(BootEvent { rtmr, digest: ByteBuf::from(digest), name: name.to_owned() });
    }
    Ok(events)
}

impl BootRegisters {
    pub(crate) fn of(log: &BootLog) -> Result<Self, Error> {
        match log {
            BootLog::Ccel(bytes) => Self::of_digests(&events(&EventLog::parse(bytes)?)?),
            BootLog::Digests(events) => Self::of_digests(events),
            BootLog::Acpi(events) => {
                let digests = Self::of_digests(events)?;
                if digests.acpi.0.len() != events.len() {
                    return Err(Error::NotOnlyAcpi);
                }
                Ok(Self { replayed: None, ..digests })
            }
        }
    }

    fn of_digests(events: &[BootEvent]) -> Result<Self, Error> {
        if events.len() > MAX_EVENTS {
            return Err(Error::TooManyBootEvents { found: events.len(), limit: MAX_EVENTS });
        }
        let mut digests: [Vec<[u8; 48]>; 3] = Default::default();
        let mut acpi = Vec::new();
        for event in events {
            let found = event.digest.len();
            let digest = <[u8; 48]>::try_from(event.digest.as_slice());
            let digest =
                digest.map_err(|_| Error::Length { field: "boot event digest", expected: 48, found })?;
            let register =
                digests.get_mut(usize::from(event.rtmr)).ok_or(Error::BootRegister(event.rtmr.into()))?;
            register.push(digest);
            if event.rtmr == 0 && event.name.starts_with("acpi-") {
                acpi.push((event.name.clone(), digest));
            }
        }
        Ok(Self { replayed: Some(digests.map(replay_sha384)), acpi: AcpiEvents(acpi) })
    }
}

impl BootLog {
    /// The digests of the ACPI files that the log names, without which a launch cannot be measured.
    ///
    /// # Errors
    ///
    /// [`Error`] if the log cannot be read, or does not name each of the three files once.
    pub fn acpi_digests(&self) -> Result<AcpiDigests, Error> {
        BootRegisters::of(self)?.acpi.digests()
    }
}

impl AcpiEvents {
    /// The digests of the three files, each of which the log names once.
    pub(crate) fn digests(&self) -> Result<AcpiDigests, Error> {
        let found = || Error::AcpiEvents { found: self.0.len() };
        let [loader, rsdp, tables] = self.0.as_slice() else { return Err(found()) };
        if [loader, rsdp, tables].iter().zip(ACPI_FILES).any(|((name, _), file)| name != file) {
            return Err(found());
        }
        Ok(AcpiDigests { loader: loader.1, rsdp: rsdp.1, tables: tables.1 })
    }
}
