//! `bind_runtime`: from the registers that vTPM and processor signed to what runs.

use std::collections::BTreeMap;

use backend_api::{
    Authority, BindInput, BindingGraph, Check, DeviceEvent, Failed, Field, Identity, Lane, Ledger,
    ReferenceValues, Result, RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::{
    application::Application,
    boot_info::{gcp_mr_aggregated, gcp_mr_system},
    runtime::{EventRegister, RuntimeEvents},
};
use evidence_event_log::{Bank, EventLog};
use evidence_tpm::{
    Pcrs,
    boot::{ReplayedLog, booted},
};

use crate::{
    BANK, DESCRIPTOR, Error, GcpEvidence, Image, LaunchPolicy, Policy,
    profile::{RTMR3, RUNTIME_PCR},
    verify::{Measured, Verified, refused},
};

/// The checks that `bind_runtime` makes before those of [`evidence_dstack::runtime::checks`] and
/// [`evidence_dstack::application::checks`], in order.
pub mod checks {
    backend_api::checks! {
        MEASUREMENT_LISTED = "measurement-listed":
            "MEASUREMENT or MRTD, which is the firmware's, is one of the relying party's reference values", "RFC 9334 §8.3";
        BOOT_LOG = "boot-log":
            "the boot log is in its format", "TCG PC Client Platform Firmware Profile, crypto-agile log";
        BOOT_LOG_REPLAY = "boot-log-replay":
            "each quoted register of the boot holds what the boot log replays to", "TCG PC Client Platform Firmware Profile, §3.3.4";
        CC_LOG = "cc-log":
            "the log of the TD's registers is in its format", "ACPI CCEL; TDX Virtual Firmware Design Guide, event log";
        CC_LOG_REPLAY = "cc-log-replay":
            "RTMR0, RTMR1 and RTMR2 hold what the log of the TD's registers replays to", "TDX Virtual Firmware Design Guide, RTMR";
        BOOT_REGISTERS = "boot-registers":
            "the registers of the boot are those of an image that the relying party lists: the TD's, or the vTPM's with PCR8, PCR12 and PCR13 empty unless it lists them",
            "RFC 9334 §8.3; systemd-stub, PCR 12 and 13";
    }
}

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let policy = &input.policy.get::<Policy>()?.launch;
    let Verified { quote, measured, device_id, halves_are_tied, evidence, .. } = verified.detail()?;
    let mut binder =
        Binder { ledger: Ledger::default(), identity: Identity::new(), graph: BindingGraph::default() };
    binder.listed(&measured.launch, input.reference_values).map_err(refused)?;
    let boot = binder.boot(evidence, quote.pcrs(), measured, policy).map_err(refused)?;
    let application = binder.runtime(evidence, &boot, policy).map_err(refused)?;

    let Binder { ledger, mut identity, graph } = binder;
    if let Some(hash) = &boot.image.os_image_hash {
        let key_provider = application.as_ref().map_or(&[][..], |of| &of.launch.key_provider);
        identity.bind(Field::OsImageHash, hash.0, Lane::BootRegisters);
        identity.bind(Field::MrSystem, gcp_mr_system(&hash.0, key_provider), Lane::BootRegisters);
    }
    let quoted = [0, 2, RUNTIME_PCR].map(|pcr| boot.pcrs.get(BANK, pcr));
    if let [Some(pcr0), Some(pcr2), Some(pcr14)] = quoted {
        identity.bind(Field::MrAggregated, gcp_mr_aggregated(pcr0, pcr2, pcr14), Lane::BootRegisters);
    }
    let mut notes = boot.notes();
    if *halves_are_tied || boot.image.is_known_by_hardware() {
        identity.bind(Field::DeviceId, *device_id, Lane::Report);
    } else {
        notes.insert(
            "device-id",
            "unbound: nothing ties the report to the vTPM that tells the image".to_owned(),
        );
    }
    // On TDX RTMR3 holds the events too, or alone.
    let register = if boot.rtmrs.is_some() { "RTMR3" } else { "PCR14" };
    let device_event =
        application.as_ref().and_then(|application| application.launch.gpu_attestation.clone());
    let device_event = device_event.map(|payload| DeviceEvent::new(payload, register, boot.authority()));
    match application {
        Some(application) => identity.bind_named(application.fields(), Lane::RuntimeRegister)?,
        None => {
            notes.insert("application", "unbound: the guest extended no runtime event".to_owned());
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
    image: &'a Image,
    pcrs: &'a Pcrs,
    rtmrs: Option<&'a Pcrs>,
}

impl KnownBoot<'_> {
    /// Who says what was booted.
    fn authority(&self) -> Authority {
        if self.image.is_known_by_hardware() { Authority::TeeHardware } else { Authority::ProviderVtpm }
    }

    /// What the binding does not cover.
    fn notes(&self) -> BTreeMap<&'static str, String> {
        let boot = match self.authority() {
            Authority::TeeHardware => "the processor's word: RTMR1 and RTMR2 are those of the image",
            _ => {
                "Google's word: its vTPM is outside of the TEE. The processor vouches for Google's firmware, and not for what that booted"
            }
        };
        let acpi = "digests at most: nobody looked into the host's ACPI tables";
        let mut notes = BTreeMap::from([("acpi", acpi.to_owned()), ("boot", boot.to_owned())]);
        if self.rtmrs.is_some() && self.image.rtmr0.is_none() {
            let rtmr0 = "unknown: memory map, firmware variables (Secure Boot among them) and boot order are the host's";
            notes.insert("rtmr0", rtmr0.to_owned());
        }
        notes
    }
}

impl Binder {
    /// Report -> reference value.
    fn listed(&mut self, launch: &[u8; 48], references: &ReferenceValues) -> Result<(), Failed<Error>> {
        if references.measurements.is_empty() {
            self.ledger.not_performed(checks::MEASUREMENT_LISTED, "the relying party lists no measurements");
            return Ok(());
        }
        let listed = references.measurements.contains(launch.as_slice());
        self.ledger.require(checks::MEASUREMENT_LISTED, listed, || {
            Error::MeasurementNotListed(hex::encode(launch))
        })?;
        self.graph.add("report", "reference value", "measurement", Authority::TeeHardware);
        Ok(())
    }

    /// Quote, report -> logs; quote, report -> image.
    fn boot<'a>(
        &mut self,
        evidence: &GcpEvidence,
        pcrs: &'a Pcrs,
        measured: &'a Measured,
        policy: &'a LaunchPolicy,
    ) -> Result<KnownBoot<'a>, Failed<Error>> {
        let boot_log = evidence.boot_log.as_deref().map(|bytes| EventLog::parse(bytes).map_err(Error::from));
        let boot_log = match boot_log {
            Some(log) => Some(self.ledger.record(checks::BOOT_LOG, log)?),
            None => self.no_log([checks::BOOT_LOG, checks::BOOT_LOG_REPLAY]),
        };
        let mut replayed = None;
        if let Some(log) = &boot_log {
            // What the guest extended after its boot is in no boot log.
            let except: &[u8] = if evidence.runtime_events.is_empty() { &[] } else { &[RUNTIME_PCR] };
            let log = ReplayedLog::replay(log, pcrs, BANK, except).map_err(Error::from);
            replayed = Some(self.ledger.record(checks::BOOT_LOG_REPLAY, log)?);
            self.graph.add("quote", "boot log", "registers of the boot", Authority::ProviderVtpm);
        }
        let rtmrs = measured.rtmrs.as_ref();
        let cc_log = evidence.cc_log.as_deref().map(|bytes| EventLog::parse(bytes).map_err(Error::from));
        let cc_log = match cc_log {
            Some(log) => Some(self.ledger.record(checks::CC_LOG, log)?),
            None => self.no_log([checks::CC_LOG, checks::CC_LOG_REPLAY]),
        };
        let mut cc_replayed = None;
        if let Some((log, rtmrs)) = cc_log.as_ref().zip(rtmrs) {
            let log = ReplayedLog::replay(log, rtmrs, Bank::Sha384, &[RTMR3]).map_err(Error::of_rtmr);
            cc_replayed = Some(self.ledger.record(checks::CC_LOG_REPLAY, log)?);
            self.graph.add("report", "log of the TD's registers", "RTMR0 to RTMR2", Authority::TeeHardware);
        }
        let holds = |image: &Image| {
            for (register, expected) in image.rtmrs() {
                let rtmrs = rtmrs.ok_or(Error::NoRtmrs)?;
                let held = expected.holds(register, Bank::Sha384, rtmrs, cc_replayed.as_ref());
                held.map_err(Error::of_rtmr)?;
            }
            Ok(image.pcrs.hold(image.rules(), pcrs, replayed.as_ref())?)
        };
        let image = booted(policy.images.as_deref().unwrap_or_default(), holds);
        let image =
            image.map_err(|why| why.map_or(Error::BootUnlisted, |why| Error::BootUnknown(Box::new(why))));
        let image = self.ledger.record(checks::BOOT_REGISTERS, image)?;
        let boot = KnownBoot { image, pcrs, rtmrs };
        let (from, means) = match boot.authority() {
            Authority::TeeHardware => ("report", "RTMRs, as the relying party lists them"),
            _ => ("quote", "registers of the boot, as the relying party lists them"),
        };
        self.graph.add(from, "image", means, boot.authority());
        Ok(boot)
    }

    /// No log: neither its form nor its replay is looked at.
    fn no_log<T>(&mut self, of_log: [Check; 2]) -> Option<T> {
        of_log.into_iter().for_each(|check| self.ledger.not_performed(check, "the evidence has no such log"));
        None
    }

    /// Runtime events -> PCR14 and RTMR3, one and the same list; events before `system-ready` -> application.
    fn runtime(
        &mut self,
        evidence: &GcpEvidence,
        boot: &KnownBoot<'_>,
        policy: &LaunchPolicy,
    ) -> Result<Option<Application>, Failed<Error>> {
        let pcr14 = EventRegister { name: "PCR14", bank: BANK, value: boot.pcrs.get(BANK, RUNTIME_PCR) };
        let rtmr3 = boot.rtmrs.map(|rtmrs| EventRegister {
            name: "RTMR3",
            bank: Bank::Sha384,
            value: rtmrs.get(Bank::Sha384, RTMR3),
        });
        let in_vtpm = (!boot.image.pcrs.lists(RUNTIME_PCR)).then_some(pcr14);
        let registers: Vec<EventRegister<'_>> = in_vtpm.into_iter().chain(rtmr3).collect();
        let events = RuntimeEvents {
            events: &evidence.runtime_events,
            registers: (!registers.is_empty()).then_some(&registers),
            phase: policy.phase,
        };
        let application = events.application(&mut self.ledger).map_err(|failed| failed.map(Error::from))?;
        if application.is_some() {
            let names: Vec<&str> = registers.iter().map(|register| register.name).collect();
            let from = if names.contains(&"RTMR3") { "report" } else { "quote" };
            self.graph.add(from, "runtime events", names.join(" and "), boot.authority());
        }
        Ok(application)
    }
}
