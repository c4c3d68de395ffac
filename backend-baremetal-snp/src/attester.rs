//! In the guest: detect and collect. There is no register to extend.

use std::{path::Path, time::Duration};

use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Guest, Presence, Probe, Result,
};
use evidence_attester::{
    DeviceError, IoFailure, device,
    dmi::Cloud,
    read_if_present,
    snp::{self, SnpError},
    tsm::{self, TsmError},
};
use evidence_dstack::vm_config::{MAX_CONFIG, SYS_CONFIG, VmConfig, VmConfigError};
use evidence_snp::{Error as ReportFormat, Report, read_certificates};

use crate::{Error, ID, MEDIA_TYPE, SnpEvidence, dstack};

/// How long is waited for others who collect.
const PATIENCE: Duration = Duration::from_secs(60);

/// The privilege level that a report is requested at: the guest's own.
const VMPL: u8 = 0;

/// Why a guest could not collect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The host's certificates cannot be read.
    #[error("certificates from the host: {0}")]
    Certificates(ReportFormat),
    /// The configuration from the host cannot be read.
    #[error("configuration from the host: {0}")]
    Config(#[from] VmConfigError),
    /// The guest device did not give a report.
    #[error(transparent)]
    Device(#[from] SnpError),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The configuration from the host does not describe a launch.
    #[error("configuration from the host: {0}")]
    Launch(Box<Error>),
    /// The report commits to another challenge.
    #[error("report commits to another challenge than the one that was asked for")]
    OtherChallenge,
    /// What came is no report.
    #[error("expected an attestation report: {0}")]
    Report(ReportFormat),
    /// The kernel did not give one.
    #[error(transparent)]
    Tsm(#[from] TsmError),
}

impl AttesterError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificates(error) | Self::Report(error) => error.kind(),
            Self::Config(_) | Self::Launch(_) => ErrorKind::InvalidConfig,
            Self::Device(error) => error.kind(),
            Self::Io(_) => ErrorKind::DeviceUnavailable,
            Self::OtherChallenge => ErrorKind::ChallengeMismatch,
            Self::Tsm(error) => error.kind(),
        }
    }
}

/// Looks for the guest device; does not touch it.
///
/// Never certain: a guest without a register binds less than others do, and so an operator chooses this backend.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    let is_snp = probe.path(snp::DEVICE);
    probe.path(tsm::REPORTS);
    if let Some(cloud) = Cloud::of(guest.root()) {
        probe.note(format!("the firmware says {}, which has a backend of its own", cloud.name()));
    }
    if is_snp {
        probe.note("the platform has no register for runtime events: only an operator selects it");
    }
    probe.concludes(if is_snp { Presence::Possible } else { Presence::Absent })
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let (root, request) = (guest.root().to_owned(), request.clone());
    let deadline = PATIENCE.saturating_add(request.deadline);
    let work = move || collect_from(&root, &request);
    let evidence = device::run(guest.path(snp::DEVICE), deadline, work).await.map_err(failed)?;
    Ok(Evidence::new(MEDIA_TYPE, evidence.encode()))
}

fn failed(error: DeviceError<AttesterError>) -> ApiError {
    let kind = error.kind(AttesterError::kind);
    match error {
        DeviceError::Work(error) => ApiError::with_source(kind, error),
        other => ApiError::with_source(kind, other),
    }
    .in_backend(ID)
}

fn collect_from(root: &Path, request: &CollectRequest) -> Result<SnpEvidence, AttesterError> {
    let challenge = request.challenge().as_bytes();
    let check = |report: &[u8]| {
        let report = Report::parse(report).map_err(AttesterError::Report)?;
        if report.report_data == *challenge { Ok(()) } else { Err(AttesterError::OtherChallenge) }
    };
    let answer = snp::report(root, challenge, VMPL, request.deadline, check)?;
    let tables: Vec<Vec<u8>> = answer.certificates.into_iter().collect();
    let certificates = read_certificates(&tables).map_err(AttesterError::Certificates)?;
    let mut evidence = SnpEvidence::new(answer.report, certificates);
    if let Some(text) = read_if_present(&root.join(SYS_CONFIG), MAX_CONFIG)? {
        let config = VmConfig::read(&text)?;
        evidence.mr_config = config.mr_config.clone().filter(|document| !document.is_empty());
        evidence.launch =
            dstack::launch_of(config).map_err(|error| AttesterError::Launch(Box::new(error)))?;
    }
    Ok(evidence)
}
