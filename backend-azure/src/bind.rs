//! `bind_runtime`: from the registers that the vTPM signed to what runs.

use std::collections::BTreeMap;

use backend_api::{
    Authority, BindInput, BindingGraph, DeviceEvent, Failed, Field, Identity, Lane, Ledger, ReferenceValues,
    Result, RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::{
    application::Application,
    runtime::{EventRegister, RuntimeEvents},
};
use evidence_event_log::{Bank, EventLog};
use evidence_tpm::{
    Pcrs,
    boot::{Image, ReplayedLog, booted},
};

use crate::{
    AzureEvidence, DESCRIPTOR, Error, LaunchPolicy, Policy,
    policy::IMAGE_RULES,
    verify::{Paravisor, Verified, refused},
};

/// The checks that `bind_runtime` makes before those of [`evidence_dstack::runtime::checks`] and
/// [`evidence_dstack::application::checks`], in order.
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
    let device_event =
        application.as_ref().and_then(|application| application.launch.gpu_attestation.clone());
    let device_event = device_event.map(|payload| DeviceEvent::new(payload, "PCR14", Authority::TeeVtpm));
    match application {
        Some(application) => identity.bind_named(application.fields(), Lane::RuntimeRegister)?,
        None => {
            notes.insert("application", "unbound: PCR14 holds no runtime event".to_owned());
        }
    }
    let binding = RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)?;
    Ok(binding.with_device_event(device_event))
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
        let holds = |image: &Image| image.pcrs.hold(&IMAGE_RULES, pcrs, replayed.as_ref());
        let booted = booted(policy.images.as_deref().unwrap_or_default(), holds);
        let booted = booted.map_err(|why| why.map_or(Error::BootUnlisted, Error::BootUnknown));
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
        Ok(KnownBoot { pcrs, has_runtime_register: !image.pcrs.lists(RUNTIME_PCR) })
    }

    /// Runtime events -> PCR14; events before `system-ready` -> application.
    fn runtime(
        &mut self,
        evidence: &AzureEvidence,
        boot: &KnownBoot<'_>,
        policy: &LaunchPolicy,
    ) -> Result<Option<Application>, Failed<Error>> {
        let register = [EventRegister { name: "PCR14", bank: BANK, value: boot.pcrs.get(BANK, RUNTIME_PCR) }];
        let events = RuntimeEvents {
            events: &evidence.runtime_events,
            registers: boot.has_runtime_register.then_some(&register[..]),
            phase: policy.phase,
        };
        let application = events.application(&mut self.ledger).map_err(|failed| failed.map(Error::from))?;
        if application.is_some() {
            self.graph.add("quote", "runtime events", "PCR14", Authority::TeeVtpm);
        }
        Ok(application)
    }
}
