//! `bind_runtime`: from a verified report to what runs.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use backend_api::{
    Authority, BindInput, BindingGraph, Failed, Field, Identity, Lane, Ledger, Result, RuntimeBinding,
    VerifiedEvidence,
};
use evidence_dstack::{
    boot_info::{snp_device_id, snp_mr_aggregated, snp_mr_system},
    cmdline::CmdlineIdentity,
    image::{ImageMaterial, SNP_MEASUREMENT},
    mr_config::{self, MrConfigV3},
    snp_measurement::SnpMeasurement,
};
use evidence_snp::launch::{
    Firmware, FirmwareMetadata, KernelHashes, LaunchError, LaunchInputs, LaunchMeasurement, Section,
    SectionKind, Vmm, measure,
};

use crate::{
    DESCRIPTOR, Error, LaunchEvidence, LaunchParameters, LaunchSource, Policy, SnpEvidence,
    verify::{Verified, refused},
};

/// The checks that `bind_runtime` makes, in order.
pub mod checks {
    use backend_api::{Check, CheckInfo};

    macro_rules! checks {
        ($($constant:ident = $name:literal: $establishes:literal, $source:literal;)*) => {
            $(
                #[doc = concat!("`", $name, "`: ", $establishes, ".")]
                pub const $constant: Check = Check::new($name);
            )*
            pub(crate) const ALL: &[CheckInfo] = &[
                $(CheckInfo { check: $constant, establishes: $establishes, source: $source },)*
            ];
        };
    }

    checks! {
        MEASUREMENT_EXPLAINED = "measurement-explained":
            "launch inputs or a reference value explain the measurement", "RFC 9334 §8.3";
        IMAGE_DOCUMENTS = "image-documents":
            "the image's measurement document is the one that its checksum file lists", "dstack image format";
        LAUNCH_PARAMETERS = "launch-parameters":
            "the launch parameters are in their formats", "measurement.snp.cbor version 3";
        APPENDED_CMDLINE = "appended-cmdline":
            "only identity tokens were appended to the image's command line", "dstack identity tokens";
        CMDLINE_IDENTITY = "cmdline-identity":
            "the command line can be read in one way only", "Linux kernel-parameters";
        ROOTFS_MEASURED = "rootfs-measured":
            "the measured command line pins the root file system", "dstack identity tokens";
        LAUNCH_MEASUREMENT = "launch-measurement":
            "the claimed launch gives exactly the report's measurement", "56860 rev. 1.58 §8.17";
        HOST_DATA_DOCUMENT = "host-data-document":
            "HOST_DATA is the hash of the configuration document", "dstack MrConfigV3";
        MR_CONFIG = "mr-config":
            "the configuration document is in its format", "dstack MrConfigV3";
        LANES_AGREE = "lanes-agree":
            "where two lanes bind one field, they bind one value", "dstack MrConfigV3";
        MEASUREMENT_LISTED = "measurement-listed":
            "the measurement is one of the relying party's reference values", "RFC 9334 §8.3";
        IMAGE_LISTED = "image-listed":
            "the image is one of the relying party's reference values", "RFC 9334 §8.3";
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
    let policy: &Policy = input.policy.get()?;
    let Verified { report, evidence } = verified.detail()?;
    let mut binder =
        Binder { ledger: Ledger::default(), identity: Identity::new(), graph: BindingGraph::default() };

    let measurements = &input.reference_values.measurements;
    let listed = measurements.contains(report.measurement.as_slice());
    let explained = listed || evidence.launch.is_some();
    let measurement = || hex::encode(report.measurement);
    binder
        .ledger
        .require(checks::MEASUREMENT_EXPLAINED, explained, || Error::MeasurementUnexplained(measurement()))
        .map_err(refused)?;
    binder.launch(evidence, policy, &report.measurement).map_err(refused)?;
    binder.host_data(evidence, &report.host_data).map_err(refused)?;
    if measurements.is_empty() {
        binder.ledger.not_performed(checks::MEASUREMENT_LISTED, "the relying party lists no measurements");
    } else {
        binder
            .ledger
            .require(checks::MEASUREMENT_LISTED, listed, || Error::MeasurementNotListed(measurement()))
            .map_err(refused)?;
        binder.link("report", "reference value", "MEASUREMENT", Authority::TeeHardware);
    }

    binder.image_listed(input.reference_values.identity.get(&Field::OsImageHash)).map_err(refused)?;

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
    /// Launch inputs -> measurement; image -> launch inputs; command line -> identity.
    fn launch(
        &mut self,
        evidence: &SnpEvidence,
        policy: &Policy,
        reported: &[u8; 48],
    ) -> Result<(), Failed<Error>> {
        let Some(claimed) = &evidence.launch else {
            for check in [
                checks::IMAGE_DOCUMENTS,
                checks::LAUNCH_PARAMETERS,
                checks::APPENDED_CMDLINE,
                checks::CMDLINE_IDENTITY,
                checks::ROOTFS_MEASURED,
                checks::LAUNCH_MEASUREMENT,
            ] {
                self.ledger.not_performed(check, "the evidence names no launch inputs");
            }
            return Ok(());
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

        // 2. The command line: the image's own, and identity tokens after it. Anything else that a host could append
        //    (such as init=/bin/sh) would be measured too, and nobody would have looked at it.
        let appended = claimed.append.as_deref().unwrap_or_default();
        self.ledger.verify(checks::APPENDED_CMDLINE, only_identity(appended))?;
        if !appended.is_empty() {
            launch.cmdline = format!("{} {appended}", launch.cmdline);
        }
        let cmdline = CmdlineIdentity::parse(&launch.cmdline).map_err(Error::from);
        let cmdline = self.ledger.record(checks::CMDLINE_IDENTITY, cmdline)?;
        if cmdline.rootfs_hash.is_none() && policy.launch.danger_accept_unmeasured_rootfs {
            self.ledger
                .not_performed(checks::ROOTFS_MEASURED, "policy accepts an unmeasured root file system");
        } else {
            self.ledger.require(checks::ROOTFS_MEASURED, cmdline.rootfs_hash.is_some(), || {
                Error::RootfsUnmeasured
            })?;
        }

        // 3. The measurement.
        let recomputed = launch.measure(claimed).and_then(|measured| match measured.as_ref() == reported {
            true => Ok(()),
            false => Err(Error::MeasurementMismatch {
                recomputed: measured.to_string(),
                reported: hex::encode(reported),
            }),
        });
        self.ledger.verify(checks::LAUNCH_MEASUREMENT, recomputed)?;
        self.link("report", "launch inputs", "launch measurement recomputed", Authority::TeeHardware);

        // 4. What the measurement therefore binds.
        if let Some(hash) = os_image_hash {
            self.identity.bind(Field::OsImageHash, hash, Lane::LaunchMeasurement);
            self.link(
                "launch inputs",
                "os-image-hash",
                "measurement.snp.cbor in sha256sum.txt",
                Authority::TeeHardware,
            );
        }
        let fields: [(Field, Option<&[u8]>); 5] = [
            (Field::AppId, cmdline.app_id.as_ref().map(|id| id.as_slice())),
            (Field::ComposeHash, cmdline.compose_hash.as_ref().map(|hash| hash.as_slice())),
            (Field::InstanceId, cmdline.instance_id.as_ref().map(|id| id.as_slice())),
            (Field::KmsRootKeyHash, cmdline.kms_root_pubkey_hash.as_ref().map(|hash| hash.as_slice())),
            (Field::RootfsHash, cmdline.rootfs_hash.as_ref().map(|hash| hash.as_slice())),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                self.identity.bind(field, value, Lane::MeasuredCommandLine);
            }
        }
        Ok(())
    }

    /// HOST_DATA -> document -> identity.
    fn host_data(&mut self, evidence: &SnpEvidence, reported: &[u8; 32]) -> Result<(), Failed<Error>> {
        let Some(document) = &evidence.mr_config else {
            for check in [checks::HOST_DATA_DOCUMENT, checks::MR_CONFIG, checks::LANES_AGREE] {
                self.ledger.not_performed(check, "the evidence has no configuration document");
            }
            return Ok(());
        };
        let expected = mr_config::host_data(document.as_bytes());
        self.ledger.require(checks::HOST_DATA_DOCUMENT, expected == *reported, || {
            Error::HostDataMismatch { expected: hex::encode(expected), found: hex::encode(reported) }
        })?;
        self.link("report", "configuration document", "HOST_DATA", Authority::TeeHardware);
        let config =
            self.ledger.record(checks::MR_CONFIG, MrConfigV3::parse(document).map_err(Error::from))?;

        let mut fields = vec![(Field::ComposeHash, config.compose_hash.to_vec())];
        fields.extend(config.app_id.map(|id| (Field::AppId, id.to_vec())));
        fields.extend(config.instance_id.map(|id| (Field::InstanceId, id.to_vec())));
        fields.extend(config.gpu_policy_hash.map(|hash| (Field::GpuPolicyHash, hash.to_vec())));
        let provider = config.key_provider;
        // Both values are of a closed alphabet: nothing needs escaping.
        let (name, id) = (provider.info_name(), hex::encode(&config.key_provider_id));
        fields.push((Field::KeyProvider, format!(r#"{{"name":"{name}","id":"{id}"}}"#).into_bytes()));
        if provider == mr_config::KeyProvider::Kms {
            let hash = digest(&SHA256, &config.key_provider_id);
            fields.push((Field::KmsRootKeyHash, hash.as_ref().to_vec()));
        }
        let disagreement = fields
            .iter()
            .find(|(field, value)| self.identity.get(*field).is_some_and(|bound| bound != value.as_slice()));
        self.ledger.verify(
            checks::LANES_AGREE,
            disagreement.map_or(Ok(()), |(field, _)| Err(Error::LanesDisagree(field.name()))),
        )?;
        for (field, value) in fields {
            if self.identity.get(field).is_none() {
                self.identity.bind(field, value, Lane::HostData);
            }
        }
        Ok(())
    }

    /// Image -> reference value. Whoever can choose the firmware and the kernel can make them say anything of the
    /// application, so that a relying party should list the images (or the measurements) that it trusts.
    fn image_listed(&mut self, images: Option<&BTreeSet<Vec<u8>>>) -> Result<(), Failed<Error>> {
        let Some(images) = images else {
            self.ledger.not_performed(
                checks::IMAGE_LISTED,
                "the relying party lists no images: the identity holds as far as the image can be trusted",
            );
            return Ok(());
        };
        let image = self.identity.get(Field::OsImageHash);
        self.ledger.require(checks::IMAGE_LISTED, image.is_some_and(|hash| images.contains(hash)), || {
            Error::ImageNotListed(image.map(hex::encode))
        })
    }

    fn link(&mut self, from: &'static str, to: &'static str, means: &'static str, authority: Authority) {
        self.graph = std::mem::take(&mut self.graph).link(from, to, means, authority);
    }
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

/// Every token is one by which an application is identified.
fn only_identity(appended: &str) -> Result<(), Error> {
    const TOKENS: [&str; 4] =
        ["dstack.app_id=", "dstack.compose_hash=", "dstack.instance_id=", "dstack.kms_root_pubkey_hash="];
    let other =
        appended.split_ascii_whitespace().find(|token| !TOKENS.iter().any(|known| token.starts_with(known)));
    other.map_or(Ok(()), |token| Err(Error::AppendedToken(token.chars().take(64).collect())))
}
