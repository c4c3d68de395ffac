//! What a device measured, beside what NVIDIA says that it should have.

use std::collections::BTreeMap;

use evidence_ledger::{Failed, Ledger};
use evidence_rim::{Edition, VerifiedRim};

use crate::{Architecture, Device, Error, VerifiedDevice, checks::reference as checks};

/// The measurement of a Hopper GPU that depends on whether the video decoder 0 is enabled (attestation-sdk 1.2.2, `gpu/verify.cpp`).
///
/// NVIDIA's tools leave it out of a Blackwell GPU's too, whose map of measurements is another: there it is compared.
const NVDEC0_MEASUREMENT: u8 = 35;

/// Everything that the comparison of one device depends on.
#[derive(Debug, Clone, Copy)]
pub struct Appraise<'a> {
    /// The device.
    pub device: &'a VerifiedDevice,
    /// Reference values of its driver; a switch has none.
    pub driver: Option<&'a VerifiedRim>,
    /// Reference values of its video BIOS, or of a switch's BIOS.
    pub vbios: Option<&'a VerifiedRim>,
    /// Compare the measurement of a Hopper GPU's video decoder 0 also where the decoder is disabled. NVIDIA's own tools leave it out then.
    pub strict: bool,
}

/// A device whose measurements are NVIDIA's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appraised {
    /// How many measurements were compared.
    pub compared: usize,
    /// Measurements that were left out, each with whether it would have had a reference value.
    pub skipped: BTreeMap<u8, bool>,
    /// How many measurements nobody gives values for.
    pub unconstrained: usize,
    /// Every check of [`crate::checks::reference`], and whether it was performed; of a switch without those of GPUs alone.
    pub ledger: Ledger,
}

impl Appraise<'_> {
    /// Compares each measurement for which there are reference values.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::reference`]) and why.
    pub fn appraise(&self) -> Result<Appraised, Failed<Error>> {
        let mut ledger = Ledger::with_capacity(checks::ALL.len());

        // 1. Reference values, and of what.
        ledger.verify(checks::RIM_PRESENT, self.present())?;
        ledger.verify(checks::RIM_OF_DEVICE, self.of_device())?;
        ledger.verify(checks::RIM_INDICES, self.indices())?;

        // 2. What is not compared.
        let is_skipped = match &self.device.opaque().device {
            // It has no video decoder, and its ledger nothing of one.
            Device::Switch(_) => false,
            Device::Gpu(gpu) => {
                let is_known = gpu.is_nvdec0_enabled().is_some();
                ledger.require(checks::NVDEC0_STATUS, is_known, || Error::Nvdec0(gpu.nvdec0))?;
                let is_left_out = self.device.architecture() == Architecture::Hopper && !self.strict;
                gpu.is_nvdec0_enabled() == Some(false) && is_left_out
            }
        };

        // 3. The comparison.
        let mut skipped = BTreeMap::new();
        let mut others = Vec::new();
        let mut compared: usize = 0;
        for (index, values) in self.golden() {
            let found = self.device.measurements().get(usize::from(index));
            let is_listed = found.is_some_and(|found| values.contains(found));
            if is_skipped && index == NVDEC0_MEASUREMENT {
                skipped.insert(index, is_listed);
                continue;
            }
            compared = compared.saturating_add(1);
            if !is_listed {
                others.push(index);
            }
        }
        let count = others.len();
        ledger.verify(
            checks::MEASUREMENTS_MATCH,
            match others.first() {
                None if compared == 0 => Err(Error::NothingCompared),
                None => Ok(()),
                Some(first) => Err(Error::Measurements { first: *first, count }),
            },
        )?;
        let constrained = compared.saturating_add(skipped.len());
        let unconstrained = self.device.measurements().len().saturating_sub(constrained);
        Ok(Appraised { compared, skipped, unconstrained, ledger })
    }

    /// Both for a GPU, one for a switch.
    fn present(&self) -> Result<(), Error> {
        let ids = self.device.rim_ids();
        match (ids.driver, self.driver, self.vbios) {
            (Some(id), None, _) => Err(Error::RimMissing(id)),
            (_, _, None) => Err(Error::RimMissing(ids.vbios)),
            (Some(_), Some(_), Some(_)) | (None, None, Some(_)) => Ok(()),
            (None, Some(driver), Some(_)) => Err(Error::RimOfOther {
                expected: "no driver of a switch".to_owned(),
                found: driver.colloquial_version().to_owned(),
            }),
        }
    }

    fn of_device(&self) -> Result<(), Error> {
        let chip = self.device.product();
        let edition = if self.device.architecture().is_switch() { Edition::Switch } else { Edition::Gpu };
        let is_of = |rim: &VerifiedRim, version: &str| {
            let found = rim.colloquial_version();
            if rim.product() == chip && rim.edition() == edition && found.eq_ignore_ascii_case(version) {
                return Ok(());
            }
            Err(Error::RimOfOther {
                expected: format!("{} {chip} {version}", edition.name()),
                found: format!("{} {} {found}", rim.edition().name(), rim.product()),
            })
        };
        if let (Some(driver), Device::Gpu(gpu)) = (self.driver, &self.device.opaque().device) {
            is_of(driver, &gpu.driver_version)?;
        }
        self.vbios.map_or(Ok(()), |vbios| is_of(vbios, self.device.vbios_version()))
    }

    /// Each measurement is the driver's or the video BIOS's, and one that the device reports.
    fn indices(&self) -> Result<(), Error> {
        let count = self.device.measurements().len();
        if let (Some(driver), Some(vbios)) = (self.driver, self.vbios)
            && let Some(index) = driver.golden().keys().find(|index| vbios.golden().contains_key(index))
        {
            return Err(Error::RimConflict(*index));
        }
        match self.golden().map(|(index, _)| index).find(|index| usize::from(*index) >= count) {
            Some(index) => Err(Error::RimIndex { index, count }),
            None => Ok(()),
        }
    }

    /// Every measurement with the values of which it must have one.
    fn golden(&self) -> impl Iterator<Item = (u8, &[[u8; 48]])> {
        let rims = self.driver.into_iter().chain(self.vbios);
        rims.flat_map(|rim| rim.golden().iter().map(|(index, values)| (*index, values.as_slice())))
    }
}
