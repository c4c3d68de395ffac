//! From dstack's formats to the payload.

use evidence_dstack::{
    snp_measurement::SnpMeasurement,
    vm_config::{SnpLaunch, SnpMachine, VmConfig},
    wire::{Attestation, Platform},
};
use evidence_snp::read_certificates;
use serde_bytes::ByteBuf;

use crate::{
    Error, FirmwareParameters, ImageDocuments, LaunchEvidence, LaunchParameters, LaunchSource, SnpEvidence,
};

impl SnpEvidence {
    /// The payload of one of dstack's attestations (V0, V1 or the verifier's JSON, decoded by
    /// [`Attestation::decode`]).
    ///
    /// The runtime events of an attestation are left behind: SEV-SNP has no register that would bind them.
    ///
    /// # Errors
    ///
    /// [`Error::NotSevSnp`] for another platform; [`Error::VmConfig`] and [`Error::VcpuTypeMissing`] for a configuration that
    /// does not describe the launch; certificate errors.
    pub fn from_dstack(attestation: &Attestation) -> Result<Self, Error> {
        let Platform::AmdSevSnp { report, cert_chain, mr_config } = &attestation.platform else {
            return Err(Error::NotSevSnp(attestation.platform.tee_variant()));
        };
        let config = VmConfig::parse(&attestation.config)?;
        let mut evidence = Self::new(report.clone(), read_certificates(cert_chain)?);
        evidence.mr_config = Some(mr_config.clone()).filter(|document| !document.is_empty());
        evidence.launch = launch_of(config)?;
        Ok(evidence)
    }
}

/// What a VM's configuration says of its launch.
pub(crate) fn launch_of(config: VmConfig) -> Result<Option<LaunchEvidence>, Error> {
    config.sev_snp_measurement.map(launch).transpose()
}

fn launch(launch: SnpLaunch) -> Result<LaunchEvidence, Error> {
    let (source, machine) = match launch {
        SnpLaunch::Split { material, machine } => {
            let documents = ImageDocuments {
                checksum_file: ByteBuf::from(material.checksum_file),
                measurement: ByteBuf::from(material.measurement),
            };
            (LaunchSource::Image(documents), machine)
        }
        SnpLaunch::Flat { measurement, machine } => {
            (LaunchSource::Parameters(Box::new((&measurement).try_into()?)), machine)
        }
    };
    let SnpMachine { vcpus, vcpu_type, guest_features } = machine;
    let vcpu_type = vcpu_type.ok_or(Error::VcpuTypeMissing)?;
    Ok(LaunchEvidence { source, append: None, vcpus, vcpu_type, guest_features })
}

impl TryFrom<&SnpMeasurement> for LaunchParameters {
    type Error = Error;

    /// From the document of an image, which has wider numbers than a firmware below 4 GiB can have.
    fn try_from(measurement: &SnpMeasurement) -> Result<Self, Error> {
        let narrow =
            |field, value: u64| u32::try_from(value).map_err(|_| Error::AddressSpace { field, found: value });
        let mut sections = Vec::with_capacity(measurement.ovmf_sections.len());
        for section in &measurement.ovmf_sections {
            let (gpa, size) =
                (narrow("section address", section.gpa)?, narrow("section size", section.size)?);
            sections.push((gpa, size, section.section_type));
        }
        Ok(Self {
            firmware: FirmwareParameters {
                digest: ByteBuf::from(measurement.ovmf_hash),
                hashes_table_gpa: narrow("kernel hashes address", measurement.hashes_table_gpa)?,
                reset_eip: measurement.reset_eip,
                sections,
            },
            kernel_hash: ByteBuf::from(measurement.kernel_hash),
            initrd_hash: ByteBuf::from(measurement.initrd_hash),
            // dstack's virtual machine monitor passes the image's command line without surrounding white space.
            cmdline: measurement.cmdline.trim().to_owned(),
        })
    }
}
