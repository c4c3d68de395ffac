//! In the guest: detect, collect, extend.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Extension, Guest, Presence, Probe,
    Result, RuntimeEvent,
};
use evidence_attester::{
    DeviceError, IoFailure, JournalError, Register, RegisterError, device,
    dmi::Cloud,
    http, read_if_present,
    snp::{self, SnpError},
    tdx::{self, QuoteError, Rtmr},
    tpm::{Key, RUNTIME_PCR, Tpm, TpmError, TpmGuest},
    tsm::TsmError,
};
use evidence_event_log::{Bank, EventLog, tcg::MAX_LOG_LEN};
use evidence_gce::{
    Launch,
    endorsement::{MAX_ENDORSEMENT, described},
    endorsement_items,
};
use evidence_snp::{CertificateTable, Error as ReportError, Report, read_certificates};
use evidence_tdx::{Error as TdQuoteError, Quote};
use evidence_tpm::{Error as QuoteFormat, Pcrs, Public, PublicKey, boot, without_padding};
use evidence_x509::Certificate;
use serde_bytes::ByteBuf;

use crate::{
    BANK, GcpEvidence, ID, MAX_AK_CERTIFICATE, SNP_V1, TDX_V1, Tee, V1_PCRS, profile::RTMR3, v1_extra_data,
    v1_report_data,
};

/// What a vTPM of Google's keeps of its attestation keys: (template, certificate), the one on P-256 first (google/go-tpm-tools,
/// `client/handles.go`).
const ATTESTATION_KEYS: [(u32, u32); 2] = [(0x01C1_0003, 0x01C1_0002), (0x01C1_0001, 0x01C1_0000)];

/// The largest template of a key, in bytes.
const MAX_TEMPLATE: usize = 1024;

/// The privilege level at which a report is requested: the guest's own.
const VMPL: u8 = 0;

/// The register of a TD's runtime events, as the kernel numbers it.
const RUNTIME_RTMR: u8 = 3;

/// The largest log of a TD's registers that is sent, in bytes: a verifier can do without, where the policy lists registers.
const MAX_CONDENSED: usize = 1 << 20;

/// The log of the boot in a TD's registers: the log area of the ACPI table CCEL, below the guest's root.
const CCEL: &str = "sys/firmware/acpi/tables/data/CCEL";

/// What [`backend_api::Guest::with_metadata`] calls the place where launch endorsements are published, and where that is.
const STORAGE: &str = "google-storage";
const STORAGE_URL: &str = "http://storage.googleapis.com";

/// How long the publisher is waited for: who verifies asks it too.
const STORAGE_PATIENCE: Duration = Duration::from_secs(5);

/// How long is waited for others who collect or extend.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long detection waits for the TPM.
const DETECT_PATIENCE: Duration = Duration::from_secs(5);

/// Why a guest could not collect or extend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The vTPM has no attestation key that Google certified.
    #[error(
        "vTPM has no certificate of an attestation key at 0x01c10002 or 0x01c10000: expected a VM of Google's"
    )]
    AkCertificateMissing,
    /// What the vTPM keeps is not in its format.
    #[error("from the vTPM: {0}")]
    Format(#[from] QuoteFormat),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// Events could not be extended or loaded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no device of a TEE.
    #[error("there is neither dev/sev-guest nor dev/tdx_guest: expected a confidential VM")]
    NoTee,
    /// The vTPM made another key than the one that Google certified.
    #[error("the attestation key that the vTPM makes of its template is not the one of its certificate")]
    OtherKey,
    /// The quote is of another state.
    #[error("{0} of the quote is not the value that the log accounts for")]
    OtherRegister(&'static str),
    /// The report commits to something else than it was asked to.
    #[error("report commits to other data than it was asked for")]
    OtherReport,
    /// What came is no report.
    #[error("expected an attestation report: {0}")]
    Report(#[from] ReportError),
    /// The kernel gave no report by its device.
    #[error(transparent)]
    SnpDevice(#[from] SnpError),
    /// A register of the TD cannot be reached.
    #[error(transparent)]
    TdRegister(#[from] RegisterError),
    /// What came is no TD quote.
    #[error("expected a TDX quote: {0}")]
    TdQuote(#[from] TdQuoteError),
    /// The quote generation service of the host did not give one.
    #[error(transparent)]
    TdService(#[from] QuoteError),
    /// The vTPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// The kernel did not give one.
    #[error(transparent)]
    Tsm(#[from] TsmError),
}

impl AttesterError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::AkCertificateMissing | Self::NoTee => ErrorKind::Unsupported,
            Self::Format(_) => ErrorKind::MalformedEvidence,
            Self::Io(_) => ErrorKind::DeviceUnavailable,
            Self::Journal(error) => error.kind(),
            Self::OtherKey => ErrorKind::InconsistentEvidence,
            Self::OtherRegister(_) => ErrorKind::EventLogMismatch,
            Self::OtherReport => ErrorKind::ChallengeMismatch,
            Self::Report(error) => error.kind(),
            Self::SnpDevice(error) => error.kind(),
            Self::TdRegister(error) => error.kind(),
            Self::TdQuote(error) => error.kind(),
            Self::TdService(error) => error.kind(),
            Self::Tpm(error) => error.kind(),
            Self::Tsm(error) => error.kind(),
        }
    }
}

fn tpm_guest(guest: &Guest) -> TpmGuest {
    TpmGuest::new(guest.root(), guest.tcti())
}

/// Which technology the guest has a device of.
fn tee(guest: &TpmGuest) -> Option<Tee> {
    let has = |device| guest.root().join(device).exists();
    if has(tdx::DEVICE) || has(tdx::MEASUREMENTS) {
        Some(Tee::Tdx)
    } else {
        has(snp::DEVICE).then_some(Tee::Snp)
    }
}

/// Looks for what Google's firmware says, for a device of a TEE, and for a certificate in the vTPM; changes nothing.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    if Cloud::of(guest.root()) != Some(Cloud::Google) {
        probe.note("the firmware does not say Google Compute Engine");
        return probe.concludes(Presence::Absent);
    }
    probe.note("the firmware says Google Compute Engine");
    let is_confidential = probe.path(snp::DEVICE) | probe.path(tdx::DEVICE) | probe.path(tdx::MEASUREMENTS);
    if !is_confidential {
        return probe.concludes(Presence::Absent);
    }
    let has_key = tpm_guest(guest).ask(DETECT_PATIENCE, |tpm| {
        let [(_, first), (_, second)] = ATTESTATION_KEYS;
        Ok(tpm.nv_exists(first)? || tpm.nv_exists(second)?)
    });
    let (presence, reason) = match has_key {
        Some(Ok(true)) => (Presence::Certain, "the vTPM has a certificate of its attestation key".to_owned()),
        Some(Ok(false)) => (Presence::Absent, "the vTPM has no certificate of an attestation key".to_owned()),
        Some(Err(error)) => (Presence::Possible, error.to_string()),
        None => {
            (Presence::Possible, format!("the vTPM did not answer within {} s", DETECT_PATIENCE.as_secs()))
        }
    };
    probe.note(reason);
    probe.concludes(presence)
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let storage = guest.metadata(STORAGE).unwrap_or(STORAGE_URL).to_owned();
    let (guest, request) = (tpm_guest(guest), request.clone());
    let deadline = PATIENCE.saturating_add(request.deadline);
    let device = guest.device();
    let work = move || collect_from(&guest, &storage, &request);
    let (tee, evidence) = device::run(device, deadline, work).await.map_err(failed)?;
    let media_type = match tee {
        Tee::Snp => SNP_V1,
        Tee::Tdx => TDX_V1,
    };
    Ok(Evidence::new(media_type, evidence.encode()))
}

pub(crate) async fn extend_runtime(guest: &Guest, event: &RuntimeEvent) -> Result<Extension> {
    let (guest, event) = (tpm_guest(guest), event.clone());
    let device = guest.device();
    let work = move || -> std::result::Result<_, AttesterError> {
        let mut rtmr3 = rtmr3(&guest)?;
        guest.extend(event.name(), event.payload(), &mut registers(&mut rtmr3))
    };
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

/// The register of a TD, which holds the same events as the vTPM's.
fn rtmr3(guest: &TpmGuest) -> std::result::Result<Option<Rtmr>, RegisterError> {
    (tee(guest) == Some(Tee::Tdx)).then(|| Rtmr::of(guest.root(), RUNTIME_RTMR)).transpose()
}

fn registers(rtmr3: &mut Option<Rtmr>) -> Vec<&mut dyn Register> {
    let mut registers: Vec<&mut dyn Register> = Vec::new();
    if let Some(rtmr3) = rtmr3 {
        registers.push(rtmr3);
    }
    registers
}

/// Attestation key first, because the report names it; then the report, because the quote names that. Both are made while nobody extends,
/// so that all registers are of one state. What others publish is asked for last.
fn collect_from(
    guest: &TpmGuest,
    storage: &str,
    request: &CollectRequest,
) -> std::result::Result<(Tee, GcpEvidence), AttesterError> {
    let challenge = request.challenge().as_bytes();
    let tee = tee(guest).ok_or(AttesterError::NoTee)?;
    let mut tpm = guest.tpm()?;
    let (template, certificate) = attestation_key(&mut tpm)?;
    let report_data = v1_report_data(tee, &certificate.spki_sha256(), challenge);

    let tpm = Arc::new(Mutex::new(tpm));
    let mut rtmr3 = rtmr3(guest)?;
    let snapshot = guest.snapshot::<AttesterError>(&tpm, &mut registers(&mut rtmr3))?;
    let measured = match tee {
        Tee::Snp => of_snp(guest, request, &report_data)?,
        Tee::Tdx => of_td(guest, request, &report_data)?,
    };
    let extra_data = v1_extra_data(&measured.report, challenge);
    let mut tpm = tpm.lock().unwrap_or_else(PoisonError::into_inner);
    let quoted = tpm.quote(Key::Primary(&template), &extra_data, BANK, &V1_PCRS)?;
    if Public::parse(&quoted.public)?.key != PublicKey::of_certificate(&certificate)? {
        return Err(AttesterError::OtherKey);
    }
    let pcrs = Pcrs::assertion(BANK, V1_PCRS.into_iter().zip(quoted.pcrs.iter().cloned()));
    let mut evidence = GcpEvidence::new(
        measured.report,
        quoted.attest,
        quoted.signature,
        quoted.pcrs,
        certificate.der().to_vec(),
    );
    if let Some(snapshot) = snapshot {
        let accounted =
            |found: Option<&[u8]>, bank| found.is_some_and(|found| found == snapshot.log.replay(bank));
        if !accounted(pcrs.get(BANK, RUNTIME_PCR), BANK) {
            return Err(AttesterError::OtherRegister("PCR14"));
        }
        let rtmr3 = measured.rtmrs.as_ref().and_then(|rtmrs| rtmrs.get(Bank::Sha384, RTMR3));
        if tee == Tee::Tdx && !accounted(rtmr3, Bank::Sha384) {
            return Err(AttesterError::OtherRegister("RTMR3"));
        }
        evidence.runtime_events = snapshot.log.events().iter().map(Into::into).collect();
    }
    drop(tpm);
    let except: &[u8] = if evidence.runtime_events.is_empty() { &[] } else { &[RUNTIME_PCR] };
    let boot_log = guest.boot_log(|log| boot::ReplayedLog::replay(log, &pcrs, BANK, except).is_ok())?;
    evidence.boot_log = boot_log.map(ByteBuf::from);
    if let Some(rtmrs) = &measured.rtmrs {
        evidence.cc_log = cc_log(guest, rtmrs)?.map(ByteBuf::from);
    }
    evidence.certificates = measured.certificates.into_iter().map(ByteBuf::from).collect();
    // The host gave it: one that cannot be read is as good as none.
    let given = measured.endorsement.filter(|endorsement| described(endorsement).is_ok());
    let endorsement = given.or_else(|| published(storage, &measured.launch, request.deadline));
    evidence.launch_endorsement = endorsement.map(ByteBuf::from);
    Ok((tee, evidence))
}

/// The template of the attestation key, and its certificate.
fn attestation_key(tpm: &mut Tpm) -> std::result::Result<(Vec<u8>, Certificate), AttesterError> {
    for (template, certificate) in ATTESTATION_KEYS {
        let template = tpm.nv_read(template, MAX_TEMPLATE)?;
        let certificate = tpm.nv_read(certificate, MAX_AK_CERTIFICATE)?;
        if let (Some(template), Some(certificate)) = (template, certificate) {
            let certificate = Certificate::parse(without_padding(&certificate)?);
            return Ok((template, certificate.map_err(QuoteFormat::Certificate)?));
        }
    }
    Err(AttesterError::AkCertificateMissing)
}

/// What the processor says, and what came with it.
struct FromProcessor {
    report: Vec<u8>,
    launch: Launch,
    /// By the numbers that logs have.
    rtmrs: Option<Pcrs>,
    certificates: Vec<Vec<u8>>,
    endorsement: Option<Vec<u8>>,
}

fn of_snp(
    guest: &TpmGuest,
    request: &CollectRequest,
    report_data: &[u8; 64],
) -> std::result::Result<FromProcessor, AttesterError> {
    let check = |report: &[u8]| {
        let report = Report::parse(report)?;
        if report.report_data == *report_data { Ok(()) } else { Err(AttesterError::OtherReport) }
    };
    let answer = snp::report(guest.root(), report_data, VMPL, request.deadline, check)?;
    let measurement = Report::parse(&answer.report)?.measurement;
    // The host wrote the table: one that cannot be read is as good as none.
    let table = answer.certificates.unwrap_or_default();
    let endorsement = CertificateTable::parse(&table).ok().and_then(|table| table.gce_endorsement());
    Ok(FromProcessor {
        report: answer.report,
        launch: Launch::Snp { measurement, vcpus: None },
        rtmrs: None,
        endorsement: endorsement.map(<[u8]>::to_vec),
        certificates: read_certificates(&[&table]).unwrap_or_default(),
    })
}

fn of_td(
    guest: &TpmGuest,
    request: &CollectRequest,
    report_data: &[u8; 64],
) -> std::result::Result<FromProcessor, AttesterError> {
    let check = |quote: &[u8]| {
        let quote = Quote::parse(Quote::trim_padding(quote)?)?;
        if quote.report.report_data == *report_data { Ok(()) } else { Err(AttesterError::OtherReport) }
    };
    let quote = tdx::quote(guest.root(), report_data, request.deadline, check)?;
    let quote = Quote::trim_padding(&quote)?;
    let report = Quote::parse(quote)?.report;
    let rtmrs = Pcrs::assertion(Bank::Sha384, (1_u8..).zip(report.rtmrs.map(|rtmr| rtmr.to_vec())));
    Ok(FromProcessor {
        report: quote.to_vec(),
        launch: Launch::Tdx { mrtd: report.mr_td },
        rtmrs: Some(rtmrs),
        certificates: Vec::new(),
        endorsement: None,
    })
}

/// The log of the TD's registers, if it is what they replay to: digests, and data that digests cover.
fn cc_log(guest: &TpmGuest, rtmrs: &Pcrs) -> std::result::Result<Option<Vec<u8>>, AttesterError> {
    let Some(bytes) = read_if_present(&guest.root().join(CCEL), MAX_LOG_LEN)? else { return Ok(None) };
    let Ok(log) = EventLog::parse(&bytes) else { return Ok(None) };
    let replays = boot::ReplayedLog::replay(&log, rtmrs, Bank::Sha384, &[RTMR3]);
    let condensed = replays.is_ok().then(|| log.condensed(Bank::Sha384));
    Ok(condensed.filter(|log| log.len() <= MAX_CONDENSED))
}

/// The launch endorsement that Google publishes. Who verifies asks for it where the guest has none.
fn published(storage: &str, launch: &Launch, deadline: Duration) -> Option<Vec<u8>> {
    let [endorsement, _] = endorsement_items(launch);
    let (_, path) = endorsement.url.strip_prefix("https://")?.split_once('/')?;
    let url = format!("{}/{path}", storage.trim_end_matches('/'));
    let mut answer = http::agent(deadline.min(STORAGE_PATIENCE)).get(&url).call().ok()?;
    let limit = u64::try_from(MAX_ENDORSEMENT).unwrap_or(u64::MAX);
    if answer.status().as_u16() != 200 {
        return None;
    }
    answer.body_mut().with_config().limit(limit).read_to_vec().ok()
}
