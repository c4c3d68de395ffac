//! What a relying party asks of Azure's confidential VMs.

use std::collections::BTreeSet;

use backend_api::{ErrorKind, Result};
use evidence_dstack::application::Phase;
use evidence_event_log::Bank;
use evidence_ledger::Hex;
use evidence_tpm::boot::{Image, ImageRules, validate_images};
use serde::Deserialize;

/// SHA-384 digests of Microsoft's ID keys, which sign the launch of Azure's paravisors: from Microsoft's attestation policies, as
/// edgelesssys/constellation collects them, and (the last one) from reports of 2025. Microsoft changes its key from time to time: a
/// relying party that meets another lists it in `report.id-keys`.
pub const MICROSOFT_ID_KEYS: [&str; 4] = [
    "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6e0b2bb57af7a44a3",
    "57486a447ec0f1958002a22a06b7673b9fd27d11e1c6527498056054c5fa92d23c50f9de44072760fe2b6fb89740b696",
    "934f68bd8ba01938eec21475c872e3a942b60c59fafc6df9e9a76ee66bc47f2d09c676f61c0315c578da26085fb13a71",
    "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e006767648cba5b102af3d65756af4177",
];

/// What is asked of an image. It lists drivers that firmware or boot loader ran, which can change what is loaded after them (2),
/// boot loader and kernel (4), initrd (9), the sections of a unified kernel image (11). From outside of it come what a boot loader
/// was told (8), command lines, credentials and add-ons of a unified kernel image (12), extensions of its system (13; systemd-stub).
pub(crate) static IMAGE_RULES: ImageRules =
    ImageRules { bank: Bank::Sha256, required: &[2, 4, 9, 11], external: &[8, 12, 13] };

/// The section `[backend.azure]` of an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// About the SNP report that the paravisor asked for. Without `id-keys` it must be launched under one of
    /// [`MICROSOFT_ID_KEYS`].
    pub report: evidence_snp::Policy,
    /// About the quote of the TD report that the paravisor asked for.
    pub td_quote: evidence_tdx::Policy,
    /// About how the paravisor says that the VM is configured.
    pub vm_configuration: VmConfigurationPolicy,
    /// About the launch.
    pub launch: LaunchPolicy,
    /// What Evidence of the profile `raw` must be like. Without it, none is accepted.
    pub raw: Option<RawPolicy>,
    /// Accept an attestation key for which the guest has no certificate of Azure's. Whoever is root in a guest may replace the key of
    /// its vTPM, and the paravisor's report then names that one: such a guest can sign any registers.
    pub danger_accept_unendorsed_ak: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let mut policy = Self {
            report: evidence_snp::Policy::default(),
            td_quote: evidence_tdx::Policy::default(),
            vm_configuration: VmConfigurationPolicy::default(),
            launch: LaunchPolicy::default(),
            raw: None,
            danger_accept_unendorsed_ak: false,
        };
        policy.default_id_keys();
        policy
    }
}

/// The section `[backend.azure.vm-configuration]`.
///
/// An interactive console and filtered devices are refused whatever the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct VmConfigurationPolicy {
    /// Secure Boot must be on. An image whose registers are listed is known without it.
    pub require_secure_boot: bool,
    /// The state of the vTPM must be kept over reboots, or must not; either if absent.
    pub tpm_persisted: Option<bool>,
}

/// The section `[backend.azure.launch]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LaunchPolicy {
    /// Images, one of which the guest must have booted, by registers in the bank of SHA-256. Without them no boot is known, and no
    /// identity is bound. 2, 4, 9 and 11 are needed; 8, 12 and 13 are empty unless they are listed.
    pub images: Option<Vec<Image>>,
    /// How far the guest has come: `ready` if absent, and then a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
}

/// The section `[backend.azure.raw]`: what other tools' quotes must be like, on the relying party's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RawPolicy {
    /// The registers that are quoted in the bank of SHA-256: exactly these; all 24 if absent.
    pub pcrs: Option<BTreeSet<u8>>,
    /// `user-data` in the runtime data, 64 bytes; whatever it is, if absent.
    pub user_data: Option<Hex<64>>,
}

impl Policy {
    pub(crate) fn from_section(section: &serde_json::Value) -> Result<Self> {
        let invalid = |message: String| {
            backend_api::Error::new(
                ErrorKind::InvalidConfig,
                format_args!("policy section backend.azure: {message}"),
            )
            .in_backend(crate::ID)
        };
        // serde would take a list for a table, field by field.
        let tables = ["report", "td-quote", "vm-configuration", "launch", "raw"].map(|key| section.get(key));
        let floors = section.pointer("/report/minimum-tcb").and_then(|floors| floors.as_object());
        let images = section.pointer("/launch/images").and_then(|images| images.as_array());
        let images = images.into_iter().flatten().flat_map(|image| [Some(image), image.get("pcrs")]);
        let mut tables = [Some(section)]
            .into_iter()
            .chain(tables)
            .chain(images)
            .flatten()
            .chain(floors.into_iter().flat_map(|floors| floors.values()));
        if !tables.all(serde_json::Value::is_object) {
            return Err(invalid(
                "the section, report, td-quote, vm-configuration, launch, raw, each image, its pcrs and each minimum-tcb are tables"
                    .to_owned(),
            ));
        }
        let mut policy = Self::deserialize(section).map_err(|error| invalid(error.to_string()))?;
        policy.default_id_keys();
        policy.report.validate().map_err(|error| invalid(error.to_string()))?;
        policy.td_quote.validate().map_err(|error| invalid(error.to_string()))?;
        if policy.report.csp_ids.is_some() {
            return Err(invalid("csp-ids is about a VLEK, and only a VCEK is accepted here".to_owned()));
        }
        if policy.report.vmpl != 0 {
            return Err(invalid(
                "vmpl is 0 alone: a report of another level is not the paravisor's".to_owned(),
            ));
        }
        if let Some(images) = &policy.launch.images {
            validate_images(images, |image| (&image.pcrs, &IMAGE_RULES))
                .map_err(|error| invalid(error.to_string()))?;
        }
        let registers = policy.raw.as_ref().and_then(|raw| raw.pcrs.as_ref());
        if registers.is_some_and(|pcrs| pcrs.is_empty() || pcrs.iter().any(|pcr| *pcr > 23)) {
            return Err(invalid("raw.pcrs lists registers from 0 to 23, at least one".to_owned()));
        }
        Ok(policy)
    }

    /// Which paravisors are known, where the relying party does not say.
    fn default_id_keys(&mut self) {
        let keys = MICROSOFT_ID_KEYS.iter().filter_map(|key| {
            let mut bytes = [0; 48];
            hex::decode_to_slice(key, &mut bytes).ok().map(|()| Hex(bytes))
        });
        self.report.id_keys.get_or_insert_with(|| keys.collect::<BTreeSet<_>>());
    }
}
