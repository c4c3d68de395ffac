//! What a relying party asks of Azure's confidential VMs.

use std::collections::{BTreeMap, BTreeSet};

use backend_api::{ErrorKind, Result};
use evidence_dstack::application::Phase;
use evidence_event_log::Bank;
use evidence_ledger::Hex;
use evidence_tpm::boot::Expected;
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

/// The registers that an image must list: drivers that firmware or boot loader ran, which can change what is loaded after them (2),
/// boot loader and kernel (4), initrd (9), the sections of a unified kernel image (11).
const REQUIRED_PCRS: [u8; 4] = [2, 4, 9, 11];

/// What comes from outside of an image: what a boot loader was told (8), command lines, credentials and add-ons of a unified kernel
/// image (12), extensions of its system (13; systemd-stub). They must be quoted, and empty where an image does not list them.
pub(crate) const EXTERNAL_PCRS: [u8; 3] = [8, 12, 13];

/// Registers that prove nothing of a boot: 10 is of a kernel that measures files, 16 and 23 can be reset, 17 to 22 are of another
/// launch.
const NO_BOOT_PCRS: [u8; 9] = [10, 16, 17, 18, 19, 20, 21, 22, 23];

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
    /// Images, one of which the guest must have booted. Without them no boot is known, and no identity is bound.
    pub images: Option<Vec<Image>>,
    /// How far the guest has come: `ready` if absent, and then a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
}

/// One of `[[backend.azure.launch.images]]`: an image, by the registers that its boot leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// What it is called in the identity: SHA-256 of its checksum file.
    pub os_image_hash: Option<Hex<32>>,
    /// What each register must hold in the bank of SHA-256: by number. 2, 4, 9 and 11 are needed; 8, 12 and 13 are empty unless
    /// they are listed.
    pub pcrs: BTreeMap<String, Expected>,
}

impl Image {
    /// The registers by their numbers, which [`Policy`] has read before.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u8, &Expected)> {
        self.pcrs.iter().filter_map(|(pcr, expected)| Some((register(pcr)?, expected)))
    }
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
        policy.launch.validate().map_err(invalid)?;
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

impl LaunchPolicy {
    fn validate(&self) -> std::result::Result<(), String> {
        let Some(images) = &self.images else { return Ok(()) };
        if images.is_empty() {
            return Err("the list images is empty: leave the key out, or list what is allowed".to_owned());
        }
        for image in images {
            if let Some(pcr) = image.pcrs.keys().find(|pcr| register(pcr).is_none()) {
                return Err(format!("{pcr:?} is no register of a boot: expected 0 to 9 or 11 to 15"));
            }
            let listed: BTreeSet<u8> = image.registers().map(|(pcr, _)| pcr).collect();
            if let Some(pcr) = REQUIRED_PCRS.iter().find(|pcr| !listed.contains(pcr)) {
                return Err(format!("an image does not list pcr {pcr}: 2, 4, 9 and 11 are needed"));
            }
            if image.registers().any(|(pcr, expected)| !expected.is_satisfiable(pcr, Bank::Sha256)) {
                return Err("a register of an image has no value, one that is not 32 bytes, or gpt where no log tells".to_owned());
            }
        }
        Ok(())
    }
}

/// A register of a boot by its number in decimal, without leading zeros.
fn register(text: &str) -> Option<u8> {
    let pcr = text.parse().ok().filter(|pcr: &u8| *pcr < 24 && pcr.to_string() == text)?;
    (!NO_BOOT_PCRS.contains(&pcr)).then_some(pcr)
}
