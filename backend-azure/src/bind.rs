//! `bind_runtime`: from the registers that the vTPM signed to what runs.

use std::collections::BTreeMap;

use backend_api::{
    Authority, BindInput, BindingGraph, Failed, Field, Identity, Lane, Ledger, ReferenceValues, Result,
    RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::application::Application;
use evidence_event_log::{
    Bank, EventLog,
    runtime::{RuntimeEvent, RuntimeLog},
};
use evidence_tpm::{Error as QuoteError, Pcrs, boot::ReplayedLog};

use crate::{
    AzureEvidence, DESCRIPTOR, Error, Image, LaunchPolicy, Policy,
    policy::EXTERNAL_PCRS,
    verify::{Paravisor, Verified, refused},
};

/// The checks that `bind_runtime` makes beside those of [`evidence_dstack::application::checks`], in order.
pub mod checks {
    backend_api::checks! {
        MEASUREMENT_LISTED = "measurement-listed":
            "MEASUREMENT or MRTD, which is the paravisor's, is one of the relying party's reference values", "RFC 9334 §8.3";
        PARAVISOR_KNOWN = "paravisor-known":
            "somebody vouches for the paravisor: Microsoft's ID key, Azure's certificate of its attestation key, or a reference value",
            "RFC 9334 §8.3";
        BOOT_LOG = "boot-log":
            "the boot log is in its format", "TCG PC Client Platform Firmware Profile, crypto-agile log";
        BOOT_LOG_REPLAY = "boot-log-replay":
            "each quoted register of the boot holds what the boot log replays to", "TCG PC Client Platform Firmware Profile, §3.3.4";
        BOOT_REGISTERS = "boot-registers":
            "the registers of the boot are those of an image that the relying party lists, and PCR8, PCR12 and PCR13 are empty unless it lists them",
            "RFC 9334 §8.3; systemd-stub, PCR 12 and 13";
        RUNTIME_LOG = "runtime-log":
            "the runtime events are within their limits", "dstack runtime events";
        RUNTIME_REPLAY = "runtime-replay":
            "PCR14 holds what the runtime events lead to from zeros, each digest made of the event itself", "dstack runtime events";
    }
}

/// The register of the runtime events, and the bank that counts.
pub(crate) const RUNTIME_PCR: u8 = 14;
pub(crate) const BANK: Bank = Bank::Sha256;

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let policy = &input.policy.get::<Policy>()?.launch;
    let verified: &Verified = verified.detail()?;
    let mut binder =
        Binder { ledger: Ledger::default(), identity: Identity::new(), graph: BindingGraph::default() };
    let is_known = binder.paravisor(verified, input.reference_values).map_err(refused)?;
    let boot = binder.boot(&verified.evidence, verified.quote.pcrs(), policy).map_err(refused)?;
    let application = binder.runtime(&verified.evidence, &boot, policy).map_err(refused)?;

    let Binder { ledger, mut identity, graph } = binder;
    let mut notes = BTreeMap::from([(
        "vtpm",
        "the paravisor's, inside of the TEE: who trusts these registers trusts Microsoft's paravisor"
            .to_owned(),
    )]);
    if is_known {
        identity.bind(Field::DeviceId, verified.device_id, Lane::Report);
    } else {
        notes.insert(
            "td",
            "unbound: any TD can name the attestation key, so that TCB status, device and vm-configuration may be another's"
                .to_owned(),
        );
    }
    if !verified.is_endorsed {
        notes.insert(
            "attestation-key",
            "unendorsed: whoever is root in the guest may have replaced it, and can sign any registers then"
                .to_owned(),
        );
    }
    match application {
        Some(application) => identity.bind_named(application.fields(), Lane::RuntimeRegister)?,
        None => {
            notes.insert("application", "unbound: PCR14 holds no runtime event".to_owned());
        }
    }
    RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)
}

/// What is bound so far.
struct Binder {
    ledger: Ledger,
    identity: Identity,
    graph: BindingGraph,
}

/// A boot that the relying party knows. Only after a known boot do runtime events count: any other system can extend whatever events
/// it likes.
struct KnownBoot<'a> {
    pcrs: &'a Pcrs,
    /// Whether PCR14 is none of the image's registers, so that it can hold runtime events.
    has_runtime_register: bool,
}

impl Binder {
    /// Report -> reference value. Whether the paravisor is known, or else the processor's report may be of another machine.
    fn paravisor(
        &mut self,
        verified: &Verified,
        references: &ReferenceValues,
    ) -> Result<bool, Failed<Error>> {
        let listed = references.measurements.contains(verified.measurement.as_slice());
        let not_listed = || Error::MeasurementNotListed(hex::encode(verified.measurement));
        if references.measurements.is_empty() {
            self.ledger.not_performed(checks::MEASUREMENT_LISTED, "the relying party lists no measurements");
        } else {
            self.ledger.require(checks::MEASUREMENT_LISTED, listed, not_listed)?;
            self.graph.add("report", "reference value", "measurement", Authority::TeeHardware);
        }
        if verified.paravisor == Paravisor::Unbound && !listed {
            self.ledger.not_performed(
                checks::PARAVISOR_KNOWN,
                "the quote does not commit to the TD report in this profile: whose TD that is, only a listed measurement tells",
            );
            return Ok(false);
        }
        let is_known = listed || verified.paravisor != Paravisor::Unknown;
        self.ledger.require(checks::PARAVISOR_KNOWN, is_known, not_listed)?;
        Ok(is_known)
    }

    /// Quote -> boot log; quote -> image.
    fn boot<'a>(
        &mut self,
        evidence: &AzureEvidence,
        pcrs: &'a Pcrs,
        policy: &LaunchPolicy,
    ) -> Result<KnownBoot<'a>, Failed<Error>> {
        let log = match &evidence.boot_log {
            None => {
                self.ledger.not_performed(checks::BOOT_LOG, "the evidence has no boot log");
                self.ledger.not_performed(checks::BOOT_LOG_REPLAY, "the evidence has no boot log");
                None
            }
            Some(bytes) => {
                let log = EventLog::parse(bytes).map_err(Error::from);
                Some(self.ledger.record(checks::BOOT_LOG, log)?)
            }
        };
        let replayed = match &log {
            None => None,
            Some(log) => {
                // What the guest extended after its boot is in no boot log.
                let except: &[u8] = if evidence.runtime_events.is_empty() { &[] } else { &[RUNTIME_PCR] };
                let replayed = ReplayedLog::replay(log, pcrs, BANK, except).map_err(Error::from);
                let replayed = self.ledger.record(checks::BOOT_LOG_REPLAY, replayed)?;
                self.graph.add("quote", "boot log", "registers of the boot", Authority::TeeVtpm);
                Some(replayed)
            }
        };
        let booted = booted(policy.images.as_deref(), pcrs, replayed.as_ref());
        let image = self.ledger.record(checks::BOOT_REGISTERS, booted)?;
        self.graph.add(
            "quote",
            "image",
            "registers of the boot, as the relying party lists them",
            Authority::TeeVtpm,
        );
        if let Some(hash) = image.os_image_hash {
            self.identity.bind(Field::OsImageHash, hash.0, Lane::BootRegisters);
        }
        let has_runtime_register = image.registers().all(|(pcr, _)| pcr != RUNTIME_PCR);
        Ok(KnownBoot { pcrs, has_runtime_register })
    }

    /// Runtime events -> PCR14; events before `system-ready` -> application.
    fn runtime(
        &mut self,
        evidence: &AzureEvidence,
        boot: &KnownBoot<'_>,
        policy: &LaunchPolicy,
    ) -> Result<Option<Application>, Failed<Error>> {
        let events: Result<Vec<RuntimeEvent>, _> =
            evidence.runtime_events.iter().map(RuntimeEvent::try_from).collect();
        let log = events.map_err(Error::from).and_then(|events| Ok(RuntimeLog::new(events)?));
        let log = self.ledger.record(checks::RUNTIME_LOG, log)?;
        if !boot.has_runtime_register {
            let none = log.events().is_empty() && policy.phase.is_none();
            if !none {
                return self.ledger.record(checks::RUNTIME_REPLAY, Err(Error::EventsInBootRegister));
            }
            let reason = "the image lists PCR14: runtime events cannot be told apart in it";
            self.ledger.not_performed(checks::RUNTIME_REPLAY, reason);
            Application::not_read(&mut self.ledger, reason);
            return Ok(None);
        }
        let replayed = log.replay_sha256();
        let quoted = boot.pcrs.get(BANK, RUNTIME_PCR).ok_or(Error::Tpm(QuoteError::NotQuoted(RUNTIME_PCR)));
        let holds = quoted.and_then(|quoted| {
            if quoted == replayed {
                return Ok(());
            }
            Err(Error::ReplayMismatch { replayed: hex::encode(replayed), quoted: hex::encode(quoted) })
        });
        self.ledger.verify(checks::RUNTIME_REPLAY, holds)?;
        if log.events().is_empty() && policy.phase.is_none() {
            Application::not_read(&mut self.ledger, "PCR14 holds no event");
            return Ok(None);
        }
        self.graph.add("quote", "runtime events", "PCR14", Authority::TeeVtpm);
        let application = Application::read(&log, policy.phase.unwrap_or_default(), &mut self.ledger);
        application.map(Some).map_err(|failed| failed.map(Error::from))
    }
}

/// The image whose registers these are. Where there is none, why not: of the image that was looked at last.
fn booted<'a>(
    images: Option<&'a [Image]>,
    pcrs: &Pcrs,
    log: Option<&ReplayedLog<'_>>,
) -> Result<&'a Image, Error> {
    let mut why = Error::BootUnlisted;
    for image in images.into_iter().flatten() {
        match holds(image, pcrs, log) {
            Ok(()) => return Ok(image),
            Err(error) => why = Error::BootUnknown(error),
        }
    }
    Err(why)
}

/// Every register that the image lists holds what it lists, and what comes from outside of an image is empty unless it is listed.
fn holds(image: &Image, pcrs: &Pcrs, log: Option<&ReplayedLog<'_>>) -> Result<(), QuoteError> {
    for (pcr, expected) in image.registers() {
        expected.holds(pcr, BANK, pcrs, log)?;
    }
    for pcr in EXTERNAL_PCRS {
        if image.registers().all(|(listed, _)| listed != pcr) {
            let value = pcrs.get(BANK, pcr).ok_or(QuoteError::NotQuoted(pcr))?;
            if value != BANK.initial() {
                return Err(QuoteError::BootRegister { pcr, found: hex::encode(value) });
            }
        }
    }
    Ok(())
}
