//! In the guest: detect, collect, extend.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use backend_api::{
    CollectRequest, Detection, Error as ApiError, ErrorKind, Evidence, Extension, Guest, Presence, Probe,
    Result, RuntimeEvent,
};
use evidence_attester::{
    DeviceError, IoFailure, JournalError, device,
    dmi::Cloud,
    snp::{self, SnpError},
    tpm::{NitroDocument, RUNTIME_PCR, Tpm, TpmError, TpmGuest},
    tsm::TsmError,
};
use evidence_nitro::{Document, Error as DocumentError, ModuleId};
use evidence_snp::{Error as ReportError, Report, VekKind, read_certificates};
use evidence_tpm::boot::compare;

use crate::{
    AwsEvidence, ID, Profile,
    bind::BANK,
    media_type,
    policy::CONFIG_PCR,
    profile::{v1_nonce, v1_report_data},
};

/// The privilege level that a report is requested at: that of AWS's guests.
const VMPL: u8 = 0;

/// How long is waited for others who collect or extend.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a guest could not collect or extend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// The host's certificates cannot be read.
    #[error("certificates from the host: {0}")]
    Certificates(ReportError),
    /// What the NitroTPM made is no document.
    #[error("from the NitroTPM: {0}")]
    Document(#[from] DocumentError),
    /// The guest device did not give a report.
    #[error(transparent)]
    Device(#[from] SnpError),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// Events could not be extended or loaded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The report does not hold what was asked for.
    #[error("report data are others than those that were asked for")]
    OtherReportData,
    /// The document is of another state.
    #[error("PCR14 of the document is not the value that the log accounts for")]
    OtherRegister,
    /// The documents are of two instances.
    #[error("NitroTPM's documents are of the instances {first} and {second}, expected one")]
    OtherInstance {
        /// By the first.
        first: String,
        /// By the second.
        second: String,
    },
    /// What came is no report.
    #[error("expected an attestation report: {0}")]
    Report(ReportError),
    /// The TPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// The kernel did not give a report.
    #[error(transparent)]
    Tsm(#[from] TsmError),
}

impl AttesterError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificates(error) | Self::Report(error) => error.kind(),
            Self::Document(error) => error.kind(),
            Self::Device(error) => error.kind(),
            Self::Io(_) => ErrorKind::DeviceUnavailable,
            Self::Journal(error) => error.kind(),
            Self::OtherReportData => ErrorKind::ChallengeMismatch,
            Self::OtherRegister => ErrorKind::EventLogMismatch,
            Self::OtherInstance { .. } => ErrorKind::InconsistentEvidence,
            Self::Tpm(error) => error.kind(),
            Self::Tsm(error) => error.kind(),
        }
    }
}

type Collected<T> = std::result::Result<T, AttesterError>;

/// The guest, by its files and its TPM.
fn tpm_guest(guest: &Guest) -> TpmGuest {
    TpmGuest::new(guest.root(), guest.tcti())
}

/// Whether the processor answers the guest.
fn has_tee(root: &Path) -> bool {
    root.join(snp::DEVICE).exists()
}

/// Looks for what AWS's firmware says, for a TPM and for the guest device; touches neither.
///
/// Certain with both: a guest without the device collects evidence for which no TEE vouches, which an operator chooses.
pub(crate) fn detect(guest: &Guest) -> Detection {
    let mut probe = Probe::of(guest);
    if Cloud::of(guest.root()) != Some(Cloud::Aws) {
        probe.note("the firmware does not say Amazon EC2");
        return probe.concludes(Presence::Absent);
    }
    probe.note("the firmware says Amazon EC2");
    if guest.tcti().is_none()
        && let Err(error) = Tpm::device(guest.root())
    {
        probe.note(error.to_string());
        return probe.concludes(Presence::Absent);
    }
    if probe.path(snp::DEVICE) {
        return probe.concludes(Presence::Certain);
    }
    probe.note("without SEV-SNP no TEE vouches for the evidence: only an operator selects it");
    probe.concludes(Presence::Possible)
}

pub(crate) async fn collect(guest: &Guest, request: &CollectRequest) -> Result<Evidence> {
    let (guest, request) = (tpm_guest(guest), request.clone());
    let deadline = PATIENCE.saturating_add(request.deadline);
    let device = guest.device();
    let work = move || collect_from(&guest, &request);
    let (profile, evidence) = device::run(device, deadline, work).await.map_err(failed)?;
    Ok(Evidence::new(media_type(profile), evidence.encode()))
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

/// A first document says which instance it is, the report names it, and the last document commits to the report.
fn collect_from(guest: &TpmGuest, request: &CollectRequest) -> Collected<(Profile, AwsEvidence)> {
    let challenge = request.challenge().as_bytes();
    if !has_tee(guest.root()) {
        return Ok((Profile::NitroTpmOnly, document_and_log(guest, None, challenge, None)?));
    }
    let instance = instance(&guest.nitro_document(None, None)?.document)?;
    let (report, certificates) =
        report(guest.root(), &v1_report_data(&instance, challenge), request.deadline)?;
    let mut evidence = document_and_log(guest, Some(&v1_nonce(&report)), challenge, Some(&instance))?;
    evidence.report = Some(report.into());
    evidence.certificates = certificates.into_iter().map(Into::into).collect();
    Ok((Profile::V1, evidence))
}

/// The report that carries `report_data`, and the host's certificates: of the VLEK, which nobody else hands out.
fn report(root: &Path, report_data: &[u8; 64], deadline: Duration) -> Collected<(Vec<u8>, Vec<Vec<u8>>)> {
    let check = |report: &[u8]| {
        let report = Report::parse(report).map_err(AttesterError::Report)?;
        let (expected, found) = (VekKind::Vlek, report.signer_info.signing_key());
        if found != expected.signing_key() {
            return Err(AttesterError::Report(ReportError::SigningKey { expected, found }));
        }
        if report.report_data == *report_data { Ok(()) } else { Err(AttesterError::OtherReportData) }
    };
    let answer = snp::report(root, report_data, VMPL, deadline, check)?;
    let tables: Vec<Vec<u8>> = answer.certificates.into_iter().collect();
    let certificates = read_certificates(&tables).map_err(AttesterError::Certificates)?;
    Ok((answer.report, certificates))
}

/// The instance that a document says it is of.
fn instance(document: &[u8]) -> Collected<String> {
    let module_id = ModuleId::parse(Document::parse(document)?.module_id)?;
    Ok(module_id.instance().to_owned())
}

/// Registers and log first: while the snapshot lives nobody extends, so that the document is of the same state.
fn document_and_log(
    guest: &TpmGuest,
    nonce: Option<&[u8]>,
    challenge: &[u8; 64],
    instance_before: Option<&str>,
) -> Collected<AwsEvidence> {
    let tpm = Arc::new(Mutex::new(guest.tpm()?));
    let snapshot = guest.snapshot::<AttesterError>(&tpm, &mut [])?;
    // The document is asked for on a connection of its own.
    drop(tpm);
    let NitroDocument { document: bytes, ek_public, .. } = guest.nitro_document(nonce, Some(challenge))?;
    let second = instance(&bytes)?;
    if let Some(first) = instance_before.filter(|first| *first != second) {
        return Err(AttesterError::OtherInstance { first: first.to_owned(), second });
    }
    let document = Document::parse(&bytes)?;
    let mut evidence = AwsEvidence::default();
    if let Some(snapshot) = snapshot {
        let logged = snapshot.log.replay(BANK);
        if document.pcrs.get(RUNTIME_PCR).is_none_or(|value| value.as_slice() != logged) {
            return Err(AttesterError::OtherRegister);
        }
        evidence.runtime_events = snapshot.log.events().iter().map(Into::into).collect();
    }
    // What a guest measured as its configuration is in no log of the boot.
    let except = [CONFIG_PCR, RUNTIME_PCR];
    let except = if evidence.runtime_events.is_empty() { &except[..1] } else { &except };
    let registers = document.pcrs.iter().map(|(pcr, value)| (pcr, value.as_slice()));
    let boot_log = guest.boot_log(|log| compare(log, BANK, registers, except).is_ok())?;
    evidence.boot_log = boot_log.map(Into::into);
    evidence.document = Some(bytes.into());
    evidence.ek_public = Some(ek_public.into());
    Ok(evidence)
}
