//! `bind_runtime`: from the launch and the registers that AWS vouches for to what runs.

use std::collections::BTreeMap;

use backend_api::{
    Authority, BindInput, BindingGraph, CheckInfo, DeviceEvent, Failed, Field, Identity, Lane, Ledger,
    ReferenceValues, Result, RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::{
    application::{self, Application},
    runtime::{self, EventRegister, RuntimeEvents},
};
use evidence_event_log::{Bank, EventLog};
use evidence_tpm::{
    Pcrs,
    boot::{Image, ReplayedLog, booted},
};

use crate::{
    AwsEvidence, DESCRIPTOR, Error, LaunchPolicy, ListedMeasurement, Policy,
    policy::{CONFIG_PCR, IMAGE_RULES},
    verify::{Verified, refused},
};

/// The checks that `bind_runtime` makes before those of [`evidence_dstack::runtime::checks`] and
/// [`evidence_dstack::application::checks`], in order.
pub mod checks {
    backend_api::checks! {
        MEASUREMENT_LISTED = "measurement-listed":
            "MEASUREMENT, which is of AWS's firmware and the number of vCPUs, is one that the relying party lists", "RFC 9334 §8.3";
        BOOT_LOG = "boot-log":
            "the boot log is in its format", "TCG PC Client Platform Firmware Profile, crypto-agile log";
        BOOT_LOG_REPLAY = "boot-log-replay":
            "each register of the boot in the document holds what the boot log replays to", "TCG PC Client Platform Firmware Profile, §3.3.4";
        BOOT_REGISTERS = "boot-registers":
            "the registers of the boot are those of an image that the relying party lists, and PCR12 and PCR13 are empty unless it lists them",
            "RFC 9334 §8.3; systemd-stub, PCR 12 and 13";
        CONFIGURATION = "configuration":
            "PCR8, into which a guest measures its configuration, is empty or holds a listed one, unless the image accounts for it",
            "dstack, MrConfig on EC2";
    }
}

/// The register of the runtime events, and the bank that counts.
pub(crate) const RUNTIME_PCR: u8 = 14;
pub(crate) const BANK: Bank = Bank::Sha384;

/// Why nothing is read of a boot of which nothing is signed.
const NO_DOCUMENT: &str = "there is no document: nothing says what was booted";

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let policy = &input.policy.get::<Policy>()?.launch;
    let verified: &Verified = verified.detail()?;
    let mut binder = Binder {
        ledger: Ledger::default(),
        identity: Identity::new(),
        graph: BindingGraph::default(),
        notes: BTreeMap::new(),
    };
    binder.measurement(verified.measurement, policy, input.reference_values).map_err(refused)?;
    let application = match &verified.pcrs {
        Some(pcrs) => {
            let boot = binder.boot(&verified.evidence, pcrs, policy).map_err(refused)?;
            binder.runtime(&verified.evidence, &boot, policy).map_err(refused)?
        }
        None => {
            binder.no_boot();
            None
        }
    };

    let Binder { ledger, mut identity, graph, mut notes } = binder;
    if let Some(device_id) = verified.device_id {
        identity.bind(Field::DeviceId, device_id, Lane::Report);
    } else if verified.measurement.is_some() && verified.pcrs.is_some() {
        let note =
            "of any guest: nothing ties the report to the instance of the document, which tells the image";
        notes.insert("report", note.to_owned());
    }
    let device_event =
        application.as_ref().and_then(|application| application.launch.gpu_attestation.clone());
    let device_event =
        device_event.map(|payload| DeviceEvent::new(payload, "PCR14", Authority::ProviderVtpm));
    match application {
        Some(application) => identity.bind_named(application.fields(), Lane::RuntimeRegister)?,
        None if verified.pcrs.is_some() => {
            notes.insert("application", "unbound: PCR14 holds no runtime event".to_owned());
        }
        None => {}
    }
    let binding = RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)?;
    Ok(binding.with_device_event(device_event))
}

/// What is bound so far.
struct Binder {
    ledger: Ledger,
    identity: Identity,
    graph: BindingGraph,
    notes: BTreeMap<&'static str, String>,
}

/// A boot that the relying party knows. Only after a known boot do runtime events count: any other system can extend whatever events
/// it likes.
struct KnownBoot<'a> {
    pcrs: &'a Pcrs,
    /// Whether PCR14 is none of the image's registers, so that it can hold runtime events.
    has_runtime_register: bool,
}

impl Binder {
    /// Report -> reference value. Where there are both lists, the measurement is in both.
    fn measurement(
        &mut self,
        measurement: Option<[u8; 48]>,
        policy: &LaunchPolicy,
        references: &ReferenceValues,
    ) -> Result<(), Failed<Error>> {
        let Some(measurement) = measurement else {
            self.ledger.not_performed(checks::MEASUREMENT_LISTED, "no TEE vouches for the guest");
            let note = "none: AWS and its hypervisor see and can change all that the guest has";
            self.notes.insert("tee", note.to_owned());
            return Ok(());
        };
        let launches = policy.measurements.as_ref();
        let launch = launches.map(|all| all.iter().find(|listed| listed.measurement.0 == measurement));
        let known = &references.measurements;
        let named = (!known.is_empty()).then(|| known.contains(measurement.as_slice()));
        let listed = match (launch, named) {
            (None, None) => Err(Error::MeasurementUnlisted),
            (Some(None), _) | (_, Some(false)) => Err(Error::MeasurementNotListed(hex::encode(measurement))),
            _ => Ok(()),
        };
        self.ledger.verify(checks::MEASUREMENT_LISTED, listed)?;
        self.graph.add("report", "reference value", "measurement", Authority::TeeHardware);
        let launch = launch.flatten().map_or_else(
            || "firmware and number of vCPUs as the listed measurement has them".to_owned(),
            |ListedMeasurement { firmware, vcpus, .. }| {
                format!("firmware {firmware:?}, {vcpus} vCPUs, as the policy says of the measurement")
            },
        );
        self.notes.insert("launch", launch);
        Ok(())
    }

    /// Document -> boot log; document -> image; document -> configuration.
    fn boot<'a>(
        &mut self,
        evidence: &AwsEvidence,
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
                let except = unlogged(evidence);
                let replayed = ReplayedLog::replay(log, pcrs, BANK, &except).map_err(Error::from);
                let replayed = self.ledger.record(checks::BOOT_LOG_REPLAY, replayed)?;
                self.link("boot log", "registers of the boot");
                Some(replayed)
            }
        };
        let holds = |image: &Image| image.pcrs.hold(&IMAGE_RULES, pcrs, replayed.as_ref());
        let booted = booted(policy.images.as_deref().unwrap_or_default(), holds);
        let booted = booted.map_err(|why| why.map_or(Error::BootUnlisted, Error::BootUnknown));
        let image = self.ledger.record(checks::BOOT_REGISTERS, booted)?;
        self.link("image", "registers of the boot, as the relying party lists them");
        self.configuration(image, pcrs, policy)?;
        if let Some(hash) = image.os_image_hash {
            self.identity.bind(Field::OsImageHash, hash.0, Lane::BootRegisters);
        }
        let vtpm = "AWS's, outside of the TEE: who trusts these registers trusts AWS and its hypervisor";
        self.notes.insert("vtpm", vtpm.to_owned());
        Ok(KnownBoot { pcrs, has_runtime_register: !image.pcrs.lists(RUNTIME_PCR) })
    }

    /// Document -> configuration.
    fn configuration(
        &mut self,
        image: &Image,
        pcrs: &Pcrs,
        policy: &LaunchPolicy,
    ) -> Result<(), Failed<Error>> {
        if image.pcrs.lists(CONFIG_PCR) {
            self.ledger.not_performed(checks::CONFIGURATION, "the image accounts for PCR8");
            return Ok(());
        }
        let found = pcrs.get(BANK, CONFIG_PCR);
        let (holds, expected) = match &policy.config {
            None => (found == Some(&BANK.initial()), "zeros, because the policy lists no config"),
            Some(listed) => (
                listed.iter().any(|value| found == Some(&value.0)),
                "one that config in backend.aws.launch lists",
            ),
        };
        self.ledger.require(checks::CONFIGURATION, holds, || Error::Configuration {
            found: found.map_or_else(|| "not in the document".to_owned(), hex::encode),
            expected,
        })?;
        if policy.config.is_some() {
            self.link("configuration", "PCR8");
        }
        Ok(())
    }

    /// Runtime events -> PCR14; events before `system-ready` -> application.
    fn runtime(
        &mut self,
        evidence: &AwsEvidence,
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
            self.link("runtime events", "PCR14");
        }
        Ok(application)
    }

    /// Without a document nothing is known of the boot, and what the payload says of it is not read.
    fn no_boot(&mut self) {
        let of_boot = checks::ALL.iter().filter(|info| info.check != checks::MEASUREMENT_LISTED);
        let of_runtime = runtime::checks::ALL.iter().chain(application::checks::ALL);
        let not_performed = |info: &CheckInfo| self.ledger.not_performed(info.check, NO_DOCUMENT);
        of_boot.chain(of_runtime).for_each(not_performed);
        self.notes.insert("boot", "unknown: no document of a NitroTPM says what was booted".to_owned());
    }

    fn link(&mut self, to: &'static str, means: &'static str) {
        self.graph.add("document", to, means, Authority::ProviderVtpm);
    }
}

/// Registers that need not be in the boot log: what a guest extended after its boot. PCR8 has a check of its own.
fn unlogged(evidence: &AwsEvidence) -> Vec<u8> {
    let runtime = (!evidence.runtime_events.is_empty()).then_some(RUNTIME_PCR);
    runtime.into_iter().chain([CONFIG_PCR]).collect()
}
