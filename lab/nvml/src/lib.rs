#![doc = include_str!("../README.md")]

mod driver;
mod exports;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use lab::nvidia::{Chip, Device, Machine};
use serde::{Deserialize, Serialize};

/// Where the library is installed, below a guest's root.
pub const LIBRARY: &str = "usr/lib64/libnvidia-ml.so.1";

/// What the library answers, beside it.
const CONFIG: &str = "lab-nvml.json";

/// Whether the GPUs accept work, beside it.
const READY: &str = "ready";

/// What the library answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Which machine.
    pub machine: Kind,
    /// Of the confidential computing of the system: its environment.
    pub environment: u32,
    /// Whether it is on.
    pub feature: u32,
    /// Whether the mode for development is on.
    pub devtools: u32,
    /// How several GPUs are used.
    pub multi_gpu: u32,
    /// Functions that fail, and by which `nvmlReturn_t`.
    pub failures: BTreeMap<String, u32>,
    /// The reports are for another nonce than the one that was asked for.
    pub other_nonce: bool,
    /// The first GPU measured another driver than NVIDIA's.
    pub other_firmware: bool,
    /// The size of a report, where it is not the report's.
    pub report_size: Option<u32>,
    /// What stands behind the text of certificates, within its size.
    pub certificates_end: String,
    /// The first GPU was exchanged, or started anew with another key.
    pub restarted: bool,
    /// The ready state is not taken back.
    pub stays_ready: bool,
    /// How long the library takes to set the ready state, in milliseconds, after it did.
    pub ready_takes: u64,
    /// Once the GPUs accept work, the mode for development is on.
    pub devtools_once_ready: bool,
    /// The library takes the ready state, and it stays as it was.
    pub forgets_ready: bool,
}

/// A machine of the lab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No GPU at all.
    Empty,
    /// [`Machine::h100`].
    H100,
    /// [`Machine::b200s`].
    B200s,
    /// [`Machine::hgx`], whose switches NVML does not have.
    Hgx,
}

impl Default for Config {
    /// One H100: confidential computing is on in production, the mode for development is off.
    fn default() -> Self {
        Self {
            machine: Kind::H100,
            environment: 2,
            feature: 1,
            devtools: 0,
            multi_gpu: 0,
            failures: BTreeMap::new(),
            other_nonce: false,
            other_firmware: false,
            report_size: None,
            certificates_end: "\n\0".to_owned(),
            restarted: false,
            stays_ready: false,
            ready_takes: 0,
            devtools_once_ready: false,
            forgets_ready: false,
        }
    }
}

impl Config {
    /// Eight H100s in protected PCIe: the feature itself reads as off.
    #[must_use]
    pub fn hgx() -> Self {
        Self { machine: Kind::Hgx, feature: 0, multi_gpu: 1, ..Self::default() }
    }

    /// The same, where a function fails by a code.
    #[must_use]
    pub fn failing(mut self, call: &str, code: u32) -> Self {
        self.failures.insert(call.to_owned(), code);
        self
    }
}

impl Kind {
    /// The machine, its switches too; `None` without a GPU.
    #[must_use]
    pub fn machine(self) -> Option<Machine> {
        match self {
            Self::Empty => None,
            Self::H100 => Some(Machine::h100()),
            Self::B200s => Some(Machine::b200s()),
            Self::Hgx => Some(Machine::hgx()),
        }
    }

    /// Its GPUs.
    #[must_use]
    pub fn gpus(self) -> Vec<Device> {
        let devices = self.machine().map(|machine| machine.devices).unwrap_or_default();
        devices.into_iter().filter(|device| device.chip != Chip::Ls10).collect()
    }
}

/// Installs driver and library in the guest below `root`: the library, what the kernel says of the driver, the devices.
///
/// # Errors
///
/// Of the file system, and where cargo did not build the library beside the test.
pub fn install(root: &Path, config: &Config) -> io::Result<()> {
    let library = root.join(LIBRARY);
    fs::create_dir_all(folder(root))?;
    fs::copy(built()?, &library)?;
    fs::create_dir_all(root.join("dev"))?;
    let gpus = root.join("proc/driver/nvidia/gpus");
    fs::create_dir_all(&gpus)?;
    for number in 0..config.machine.gpus().len() {
        fs::write(root.join(format!("dev/nvidia{number}")), "")?;
        fs::create_dir(gpus.join(format!("0000:{number:02x}:00.0")))?;
    }
    configure(root, config)
}

/// Changes what the library of the guest below `root` answers.
///
/// # Errors
///
/// Of the file system.
pub fn configure(root: &Path, config: &Config) -> io::Result<()> {
    fs::write(folder(root).join(CONFIG), serde_json::to_vec_pretty(config)?)
}

/// Whether the GPUs of the guest below `root` accept work.
#[must_use]
pub fn is_ready(root: &Path) -> bool {
    ready_in(&folder(root))
}

/// Whether the ready state of the guest below `root` was ever set or taken back.
#[must_use]
pub fn was_set(root: &Path) -> bool {
    folder(root).join(READY).exists()
}

/// Lets the GPUs of the guest below `root` accept work, or stops them.
///
/// # Errors
///
/// Of the file system.
pub fn set_ready(root: &Path, is_ready: bool) -> io::Result<()> {
    set_ready_in(&folder(root), is_ready)
}

fn folder(root: &Path) -> PathBuf {
    root.join(LIBRARY).parent().map(Path::to_owned).unwrap_or_default()
}

fn ready_in(folder: &Path) -> bool {
    fs::read(folder.join(READY)).is_ok_and(|state| state == b"1")
}

fn set_ready_in(folder: &Path, is_ready: bool) -> io::Result<()> {
    fs::write(folder.join(READY), if is_ready { "1" } else { "0" })
}

/// The library as cargo built it: beside the test, or one folder above it.
fn built() -> io::Result<PathBuf> {
    let name = format!("{}lab_nvml{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let executable = env::current_exe()?;
    let mut places = executable
        .ancestors()
        .skip(1)
        .take(3)
        .flat_map(|folder| [folder.join(&name), folder.join("deps").join(&name)]);
    places.find(|place| place.exists()).ok_or_else(|| {
        let message = format!("no {name} beside {}: build lab-nvml", executable.display());
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
