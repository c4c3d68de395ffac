//! `bind_runtime`: from a verified quote to what runs.

use std::collections::BTreeMap;

use backend_api::{
    Authority, BindInput, BindingGraph, DeviceEvent, Failed, Field, Identity, Lane, Ledger, ReferenceValues,
    Result, RuntimeBinding, VerifiedEvidence,
};
use evidence_dstack::{
    application::Application,
    boot_info::{TdRegisters, tdx_device_id, tdx_mr_aggregated, tdx_mr_system},
    image::{ImageMaterial, TDX_MEASUREMENT},
    mr_config::MrConfigId,
    runtime::{EventRegister, RuntimeEvents},
};
use evidence_event_log::Bank;
use evidence_ledger::Hex;
use evidence_tdx::{
    TdReport,
    launch::{LaunchMeasurement, measure},
};

use crate::{
    DESCRIPTOR, Error, LaunchPolicy, Policy, TdxEvidence,
    boot::{AcpiEvents, BootRegisters},
    identity::is_committed_by,
    launch_inputs::LaunchDocument,
    verify::{Verified, refused},
};

/// The checks that `bind_runtime` makes, in order; between them and [`checks::known`] those of
/// [`evidence_dstack::runtime::checks`] and [`evidence_dstack::application::checks`].
pub mod checks {
    backend_api::checks! {
        BOOT_LOG = "boot-log":
            "the boot log is in its format", "TCG PC Client Platform Firmware Profile, CC event log";
        BOOT_LOG_REPLAY = "boot-log-replay":
            "RTMR0, RTMR1 and RTMR2 hold what the boot log replays to", "TDX Virtual Firmware Design Guide, RTMR";
        IMAGE_DOCUMENTS = "image-documents":
            "the image's measurement document is the one that its checksum file lists", "dstack image format";
        LAUNCH_PARAMETERS = "launch-parameters":
            "the launch parameters are in their formats", "measurement.tdx.cbor version 3";
        ACPI_DIGESTS = "acpi-digests":
            "the boot log names the digests of the three ACPI files", "dstack TDX lite attestation";
        LAUNCH_MEASUREMENT = "launch-measurement":
            "the claimed launch gives exactly the quote's MRTD, RTMR0, RTMR1 and RTMR2", "dstack TDX lite attestation";
    }

    /// The checks behind those of [`evidence_dstack::application::checks`].
    pub mod known {
        backend_api::checks! {
            MR_CONFIG_ID = "mr-config-id":
                "what MRCONFIGID commits to is what the events say of the application", "dstack MRCONFIGID forms 1 to 3";
            MEASUREMENT_KNOWN = "measurement-known":
                "MRTD is known: launch inputs or a reference value (its own, or that of an aggregate) account for it", "RFC 9334 §8.3";
            BOOT_REGISTERS = "boot-registers":
                "RTMR1 and RTMR2 are known: launch inputs, the policy or the reference value of an aggregate account for them", "RFC 9334 §8.3";
            MEASUREMENT_LISTED = "measurement-listed":
                "MRTD is one of the relying party's reference values", "RFC 9334 §8.3";
        }
    }
}

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let policy = &input.policy.get::<Policy>()?.launch;
    let Verified { quote, evidence } = verified.detail()?;
    let report = quote.report();
    let mut binder =
        Binder { ledger: Ledger::default(), identity: Identity::new(), graph: BindingGraph::default() };

    binder.boot(evidence, report).map_err(refused)?;
    let application = binder.runtime(evidence, policy, report).map_err(refused)?;
    let key_provider = application.as_ref().map_or(&[][..], |application| &application.launch.key_provider);
    let registers = registers(report);
    let aggregates = [
        (Field::MrSystem, tdx_mr_system(&registers, key_provider)),
        (Field::MrAggregated, tdx_mr_aggregated(&registers)),
    ];
    binder.known(evidence, policy, report, input.reference_values, &aggregates).map_err(refused)?;

    let Binder { ledger, mut identity, graph } = binder;
    if let Some(application) = &application {
        identity.bind_named(application.fields(), Lane::RuntimeRegister)?;
    }
    identity.bind(Field::DeviceId, tdx_device_id(quote.ppid()), Lane::Report);
    for (field, value) in aggregates {
        identity.bind(field, value, Lane::Report);
    }
    let notes = notes(evidence, policy, application.is_some());
    let device_event = application.and_then(|application| application.launch.gpu_attestation);
    let device_event = device_event.map(|payload| DeviceEvent::new(payload, "RTMR3", Authority::TeeHardware));
    let binding = RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)?;
    Ok(binding.with_device_event(device_event))
}

const fn registers(report: &TdReport) -> TdRegisters {
    let [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs;
    TdRegisters {
        mrtd: report.mr_td,
        rtmr0,
        rtmr1,
        rtmr2,
        rtmr3,
        mr_config_id: report.mr_config_id,
        mr_owner: report.mr_owner,
        mr_owner_config: report.mr_owner_config,
    }
}

/// What the binding does not cover.
fn notes(
    evidence: &TdxEvidence,
    policy: &LaunchPolicy,
    has_application: bool,
) -> BTreeMap<&'static str, String> {
    let mut notes = BTreeMap::from([(
        "acpi",
        "digests only: RTMR0 holds what the host's ACPI tables hash to, and nobody looked into them"
            .to_owned(),
    )]);
    if let Some(launch) = &evidence.launch {
        let pages = if launch.two_pass { "two passes" } else { "one pass" };
        notes.insert("launch", format!("{} bytes of memory, pages added in {pages}", launch.memory_size));
    }
    if evidence.launch.is_none() && policy.rtmr0.is_none() {
        let rtmr0 =
            "unknown: memory map, firmware variables (Secure Boot among them) and boot order are the host's";
        notes.insert("rtmr0", rtmr0.to_owned());
    }
    if !has_application {
        notes.insert("application", "unbound: RTMR3 holds no event".to_owned());
    }
    notes
}

/// What is bound so far.
struct Binder {
    ledger: Ledger,
    identity: Identity,
    graph: BindingGraph,
}

impl Binder {
    /// Boot log -> RTMR0 to RTMR2; launch inputs -> MRTD and RTMR0 to RTMR2; image -> launch inputs.
    fn boot(&mut self, evidence: &TdxEvidence, report: &TdReport) -> Result<(), Failed<Error>> {
        let acpi = self.boot_log(evidence, report)?;
        let Some(launch) = &evidence.launch else {
            for check in [
                checks::IMAGE_DOCUMENTS,
                checks::LAUNCH_PARAMETERS,
                checks::ACPI_DIGESTS,
                checks::LAUNCH_MEASUREMENT,
            ] {
                self.ledger.not_performed(check, "the evidence names no launch inputs");
            }
            return Ok(());
        };
        let material = ImageMaterial {
            checksum_file: launch.checksum_file.to_vec(),
            measurement: launch.measurement.to_vec(),
        };
        let checked = material.verify(TDX_MEASUREMENT, None).map_err(Error::from);
        let checked = self.ledger.record(checks::IMAGE_DOCUMENTS, checked)?;
        let document = LaunchDocument::parse(checked.measurement());
        let document = self.ledger.record(checks::LAUNCH_PARAMETERS, document)?;
        let acpi = self.ledger.record(checks::ACPI_DIGESTS, acpi.digests())?;
        let measured = measure(&document.inputs(launch.machine(), acpi)).map_err(Error::from);
        let recomputed = measured.and_then(|measured| is_launch_of(report, &measured));
        self.ledger.verify(checks::LAUNCH_MEASUREMENT, recomputed)?;
        self.link("quote", "launch inputs", "MRTD, RTMR0, RTMR1 and RTMR2 recomputed");
        self.identity.bind(Field::OsImageHash, checked.os_image_hash(), Lane::LaunchMeasurement);
        self.link("launch inputs", "os-image-hash", "measurement.tdx.cbor in sha256sum.txt");
        Ok(())
    }

    /// Boot log -> RTMR0 to RTMR2. Gives what it says of ACPI.
    fn boot_log(&mut self, evidence: &TdxEvidence, report: &TdReport) -> Result<AcpiEvents, Failed<Error>> {
        let Some(log) = &evidence.boot_log else {
            self.ledger.not_performed(checks::BOOT_LOG, "the evidence has no boot log");
            self.ledger.not_performed(checks::BOOT_LOG_REPLAY, "the evidence has no boot log");
            return Ok(AcpiEvents::default());
        };
        let registers = self.ledger.record(checks::BOOT_LOG, BootRegisters::of(log))?;
        match registers.replayed {
            None => self.ledger.not_performed(
                checks::BOOT_LOG_REPLAY,
                "the log was cut down to the digests of the ACPI tables, from which the registers recompute",
            ),
            Some(replayed) => {
                let wrong = replayed.iter().zip(&report.rtmrs).zip(["RTMR0", "RTMR1", "RTMR2"]);
                let mut wrong = wrong.filter(|((replayed, quoted), _)| replayed != quoted);
                let wrong = wrong.next().map(|((replayed, quoted), register)| Error::ReplayMismatch {
                    register,
                    replayed: hex::encode(replayed),
                    quoted: hex::encode(quoted),
                });
                self.ledger.verify(checks::BOOT_LOG_REPLAY, wrong.map_or(Ok(()), Err))?;
                self.link("quote", "boot log", "RTMR0, RTMR1 and RTMR2");
            }
        }
        Ok(registers.acpi)
    }

    /// What was measured is known: from the image, or by the relying party's own values.
    ///
    /// MRTD covers the firmware alone: whoever lists it and not what was booted would take any kernel's word. So the evidence's own
    /// image explains the registers only where the relying party lists that image, or neither measurements nor registers.
    fn known(
        &mut self,
        evidence: &TdxEvidence,
        policy: &LaunchPolicy,
        report: &TdReport,
        references: &ReferenceValues,
        aggregates: &[(Field, [u8; 32])],
    ) -> Result<(), Failed<Error>> {
        let LaunchPolicy { rtmr0, rtmr1, rtmr2, .. } = policy;
        let lists_registers = [rtmr0, rtmr1, rtmr2].into_iter().any(Option::is_some);
        let lists_none = references.measurements.is_empty() && !lists_registers;
        let image = self.identity.get(Field::OsImageHash);
        let listed_image = references.identity.get(&Field::OsImageHash);
        let knows_image = image.zip(listed_image).is_some_and(|(image, listed)| listed.contains(image));
        let image_explains = evidence.launch.is_some() && (knows_image || lists_none);
        let unexplained = |register, found: &[u8; 48], key| match (&evidence.launch, image) {
            (Some(_), Some(image)) if !image_explains => {
                Error::ImageNotListed { register, image: hex::encode(image) }
            }
            _ => Error::RegisterUnknown { register, found: hex::encode(found), key },
        };
        // An aggregate hashes MRTD and the registers of the boot.
        let aggregated = aggregates.iter().any(|(field, value)| {
            references.identity.get(field).is_some_and(|listed| listed.contains(value.as_slice()))
        });
        let listed = references.measurements.contains(report.mr_td.as_slice());
        let mrtd_known = image_explains || aggregated || listed;
        let mrtd = mrtd_known
            .then_some(())
            .ok_or_else(|| unexplained("MRTD", &report.mr_td, "reference-values.measurements"));
        self.ledger.verify(checks::known::MEASUREMENT_KNOWN, mrtd)?;
        let [found0, found1, found2, _] = &report.rtmrs;
        let registers = [
            ("RTMR0", rtmr0, found0, "backend.tdx.launch.rtmr0"),
            ("RTMR1", rtmr1, found1, "backend.tdx.launch.rtmr1"),
            ("RTMR2", rtmr2, found2, "backend.tdx.launch.rtmr2"),
        ];
        let unknown = registers.into_iter().find_map(|(register, allowed, found, key)| match allowed {
            Some(allowed) if allowed.contains(&Hex(*found)) => None,
            Some(_) => Some(Error::RegisterUnknown { register, found: hex::encode(found), key }),
            // RTMR0 depends on the machine; what it holds is not what was booted, and the result notes that nobody knows it.
            None if image_explains || aggregated || register == "RTMR0" => None,
            None => Some(unexplained(register, found, key)),
        });
        self.ledger.verify(checks::known::BOOT_REGISTERS, unknown.map_or(Ok(()), Err))?;
        if references.measurements.is_empty() {
            self.ledger
                .not_performed(checks::known::MEASUREMENT_LISTED, "the relying party lists no measurements");
        } else {
            self.ledger.require(checks::known::MEASUREMENT_LISTED, listed, || {
                Error::MeasurementNotListed(hex::encode(report.mr_td))
            })?;
            self.link("quote", "reference value", "MRTD");
        }
        Ok(())
    }

    /// Runtime events -> RTMR3; events before `system-ready` -> application; MRCONFIGID -> application.
    fn runtime(
        &mut self,
        evidence: &TdxEvidence,
        policy: &LaunchPolicy,
        report: &TdReport,
    ) -> Result<Option<Application>, Failed<Error>> {
        let [.., rtmr3] = &report.rtmrs;
        let register = EventRegister { name: "RTMR3", bank: Bank::Sha384, value: Some(rtmr3) };
        let events = RuntimeEvents {
            events: &evidence.runtime_events,
            registers: Some(&[register]),
            phase: policy.phase,
        };
        let application = events.application(&mut self.ledger).map_err(|failed| failed.map(Error::from))?;
        let Some(application) = application else {
            if policy.mr_config_id_forms.is_some() {
                self.ledger.verify(checks::known::MR_CONFIG_ID, Err(Error::MrConfigIdUnbound))?;
            } else {
                self.ledger
                    .not_performed(checks::known::MR_CONFIG_ID, "there is no application to compare it with");
            }
            return Ok(None);
        };
        self.link("quote", "runtime events", "RTMR3");
        self.config_id(&application, evidence.mr_config.as_deref(), policy, report)?;
        Ok(Some(application))
    }

    fn config_id(
        &mut self,
        application: &Application,
        document: Option<&str>,
        policy: &LaunchPolicy,
        report: &TdReport,
    ) -> Result<(), Failed<Error>> {
        let id = MrConfigId::parse(&report.mr_config_id).map_err(Error::from);
        let forms = policy.mr_config_id_forms.as_ref();
        if id == Ok(MrConfigId::Unset) && document.is_none() && forms.is_none() {
            self.ledger.not_performed(checks::known::MR_CONFIG_ID, "MRCONFIGID is not set");
            return Ok(());
        }
        let [form, ..] = report.mr_config_id;
        let allowed = forms.is_none_or(|forms| forms.contains(&form));
        let id = if allowed { id } else { Err(Error::MrConfigIdForm(form)) };
        let committed = id.and_then(|id| is_committed_by(application, id, document, forms.is_some()));
        self.ledger.verify(checks::known::MR_CONFIG_ID, committed)?;
        self.link("quote", "application", "MRCONFIGID");
        Ok(())
    }

    fn link(&mut self, from: &'static str, to: &'static str, means: &'static str) {
        self.graph.add(from, to, means, Authority::TeeHardware);
    }
}

/// The quoted registers are those of the launch that was measured again.
fn is_launch_of(report: &TdReport, measured: &LaunchMeasurement) -> Result<(), Error> {
    let [rtmr0, rtmr1, rtmr2, _] = &report.rtmrs;
    let quoted = [&report.mr_td, rtmr0, rtmr1, rtmr2];
    let mut wrong =
        measured.registers().into_iter().zip(quoted).filter(|((_, value), quoted)| value != quoted);
    wrong.next().map_or(Ok(()), |((register, value), quoted)| {
        Err(Error::LaunchMismatch { register, recomputed: hex::encode(value), quoted: hex::encode(quoted) })
    })
}
