//! From an image's measurement document to launch inputs.

use evidence_dstack::tdx_measurement::TdxMeasurement;
use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, FirmwareVariant, ImageMeasurement, LaunchInputs, Machine,
    TdHobWitness,
};

use crate::{Error, LaunchEvidence};

/// What an image fixes of a launch: its `measurement.tdx.cbor`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchDocument {
    firmware: FirmwareMeasurement,
    image: ImageMeasurement,
}

impl LaunchDocument {
    /// Reads the document.
    ///
    /// # Errors
    ///
    /// [`Error::TdxMeasurement`] and [`Error::Launch`] for anything but the one encoding of what is measurable.
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        let measurement = TdxMeasurement::parse(document)?;
        Ok(Self {
            firmware: FirmwareMeasurement {
                variant: measurement.ovmf.parse::<FirmwareVariant>()?,
                mrtd_two_pass: measurement.mrtd_two_pass,
                mrtd_single_pass: measurement.mrtd_single_pass,
                td_hob: TdHobWitness::parse(&measurement.td_hob)?,
            },
            image: ImageMeasurement {
                kernel_authenticode: measurement.kernel_authenticode,
                cmdline_sha384: measurement.cmdline_sha384,
                initrd_sha384: measurement.initrd_sha384,
            },
        })
    }

    /// With what the launch adds to its image.
    pub fn inputs(self, machine: Machine, acpi: AcpiDigests) -> LaunchInputs {
        LaunchInputs { firmware: self.firmware, image: self.image, machine, acpi }
    }
}

impl LaunchEvidence {
    /// The machine, as the guest says that it is.
    pub(crate) const fn machine(&self) -> Machine {
        let add_pages = if self.two_pass { AddPages::TwoPass } else { AddPages::SinglePass };
        Machine { memory_size: self.memory_size, add_pages }
    }
}
