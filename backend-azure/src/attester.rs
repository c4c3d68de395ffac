//! In the guest: detect, collect, extend.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Extension, Guest, Presence, Probe,
    Result, RuntimeEvent,
};
use evidence_attester::{
    DeviceError, IoFailure, JournalError, device,
    dmi::Cloud,
    tpm::{Key, RUNTIME_PCR, Tpm, TpmError, TpmGuest},
};
use evidence_tdx::{Error as TdQuoteError, Quote};
use evidence_tpm::{boot::compare, without_padding};

use crate::{
    AzureEvidence, Error, ID, MAX_AK_CERTIFICATE, Profile, RuntimeData, Tee, V1_PCRS,
    bind::BANK,
    hcl::{HclReport, MAX_HCL_REPORT},
    imds::{BASE_URL, Imds, ImdsError, SERVICE},
    media_type,
    td_report::TdReportStruct,
    v1_extra_data,
};

/// What a vTPM of Azure keeps, and where (openvmm, `tpm_lib`).
mod nv {
    /// The report of the paravisor. To read its first byte makes a new one, if the last one is older than two seconds.
    pub(super) const HCL_REPORT: u32 = 0x0140_0001;
    /// What the guest wants to be in the next report: 64 bytes.
    pub(super) const USER_DATA: u32 = 0x0140_0002;
    /// The certificate of the attestation key.
    pub(super) const AK_CERTIFICATE: u32 = 0x01C1_01D0;
}

/// The attestation key.
const AK: u32 = 0x8100_0003;

/// How long is waited for others who collect or extend.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a new report of the paravisor is waited for. It takes up to three seconds.
const REPORT_PATIENCE: Duration = Duration::from_secs(15);

/// How often it is looked at.
const REPORT_INTERVAL: Duration = Duration::from_millis(400);

/// How long detection waits for the TPM.
const DETECT_PATIENCE: Duration = Duration::from_secs(5);

/// Why a guest could not collect or extend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// What the vTPM keeps is not in its format.
    #[error("from the vTPM: {0}")]
    Format(#[from] Error),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The metadata service did not answer.
    #[error(transparent)]
    Metadata(#[from] ImdsError),
    /// There is no report of a paravisor.
    #[error("vTPM has no report of a paravisor at 0x01400001: expected a confidential VM of Azure")]
    NoHclReport,
    /// Events could not be extended or loaded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The host quoted something else than it was asked to.
    #[error("from the metadata service: {0}")]
    OtherTdQuote(#[source] Error),
    /// The quote is of another state.
    #[error("PCR14 of the quote is not the value that the log accounts for")]
    OtherRegister,
    /// The report of the paravisor is of another technology than the known ones.
    #[error("report of the paravisor has the type {0}, expected 2 (SEV-SNP) or 4 (TDX)")]
    ReportType(u32),
    /// The report of the paravisor does not follow what the guest asks for.
    #[error(
        "report of the paravisor still has other user-data {waited_ms} ms after the challenge was written"
    )]
    StaleHclReport {
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// What came as a TD quote is none.
    #[error("from the metadata service: {0}")]
    TdQuote(#[from] TdQuoteError),
    /// The vTPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
}

impl AttesterError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Format(_) | Self::TdQuote(_) => ErrorKind::MalformedEvidence,
            Self::Io(_) | Self::StaleHclReport { .. } => ErrorKind::DeviceUnavailable,
            Self::Metadata(ImdsError::Unreachable { .. } | ImdsError::Status { .. }) => {
                ErrorKind::SourceUnavailable
            }
            Self::Metadata(_) => ErrorKind::InvalidEndorsements,
            Self::NoHclReport | Self::ReportType(_) => ErrorKind::Unsupported,
            Self::OtherTdQuote(_) => ErrorKind::InconsistentEvidence,
            Self::Journal(error) => error.kind(),
            Self::OtherRegister => ErrorKind::EventLogMismatch,
            Self::Tpm(error) => error.kind(),
        }
    }
}

/// The guest, by its files and its TPM.
fn tpm_guest(guest: &Guest) -> TpmGuest {
    TpmGuest::new(guest.root(), guest.tcti())
}

/// Looks for what Azure's firmware says, and for a report of its paravisor; changes nothing.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    if Cloud::of(guest.root()) != Some(Cloud::Azure) {
        probe.note("the firmware does not say Microsoft Azure");
        return probe.concludes(Presence::Absent);
    }
    probe.note("the firmware says Microsoft Azure");
    let has_report = tpm_guest(guest).ask(DETECT_PATIENCE, |tpm| tpm.nv_exists(nv::HCL_REPORT));
    let (presence, reason) = match has_report {
        Some(Ok(true)) => {
            (Presence::Certain, "the vTPM has a report of a paravisor at 0x01400001".to_owned())
        }
        Some(Ok(false)) => {
            (Presence::Absent, "the vTPM has no report of a paravisor at 0x01400001".to_owned())
        }
        Some(Err(error)) => (Presence::Possible, error.to_string()),
        None => {
            (Presence::Possible, format!("the vTPM did not answer within {} s", DETECT_PATIENCE.as_secs()))
        }
    };
    probe.note(reason);
    probe.concludes(presence)
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let metadata = guest.metadata(SERVICE).unwrap_or(BASE_URL).to_owned();
    let (guest, request) = (tpm_guest(guest), request.clone());
    let deadline = PATIENCE.saturating_add(request.deadline);
    let device = guest.device();
    let work = move || collect_from(&guest, &metadata, &request);
    let (tee, evidence) = device::run(device, deadline, work).await.map_err(failed)?;
    Ok(Evidence::new(media_type(tee, Profile::V1), evidence.encode()))
}

pub(crate) async fn extend_runtime(guest: &Guest, event: &RuntimeEvent) -> Result<Extension> {
    let (guest, event) = (tpm_guest(guest), event.clone());
    let device = guest.device();
    let work = move || guest.extend(event.name(), event.payload(), &mut []);
    let extended = device::run(device, PATIENCE, work).await.map_err(failed)?;
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

/// Report first: the quote commits to it. What the host serves is asked for last, because it may keep one waiting.
fn collect_from(
    guest: &TpmGuest,
    metadata: &str,
    request: &CollectRequest,
) -> std::result::Result<(Tee, AzureEvidence), AttesterError> {
    let challenge = request.challenge().as_bytes();
    let mut tpm = guest.tpm()?;
    let hcl_report = hcl_report(&mut tpm, challenge, request.deadline)?;
    let hcl = HclReport::parse(&hcl_report)?;
    let tee = hcl.tee().ok_or(AttesterError::ReportType(hcl.report_type))?;
    let ak_certificate = tpm.nv_read(nv::AK_CERTIFICATE, MAX_AK_CERTIFICATE)?;
    let mut evidence = quote_and_log(guest, tpm, &v1_extra_data(challenge, hcl.without_padding))?;
    evidence.boot_log = boot_log(guest, &evidence)?.map(Into::into);
    // An index of zeros, or of anything else, holds no certificate: who needs one refuses Evidence without.
    let certificate = ak_certificate.as_deref().and_then(|der| without_padding(der).ok());
    evidence.ak_certificate = certificate.map(|der| der.to_vec().into());
    let imds = Imds::at(metadata, request.deadline);
    match tee {
        Tee::Snp => {
            evidence.certificates = imds.certificates()?.into_iter().map(Into::into).collect();
        }
        Tee::Tdx => {
            let report = TdReportStruct::parse(hcl.hardware_report)?;
            let quote = imds.td_quote(report.bytes())?;
            let quote = Quote::trim_padding(&quote)?;
            report.is_quoted(&Quote::parse(quote)?.report).map_err(AttesterError::OtherTdQuote)?;
            evidence.td_quote = Some(quote.to_vec().into());
        }
    }
    evidence.hcl_report = hcl_report.into();
    Ok((tee, evidence))
}

/// A report of the paravisor for this challenge.
fn hcl_report(
    tpm: &mut Tpm,
    challenge: &[u8; 64],
    deadline: Duration,
) -> std::result::Result<Vec<u8>, AttesterError> {
    if !tpm.nv_exists(nv::HCL_REPORT)? {
        return Err(AttesterError::NoHclReport);
    }
    tpm.nv_define_and_write(nv::USER_DATA, challenge)?;
    let (begun, patience) = (Instant::now(), deadline.min(REPORT_PATIENCE));
    loop {
        let report = tpm.nv_read(nv::HCL_REPORT, MAX_HCL_REPORT)?.ok_or(AttesterError::NoHclReport)?;
        let hcl = HclReport::parse(&report)?;
        let user_data = RuntimeData::parse(hcl.runtime_data)?.user_data;
        // While others read it too, one may be of two reports.
        if user_data == Some(*challenge) && hcl.commits_to_runtime_data() {
            return Ok(report);
        }
        let waited = begun.elapsed();
        if waited >= patience {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            return Err(AttesterError::StaleHclReport { waited_ms });
        }
        sleep(REPORT_INTERVAL.min(patience.saturating_sub(waited)));
    }
}

/// Registers and log first: while the snapshot lives nobody extends, so that the quote is of the same state.
fn quote_and_log(
    guest: &TpmGuest,
    tpm: Tpm,
    extra_data: &[u8],
) -> std::result::Result<AzureEvidence, AttesterError> {
    let tpm = Arc::new(Mutex::new(tpm));
    let snapshot = guest.snapshot::<AttesterError>(&tpm, &mut [])?;
    let mut tpm = tpm.lock().unwrap_or_else(PoisonError::into_inner);
    let quoted = tpm.quote(Key::Persistent(AK), extra_data, BANK, &V1_PCRS)?;
    let mut evidence = AzureEvidence::new(Vec::new(), quoted.attest, quoted.signature, quoted.pcrs);
    if let Some(snapshot) = snapshot {
        let logged = snapshot.log.replay_sha256();
        let quoted = V1_PCRS.iter().position(|pcr| *pcr == RUNTIME_PCR).and_then(|at| evidence.pcrs.get(at));
        if quoted.is_none_or(|quoted| quoted.as_slice() != logged) {
            return Err(AttesterError::OtherRegister);
        }
        evidence.runtime_events = snapshot.log.events().iter().map(Into::into).collect();
    }
    Ok(evidence)
}

/// The log of the boot, if the quoted registers are what it replays to.
fn boot_log(guest: &TpmGuest, evidence: &AzureEvidence) -> std::result::Result<Option<Vec<u8>>, IoFailure> {
    let except: &[u8] = if evidence.runtime_events.is_empty() { &[] } else { &[RUNTIME_PCR] };
    let quoted = V1_PCRS.into_iter().zip(evidence.pcrs.iter().map(|value| value.as_slice()));
    guest.boot_log(|log| compare(log, BANK, quoted, except).is_ok())
}
