//! In the guest: detect, collect, extend.

use std::{path::Path, time::Duration};

use crate::{
    BootLog, Error, ID, MEDIA_TYPE, TdxEvidence,
    boot::{self, BootRegisters},
    dstack,
};
use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Extension, Guest, Presence, Probe,
    Result, RuntimeEvent,
};
use evidence_attester::{
    DeviceError, IoFailure, Journal, JournalError, RegisterError, Snapshot, device,
    dmi::Cloud,
    read_if_present,
    tdx::{self, QuoteError, Rtmr},
    tsm::{self, TsmError},
};
use evidence_dstack::vm_config::{MAX_CONFIG, SYS_CONFIG, VmConfig, VmConfigError};
use evidence_event_log::{EventLog, runtime, tcg};
use evidence_tdx::{Error as QuoteFormat, Quote};

/// How long is waited for others who collect or extend.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the lock of the event log is waited for: less, so that it is named as what was waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(45);

/// The register of the runtime events.
const RTMR3: u8 = 3;

/// The log of the boot: the log area of the ACPI table CCEL, below the guest's root.
const CCEL: &str = "sys/firmware/acpi/tables/data/CCEL";

/// Why a guest could not collect or extend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The configuration from the host cannot be read.
    #[error("configuration from the host: {0}")]
    Config(#[from] VmConfigError),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// Events could not be extended or loaded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is a log of runtime events, and no register that it could be of.
    #[error("there is a log of runtime events, and {0}")]
    LogWithoutRegister(RegisterError),
    /// The quote commits to another challenge.
    #[error("quote commits to another challenge than the one that was asked for")]
    OtherChallenge,
    /// The quote is of another state.
    #[error("RTMR3 of the quote is not the value that the log accounts for")]
    OtherRegister,
    /// What came is no quote.
    #[error("expected a TDX quote: {0}")]
    Quote(#[from] QuoteFormat),
    /// The quote generation service of the host did not give one.
    #[error(transparent)]
    Service(#[from] QuoteError),
    /// The kernel did not give one.
    #[error(transparent)]
    Tsm(#[from] TsmError),
}

impl AttesterError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::InvalidConfig,
            Self::Io(_) => ErrorKind::DeviceUnavailable,
            Self::Journal(error) => error.kind(),
            Self::LogWithoutRegister(_) | Self::OtherRegister => ErrorKind::EventLogMismatch,
            Self::OtherChallenge => ErrorKind::ChallengeMismatch,
            Self::Quote(error) => error.kind(),
            Self::Service(error) => error.kind(),
            Self::Tsm(error) => error.kind(),
        }
    }
}

/// Looks for the guest device and for the register; touches neither.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    let is_td = probe.path(tdx::DEVICE) | probe.path(tdx::MEASUREMENTS);
    probe.path(tsm::REPORTS);
    let cloud = Cloud::of(guest.root());
    if let Some(cloud) = cloud {
        probe.note(format!("the firmware says {}, which has a backend of its own", cloud.name()));
    }
    probe.concludes(match (is_td, cloud) {
        (false, _) => Presence::Absent,
        (true, Some(_)) => Presence::Possible,
        (true, None) => Presence::Certain,
    })
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let (root, request) = (guest.root().to_owned(), request.clone());
    let deadline = PATIENCE.saturating_add(request.deadline);
    let work = move || collect_from(&root, &request);
    let evidence = device::run(guest.path(tdx::DEVICE), deadline, work).await.map_err(failed)?;
    Ok(Evidence::new(MEDIA_TYPE, evidence.encode()))
}

pub(crate) async fn extend_runtime(guest: &Guest, event: &RuntimeEvent) -> Result<Extension> {
    let root = guest.root().to_owned();
    let event = runtime::RuntimeEvent {
        name: event.name().to_owned(),
        payload: event.payload().to_vec(),
        // What every dstack reads. A name holds no colon, so that name and payload cannot be taken for one another.
        version: runtime::EventVersion::V1,
    };
    let work = move || {
        let mut register = Rtmr::of(&root, RTMR3).map_err(JournalError::from)?;
        Ok(journal(&root).extend(&event, &mut [&mut register])?)
    };
    let extended = device::run(guest.path(tdx::DEVICE), PATIENCE, work).await.map_err(failed)?;
    let recovered = extended.recovered.map(|event| event.name);
    Ok(Extension::new(extended.digests).after_recovery_of(recovered))
}

fn failed(error: DeviceError<AttesterError>) -> ApiError {
    let kind = error.kind(AttesterError::kind);
    match error {
        DeviceError::Work(error) => ApiError::with_source(kind, error),
        other => ApiError::with_source(kind, other),
    }
    .in_backend(ID)
}

fn collect_from(root: &Path, request: &CollectRequest) -> Result<TdxEvidence, AttesterError> {
    let mut evidence = quote_and_log(root, request)?;
    evidence.boot_log = boot_log(root, &evidence.quote)?;
    if let Some(text) = read_if_present(&root.join(SYS_CONFIG), MAX_CONFIG)? {
        let config = VmConfig::read(&text)?;
        dstack::configure(&mut evidence, config);
    }
    Ok(evidence)
}

/// Register and log first: while the snapshot lives nobody extends, so that the quote is of the same state. What the host
/// serves is read after that, because it may keep one waiting.
fn quote_and_log(root: &Path, request: &CollectRequest) -> Result<TdxEvidence, AttesterError> {
    let challenge = request.challenge().as_bytes();
    let snapshot = snapshot(root)?;
    let quote = quote(root, request, |quote| {
        let report = &quote.report;
        if report.report_data != *challenge {
            return Err(AttesterError::OtherChallenge);
        }
        let logged = snapshot.as_ref().map_or([0; 48], |snapshot| snapshot.log.replay_sha384());
        let [.., rtmr3] = &report.rtmrs;
        if *rtmr3 == logged { Ok(()) } else { Err(AttesterError::OtherRegister) }
    })?;
    let mut evidence = TdxEvidence::new(quote);
    let events = snapshot.iter().flat_map(|snapshot| snapshot.log.events());
    evidence.runtime_events = events.map(Into::into).collect();
    Ok(evidence)
}

/// The digests of the boot's events, if the registers of the quote are what they replay to.
///
/// Where the log lies in memory is the host's word. What is no log of this boot may be anything of the guest's, and so may the
/// data of events, which no register covers: neither is handed out.
fn boot_log(root: &Path, quote: &[u8]) -> Result<Option<BootLog>, AttesterError> {
    let Some(bytes) = read_if_present(&root.join(CCEL), tcg::MAX_LOG_LEN)? else { return Ok(None) };
    let [quoted @ .., _] = Quote::parse(quote)?.report.rtmrs;
    let Ok(events) = EventLog::parse(&bytes).map_err(Error::from).and_then(|log| boot::events(&log)) else {
        return Ok(None);
    };
    let log = BootLog::Digests(events);
    let replayed = BootRegisters::of(&log).ok().and_then(|registers| registers.replayed);
    Ok((replayed == Some(quoted)).then_some(log))
}

fn journal(root: &Path) -> Journal {
    Journal::at(root).with_lock_deadline(LOCK_PATIENCE)
}

/// The log, under its lock; `None` for a guest that can read no register and has no log either.
fn snapshot(root: &Path) -> Result<Option<Snapshot>, AttesterError> {
    let journal = journal(root);
    match Rtmr::of(root, RTMR3) {
        Ok(mut register) => Ok(Some(journal.load(&mut [&mut register])?)),
        Err(error) if journal.log_path().exists() => Err(AttesterError::LogWithoutRegister(error)),
        Err(_) => Ok(None),
    }
}

/// A quote that passed `check`, without padding.
fn quote(
    root: &Path,
    request: &CollectRequest,
    check: impl FnOnce(&Quote<'_>) -> Result<(), AttesterError>,
) -> Result<Vec<u8>, AttesterError> {
    let challenge = request.challenge().as_bytes();
    let check = |bytes: &[u8]| check(&Quote::parse(Quote::trim_padding(bytes)?)?);
    let bytes = tdx::quote(root, challenge, request.deadline, check)?;
    Ok(Quote::trim_padding(&bytes)?.to_vec())
}
