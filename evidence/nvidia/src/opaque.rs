//! What a device says beside its measurements: type, length, value, in NVIDIA's numbers.

use std::{collections::BTreeMap, fmt};

use crate::Error;

/// NVIDIA's types (attestation-sdk 1.2.2, `gpu_opaque_data_parser` and its like for switches).
mod types {
    pub(super) const DRIVER_VERSION: u16 = 3;
    pub(super) const VBIOS_VERSION: u16 = 6;
    pub(super) const NVDEC0_STATUS: u16 = 11;
    pub(super) const CHIP_SKU: u16 = 15;
    pub(super) const PROJECT: u16 = 17;
    pub(super) const PROJECT_SKU: u16 = 18;
    pub(super) const FWID: u16 = 20;
    pub(super) const PROTECTED_PCIE_STATUS: u16 = 21;
    /// Of a GPU: the switches at its links. Of a switch: its own.
    pub(super) const PDI: u16 = 22;
    pub(super) const LOCK_STATUS: u16 = 25;
    pub(super) const SWITCH_GPU_PDIS: u16 = 26;
    pub(super) const OPAQUE_DATA_VERSION: u16 = 34;
    pub(super) const CHIP_INFO: u16 = 35;
    pub(super) const FEATURE_FLAG: u16 = 36;
}

use types::{
    CHIP_INFO, CHIP_SKU, DRIVER_VERSION, FEATURE_FLAG, FWID, LOCK_STATUS, NVDEC0_STATUS, OPAQUE_DATA_VERSION,
    PDI, PROJECT, PROJECT_SKU, PROTECTED_PCIE_STATUS, SWITCH_GPU_PDIS, VBIOS_VERSION,
};

/// The newest version of the opaque data that is known.
const KNOWN_VERSION: u16 = 1;

/// How NVIDIA says yes and no in one byte.
const YES: u8 = 0xAA;
const NO: u8 = 0x55;

/// A per-device identifier: 8 bytes, big-endian. It is also the end of the serial number of the device's certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pdi(pub [u8; 8]);

impl fmt::Display for Pdi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Pdi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How several GPUs are used, as a GPU signs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Single GPU passthrough.
    Spt,
    /// Multiple GPU passthrough.
    Mpt,
    /// Protected PCIe: GPUs and switches of one machine.
    Ppcie,
}

impl Mode {
    /// NVIDIA's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spt => "SPT",
            Self::Mpt => "MPT",
            Self::Ppcie => "PPCIE",
        }
    }
}

/// What a GPU says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuData {
    /// The driver, such as `550.90.07`.
    pub driver_version: String,
    /// The video BIOS, such as `96.00.9F.00.01`.
    pub vbios_version: String,
    /// The board's project, such as `1010`.
    pub project: String,
    /// Its SKU, such as `0200`.
    pub project_sku: String,
    /// The chip's SKU, such as `882`.
    pub chip_sku: String,
    /// NVDEC0_STATUS, as it stands there: see [`GpuData::is_nvdec0_enabled`].
    pub nvdec0: Option<u8>,
    /// The identity of the firmware. Drivers before 550 report none.
    pub fwid: Option<[u8; 48]>,
    /// Whether protected PCIe is on. Drivers before 550 and Blackwell report nothing.
    pub protected_pcie: Option<bool>,
    /// The switches at the GPU's links, without links that are down; with protected PCIe alone.
    pub switch_pdis: Vec<Pdi>,
    /// The chip, such as `GB100`. Hopper reports none.
    pub chip: Option<String>,
    /// The mode. Drivers before 580 report none.
    pub mode: Option<Mode>,
}

impl GpuData {
    /// Whether the video decoder 0 is enabled; `None` where nothing, or neither NVIDIA's yes nor its no, says so.
    pub fn is_nvdec0_enabled(&self) -> Option<bool> {
        match self.nvdec0 {
            Some(YES) => Some(true),
            Some(NO) => Some(false),
            _ => None,
        }
    }

    /// Whether protected PCIe is on, by either of the fields that say so.
    pub fn is_protected_pcie(&self) -> bool {
        self.protected_pcie == Some(true) || self.mode == Some(Mode::Ppcie)
    }
}

/// What an NVSwitch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchData {
    /// Its BIOS, such as `96.10.55.00.01`.
    pub bios_version: String,
    /// Its own identifier.
    pub pdi: Pdi,
    /// The GPUs at its ports, without ports that are down.
    pub gpu_pdis: Vec<Pdi>,
    /// Whether its routing is locked.
    pub is_locked: bool,
}

/// Which device the opaque data are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A GPU.
    Gpu(GpuData),
    /// An NVSwitch.
    Switch(SwitchData),
}

/// Which device, by the number of its measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Gpu,
    Switch,
}

/// The opaque data of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// What is used.
    pub device: Device,
    /// The rest, by type: what nobody uses, and what is not known. It is signed all the same.
    pub others: BTreeMap<u16, Vec<u8>>,
}

impl Opaque {
    /// Reads opaque data: each type once, within its length.
    pub(crate) fn parse(bytes: &[u8], unit: Unit) -> Result<Self, Error> {
        let mut fields = Fields(BTreeMap::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            let cut = Error::Opaque { what: "data", expected: "type, length and as many bytes" };
            let (&[t0, t1, l0, l1], after) = rest.split_first_chunk().ok_or_else(|| cut.clone())?;
            let (kind, length) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([l0, l1]));
            let (value, after) = after.split_at_checked(usize::from(length)).ok_or(cut)?;
            if fields.0.insert(kind, value).is_some() {
                return Err(Error::OpaqueTwice(kind));
            }
            rest = after;
        }
        let version = fields.array(OPAQUE_DATA_VERSION, "OPAQUE_DATA_VERSION")?.map(u16::from_le_bytes);
        if let Some(found) = version.filter(|version| *version > KNOWN_VERSION) {
            return Err(Error::OpaqueVersion(found));
        }
        let device = match unit {
            Unit::Gpu => Device::Gpu(fields.gpu()?),
            Unit::Switch => Device::Switch(fields.switch()?),
        };
        let others = fields.0.into_iter().map(|(kind, value)| (kind, value.to_vec())).collect();
        Ok(Self { device, others })
    }
}

/// What was not taken yet.
struct Fields<'a>(BTreeMap<u16, &'a [u8]>);

impl Fields<'_> {
    fn gpu(&mut self) -> Result<GpuData, Error> {
        Ok(GpuData {
            driver_version: self.text(DRIVER_VERSION, "DRIVER_VERSION")?,
            vbios_version: vbios_version(self.needed(VBIOS_VERSION, "VBIOS_VERSION")?),
            project: self.text(PROJECT, "PROJECT")?,
            project_sku: self.text(PROJECT_SKU, "PROJECT_SKU")?,
            chip_sku: self.text(CHIP_SKU, "CHIP_SKU")?,
            nvdec0: self.array(NVDEC0_STATUS, "NVDEC0_STATUS")?.map(|[byte]| byte),
            fwid: self.array(FWID, "FWID")?,
            protected_pcie: match self.array(PROTECTED_PCIE_STATUS, "PROTECTED_PCIE_STATUS")? {
                None => None,
                Some([YES]) => Some(true),
                Some([NO]) => Some(false),
                Some(_) => {
                    return Err(Error::Opaque { what: "PROTECTED_PCIE_STATUS", expected: "0xAA or 0x55" });
                }
            },
            switch_pdis: match self.array::<144>(PDI, "SWITCH_PDI")? {
                None => Vec::new(),
                // Eighteen links. Here an identifier is little-endian, in a switch's report big-endian, as in certificates: so it is in reports of
                // one machine's GPUs and switches.
                Some(links) => pdis(&links, |mut pdi: [u8; 8]| {
                    pdi.reverse();
                    pdi
                }),
            },
            chip: match self.0.contains_key(&CHIP_INFO) {
                true => Some(self.text(CHIP_INFO, "CHIP_INFO")?),
                false => None,
            },
            // As real reports have it; NVIDIA's header (attestation-sdk 1.2.2, `gpu/evidence.h`) has SPT and MPT the other way round.
            mode: match self.array(FEATURE_FLAG, "FEATURE_FLAG")?.map(u16::from_le_bytes) {
                None => None,
                Some(0) => Some(Mode::Spt),
                Some(1) => Some(Mode::Mpt),
                Some(2) => Some(Mode::Ppcie),
                Some(_) => {
                    return Err(Error::Opaque { what: "FEATURE_FLAG", expected: "0, 1 or 2" });
                }
            },
        })
    }

    fn switch(&mut self) -> Result<SwitchData, Error> {
        let ports = self.needed::<128>(SWITCH_GPU_PDIS, "SWITCH_GPU_PDIS")?;
        // Eight GPUs, and 64 bytes of the ports that they are at.
        let (gpus, _ports) = ports.split_at(64);
        Ok(SwitchData {
            bios_version: self.text(VBIOS_VERSION, "VBIOS_VERSION")?,
            pdi: Pdi(self.needed(PDI, "DEVICE_PDI")?),
            gpu_pdis: pdis(gpus, |pdi| pdi),
            // As switches of machines in protected PCIe have it.
            is_locked: self.needed(LOCK_STATUS, "LOCK_SWITCH_STATUS")? == [1, 0],
        })
    }

    /// A field of exactly `N` bytes.
    fn array<const N: usize>(&mut self, kind: u16, what: &'static str) -> Result<Option<[u8; N]>, Error> {
        let Some(value) = self.0.remove(&kind) else { return Ok(None) };
        let value =
            value.try_into().map_err(|_| Error::OpaqueLength { what, expected: N, found: value.len() })?;
        Ok(Some(value))
    }

    fn needed<const N: usize>(&mut self, kind: u16, what: &'static str) -> Result<[u8; N], Error> {
        self.array(kind, what)?.ok_or(Error::OpaqueMissing(what))
    }

    /// Text of at most 32 letters, digits and dots, with NULs behind it.
    fn text(&mut self, kind: u16, what: &'static str) -> Result<String, Error> {
        let value = self.0.remove(&kind).ok_or(Error::OpaqueMissing(what))?;
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        let (text, padding) = value.split_at(end);
        let is_text = (1..=32).contains(&text.len())
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
            && padding.iter().all(|byte| *byte == 0);
        let expected = "1 to 32 letters, digits and dots, and zeros behind them";
        let text = is_text.then(|| String::from_utf8(text.to_vec()).ok()).flatten();
        text.ok_or(Error::Opaque { what, expected })
    }
}

/// The identifiers in `bytes`, without zeros: nothing is there.
fn pdis(bytes: &[u8], order: impl Fn([u8; 8]) -> [u8; 8]) -> Vec<Pdi> {
    let (pdis, _) = bytes.as_chunks();
    pdis.iter().filter(|pdi| **pdi != [0; 8]).map(|pdi| Pdi(order(*pdi))).collect()
}

/// `96.00.9F.00.01` of `009F009601000000`: the bytes of two little-endian words, of which the second has one (attestation-sdk 1.2.2,
/// `gpu/evidence.cpp`).
fn vbios_version([a, b, c, d, e, ..]: [u8; 8]) -> String {
    [d, c, b, a, e].map(|byte| hex::encode_upper([byte])).join(".")
}
