//! What a relying party asks of Google Cloud's confidential VMs.

use std::collections::BTreeSet;

use backend_api::{ErrorKind, Result};
use evidence_dstack::application::Phase;
use evidence_event_log::Bank;
use evidence_gce::{EndorsementPolicy, InstancePolicy};
use evidence_ledger::Hex;
use evidence_tpm::boot::{Digest, Expected, ExpectedPcrs, ImageRules, validate_images};
use serde::Deserialize;

use crate::{BANK, firmware::KNOWN_VERSIONS};

/// What is asked of an image that is known by the vTPM's registers. It lists drivers that the firmware or a boot loader ran, which can
/// change what is loaded after them (2), boot loader and kernel (4), initrd (9), the sections of a unified kernel image (11). From
/// outside of it come what a boot loader was told (8), command lines, credentials and add-ons of a unified kernel image (12), extensions
/// of its system (13; systemd-stub).
static VTPM_RULES: ImageRules = ImageRules { bank: BANK, required: &[2, 4, 9, 11], external: &[8, 12, 13] };

/// What is asked of the vTPM's registers where the TD's tell what was booted: RTMR1 and RTMR2 hold all of it (TDX Virtual Firmware Design
/// Guide, mapping of PCRs).
static HARDWARE_RULES: ImageRules = ImageRules { bank: BANK, required: &[], external: &[] };

/// The section `[backend.gcp]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// About the SNP report.
    pub report: evidence_snp::Policy,
    /// About the TD quote.
    pub td_quote: evidence_tdx::Policy,
    /// Which instances' attestation keys are accepted.
    pub instance: InstancePolicy,
    /// Which of the firmware that Google endorses is accepted.
    pub endorsement: EndorsementPolicy,
    /// Versions of the firmware's interface that PCR0 may name: 2 alone, if absent.
    pub firmware_versions: Option<BTreeSet<u8>>,
    /// About the launch.
    pub launch: LaunchPolicy,
    /// What Evidence of the profile `raw` must be like. Without it, none is accepted.
    pub raw: Option<RawPolicy>,
}

/// The section `[backend.gcp.launch]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// Values of MEASUREMENT or MRTD that are accepted without a launch endorsement of Google's.
    pub measurements: Option<BTreeSet<Hex<48>>>,
    /// Images, one of which the guest must have booted. Without them no boot is known, and no identity is bound.
    pub images: Option<Vec<Image>>,
    /// How far the guest has come: `ready` if absent, and then a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
}

/// One of `[[backend.gcp.launch.images]]`: an image, by the registers that its boot leads to.
///
/// It is known by RTMR1 and RTMR2, and RTMR0 where that is listed, in the word of the processor; or by the vTPM's registers, in Google's,
/// of which 2, 4, 9 and 11 are needed then, and 8, 12 and 13 are empty unless they are listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// What it is called in the identity: SHA-256 of its checksum file.
    pub os_image_hash: Option<Hex<32>>,
    /// What registers of the vTPM must hold in the bank of SHA-256: by number.
    #[serde(default)]
    pub pcrs: ExpectedPcrs,
    /// What RTMR0 must hold (what the host gives: ACPI tables, memory map, firmware variables and boot order), beside RTMR1 and RTMR2;
    /// whatever it is, if absent.
    pub rtmr0: Option<Expected>,
    /// What RTMR1 must hold (boot loader, kernel, partition table): with RTMR2, or not at all.
    pub rtmr1: Option<Expected>,
    /// What RTMR2 must hold (command line, initrd, sections of a unified kernel image).
    pub rtmr2: Option<Expected>,
}

impl Image {
    /// What the TD's registers must hold, by the numbers that they have in logs.
    pub(crate) fn rtmrs(&self) -> impl Iterator<Item = (u8, &Expected)> {
        let listed = (1..).zip([&self.rtmr0, &self.rtmr1, &self.rtmr2]);
        listed.filter_map(|(register, expected)| Some((register, expected.as_ref()?)))
    }

    /// Whether the processor says what was booted: RTMR1 and RTMR2 come together.
    pub(crate) const fn is_known_by_hardware(&self) -> bool {
        self.rtmr1.is_some()
    }

    /// What is asked of its list of registers.
    pub(crate) fn rules(&self) -> &'static ImageRules {
        if self.is_known_by_hardware() { &HARDWARE_RULES } else { &VTPM_RULES }
    }
}

/// The section `[backend.gcp.raw]`: what other tools' Evidence must be like, on the relying party's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RawPolicy {
    /// REPORT_DATA or REPORTDATA, 64 bytes; the challenge, if absent.
    pub report_data: Option<Hex<64>>,
    /// extraData of the quote: 32, 48 or 64 bytes. If absent, it is the challenge once it is padded with zeros to 64 bytes.
    pub extra_data: Option<Digest>,
    /// The registers that are quoted in the bank of SHA-256: exactly these; all 24 if absent.
    pub pcrs: Option<BTreeSet<u8>>,
}

impl Policy {
    pub(crate) fn accepts_firmware(&self, version: u8) -> bool {
        self.firmware_versions.as_ref().map_or(version == 2, |versions| versions.contains(&version))
    }

    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.gcp: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let keys = ["report", "td-quote", "instance", "endorsement", "launch", "raw"];
        let floors = section.pointer("/report/minimum-tcb").and_then(|floors| floors.as_object());
        let images = section.pointer("/launch/images").and_then(|images| images.as_array());
        let mut tables = [Some(section)]
            .into_iter()
            .chain(keys.map(|key| section.get(key)))
            .flatten()
            .chain(images.into_iter().flatten())
            .chain(floors.into_iter().flat_map(|floors| floors.values()));
        if !tables.all(serde_json::Value::is_object) {
            let tables = keys.join(", ");
            return Err(invalid(format!(
                "the section, {tables}, each image and each minimum-tcb are tables"
            )));
        }
        let policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.report.validate().map_err(|error| invalid(error.to_string()))?;
        policy.td_quote.validate().map_err(|error| invalid(error.to_string()))?;
        policy.instance.validate().map_err(|error| invalid(error.to_string()))?;
        policy.endorsement.validate().map_err(|error| invalid(error.to_string()))?;
        policy.validate().map_err(invalid)?;
        Ok(policy)
    }

    fn validate(&self) -> std::result::Result<(), String> {
        if self.report.csp_ids.is_some() {
            return Err("csp-ids is about a VLEK, and only a VCEK is accepted here".to_owned());
        }
        if self.report.vmpl != 0 {
            return Err(
                "vmpl is 0 alone: at another level there is an SVSM, which is not known here".to_owned()
            );
        }
        let versions = self.firmware_versions.as_ref();
        if versions.is_some_and(|list| list.is_empty() || list.iter().any(|of| !KNOWN_VERSIONS.contains(of)))
        {
            return Err("firmware-versions lists 1 and 2, at least one".to_owned());
        }
        if self.launch.measurements.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(
                "the list measurements is empty: leave the key out, or list what is allowed".to_owned()
            );
        }
        let registers = self.raw.as_ref().and_then(|raw| raw.pcrs.as_ref());
        if registers.is_some_and(|pcrs| pcrs.is_empty() || pcrs.iter().any(|pcr| *pcr > 23)) {
            return Err("raw.pcrs lists registers from 0 to 23, at least one".to_owned());
        }
        let Some(images) = &self.launch.images else { return Ok(()) };
        for image in images {
            if image.rtmr1.is_some() != image.rtmr2.is_some() {
                return Err("an image lists one of rtmr1 and rtmr2: both are needed, or neither".to_owned());
            }
            if image.rtmr0.is_some() && !image.is_known_by_hardware() {
                return Err("an image lists rtmr0 alone: rtmr1 and rtmr2 are needed beside it".to_owned());
            }
            if image.rtmrs().any(|(register, expected)| !expected.is_satisfiable(register, Bank::Sha384)) {
                return Err("an RTMR of an image has no value, or one that is not 48 bytes".to_owned());
            }
        }
        validate_images(images, |image| (&image.pcrs, image.rules())).map_err(|error| error.to_string())
    }
}
