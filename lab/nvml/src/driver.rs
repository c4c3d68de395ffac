//! What the library answers, before it is written to where the caller wants it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, thread};

use der::pem::LineEnding;
use lab::keys::EcKey;
use lab::nvidia::{Chip, Device};

use crate::{CONFIG, Config, Kind, ready_in, set_ready_in};

/// `nvmlReturn_t`, other than success.
pub(crate) type Code = u32;

pub(crate) const UNINITIALIZED: Code = 1;
pub(crate) const INVALID_ARGUMENT: Code = 2;
pub(crate) const NOT_SUPPORTED: Code = 3;
pub(crate) const NO_PERMISSION: Code = 4;
pub(crate) const INSUFFICIENT_SIZE: Code = 7;
pub(crate) const DRIVER_NOT_LOADED: Code = 9;
pub(crate) const TIMEOUT: Code = 10;
pub(crate) const GPU_IS_LOST: Code = 15;
pub(crate) const ARGUMENT_VERSION_MISMATCH: Code = 25;
pub(crate) const UNKNOWN: Code = 999;

/// How often the library was begun and not ended.
static BEGUN: AtomicU32 = AtomicU32::new(0);

/// The GPUs that were asked for last: they take a while to make.
static GPUS: Mutex<Option<(Kind, Vec<Device>)>> = Mutex::new(None);

/// Something of this library that lies in its file.
static OF_THIS_FILE: u8 = 0;

/// The driver as it is at one call.
pub(crate) struct Driver {
    folder: PathBuf,
    config: Config,
}

impl Driver {
    /// What is configured, unless `call` is to fail.
    pub(crate) fn at(call: &str) -> Result<Self, Code> {
        let folder = env::var_os("LAB_NVML").map(PathBuf::from).or_else(own_folder).ok_or(UNKNOWN)?;
        let config = fs::read(folder.join(CONFIG)).map_err(|_error| UNKNOWN)?;
        let config: Config = serde_json::from_slice(&config).map_err(|_error| UNKNOWN)?;
        match config.failures.get(call) {
            Some(code) => Err(*code),
            None => Ok(Self { folder, config }),
        }
    }

    /// The same, of a library that was begun.
    pub(crate) fn begun(call: &str) -> Result<Self, Code> {
        if BEGUN.load(Ordering::Acquire) == 0 { Err(UNINITIALIZED) } else { Self::at(call) }
    }

    pub(crate) fn begin(&self) {
        BEGUN.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn end(&self) {
        BEGUN.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// The GPUs as they are.
    pub(crate) fn gpus(&self) -> Vec<Device> {
        let mut made = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = self.config.machine;
        if made.as_ref().is_none_or(|(of, _)| *of != kind) {
            *made = Some((kind, kind.gpus()));
        }
        let mut gpus = made.as_ref().map(|(_, gpus)| gpus.clone()).unwrap_or_default();
        if self.config.other_firmware
            && let Some(gpu) = gpus.first_mut()
            // By NVIDIA's index 25, of the driver's: SPDM counts from 1.
            && let Some((_, digest)) = gpu.report.measurements.iter_mut().find(|(index, _)| *index == 26)
        {
            digest.fill(0x66);
        }
        if self.config.restarted
            && let Some((leaf, _)) = gpus.first_mut().and_then(|gpu| gpu.certificates.first_mut())
        {
            leaf.spki = EcKey::from_label("restarted").spki();
        }
        gpus
    }

    /// The GPU of a handle.
    pub(crate) fn gpu(&self, index: usize) -> Result<Device, Code> {
        self.gpus().into_iter().nth(index).ok_or(INVALID_ARGUMENT)
    }

    /// The report of a GPU, and the size that is said of it.
    pub(crate) fn report(&self, gpu: usize, nonce: &[u8; 32]) -> Result<(Vec<u8>, u32), Code> {
        let nonce = if self.config.other_nonce { &[0x0E; 32] } else { nonce };
        let report = self.gpu(gpu)?.report_for(nonce);
        let size = u32::try_from(report.len()).map_err(|_large| UNKNOWN)?;
        Ok((report, self.config.report_size.unwrap_or(size)))
    }

    /// The certificates of a GPU, PEM, leaf first.
    pub(crate) fn certificates(&self, gpu: usize) -> Result<Vec<u8>, Code> {
        let pem = |der: Vec<u8>| {
            der::pem::encode_string("CERTIFICATE", LineEnding::LF, &der).map_err(|_error| UNKNOWN)
        };
        let chain = self.gpu(gpu)?.chain().into_iter().map(pem).collect::<Result<String, Code>>()?;
        Ok([chain.as_bytes(), self.config.certificates_end.as_bytes()].concat())
    }

    /// The driver's version, as its GPUs report it.
    pub(crate) fn version(&self) -> &'static str {
        self.gpus().first().map_or("550.90.07", |gpu| gpu.versions().0)
    }

    /// Whether there is a GPU that confidential computing can be on for.
    pub(crate) fn is_capable(&self) -> bool {
        self.gpus().iter().any(|gpu| gpu.chip != Chip::Ls10)
    }

    pub(crate) fn is_ready(&self) -> bool {
        ready_in(&self.folder)
    }

    pub(crate) fn devtools(&self) -> u32 {
        if self.config.devtools_once_ready && self.is_ready() { 1 } else { self.config.devtools }
    }

    pub(crate) fn set_ready(&self, is_ready: bool) -> Result<(), Code> {
        if self.config.forgets_ready {
            return Ok(());
        }
        if self.config.stays_ready && !is_ready {
            return Err(NO_PERMISSION);
        }
        set_ready_in(&self.folder, is_ready).map_err(|_error| NO_PERMISSION)?;
        if is_ready {
            thread::sleep(Duration::from_millis(self.config.ready_takes));
        }
        Ok(())
    }
}

/// The folder of the file that this library was loaded from, by what the kernel says of the process.
fn own_folder() -> Option<PathBuf> {
    let address = (&raw const OF_THIS_FILE).addr();
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let holds = |line: &&str| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        let bound = |hex| usize::from_str_radix(hex, 16).ok();
        Some((bound(from)?..bound(to)?).contains(&address))
    };
    let line = maps.lines().find(|line| holds(line) == Some(true))?;
    let path = line.split_once('/').map(|(_, path)| format!("/{path}"))?;
    Path::new(&path).parent().map(Path::to_owned)
}

/// What NVML says of a code.
pub(crate) const fn words(code: Code) -> &'static core::ffi::CStr {
    match code {
        0 => c"Success",
        UNINITIALIZED => c"Uninitialized",
        INVALID_ARGUMENT => c"Invalid Argument",
        NOT_SUPPORTED => c"Not Supported",
        NO_PERMISSION => c"Insufficient Permissions",
        INSUFFICIENT_SIZE => c"Insufficient Size",
        DRIVER_NOT_LOADED => c"Driver Not Loaded",
        TIMEOUT => c"Timeout",
        GPU_IS_LOST => c"GPU is lost",
        ARGUMENT_VERSION_MISMATCH => c"Argument version mismatch",
        _ => c"Unknown Error",
    }
}
