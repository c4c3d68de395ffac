//! In the guest: detect, collect, attest at boot.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::rand;
use backend_api::{
    AttestationBackend, BackendPolicy, Challenge, CollectRequest, Detection, Endorsements, Error as ApiError,
    ErrorKind, Evidence, Guest, Limits, Presence, Probe, Result, Role, RuntimeEvent, TrustAnchors, UnixTime,
    VerifyInput,
};
use evidence_attester::{
    DeviceError, IoFailure, device,
    nvml::{self, DEVICE, DRIVER, FOLDERS, Gpu, LIBRARY, Nvml, NvmlFailure, gpus_of_driver},
};
use evidence_nvidia::{Error as ReportError, Report};
use evidence_x509::Certificate;
use serde_bytes::{ByteArray, ByteBuf};

use crate::{
    CcState, DeviceEvidence, Environment, GpuAttestation, ID, MAX_DEVICES, MultiGpu, NvidiaEvidence, Profile,
    media_type, profile::v1_nonce, verify::verify_in_guest,
};

/// The event that a guest extends for its devices.
const EVENT: &str = "gpu-attestation";

/// How long is waited for others who use the GPUs' driver.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a guest could not collect, or its GPUs are not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The GPUs accept work already.
    #[error("GPUs accept work already, expected that they do not before they are attested")]
    AlreadyReady,
    /// One GPU.
    #[error("GPU {index}: {error}")]
    Gpu {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: NvmlFailure,
    },
    /// The driver says something else of the machine than when it was measured.
    #[error(
        "GPUs or their mode of confidential computing changed since they were measured, expected the same"
    )]
    Changed,
    /// Nobody waited for the GPUs to become ready.
    #[error("nobody waits for the GPUs any more")]
    GivenUp,
    /// Kernel and library do not speak of the same GPUs.
    #[error("kernel's driver has {driver} GPUs and NVML {library}, expected the same")]
    GpuCount {
        /// By the kernel's driver.
        driver: usize,
        /// By NVML.
        library: usize,
    },
    /// What the kernel's driver says could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// There is no GPU.
    #[error("NVIDIA's driver has no GPU, expected one at least")]
    NoGpus,
    /// There is no randomness.
    #[error("no randomness for a nonce")]
    NoRandomness,
    /// The ready state did not hold.
    #[error("driver took the ready state, and says that the GPUs accept no work")]
    NotReady,
    /// The driver.
    #[error(transparent)]
    Nvml(#[from] NvmlFailure),
    /// The report does not hold what was asked for.
    #[error("report of GPU {0} is for another nonce than the one that was asked for")]
    OtherNonce(usize),
    /// What came is no report.
    #[error("expected a report of GPU {index}: {error}")]
    Report {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: ReportError,
    },
    /// The ready state was set, and could not be taken back.
    #[error("{0}; GPUs accept work nevertheless: the driver did not take it back")]
    StillReady(Box<Self>),
    /// More GPUs than a payload holds.
    #[error("{0} GPUs, expected at most {MAX_DEVICES}")]
    TooMany(usize),
}

impl AttesterError {
    /// What kind of failure it is.
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyReady | Self::Changed | Self::StillReady(_) => ErrorKind::ForbiddenState,
            Self::Gpu { error, .. } | Self::Nvml(error) => error.kind(),
            Self::GpuCount { .. } => ErrorKind::InconsistentEvidence,
            Self::Io(_) | Self::NotReady => ErrorKind::DeviceUnavailable,
            Self::GivenUp => ErrorKind::Unsettled,
            Self::NoGpus => ErrorKind::Unsupported,
            Self::NoRandomness => ErrorKind::Internal,
            Self::OtherNonce(_) => ErrorKind::ChallengeMismatch,
            Self::Report { error, .. } => error.kind(),
            Self::TooMany(_) => ErrorKind::LimitExceeded,
        }
    }
}

type Collected<T> = std::result::Result<T, AttesterError>;

/// Looks for the driver, a GPU and the library; opens and loads none of them.
///
/// Never certain: whether confidential computing is on, only the library says.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    let (gpu, driver) = (probe.path(DEVICE), probe.path(DRIVER));
    if !gpu && !driver {
        return probe.concludes(Presence::Absent);
    }
    for folder in FOLDERS {
        probe.path(&format!("{folder}/{LIBRARY}"));
    }
    probe.note("whether confidential computing is on, only NVML says, which is not loaded to look");
    probe.concludes(Presence::Possible)
}

/// Reports of every GPU, for a nonce of the challenge.
pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let nonce = v1_nonce(request.challenge());
    let evidence = on_gpus(guest, request.deadline, move |root| collect_from(root, &nonce)).await?;
    Ok(Evidence::new(media_type(Profile::V1), evidence.encode()))
}

/// What a guest judges its own GPUs by, before it measures them. The relying party judges them again, by its own.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BootVerification<'a> {
    /// What NVIDIA says: manifests, and the status of certificates. [`AttestationBackend::endorsements_for`] names what is needed, of
    /// evidence that the guest collects for that purpose beforehand, for any challenge.
    pub endorsements: &'a Endorsements,
    /// Whose roots are trusted.
    pub trust_anchors: &'a TrustAnchors,
    /// What is asked of the GPUs: the lane `boot` is among its lanes.
    pub policy: &'a BackendPolicy,
    /// The time at which everything must be valid.
    pub at: UnixTime,
    /// How much is read.
    pub limits: Limits,
    /// How long the driver may take for all GPUs.
    pub deadline: Duration,
}

impl<'a> BootVerification<'a> {
    /// The usual limits, and 30 seconds for the driver.
    pub fn new(
        endorsements: &'a Endorsements,
        trust_anchors: &'a TrustAnchors,
        policy: &'a BackendPolicy,
        at: UnixTime,
    ) -> Self {
        let (limits, deadline) = (Limits::default(), Duration::from_secs(30));
        Self { endorsements, trust_anchors, policy, at, limits, deadline }
    }

    /// The same with a driver that answers within `deadline`.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Judges the guest's own evidence.
    fn judge(&self, evidence: &Evidence) -> Result<()> {
        // The profile `boot` has a nonce of its own: no relying party has asked yet.
        let challenge = Challenge::new([0; 64]);
        let Self { endorsements, trust_anchors, policy, at, limits, .. } = self;
        let input = VerifyInput::new(evidence, &challenge, endorsements, trust_anchors, policy, *at, limits)
            .map_err(|error| error.in_backend(ID))?;
        verify_in_guest(&input)
    }
}

/// Attests the guest's GPUs to the guest itself, before anything runs on them, and gives the evidence of that boot, to be kept and sent
/// beside the CPU's from then on. Once in the life of a guest, where its launch has this event: before it extends `instance-id`.
///
/// In this order, and no step without the one before:
/// 1. every GPU reports, for one random nonce;
/// 2. the reports are verified here, with what the caller has from NVIDIA;
/// 3. that the GPUs accept no work yet is asked of the driver;
/// 4. the event `gpu-attestation`, which commits to the evidence, is extended into the register of `cpu`;
/// 5. the driver is told that the GPUs may accept work, and asked whether they do: before and after, whether it has the GPUs that
///    were measured, by the keys that they sign with, in the same mode.
///
/// NVSwitches are not among the devices, because NVML does not have them: evidence of a machine with switches, as another tool collects
/// it, is imported from a file.
///
/// # Errors
///
/// [`AttesterError`] of the guest's side; of step 2, what [`AttestationBackend::verify`] says; of step 4, what the CPU's backend says,
/// [`ErrorKind::Unsupported`] where it has no register. Whatever fails, the ready state was not set, or was taken back, also where the
/// deadline ended or the future was dropped; [`AttesterError::StillReady`] where the driver did not take it back. Before step 4, nothing was
/// extended. After it the event stays in the register, and cannot be extended again: a guest whose driver refuses step 5
/// restarts.
pub async fn attest_at_boot(
    guest: &Guest,
    cpu: &dyn AttestationBackend,
    verification: &BootVerification<'_>,
) -> Result<Evidence> {
    if cpu.descriptor().role != Role::Cpu {
        let message = "devices are measured into the register of a CPU, not into another device's";
        return Err(ApiError::new(ErrorKind::InvalidConfig, message).in_backend(ID));
    }
    let mut nonce = [0; 32];
    rand::fill(&mut nonce).map_err(|_unspecified| refused(AttesterError::NoRandomness))?;
    let deadline = verification.deadline;
    let mut evidence = on_gpus(guest, deadline, move |root| collect_from(root, &nonce)).await?;
    evidence.nonce = Some(ByteArray::new(nonce));
    let (devices, measured) = (evidence.devices.len(), Measured::of(&evidence));
    let evidence = Evidence::new(media_type(Profile::Boot), evidence.encode());
    verification.judge(&evidence)?;

    on_gpus(guest, deadline, |root| {
        if Nvml::open(&root)?.is_ready()? { Err(AttesterError::AlreadyReady) } else { Ok(()) }
    })
    .await?;
    let event = GpuAttestation::of(devices, evidence.bytes()).encode();
    cpu.extend_runtime(guest, &RuntimeEvent::new(EVENT, event)?).await?;
    let settled = GivesUp(Arc::clone(&measured.settled));
    match on_gpus(guest, deadline, move |root| measured.become_ready(&root)).await {
        // At the deadline itself the work may have come first.
        Err(late) if late.kind() == ErrorKind::Unsettled && settled.0.swap(true, Ordering::AcqRel) => {
            Ok(evidence)
        }
        done => done.map(|()| evidence),
    }
}

/// What was measured, of which nothing may change before it accepts work, and who came first: the work, or who waited for it.
#[derive(Debug, Clone)]
struct Measured {
    cc_state: Option<CcState>,
    /// The key that each GPU signed its report with, in NVML's order.
    keys: Vec<Option<Vec<u8>>>,
    settled: Arc<AtomicBool>,
}

/// Gives up what nobody waits for any more.
struct GivesUp(Arc<AtomicBool>);

impl Drop for GivesUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Measured {
    fn of(evidence: &NvidiaEvidence) -> Self {
        let keys = evidence.devices.iter().map(|device| leaf_key(&device.certificates)).collect();
        Self { cc_state: evidence.cc_state, keys, settled: Arc::default() }
    }

    /// Lets the GPUs accept work that were measured, in the mode that was.
    fn become_ready(&self, root: &Path) -> Collected<()> {
        let nvml = Nvml::open(root)?;
        self.is_unchanged(&nvml, root)?;
        let becomes = || {
            if self.settled.load(Ordering::Acquire) {
                return Err(AttesterError::GivenUp);
            }
            nvml.set_ready(true)?;
            if !nvml.is_ready()? {
                return Err(AttesterError::NotReady);
            }
            self.is_unchanged(&nvml, root)?;
            if self.settled.swap(true, Ordering::AcqRel) { Err(AttesterError::GivenUp) } else { Ok(()) }
        };
        becomes().map_err(|why| {
            // Whether the driver took it back is what it says afterwards.
            drop(nvml.set_ready(false));
            match nvml.is_ready() {
                Ok(false) => why,
                _ => AttesterError::StillReady(Box::new(why)),
            }
        })
    }

    fn is_unchanged(&self, nvml: &Nvml, root: &Path) -> Collected<()> {
        let gpus = nvml.gpus()?;
        count(root, &gpus)?;
        let keys = gpus.iter().enumerate().map(|(index, gpu)| Ok(leaf_key(&certificates_of(index, gpu)?)));
        let is_same = keys.collect::<Collected<Vec<_>>>()? == self.keys
            && Some(cc_state(nvml.cc_state()?)) == self.cc_state;
        if is_same { Ok(()) } else { Err(AttesterError::Changed) }
    }
}

/// Does `work`, which takes the guest's root, off the async threads.
async fn on_gpus<T: Send + 'static>(
    guest: &Guest,
    deadline: Duration,
    work: impl FnOnce(PathBuf) -> Collected<T> + Send + 'static,
) -> Result<T> {
    let root = guest.root().to_owned();
    let deadline = PATIENCE.saturating_add(deadline);
    device::run(guest.path(DEVICE), deadline, move || work(root)).await.map_err(failed)
}

fn failed(error: DeviceError<AttesterError>) -> ApiError {
    let kind = error.kind(AttesterError::kind);
    match error {
        DeviceError::Work(error) => refused(error),
        other => ApiError::with_source(kind, other).in_backend(ID),
    }
}

fn refused(error: AttesterError) -> ApiError {
    ApiError::with_source(error.kind(), error).in_backend(ID)
}

/// What the driver says, and what every GPU of the system signs for `nonce`.
fn collect_from(root: PathBuf, nonce: &[u8; 32]) -> Collected<NvidiaEvidence> {
    let nvml = Nvml::open(&root)?;
    let gpus = nvml.gpus()?;
    count(&root, &gpus)?;
    let devices = gpus.iter().enumerate().map(|(index, gpu)| of_gpu(index, gpu, nonce));
    let devices = devices.collect::<Collected<_>>()?;
    Ok(NvidiaEvidence { nonce: None, cc_state: Some(cc_state(nvml.cc_state()?)), devices })
}

/// There are as many GPUs by the kernel's driver as by its library.
fn count(root: &Path, gpus: &[Gpu<'_>]) -> Collected<()> {
    let (library, driver) = (gpus.len(), gpus_of_driver(root)?);
    if library == 0 {
        return Err(AttesterError::NoGpus);
    }
    if library > MAX_DEVICES {
        return Err(AttesterError::TooMany(library));
    }
    // A GPU that the library hides would become ready with the others.
    if library != driver {
        return Err(AttesterError::GpuCount { driver, library });
    }
    Ok(())
}

fn certificates_of(index: usize, gpu: &Gpu<'_>) -> Collected<Vec<ByteBuf>> {
    let certificates = gpu.certificates().map_err(|error| AttesterError::Gpu { index, error })?;
    Ok(certificates.into_iter().map(ByteBuf::from).collect())
}

fn of_gpu(index: usize, gpu: &Gpu<'_>, nonce: &[u8; 32]) -> Collected<DeviceEvidence> {
    let report = gpu.report(nonce).map_err(|error| AttesterError::Gpu { index, error })?;
    let parsed = Report::parse(&report).map_err(|error| AttesterError::Report { index, error })?;
    if parsed.nonce != *nonce {
        return Err(AttesterError::OtherNonce(index));
    }
    Ok(DeviceEvidence { report: report.into(), certificates: certificates_of(index, gpu)? })
}

/// The key of the first certificate, where it is one.
fn leaf_key(certificates: &[ByteBuf]) -> Option<Vec<u8>> {
    let leaf = Certificate::parse(certificates.first()?).ok()?;
    Some(leaf.public_key().to_vec())
}

/// NVML's words in those of the payload.
const fn cc_state(said: nvml::ConfCompute) -> CcState {
    CcState {
        environment: match said.environment {
            nvml::Environment::Unavailable => Environment::Unavailable,
            nvml::Environment::Simulation => Environment::Simulation,
            nvml::Environment::Production => Environment::Production,
        },
        feature: said.feature,
        devtools: said.devtools,
        multi_gpu: match said.multi_gpu {
            nvml::MultiGpu::None => MultiGpu::None,
            nvml::MultiGpu::ProtectedPcie => MultiGpu::ProtectedPcie,
            nvml::MultiGpu::NvlinkEncryption => MultiGpu::NvlinkEncryption,
        },
    }
}
