//! In the guest: detect, collect, extend.

use std::{path::Path, time::Duration};

use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Extension, Guest, Presence, Result,
    RuntimeEvent,
};
use evidence_attester::{
    DeviceError, IoFailure, Journal, JournalError, RegisterError, Snapshot, device,
    dmi::Cloud,
    read_if_present,
    tdx::{self, QuoteError, Rtmr},
    tsm::{self, CollectError, TsmError},
};
use evidence_dstack::vm_config::{MAX_CONFIG, VmConfig, VmConfigError};
use evidence_event_log::{runtime, tcg};
use evidence_tdx::{Error as QuoteFormat, Quote};
use serde_bytes::ByteBuf;

use crate::{BootLog, ID, MEDIA_TYPE, TdxEvidence, dstack};

/// How long a collection or an extension may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(90);

/// How long the host's quoting service may take.
const QUOTE_DEADLINE: Duration = Duration::from_secs(30);

/// The register of the runtime events.
const RTMR3: u8 = 3;

/// The log of the boot: the log area of the ACPI table CCEL, below the guest's root.
const CCEL: &str = "sys/firmware/acpi/tables/data/CCEL";

/// What the host tells a dstack guest of its machine and application, below the guest's root.
const SYS_CONFIG: &str = "dstack/.host-shared/.sys-config.json";

/// Why a guest could not collect or extend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The configuration from the host cannot be read.
    #[error("configuration from the host: {0}")]
    Config(#[from] VmConfigError),
    /// The configuration from the host is no text.
    #[error("configuration from the host is not UTF-8")]
    ConfigText,
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
            Self::Config(_) | Self::ConfigText => ErrorKind::InvalidConfig,
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
    let mut reasons = Vec::new();
    let mut found = |path: &str| {
        let there = guest.path(path).exists();
        reasons.push(format!("{path} {}", if there { "is there" } else { "is not there" }));
        there
    };
    let is_td = found(tdx::DEVICE) | found(tdx::MEASUREMENTS);
    found(tsm::REPORTS);
    let cloud = Cloud::of(guest.root());
    if let Some(cloud) = cloud {
        reasons.push(format!("the firmware says {}, which has a backend of its own", cloud.name()));
    }
    let presence = match (is_td, cloud) {
        (false, _) => Presence::Absent,
        (true, Some(_)) => Presence::Possible,
        (true, None) => Presence::Certain,
    };
    Detection { presence, reasons }
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let (root, challenge) = (guest.root().to_owned(), *request.challenge.as_bytes());
    let work = move || collect_from(&root, &challenge);
    let evidence = device::run(guest.path(tdx::DEVICE), DEADLINE, work).await.map_err(failed)?;
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
        Ok(Journal::at(&root).extend(&event, &mut [&mut register])?)
    };
    let extended = device::run(guest.path(tdx::DEVICE), DEADLINE, work).await.map_err(failed)?;
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

/// Register and log first: while the snapshot lives nobody extends, so that the quote is of the same state.
fn collect_from(root: &Path, challenge: &[u8; 64]) -> Result<TdxEvidence, AttesterError> {
    let snapshot = snapshot(root)?;
    let quote = quote(root, challenge, |quote| {
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
    let log = read_if_present(&root.join(CCEL), tcg::MAX_LOG_LEN)?;
    evidence.boot_log = log.map(|bytes| BootLog::Ccel(ByteBuf::from(bytes)));
    if let Some(text) = read_if_present(&root.join(SYS_CONFIG), MAX_CONFIG)? {
        let config = VmConfig::parse(&String::from_utf8(text).map_err(|_| AttesterError::ConfigText)?)?;
        dstack::configure(&mut evidence, config);
    }
    Ok(evidence)
}

/// The log, under its lock; `None` for a guest that can read no register and has no log either.
fn snapshot(root: &Path) -> Result<Option<Snapshot>, AttesterError> {
    let journal = Journal::at(root);
    match Rtmr::of(root, RTMR3) {
        Ok(mut register) => Ok(Some(journal.load(&mut [&mut register])?)),
        Err(error) if journal.log_path().exists() => Err(AttesterError::LogWithoutRegister(error)),
        Err(_) => Ok(None),
    }
}

/// A quote that passed `check`, without padding: from the kernel, or from the host's service where the kernel has no
/// interface for it.
fn quote(
    root: &Path,
    challenge: &[u8; 64],
    check: impl FnOnce(&Quote<'_>) -> Result<(), AttesterError>,
) -> Result<Vec<u8>, AttesterError> {
    let check = |bytes: &[u8]| check(&Quote::parse(Quote::trim_padding(bytes)?)?);
    let reports = root.join(tsm::REPORTS);
    let bytes = if reports.exists() {
        let report = tsm::collect(&reports, &tsm::Request::tdx(*challenge), |report| check(&report.outblob));
        let report = report.map_err(|error| match error {
            CollectError::Tsm(error) => error.into(),
            CollectError::Check(error) => error,
        })?;
        report.outblob
    } else {
        let bytes = tdx::quote_by_vsock(root, challenge, QUOTE_DEADLINE)?;
        check(&bytes)?;
        bytes
    };
    Ok(Quote::trim_padding(&bytes)?.to_vec())
}
