//! `bind_runtime`: from a verified report to what runs.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::{
    Authority, BindInput, BindingGraph, Failed, Field, Identity, Lane, Ledger, Result, RuntimeBinding,
    VerifiedEvidence,
};
use evidence_dstack::{
    boot_info::{snp_device_id, snp_mr_aggregated, snp_mr_system},
    cmdline::CmdlineIdentity,
    image::{ImageMaterial, SNP_MEASUREMENT},
    mr_config::{self, KeyProvider, MrConfigV3},
    snp_measurement::SnpMeasurement,
};
use evidence_snp::{
    Report,
    launch::{
        Firmware, FirmwareMetadata, KernelHashes, LaunchError, LaunchInputs, LaunchMeasurement, Section,
        SectionKind, Vmm, measure,
    },
};

use crate::{
    DESCRIPTOR, Error, LaunchEvidence, LaunchParameters, LaunchPolicy, LaunchSource, Policy, SnpEvidence,
    verify::{Verified, refused},
};

/// The checks that `bind_runtime` makes, in order.
pub mod checks {
    backend_api::checks! {
        MEASUREMENT_KNOWN = "measurement-known":
            "the measurement is known: launch inputs or a reference value account for it", "RFC 9334 §8.3";
        IMAGE_DOCUMENTS = "image-documents":
            "the image's measurement document is the one that its checksum file lists", "dstack image format";
        LAUNCH_PARAMETERS = "launch-parameters":
            "the launch parameters are in their formats", "measurement.snp.cbor version 3";
        GUEST_FEATURES = "guest-features":
            "the guest was launched with SEV_FEATURES that the policy allows", "24593, VMSA SEV_FEATURES";
        APPENDED_CMDLINE = "appended-cmdline":
            "only identity tokens were appended to the image's command line", "dstack identity tokens";
        CMDLINE_IDENTITY = "cmdline-identity":
            "the command line can be read in one way only", "Linux kernel-parameters";
        ROOTFS_MEASURED = "rootfs-measured":
            "the measured command line pins the root file system", "dstack identity tokens";
        LAUNCH_MEASUREMENT = "launch-measurement":
            "the claimed launch gives exactly the report's measurement", "56860 rev. 1.58 §8.17";
        HOST_DATA_DOCUMENT = "host-data-document":
            "HOST_DATA is the hash of the configuration document, or zero where the command line alone identifies",
            "dstack MrConfigV3";
        MR_CONFIG = "mr-config":
            "the configuration document is in its format", "dstack MrConfigV3";
        LANES_AGREE = "lanes-agree":
            "what the command line says of the application, the configuration document says too", "dstack MrConfigV3";
        CMDLINE_ACCEPTED = "cmdline-accepted":
            "the policy takes the application's identity from the command line", "LaunchPolicy";
        MEASUREMENT_LISTED = "measurement-listed":
            "the measurement is one of the relying party's reference values", "RFC 9334 §8.3";
    }
}

/// What was measured of a launch, from either source.
struct Launch {
    firmware: Firmware,
    kernel_hash: [u8; 32],
    initrd_hash: [u8; 32],
    cmdline: String,
}

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let policy = &input.policy.get::<Policy>()?.launch;
    let Verified { report, evidence } = verified.detail()?;
    let mut binder =
        Binder { ledger: Ledger::default(), identity: Identity::new(), graph: BindingGraph::default() };

    let measurements = &input.reference_values.measurements;
    let listed = measurements.contains(report.measurement.as_slice());
    let measurement = || hex::encode(report.measurement);
    binder
        .ledger
        .require(checks::MEASUREMENT_KNOWN, listed || evidence.launch.is_some(), || {
            Error::MeasurementUnknown(measurement())
        })
        .map_err(refused)?;
    let cmdline = binder.launch(evidence, policy, report).map_err(refused)?;
    binder.application(evidence, policy, report, &cmdline).map_err(refused)?;
    if measurements.is_empty() {
        binder.ledger.not_performed(checks::MEASUREMENT_LISTED, "the relying party lists no measurements");
    } else {
        binder
            .ledger
            .require(checks::MEASUREMENT_LISTED, listed, || Error::MeasurementNotListed(measurement()))
            .map_err(refused)?;
        binder.graph.add("report", "reference value", "MEASUREMENT", Authority::TeeHardware);
    }

    let Binder { ledger, mut identity, graph } = binder;
    identity.bind(Field::DeviceId, snp_device_id(&report.chip_id), Lane::Report);
    identity.bind(Field::MrSystem, snp_mr_system(&report.measurement), Lane::Report);
    identity.bind(
        Field::MrAggregated,
        snp_mr_aggregated(&report.measurement, &report.host_data),
        Lane::Report,
    );
    let mut notes = BTreeMap::from([
        ("acpi", "unmeasured: the host writes ACPI tables after the launch measurement".to_owned()),
        ("runtime-events", "unbound: the platform has no register for them".to_owned()),
    ]);
    if let Some(LaunchEvidence { vcpus, vcpu_type, guest_features, .. }) = &evidence.launch {
        notes.insert(
            "launch",
            format!("{vcpus} vCPUs of type {vcpu_type}, guest features {guest_features:#x}"),
        );
    }
    RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)
}

/// What is bound so far.
struct Binder {
    ledger: Ledger,
    identity: Identity,
    graph: BindingGraph,
}

impl Binder {
    /// Launch inputs -> measurement; image -> launch inputs. Gives what the measured command line says.
    fn launch(
        &mut self,
        evidence: &SnpEvidence,
        policy: &LaunchPolicy,
        report: &Report,
    ) -> Result<CmdlineIdentity, Failed<Error>> {
        let Some(claimed) = &evidence.launch else {
            for check in [
                checks::IMAGE_DOCUMENTS,
                checks::LAUNCH_PARAMETERS,
                checks::GUEST_FEATURES,
                checks::APPENDED_CMDLINE,
                checks::CMDLINE_IDENTITY,
                checks::ROOTFS_MEASURED,
                checks::LAUNCH_MEASUREMENT,
            ] {
                self.ledger.not_performed(check, "the evidence names no launch inputs");
            }
            return Ok(CmdlineIdentity::default());
        };
        // 1. The image's documents, or the parameters themselves.
        let (launch, os_image_hash) = match &claimed.source {
            LaunchSource::Image(documents) => {
                let material = ImageMaterial {
                    checksum_file: documents.checksum_file.to_vec(),
                    measurement: documents.measurement.to_vec(),
                };
                let checked = material.verify(SNP_MEASUREMENT, None).map_err(Error::from);
                let checked = self.ledger.record(checks::IMAGE_DOCUMENTS, checked)?;
                (Launch::from_document(checked.measurement()), Some(checked.os_image_hash()))
            }
            LaunchSource::Parameters(parameters) => {
                self.ledger.not_performed(
                    checks::IMAGE_DOCUMENTS,
                    "the launch is given by parameters, not by an image",
                );
                (Launch::from_parameters(parameters), None)
            }
        };
        let mut launch = self.ledger.record(checks::LAUNCH_PARAMETERS, launch)?;
        let features = claimed.guest_features;
        self.ledger.require(checks::GUEST_FEATURES, policy.guest_features.contains(&features), || {
            Error::GuestFeatures(features)
        })?;

        // 2. The command line: the image's own, and identity tokens after it. Anything else that a host could append
        //    (such as init=/bin/sh) would be measured too, and nobody would have looked at it.
        let appended = claimed.append.as_deref().unwrap_or_default();
        self.ledger.verify(checks::APPENDED_CMDLINE, only_identity(appended))?;
        if !appended.is_empty() {
            launch.cmdline = format!("{} {appended}", launch.cmdline);
        }
        let cmdline = CmdlineIdentity::parse(&launch.cmdline).map_err(Error::from);
        let cmdline = self.ledger.record(checks::CMDLINE_IDENTITY, cmdline)?;
        if cmdline.rootfs_hash.is_none() && policy.danger_accept_unmeasured_rootfs {
            self.ledger
                .not_performed(checks::ROOTFS_MEASURED, "policy accepts an unmeasured root file system");
        } else {
            self.ledger.require(checks::ROOTFS_MEASURED, cmdline.rootfs_hash.is_some(), || {
                Error::RootfsUnmeasured
            })?;
        }

        // 3. The measurement.
        let recomputed = launch.measure(claimed).and_then(|measured| {
            if measured.0 == report.measurement {
                return Ok(());
            }
            let reported = hex::encode(report.measurement);
            Err(Error::MeasurementMismatch { recomputed: measured.to_string(), reported })
        });
        self.ledger.verify(checks::LAUNCH_MEASUREMENT, recomputed)?;
        self.graph.add("report", "launch inputs", "launch measurement recomputed", Authority::TeeHardware);

        // 4. What the measurement therefore binds.
        if let Some(hash) = os_image_hash {
            self.identity.bind(Field::OsImageHash, hash, Lane::LaunchMeasurement);
            self.graph.add(
                "launch inputs",
                "os-image-hash",
                "measurement.snp.cbor in sha256sum.txt",
                Authority::TeeHardware,
            );
        }
        if let Some(hash) = cmdline.rootfs_hash {
            self.identity.bind(Field::RootfsHash, hash, Lane::MeasuredCommandLine);
        }
        Ok(cmdline)
    }

    /// HOST_DATA -> document -> application, or command line -> application: one of them, and where there is a document the
    /// command line says nothing beyond it. Evidence chooses neither: HOST_DATA is in the report.
    fn application(
        &mut self,
        evidence: &SnpEvidence,
        policy: &LaunchPolicy,
        report: &Report,
        cmdline: &CmdlineIdentity,
    ) -> Result<(), Failed<Error>> {
        let tokens = application_tokens(cmdline);
        let (fields, lane) = match &evidence.mr_config {
            Some(document) => {
                let fields = self.document(document, &report.host_data)?;
                let document_identifies = "the configuration document identifies";
                if evidence.launch.is_none() {
                    // The command line may say something else, and the image may act on that.
                    let reason =
                        "the command line is unknown without launch inputs, and so is the application";
                    self.ledger.not_performed(checks::LANES_AGREE, reason);
                    self.ledger.not_performed(checks::CMDLINE_ACCEPTED, document_identifies);
                    return Ok(());
                }
                let disagreement = tokens.iter().find(|token| !fields.contains(token));
                self.ledger.verify(
                    checks::LANES_AGREE,
                    disagreement.map_or(Ok(()), |(field, _)| Err(Error::LanesDisagree(field.name()))),
                )?;
                self.ledger.not_performed(checks::CMDLINE_ACCEPTED, document_identifies);
                (fields, Lane::HostData)
            }
            None if tokens.is_empty() => {
                for check in [
                    checks::HOST_DATA_DOCUMENT,
                    checks::MR_CONFIG,
                    checks::LANES_AGREE,
                    checks::CMDLINE_ACCEPTED,
                ] {
                    self.ledger.not_performed(
                        check,
                        "the evidence has no document, and no command line that identifies",
                    );
                }
                (tokens, Lane::MeasuredCommandLine)
            }
            None => {
                // A document that the evidence leaves out could say something else.
                self.ledger.require(checks::HOST_DATA_DOCUMENT, report.host_data == [0; 32], || {
                    Error::HostDataUnexplained(hex::encode(report.host_data))
                })?;
                self.ledger.not_performed(checks::MR_CONFIG, "there is no configuration document");
                self.ledger.not_performed(checks::LANES_AGREE, "there is no configuration document");
                self.ledger.require(checks::CMDLINE_ACCEPTED, policy.accept_cmdline_identity, || {
                    Error::CmdlineNotAccepted
                })?;
                (tokens, Lane::MeasuredCommandLine)
            }
        };
        for (field, value) in fields {
            self.identity.bind(field, value, lane);
        }
        Ok(())
    }

    /// HOST_DATA -> document, and what the document says.
    fn document(
        &mut self,
        document: &str,
        host_data: &[u8; 32],
    ) -> Result<Vec<(Field, Vec<u8>)>, Failed<Error>> {
        let expected = mr_config::host_data(document.as_bytes());
        self.ledger.require(checks::HOST_DATA_DOCUMENT, expected == *host_data, || {
            Error::HostDataMismatch { expected: hex::encode(expected), found: hex::encode(host_data) }
        })?;
        self.graph.add("report", "configuration document", "HOST_DATA", Authority::TeeHardware);
        self.ledger.record(checks::MR_CONFIG, document_fields(document))
    }
}

/// What a command line says of the application.
fn application_tokens(cmdline: &CmdlineIdentity) -> Vec<(Field, Vec<u8>)> {
    let tokens = [
        (Field::AppId, cmdline.app_id.map(Vec::from)),
        (Field::ComposeHash, cmdline.compose_hash.map(Vec::from)),
        (Field::InstanceId, cmdline.instance_id.map(Vec::from)),
        (Field::KmsRootKeyHash, cmdline.kms_root_pubkey_hash.map(Vec::from)),
    ];
    tokens.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
}

/// What a configuration document says of the application.
fn document_fields(document: &str) -> Result<Vec<(Field, Vec<u8>)>, Error> {
    let config = MrConfigV3::parse(document)?;
    let (provider, id) = (config.key_provider, config.key_provider_id);
    // Both values are of a closed alphabet: nothing needs escaping.
    let info = format!(r#"{{"name":"{}","id":"{}"}}"#, provider.info_name(), hex::encode(&id));
    let mut fields =
        vec![(Field::ComposeHash, config.compose_hash.to_vec()), (Field::KeyProvider, info.into_bytes())];
    fields.extend(config.app_id.map(|id| (Field::AppId, id.to_vec())));
    fields.extend(config.instance_id.map(|id| (Field::InstanceId, id.to_vec())));
    fields.extend(config.gpu_policy_hash.map(|hash| (Field::GpuPolicyHash, hash.to_vec())));
    fields.extend(config.init_script_hashes.map(|hashes| (Field::InitScriptHashes, hashes.concat())));
    if provider == KeyProvider::Kms {
        if id.is_empty() {
            return Err(Error::KmsWithoutId);
        }
        fields.push((Field::KmsRootKeyHash, digest(&SHA256, &id).as_ref().to_vec()));
    }
    Ok(fields)
}

impl Launch {
    fn from_document(document: &[u8]) -> Result<Self, Error> {
        Self::from_parameters(&LaunchParameters::try_from(&SnpMeasurement::parse(document)?)?)
    }

    fn from_parameters(parameters: &LaunchParameters) -> Result<Self, Error> {
        let given = &parameters.firmware;
        let digest = exactly("firmware digest", &given.digest)?;
        Ok(Self {
            firmware: firmware(digest, given.hashes_table_gpa, given.reset_eip, &given.sections)?,
            kernel_hash: exactly("kernel hash", &parameters.kernel_hash)?,
            initrd_hash: exactly("initrd hash", &parameters.initrd_hash)?,
            cmdline: parameters.cmdline.clone(),
        })
    }

    fn measure(&self, claimed: &LaunchEvidence) -> Result<LaunchMeasurement, Error> {
        Ok(measure(&LaunchInputs {
            firmware: &self.firmware,
            kernel: Some(KernelHashes {
                kernel: self.kernel_hash,
                initrd: self.initrd_hash,
                cmdline: KernelHashes::cmdline_hash(self.cmdline.as_bytes()),
            }),
            vcpus: claimed.vcpus,
            vcpu_type: claimed.vcpu_type.parse()?,
            guest_features: claimed.guest_features,
            // The other virtual machine monitors are clouds'. One of them leaves memory unmeasured on which the firmware
            // relies, so that evidence must not choose.
            vmm: Vmm::Qemu,
        })?)
    }
}

fn firmware(
    digest: [u8; 48],
    hashes_table_gpa: u32,
    reset_eip: u32,
    sections: &[(u32, u32, u32)],
) -> Result<Firmware, Error> {
    let sections = sections
        .iter()
        .map(|&(gpa, size, kind)| Ok(Section { gpa, size, kind: SectionKind::try_from(kind)? }));
    let metadata = FirmwareMetadata {
        sections: sections.collect::<Result<_, LaunchError>>()?,
        hashes_table_gpa: Some(hashes_table_gpa),
        reset_eip,
    };
    Ok(Firmware::from_parts(digest, metadata)?)
}

fn exactly<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Length { field, expected: N, found: bytes.len() })
}

/// Tokens by which an application is identified, with one space between them, and nothing else.
fn only_identity(appended: &str) -> Result<(), Error> {
    const TOKENS: [&str; 4] =
        ["dstack.app_id=", "dstack.compose_hash=", "dstack.instance_id=", "dstack.kms_root_pubkey_hash="];
    let mut tokens = appended.split(' ').filter(|_| !appended.is_empty());
    let other = tokens.find(|token| !TOKENS.iter().any(|known| token.starts_with(known)));
    other.map_or(Ok(()), |token| Err(Error::AppendedToken(token.chars().take(64).collect())))
}
