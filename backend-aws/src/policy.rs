//! What a relying party asks of AWS's confidential VMs.

use std::collections::BTreeSet;

use backend_api::{ErrorKind, Result};
use evidence_dstack::application::Phase;
use evidence_event_log::Bank;
use evidence_ledger::Hex;
use evidence_nitro::MAX_MEMBER;
use evidence_tpm::boot::{Image, ImageRules, validate_images};
use serde::Deserialize;

use crate::region;

/// The register into which dstack measures a guest's configuration; GRUB measures its commands into it.
pub(crate) const CONFIG_PCR: u8 = 8;

/// What is asked of an image. It lists drivers that firmware or boot loader ran, which can change what is loaded after them (2),
/// boot loader and kernel (4), Secure Boot (7: who may sign what is loaded), initrd (9), the sections of a unified kernel image (11).
/// From outside of it come command lines, credentials and add-ons of a unified kernel image (12), extensions of its system (13;
/// systemd-stub). What comes into [`CONFIG_PCR`] is a check of its own.
pub(crate) static IMAGE_RULES: ImageRules =
    ImageRules { bank: Bank::Sha384, required: &[2, 4, 7, 9, 11], external: &[12, 13] };

/// The section `[backend.aws]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// About the SNP report; without `csp-ids`, for which `regions` stands.
    pub report: evidence_snp::Policy,
    /// About the document.
    pub document: DocumentPolicy,
    /// Regions of AWS, such as `us-east-2`, in one of which the guest must be; any if absent.
    pub regions: Option<BTreeSet<String>>,
    /// About the launch.
    pub launch: LaunchPolicy,
    /// What Evidence of the profile `raw` must be like. Without it, none is accepted.
    pub raw: Option<RawPolicy>,
    /// Accept Evidence without a report of the processor, for which no TEE vouches: AWS and its hypervisor see and can change all that
    /// the guest has.
    pub danger_accept_no_tee: bool,
    /// Accept Evidence of the profile `raw` without a document: nothing says what was booted behind the firmware.
    pub danger_accept_no_document: bool,
}

/// The section `[backend.aws.document]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DocumentPolicy {
    /// How many seconds ago a document may have been made: 300 if absent.
    pub max_age: u64,
    /// How many seconds the clock of the document's maker may be ahead: 60 if absent.
    pub max_skew: u64,
}

impl Default for DocumentPolicy {
    fn default() -> Self {
        Self { max_age: 300, max_skew: 60 }
    }
}

/// The section `[backend.aws.launch]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// Measurements, one of which the launch must have. Here or among the reference values there must be some.
    pub measurements: Option<Vec<ListedMeasurement>>,
    /// Images, one of which the guest must have booted, by registers in the bank of SHA-384. Without them no boot is known, and no
    /// identity is bound. 2, 4, 7, 9 and 11 are needed; 12 and 13 are empty unless they are listed.
    pub images: Option<Vec<Image>>,
    /// Values of PCR8, one of which the guest must have: its configuration. If absent, PCR8 is empty, or what the image lists.
    pub config: Option<BTreeSet<Hex<48>>>,
    /// How far the guest has come: `ready` if absent, and then a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
}

/// A launch: the firmware of AWS's and a number of vCPUs lead to one measurement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListedMeasurement {
    /// MEASUREMENT.
    pub measurement: Hex<48>,
    /// What the firmware is called, for people: such as its release.
    pub firmware: String,
    /// How many vCPUs the guest has.
    pub vcpus: u32,
}

/// The section `[backend.aws.raw]`: what other tools had signed, on the relying party's own word.
///
/// Whatever it names, something that was signed is the challenge: a member of the document, or without a document REPORT_DATA.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RawPolicy {
    /// The member of the document that is the challenge, without zeros at its end.
    pub challenge: ChallengeMember,
    /// REPORT_DATA beside a document; the challenge if absent, and without a document.
    pub report_data: Option<Hex<64>>,
    /// `nonce` of the document, where it is not the challenge; there must be none, if absent.
    pub nonce: Option<Member>,
    /// `user_data` of the document, where it is not the challenge; there must be none, if absent.
    pub user_data: Option<Member>,
    /// `public_key` of the document; there must be none, if absent.
    pub public_key: Option<Member>,
}

/// Which member of a document is the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeMember {
    /// `nonce`.
    Nonce,
    /// `user_data`.
    #[default]
    UserData,
}

/// What a member of a document holds, in the hex of policies: 1 to 1024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Member(Vec<u8>);

impl Member {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Member {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let bytes = hex::decode(&text).ok().filter(|bytes| (1..=MAX_MEMBER).contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| format!("expected 1 to {MAX_MEMBER} bytes of hex"))
    }
}

impl Policy {
    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.aws: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let tables = ["report", "document", "launch", "raw"].map(|key| section.get(key));
        let floors = section.pointer("/report/minimum-tcb").and_then(|floors| floors.as_object());
        let listed =
            |pointer| section.pointer(pointer).and_then(|list| list.as_array()).into_iter().flatten();
        let images = listed("/launch/images").flat_map(|image| [Some(image), image.get("pcrs")]);
        let mut tables = [Some(section)]
            .into_iter()
            .chain(tables)
            .chain(images)
            .flatten()
            .chain(listed("/launch/measurements"))
            .chain(floors.into_iter().flat_map(|floors| floors.values()));
        if !tables.all(serde_json::Value::is_object) {
            return Err(invalid(
                "the section, report, document, launch, raw, each measurement, each image, its pcrs and each minimum-tcb are tables"
                    .to_owned(),
            ));
        }
        let mut policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.report.validate().map_err(|error| invalid(error.to_string()))?;
        policy.validate().map_err(|reason| invalid(reason.to_owned()))?;
        if let Some(images) = &policy.launch.images {
            validate_images(images, |image| (&image.pcrs, &IMAGE_RULES))
                .map_err(|error| invalid(error.to_string()))?;
        }
        policy.report.csp_ids =
            policy.regions.as_ref().map(|regions| regions.iter().map(|name| region::csp_id(name)).collect());
        Ok(policy)
    }

    /// Refuses what can only be a mistake.
    fn validate(&self) -> std::result::Result<(), &'static str> {
        if self.report.csp_ids.is_some() {
            return Err("csp-ids is what regions says here");
        }
        let regions = self.regions.as_ref();
        if regions.is_some_and(|all| all.is_empty() || !all.iter().all(|name| region::is_region(name))) {
            return Err("regions lists names such as us-east-2, at least one");
        }
        let LaunchPolicy { measurements, images, config, .. } = &self.launch;
        if measurements.as_ref().is_some_and(Vec::is_empty) || config.as_ref().is_some_and(BTreeSet::is_empty)
        {
            return Err(
                "launch.measurements or launch.config is empty: leave the key out, or list what is allowed",
            );
        }
        if config.is_some() && images.iter().flatten().any(|image| image.pcrs.lists(CONFIG_PCR)) {
            return Err("launch.config and an image both say what PCR8 is");
        }
        let challenge = self.raw.as_ref().and_then(|raw| match raw.challenge {
            ChallengeMember::Nonce => raw.nonce.as_ref(),
            ChallengeMember::UserData => raw.user_data.as_ref(),
        });
        if challenge.is_some() {
            return Err(
                "raw names bytes of the member that is the challenge: raw.challenge says which that is",
            );
        }
        Ok(())
    }
}
