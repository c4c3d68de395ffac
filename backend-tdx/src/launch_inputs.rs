//! From an image's measurement document to launch inputs.

use evidence_dstack::tdx_measurement::TdxMeasurement;
use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, FirmwareVariant, ImageMeasurement, LaunchInputs, Machine,
    TdHobWitness,
};

use crate::{Error, LaunchEvidence};

/// What an image fixes of a launch.
pub(crate) struct LaunchDocument {
    firmware: FirmwareMeasurement,
    image: ImageMeasurement,
}

impl LaunchDocument {
    pub(crate) fn parse(document: &[u8]) -> Result<Self, Error> {
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
    pub(crate) fn inputs(self, launch: &LaunchEvidence, acpi: AcpiDigests) -> LaunchInputs {
        let add_pages = if launch.two_pass { AddPages::TwoPass } else { AddPages::SinglePass };
        let machine = Machine { memory_size: launch.memory_size, add_pages };
        LaunchInputs { firmware: self.firmware, image: self.image, machine, acpi }
    }
}
