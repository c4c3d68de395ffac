//! What a verifier reads from the configuration that a VMM hands to its guest.
//!
//! The configuration is JSON that the host wrote: a claim, to be believed only where a measurement confirms
//! it. VMMs add keys of their own, so unknown keys of the outer object are kept; the documents inside, which
//! a measurement is recomputed from, are strict. Source: `dstack-types/src/lib.rs` (`VmConfig`),
//! `dstack-mr/src/sev.rs`.

mod tdx;

pub use tdx::{QemuVersion, TdxAttestationVariant, TdxLaunch, TdxMachine};

use std::collections::BTreeMap;

use serde_json::Value;

use crate::image::ImageMaterial;
use crate::snp_measurement::{MAX_SECTIONS, OvmfSection, SnpMeasurement};
use evidence_json::{Base64, FromJson, JsonError, Nullable, Object};

/// The longest configuration, in bytes.
pub const MAX_CONFIG: usize = 256 * 1024;

/// Where dstack's host puts the configuration, below the guest's root.
pub const SYS_CONFIG: &str = "dstack/.host-shared/.sys-config.json";
/// The most virtual CPUs of one SEV-SNP guest (the bound of dstack's launch measurement).
pub const MAX_VCPUS: u32 = 512;

const CONFIG: &str = "vm config";
const MEASUREMENT: &str = "sev_snp_measurement";

/// The part of a VM's configuration that a verifier reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmConfig {
    /// The image's identity, 32 bytes.
    pub os_image_hash: Option<[u8; 32]>,
    /// Number of virtual CPUs.
    pub cpu_count: Option<u32>,
    /// The document that `HOST_DATA` commits to; [`crate::mr_config`] reads it.
    pub mr_config: Option<String>,
    /// The inputs of the SEV-SNP launch measurement.
    pub sev_snp_measurement: Option<SnpLaunch>,
    /// How the VMM wants the TDX launch to be measured. This alone says so: `tdx_measurement` may be there or
    /// not.
    pub tdx_attestation_variant: TdxAttestationVariant,
    /// The inputs of the TDX launch measurement. Where there are none, the keys of the machine stay in
    /// `other`.
    pub tdx_measurement: Option<TdxLaunch>,
    /// Everything else, by key, as the VMM wrote it. An outer object's own keys come along;
    /// where both objects have a key, the VM's own counts.
    pub other: BTreeMap<String, Value>,
}

/// The inputs of one SEV-SNP launch, in either of dstack's two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnpLaunch {
    /// dstack 0.6: what the image fixes is a document of the image.
    Split {
        /// The image's list of files with `measurement.snp.cbor`.
        material: ImageMaterial,
        /// How the image was launched.
        machine: SnpMachine,
    },
    /// Before: the same values in place. Nothing ties them to an image hash; only the measurement does.
    Flat {
        /// What the image fixes.
        measurement: SnpMeasurement,
        /// How the image was launched.
        machine: SnpMachine,
    },
}

/// What a launch adds to its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpMachine {
    /// Number of virtual CPUs, 1 to 512.
    pub vcpus: u32,
    /// QEMU's name of the CPU model, such as `EPYC-v4`; `None` where the VMM does not say.
    pub vcpu_type: Option<String>,
    /// SEV_FEATURES of the VMSA, not zero: bit 0 is SEV-SNP itself.
    pub guest_features: u64,
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VmConfigError {
    /// The JSON has another form.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The bytes are no text.
    #[error("text in UTF-8 expected as vm config")]
    NotText,
    /// The outer and the nested object disagree.
    #[error("one value of {key:?} expected, found different ones in the vm config and around it")]
    Ambiguous {
        /// The key.
        key: &'static str,
    },
    /// No or too many virtual CPUs.
    #[error("1 to {MAX_VCPUS} virtual cpus expected, found {found}")]
    Vcpus {
        /// The number found.
        found: u32,
    },
    /// No guest features, though SEV-SNP is one.
    #[error("guest features with sev-snp expected, found none")]
    GuestFeatures,
    /// More sections than a firmware has.
    #[error("at most {MAX_SECTIONS} firmware sections expected, found {found}")]
    Sections {
        /// The number found.
        found: usize,
    },
    /// Another way to measure a TDX launch.
    #[error("tdx attestation variant legacy or lite expected, found {found:?}")]
    TdxAttestationVariant {
        /// The name found.
        found: String,
    },
    /// No version of QEMU, or one whose launches are not known.
    #[error("qemu version of three numbers and at least 8.0.0 expected, found {found:?}")]
    QemuVersion {
        /// The version found.
        found: String,
    },
}

impl VmConfig {
    /// Parses a configuration: the VM's own object, or an object around it with a key `vm_config` (an object,
    /// or a string that holds one).
    ///
    /// A value that stands in both objects must be the same in both.
    ///
    /// # Errors
    ///
    /// [`VmConfigError`] for duplicate keys anywhere, for values of another form, and for anything unknown
    /// inside the measurement inputs.
    pub fn read(config: &[u8]) -> Result<Self, VmConfigError> {
        Self::parse(std::str::from_utf8(config).map_err(|_| VmConfigError::NotText)?)
    }

    /// The same of text.
    ///
    /// # Errors
    ///
    /// As [`VmConfig::read`].
    pub fn parse(config: &str) -> Result<Self, VmConfigError> {
        let mut outer = Object::parse(CONFIG, config, MAX_CONFIG)?;
        let mut nested = match outer.optional::<Value>("vm_config")? {
            None => None,
            Some(Value::String(text)) => Some(Object::parse(CONFIG, &text, MAX_CONFIG)?),
            Some(value) => Some(Object::from_value(CONFIG, value)?),
        };
        let mut both = Both { outer: &mut outer, nested: nested.as_mut() };
        let launch: Option<String> = both.value(MEASUREMENT)?;
        let variant: Option<String> = both.value("tdx_attestation_variant")?;
        let mut config = Self {
            os_image_hash: both.value("os_image_hash")?,
            cpu_count: both.value("cpu_count")?,
            mr_config: both.value("mr_config")?,
            sev_snp_measurement: launch.as_deref().map(SnpLaunch::parse).transpose()?,
            tdx_attestation_variant: variant.map_or(Ok(TdxAttestationVariant::Legacy), |v| v.try_into())?,
            tdx_measurement: TdxLaunch::take(&mut both)?,
            other: outer.rest().into_iter().collect(),
        };
        config.other.extend(nested.into_iter().flat_map(Object::rest));
        Ok(config)
    }
}

/// A VM's object and the one around it.
struct Both<'a> {
    outer: &'a mut Object,
    nested: Option<&'a mut Object>,
}

impl Both<'_> {
    fn value<T: FromJson + PartialEq>(&mut self, key: &'static str) -> Result<Option<T>, VmConfigError> {
        let outer = self.outer.optional(key)?;
        let nested = match &mut self.nested {
            Some(object) => object.optional(key)?,
            None => None,
        };
        match (outer, nested) {
            (Some(outer), Some(nested)) if outer != nested => Err(VmConfigError::Ambiguous { key }),
            (outer, nested) => Ok(nested.or(outer)),
        }
    }

    /// A value that dstack writes as `null` where there is none.
    fn nullable<T: FromJson + PartialEq>(&mut self, key: &'static str) -> Result<Option<T>, VmConfigError> {
        Ok(self.value(key)?.and_then(|Nullable(value)| value))
    }
}

impl SnpLaunch {
    /// Parses the document under `sev_snp_measurement`. The key `checksum_file` tells the schemas apart.
    ///
    /// # Errors
    ///
    /// [`VmConfigError`] for unknown or duplicate keys, and for values of another form.
    pub fn parse(document: &str) -> Result<Self, VmConfigError> {
        let mut object = Object::parse(MEASUREMENT, document, MAX_CONFIG)?;
        let machine = SnpMachine::take(&mut object)?;
        let launch = if let Some(Base64(checksum_file)) = object.optional("checksum_file")? {
            let Base64(measurement) = object.required("measurement")?;
            Self::Split { material: ImageMaterial { checksum_file, measurement }, machine }
        } else {
            let measurement = SnpMeasurement {
                cmdline: object.required("base_cmdline")?,
                ovmf_hash: object.required("ovmf_hash")?,
                kernel_hash: object.required("kernel_hash")?,
                initrd_hash: object.required("initrd_hash")?,
                hashes_table_gpa: object.required("sev_hashes_table_gpa")?,
                reset_eip: object.required("sev_es_reset_eip")?,
                ovmf_sections: sections(object.required("ovmf_sections")?)?,
            };
            Self::Flat { measurement, machine }
        };
        object.finish()?;
        Ok(launch)
    }

    /// How the image was launched.
    #[must_use]
    pub fn machine(&self) -> &SnpMachine {
        match self {
            Self::Split { machine, .. } | Self::Flat { machine, .. } => machine,
        }
    }
}

impl SnpMachine {
    fn take(object: &mut Object) -> Result<Self, VmConfigError> {
        let vcpus = object.required("vcpus")?;
        if !(1..=MAX_VCPUS).contains(&vcpus) {
            return Err(VmConfigError::Vcpus { found: vcpus });
        }
        // dstack writes `null` for a CPU model that the VMM does not know.
        let vcpu_type = object.optional::<Nullable<String>>("vcpu_type")?.and_then(|Nullable(model)| model);
        let guest_features = object.required("guest_features")?;
        if guest_features == 0 {
            return Err(VmConfigError::GuestFeatures);
        }
        Ok(Self { vcpus, vcpu_type, guest_features })
    }
}

fn sections(items: Vec<Value>) -> Result<Vec<OvmfSection>, VmConfigError> {
    if items.len() > MAX_SECTIONS {
        return Err(VmConfigError::Sections { found: items.len() });
    }
    let section = |item| {
        let mut object = Object::from_value(MEASUREMENT, item)?;
        let section = OvmfSection {
            gpa: object.required("gpa")?,
            size: object.required("size")?,
            section_type: object.required("section_type")?,
        };
        object.finish()?;
        Ok(section)
    };
    items.into_iter().map(section).collect()
}

#[cfg(test)]
mod tests;
