//! The inputs of a TDX launch measurement, among the keys of the VM.

use std::str::FromStr;

use serde_json::Value;

use super::{Both, CONFIG, VmConfigError};
use crate::image::ImageMaterial;
use evidence_json::{Base64, JsonError, Object};

pub(super) const TDX_MEASUREMENT: &str = "tdx_measurement";

/// How a TDX launch is measured by a verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TdxAttestationVariant {
    /// `legacy`, or not said: from the image, which the verifier downloads.
    #[default]
    Legacy,
    /// `lite`: from the image's measurement document.
    Lite,
}

/// The inputs of one TDX launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxLaunch {
    /// The image's list of files with `measurement.tdx.cbor`.
    pub material: ImageMaterial,
    /// How the image was launched.
    pub machine: TdxMachine,
}

/// What a TDX launch adds to its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxMachine {
    /// Bytes of memory.
    pub memory_size: u64,
    /// QEMU's version; `None` where the VMM does not say.
    pub qemu_version: Option<QemuVersion>,
    /// Whether pages are added in **two** passes, in spite of the key's name; `None` where the VMM does not
    /// say. See [`TdxMachine::two_pass_add_pages`].
    pub qemu_single_pass_add_pages: Option<bool>,
    /// The VMM's name of the firmware's variant; `None` where it does not say. The name in the measurement
    /// document is what a launch is measured by.
    pub ovmf_variant: Option<String>,
}

/// A version of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QemuVersion {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch level.
    pub patch: u32,
}

impl TryFrom<String> for TdxAttestationVariant {
    type Error = VmConfigError;

    fn try_from(name: String) -> Result<Self, VmConfigError> {
        match name.as_str() {
            "legacy" => Ok(Self::Legacy),
            "lite" => Ok(Self::Lite),
            _ => Err(VmConfigError::TdxAttestationVariant { found: name }),
        }
    }
}

impl TdxLaunch {
    pub(super) fn take(both: &mut Both<'_>) -> Result<Option<Self>, VmConfigError> {
        let Some(document) = both.value::<Value>(TDX_MEASUREMENT)? else { return Ok(None) };
        let mut object = Object::from_value(TDX_MEASUREMENT, document)?;
        let Base64(checksum_file) = object.required("checksum_file")?;
        let Base64(measurement) = object.required("measurement")?;
        object.finish()?;
        let machine = TdxMachine::take(both)?;
        Ok(Some(Self { material: ImageMaterial { checksum_file, measurement }, machine }))
    }
}

impl TdxMachine {
    fn take(both: &mut Both<'_>) -> Result<Self, VmConfigError> {
        let memory_size = both.value("memory_size")?;
        let version: Option<String> = both.nullable("qemu_version")?;
        Ok(Self {
            memory_size: memory_size.ok_or(JsonError::MissingKey { document: CONFIG, key: "memory_size" })?,
            qemu_version: version.as_deref().map(str::parse).transpose()?,
            qemu_single_pass_add_pages: both.nullable("qemu_single_pass_add_pages")?,
            ovmf_variant: both.nullable("ovmf_variant")?,
        })
    }

    /// Whether the VMM adds all pages of a section before it measures their contents, which decides between
    /// the image's two values of MRTD.
    ///
    /// So it is where `qemu_single_pass_add_pages` says `true`: dstack reads the key as its opposite. Where
    /// that is not said, it is so for QEMU 8; QEMU counts as 9.1.0 where its version is not said
    /// (`dstack-mr/src/machine.rs`).
    #[must_use]
    pub fn two_pass_add_pages(&self) -> bool {
        let version = self.qemu_version.unwrap_or(QemuVersion::DEFAULT);
        self.qemu_single_pass_add_pages.unwrap_or(version < QemuVersion::SINGLE_PASS)
    }
}

impl QemuVersion {
    /// The oldest version whose launches are known; it adds pages in two passes.
    const OLDEST: Self = Self { major: 8, minor: 0, patch: 0 };
    /// The first version that adds pages in a single pass.
    const SINGLE_PASS: Self = Self { major: 9, minor: 0, patch: 0 };
    /// The version where none is said.
    const DEFAULT: Self = Self { major: 9, minor: 1, patch: 0 };
}

impl FromStr for QemuVersion {
    type Err = VmConfigError;

    /// Parses three decimal numbers with dots between them, 8.0.0 or later.
    fn from_str(text: &str) -> Result<Self, VmConfigError> {
        let error = || VmConfigError::QemuVersion { found: text.to_owned() };
        let number = |part: &str| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or_else(error)
        };
        let mut parts = text.split('.');
        let (Some(major), Some(minor), Some(patch), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        let version = Self { major: number(major)?, minor: number(minor)?, patch: number(patch)? };
        if version < Self::OLDEST { Err(error()) } else { Ok(version) }
    }
}
