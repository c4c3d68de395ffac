//! NVIDIA's GPUs, by the management library of their driver (NVML), which is loaded at run time.
//!
//! Everything here blocks, and a call has no deadline of its own: [`crate::device::run`] gives it one.

mod settings;

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use evidence_ledger::ErrorKind;
use evidence_x509::{Certificate, CertificateError};
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings::{NvmlLib, nvmlReturn_t};

use crate::io::IoFailure;

/// The first GPU's device, below the guest's root.
pub const DEVICE: &str = "dev/nvidia0";

/// What the driver says of itself, below the guest's root.
pub const DRIVER: &str = "proc/driver/nvidia";

/// The library.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// Where the library lies, below a guest's root: in Debian's and in Red Hat's way.
pub const FOLDERS: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib64"];

/// The most GPUs that one machine is believed to have.
const MAX_GPUS: u32 = 64;

/// NVML, as the guest's driver has it. Shut down when dropped.
#[derive(Debug)]
pub struct Nvml(nvml_wrapper::Nvml);

/// What NVML says of confidential computing in the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfCompute {
    /// The environment.
    pub environment: Environment,
    /// Whether confidential computing is on.
    pub feature: bool,
    /// Whether the mode for development is on.
    pub devtools: bool,
    /// How several GPUs are used.
    pub multi_gpu: MultiGpu,
}

/// NVML's environment of confidential computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// 0.
    Unavailable,
    /// 1.
    Simulation,
    /// 2.
    Production,
}

/// NVML's mode of several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiGpu {
    /// 0.
    None,
    /// 1.
    ProtectedPcie,
    /// 2.
    NvlinkEncryption,
}

impl Nvml {
    /// Loads the library of the guest whose file system lies below `root`, and asks it to begin.
    ///
    /// Of the guest itself (`/`) the loader finds the library as it finds any; below another root it lies in one of [`FOLDERS`].
    ///
    /// # Errors
    ///
    /// [`NvmlFailure::NotInstalled`] where there is none, and why it does not begin.
    pub fn open(root: &Path) -> Result<Self, NvmlFailure> {
        let path = if root == Path::new("/") {
            PathBuf::from(LIBRARY)
        } else {
            let mut places = FOLDERS.iter().map(|folder| root.join(folder).join(LIBRARY));
            places.find(|place| place.exists()).ok_or(NvmlFailure::NotInstalled)?
        };
        let opened = nvml_wrapper::Nvml::builder().lib_path(path.as_os_str()).init();
        opened.map(Self).map_err(|error| match error {
            NvmlError::LibloadingError(error) => {
                let words = one_line(&error.to_string());
                // The loader's words, in which alone it says what is missing: the library, or what it needs itself.
                if words.starts_with(LIBRARY) && words.contains("No such file") {
                    NvmlFailure::NotInstalled
                } else {
                    NvmlFailure::NotLoadable(words)
                }
            }
            other => NvmlFailure::of("nvmlInit_v2", other),
        })
    }

    fn library(&self) -> &NvmlLib {
        self.0.lib()
    }

    /// What the driver says of confidential computing, all of it in one call. The driver's word: no device signs it.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure::MissingCall`] of a driver that is too old to say how several GPUs are used; [`NvmlFailure::Value`].
    pub fn cc_state(&self) -> Result<ConfCompute, NvmlFailure> {
        let call = "nvmlSystemGetConfComputeSettings";
        let settings = settings::settings(self.library()).map_err(|error| NvmlFailure::of(call, error))?;
        let unknown = |what, found| NvmlFailure::Value { what, found };
        let flag = |what, found| match found {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unknown(what, found)),
        };
        Ok(ConfCompute {
            environment: match settings.environment {
                0 => Environment::Unavailable,
                1 => Environment::Simulation,
                2 => Environment::Production,
                found => return Err(unknown("environment", found)),
            },
            feature: flag("ccFeature", settings.ccFeature)?,
            devtools: flag("devToolsMode", settings.devToolsMode)?,
            multi_gpu: match settings.multiGpuMode {
                0 => MultiGpu::None,
                1 => MultiGpu::ProtectedPcie,
                2 => MultiGpu::NvlinkEncryption,
                found => return Err(unknown("multiGpuMode", found)),
            },
        })
    }

    /// The GPUs, in NVML's order. NVSwitches are not among them.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure`], if one of them does not answer too.
    pub fn gpus(&self) -> Result<Vec<Gpu<'_>>, NvmlFailure> {
        let count = self.0.device_count().map_err(|error| NvmlFailure::of("nvmlDeviceGetCount_v2", error))?;
        if count > MAX_GPUS {
            return Err(NvmlFailure::Value { what: "count of GPUs", found: count });
        }
        let gpu = |index| {
            let device = self.0.device_by_index(index).map(Gpu);
            device.map_err(|error| NvmlFailure::of("nvmlDeviceGetHandleByIndex_v2", error))
        };
        (0..count).map(gpu).collect()
    }

    /// Lets the GPUs of the system accept work, or stops them. Only root may.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure`].
    pub fn set_ready(&self, is_ready: bool) -> Result<(), NvmlFailure> {
        let set = self.any()?.0.set_confidential_compute_state(is_ready);
        set.map_err(|error| NvmlFailure::of("nvmlSystemSetConfComputeGpusReadyState", error))
    }

    /// Whether the GPUs of the system accept work.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure`].
    pub fn is_ready(&self) -> Result<bool, NvmlFailure> {
        let is_ready = self.any()?.0.get_confidential_compute_state();
        is_ready.map_err(|error| NvmlFailure::of("nvmlSystemGetConfComputeGpusReadyState", error))
    }

    /// Any GPU: the wrapper asks through one what NVML says of the whole system.
    fn any(&self) -> Result<Gpu<'_>, NvmlFailure> {
        let first = self.0.device_by_index(0).map(Gpu);
        first.map_err(|error| NvmlFailure::of("nvmlDeviceGetHandleByIndex_v2", error))
    }
}

/// A GPU.
pub struct Gpu<'nvml>(Device<'nvml>);

impl fmt::Debug for Gpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gpu")
    }
}

impl Gpu<'_> {
    /// The measurement report for `nonce`: SPDM request and response, at most 8192 bytes. Whether it is for that nonce is the caller's to
    /// check.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure::NotSupported`] of a GPU without confidential computing.
    pub fn report(&self, nonce: &[u8; 32]) -> Result<Vec<u8>, NvmlFailure> {
        let get = || self.0.confidential_compute_gpu_attestation_report(*nonce);
        Ok(caught("nvmlDeviceGetConfComputeGpuAttestationReport", get)?.attestation_report)
    }

    /// The certificates of the key that signs reports, DER, in the driver's order: leaf first.
    ///
    /// # Errors
    ///
    /// [`NvmlFailure::NotSupported`] of a GPU without confidential computing; [`NvmlFailure::Certificates`].
    pub fn certificates(&self) -> Result<Vec<Vec<u8>>, NvmlFailure> {
        let get = || self.0.confidential_compute_gpu_certificate();
        let text = caught("nvmlDeviceGetConfComputeGpuCertificate", get)?.attestation_cert_chain;
        let certificates =
            Certificate::parse_der_or_pem(without_end(&text)).map_err(NvmlFailure::Certificates)?;
        Ok(certificates.iter().map(|certificate| certificate.der().to_vec()).collect())
    }
}

/// A text of the driver without the NUL or the newline that may end it.
fn without_end(mut text: &[u8]) -> &[u8] {
    while let Some((0 | b'\n' | b'\r', before)) = text.split_last() {
        text = before;
    }
    text
}

/// The wrapper cuts an array at the length that the driver says, and panics where that is beyond its end.
fn caught<T>(call: &'static str, get: impl FnOnce() -> Result<T, NvmlError>) -> Result<T, NvmlFailure> {
    let got = catch_unwind(AssertUnwindSafe(get)).map_err(|_panic| NvmlFailure::Length(call))?;
    got.map_err(|error| NvmlFailure::of(call, error))
}

/// How many GPUs the kernel's driver has, by what it says below `root` ([`DRIVER`]); none where there is no driver.
///
/// # Errors
///
/// [`IoFailure`].
pub fn gpus_of_driver(root: &Path) -> Result<usize, IoFailure> {
    let folder = root.join(DRIVER).join("gpus");
    match fs::read_dir(&folder) {
        Ok(entries) => Ok(entries.count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(IoFailure::new("list", &folder, &error)),
    }
}

/// Why NVML does not say what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmlFailure {
    /// A call failed otherwise.
    #[error("{call} failed: {says} (NVML {code})")]
    Call {
        /// The function.
        call: &'static str,
        /// `nvmlReturn_t`.
        code: u32,
        /// What that means.
        says: String,
    },
    /// What the driver gave as certificates.
    #[error("certificates from the driver: {0}")]
    Certificates(CertificateError),
    /// The driver says that something is longer than the array in which it lies.
    #[error("{0} says a length that is beyond its array")]
    Length(&'static str),
    /// The library has no such function.
    #[error("libnvidia-ml.so.1 has no {0}: the NVIDIA driver is too old for it")]
    MissingCall(&'static str),
    /// There is no library.
    #[error("found no libnvidia-ml.so.1: the NVIDIA driver is not installed")]
    NotInstalled,
    /// There is a library that the loader does not take.
    #[error("cannot load libnvidia-ml.so.1: {0}")]
    NotLoadable(String),
    /// The library is there, and the kernel's part is not.
    #[error("the NVIDIA driver is installed and not loaded into the kernel")]
    NotLoaded,
    /// The caller may not.
    #[error("{0} is not permitted: expected to run as root")]
    NotPermitted(&'static str),
    /// The GPU or the driver has no such thing.
    #[error("{0} is not supported: the GPU is without confidential computing, or it is off")]
    NotSupported(&'static str),
    /// A value that is not known.
    #[error("NVML says {found} for its {what}, which is not known")]
    Value {
        /// Which.
        what: &'static str,
        /// The value.
        found: u32,
    },
}

impl NvmlFailure {
    fn of(call: &'static str, error: NvmlError) -> Self {
        match error {
            NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => Self::MissingCall(call),
            NvmlError::DriverNotLoaded => Self::NotLoaded,
            NvmlError::NoPermission => Self::NotPermitted(call),
            NvmlError::NotSupported => Self::NotSupported(call),
            other => {
                let says = one_line(&other.to_string());
                Self::Call { call, code: nvmlReturn_t::from(other), says }
            }
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Call { .. } | Self::NotLoadable(_) | Self::NotLoaded | Self::NotPermitted(_) => {
                ErrorKind::DeviceUnavailable
            }
            Self::Certificates(_) | Self::Length(_) | Self::Value { .. } => ErrorKind::MalformedEvidence,
            Self::MissingCall(_) | Self::NotInstalled | Self::NotSupported(_) => ErrorKind::Unsupported,
        }
    }
}

fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
