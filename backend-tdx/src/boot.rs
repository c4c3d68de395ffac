//! Boot logs: the registers that they replay to, and what they say of ACPI.

use evidence_event_log::{Bank, EventLog, replay::replay_sha384};
use evidence_tdx::launch::AcpiDigests;

use crate::{BootEvent, BootLog, Error};

/// The most events of a log that is given by its digests.
const MAX_EVENTS: usize = 4_096;

/// What a firmware logs as the data of an event whose digest is that of a file with ACPI tables.
const ACPI_DATA: &[u8] = b"ACPI DATA";

/// EV_PLATFORM_CONFIG_FLAGS (TCG PC Client Platform Firmware Profile, event types).
const PLATFORM_CONFIG_FLAGS: u32 = 10;

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

impl BootRegisters {
    pub(crate) fn of(log: &BootLog) -> Result<Self, Error> {
        match log {
            BootLog::Ccel(bytes) => Self::of_ccel(bytes),
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

    /// A firmware measures the three files in their order, and the order is part of the register.
    fn of_ccel(bytes: &[u8]) -> Result<Self, Error> {
        let log = EventLog::parse(bytes)?;
        let [rtmr0, rtmr1, rtmr2, _] = log.replay_rtmrs()?.values;
        let acpi = log.events().iter().filter(|event| {
            event.register == 1
                && event.event_type.0 == PLATFORM_CONFIG_FLAGS
                && event.unverified_data() == ACPI_DATA
        });
        let digests = acpi.filter_map(|event| event.digest(Bank::Sha384.algorithm())?.try_into().ok());
        let names = ACPI_FILES.iter().map(ToString::to_string).chain(std::iter::repeat(String::new()));
        Ok(Self { replayed: Some([rtmr0, rtmr1, rtmr2]), acpi: AcpiEvents(names.zip(digests).collect()) })
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
            let register = digests.get_mut(usize::from(event.rtmr)).ok_or(Error::BootRegister(event.rtmr))?;
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
