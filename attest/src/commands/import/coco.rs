//! `attest import coco`: the JSON that the attesters of Confidential Containers write.
//!
//! Sources: confidential-containers/guest-components, `attestation-agent/attester`; confidential-containers/trustee,
//! `deps/verifier`. The older form of Azure's has no version, and its bytes are lists of numbers.

use backend_api::{Error, ErrorKind, Result};
use backend_azure::{AzureEvidence, Error as AzureError, Profile, Tee, hcl::HclReport};
use backend_tdx::{BootLog, TdxEvidence};
use evidence_event_log::{EventLog, EventLogError};
use evidence_json::{AnyBase64, Base64, FromJson, Hex, JsonError, Mismatch, Nullable, Object};
use evidence_tdx::Quote;
use evidence_tpm::{Attest, Error as TpmError};
use evidence_x509::{Certificate, CertificateError};
use serde_json::Value;

use super::{
    Imported,
    azure::{self},
    tdx,
    vtpm::{self, PartError, REGISTERS, Registers},
};
use crate::{cli::ImportCoco, files, output::Answer};

/// The most bytes of a document: a payload in base64, and lists of numbers, which are at most 65,536.
const MAX_DOCUMENT: usize = 8 << 20;

/// What errors call the whole, and the quote in it.
const DOCUMENT: &str = "evidence";
const TPM_QUOTE: &str = "tpm quote";

/// Why a document is no evidence that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum CocoError {
    #[error(transparent)]
    Azure(#[from] AzureError),
    #[error("vcek: {0}")]
    Certificate(#[from] CertificateError),
    #[error(
        "expected version and tpm_quote, tpm_quote or quote of number lists (azure, older), or quote in base64 (tdx)"
    )]
    Form,
    #[error("cc_eventlog: {0}")]
    EventLog(#[from] EventLogError),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Part(#[from] PartError),
    #[error("platform is {0:?}, expected az-snp or az-tdx")]
    Platform(String),
    #[error("platform is {platform:?}, and the evidence in it is of {found}")]
    PlatformMismatch { platform: String, found: &'static str },
    #[error("expected 24 registers in \"pcrs\", found {0}")]
    RegisterCount(usize),
    #[error(
        "attestation_report has the fields of a report and not its bytes, which are signed: \
         expected the report as it was received, for `attest import snp`"
    )]
    ReportFields,
    #[error("td quote: {0}")]
    TdQuote(#[from] evidence_tdx::Error),
    #[error("tpm quote: {0}")]
    Tpm(#[from] TpmError),
    #[error("expected vcek (SEV-SNP) or td_quote (TDX), found {0}")]
    Vendor(&'static str),
    #[error("version is {0}, expected 1 or 2, or none")]
    Version(u64),
}

impl CocoError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Platform(_) | Self::ReportFields | Self::Version(_) => ErrorKind::UnsupportedEvidence,
            _ => ErrorKind::MalformedEvidence,
        }
    }
}

/// What a document holds, and the size of its TD quote before zeros after it were cut.
enum Coco {
    Azure { tee: Tee, evidence: Box<AzureEvidence>, received: usize },
    Tdx { evidence: Box<TdxEvidence>, received: usize, has_aa_log: bool },
}

/// Imports one document, of the platform that its members say it is of.
pub(crate) fn run(args: &ImportCoco) -> Result<Answer> {
    let text = files::read_text_or_stdin(&args.file)?;
    let coco =
        read(&text).map_err(|error| Error::new(error.kind(), format_args!("{:?}: {error}", args.file)))?;
    let imported = match coco {
        Coco::Azure { evidence, received, .. } => {
            azure::imported(&args.file, Profile::Coco, &evidence, received)?
        }
        Coco::Tdx { evidence, received, has_aa_log } => {
            let Imported { media_type, payload, mut facts } = tdx::imported(&args.file, &evidence, received)?;
            facts.push(("attestation agent's log, left out", "aa-log-left-out", has_aa_log.into()));
            Imported { media_type, payload, facts }
        }
    };
    imported.write(&args.target)
}

/// The evidence itself, or beside the name of its platform.
fn read(text: &str) -> std::result::Result<Coco, CocoError> {
    let mut object = Object::parse(DOCUMENT, text, MAX_DOCUMENT)?;
    let Some(platform) = object.optional::<String>("platform")? else {
        return evidence(object);
    };
    let expected = match platform.as_str() {
        "az-snp" => Tee::Snp,
        "az-tdx" => Tee::Tdx,
        _ => return Err(CocoError::Platform(platform)),
    };
    let inner = Object::from_value(DOCUMENT, object.required("evidence")?)?;
    object.finish()?;
    match evidence(inner)? {
        Coco::Azure { tee, .. } if tee != expected => {
            Err(CocoError::PlatformMismatch { platform, found: tee.name() })
        }
        Coco::Tdx { .. } => Err(CocoError::PlatformMismatch { platform, found: "TDX outside of Azure" }),
        azure => Ok(azure),
    }
}

fn evidence(mut object: Object) -> std::result::Result<Coco, CocoError> {
    if object.optional::<Value>("attestation_report")?.is_some() {
        return Err(CocoError::ReportFields);
    }
    let version = object.optional::<u64>("version")?;
    if let Some(version) = version.filter(|version| !(1..=2).contains(version)) {
        return Err(CocoError::Version(version));
    }
    let (quote, tpm_quote) = (object.optional::<Value>("quote")?, object.optional::<Value>("tpm_quote")?);
    match (version, quote, tpm_quote) {
        (Some(_), None, Some(quote)) => versioned(object, quote),
        (None, Some(Value::String(quote)), None) => bare_tdx(object, quote.into()),
        (None, Some(quote), None) => older_snp(object, quote),
        (None, None, Some(quote)) => older_tdx(object, quote),
        _ => Err(CocoError::Form),
    }
}

/// Versions 1 and 2 of Azure's: in 2, the paravisor's report has the challenge too.
fn versioned(mut object: Object, quote: Value) -> std::result::Result<Coco, CocoError> {
    let mut quote = Object::from_value(TPM_QUOTE, quote)?;
    let (Hex(signature), Hex(message)) = (quote.required("signature")?, quote.required("message")?);
    let pcrs: Vec<[u8; 32]> = quote.required("pcrs")?;
    quote.finish()?;
    let AnyBase64(hcl_report) = object.required("hcl_report")?;
    let vcek = object.optional::<AnyBase64>("vcek")?;
    let td_quote = object.optional::<AnyBase64>("td_quote")?;
    object.finish()?;
    let vendor = match (vcek, td_quote) {
        (Some(AnyBase64(vcek)), None) => Vendor::Snp(vec![Certificate::parse(&vcek)?]),
        (None, Some(AnyBase64(quote))) => Vendor::Tdx(quote),
        (None, None) => return Err(CocoError::Vendor("neither")),
        (Some(_), Some(_)) => return Err(CocoError::Vendor("both")),
    };
    azure(hcl_report, TpmQuote { signature, message, pcrs }, vendor)
}

/// Azure's on SEV-SNP without a version.
fn older_snp(mut object: Object, quote: Value) -> std::result::Result<Coco, CocoError> {
    let quote = older_quote(quote)?;
    let Numbers(report) = object.required("report")?;
    let vcek: String = object.required("vcek")?;
    object.finish()?;
    azure(report, quote, Vendor::Snp(Certificate::parse_der_or_pem(vcek.as_bytes())?))
}

/// Azure's on TDX without a version.
fn older_tdx(mut object: Object, quote: Value) -> std::result::Result<Coco, CocoError> {
    let quote = older_quote(quote)?;
    let Numbers(report) = object.required("hcl_report")?;
    let Numbers(td_quote) = object.required("td_quote")?;
    object.finish()?;
    azure(report, quote, Vendor::Tdx(td_quote))
}

fn older_quote(quote: Value) -> std::result::Result<TpmQuote, CocoError> {
    let mut quote = Object::from_value(TPM_QUOTE, quote)?;
    let (Numbers(signature), Numbers(message)) = (quote.required("signature")?, quote.required("message")?);
    let registers: Vec<Register> = quote.required("pcrs")?;
    quote.finish()?;
    Ok(TpmQuote { signature, message, pcrs: registers.into_iter().map(|Register(value)| value).collect() })
}

/// A TD's outside of Azure.
fn bare_tdx(mut object: Object, quote: Value) -> std::result::Result<Coco, CocoError> {
    let mismatch = |_| JsonError::WrongType { document: DOCUMENT, key: "quote", expected: Base64::EXPECTED };
    let Base64(padded) = Base64::from_json(quote).map_err(mismatch)?;
    let log = object.optional::<Nullable<Base64>>("cc_eventlog")?.and_then(|Nullable(log)| log);
    let aa_log = object.optional::<Nullable<String>>("aa_eventlog")?.and_then(|Nullable(log)| log);
    object.finish()?;
    let mut evidence = TdxEvidence::new(Quote::trim_padding(&padded)?.to_vec());
    if let Some(Base64(log)) = log.filter(|Base64(log)| !log.is_empty()) {
        EventLog::parse(&log)?;
        evidence.boot_log = Some(BootLog::Ccel(log.into()));
    }
    let has_aa_log = aa_log.is_some_and(|log| !log.is_empty());
    Ok(Coco::Tdx { evidence: Box::new(evidence), received: padded.len(), has_aa_log })
}

/// The vTPM's quote, and every register of the bank of SHA-256.
struct TpmQuote {
    signature: Vec<u8>,
    message: Vec<u8>,
    pcrs: Vec<[u8; 32]>,
}

/// What vouches for the paravisor's report.
enum Vendor {
    Snp(Vec<Certificate>),
    /// A TD quote, perhaps with zeros behind it.
    Tdx(Vec<u8>),
}

fn azure(hcl_report: Vec<u8>, quote: TpmQuote, vendor: Vendor) -> std::result::Result<Coco, CocoError> {
    let tee = match vendor {
        Vendor::Snp(_) => Tee::Snp,
        Vendor::Tdx(_) => Tee::Tdx,
    };
    let hcl = HclReport::parse(&hcl_report)?;
    if hcl.tee() != Some(tee) {
        let (expected, found) = (tee.report_type(), hcl.report_type);
        return Err(AzureError::HclReportType { expected, tee: tee.name(), found }.into());
    }
    let TpmQuote { signature, message, pcrs } = quote;
    let registers: [[u8; 32]; REGISTERS] =
        pcrs.try_into().map_err(|pcrs: Vec<_>| CocoError::RegisterCount(pcrs.len()))?;
    let registers: Registers = registers.map(Some);
    let pcrs = vtpm::selected(&Attest::parse(&message)?, &registers)?;
    let signature = vtpm::signature(signature)?;
    let mut evidence = AzureEvidence::new(hcl_report, message, signature, pcrs);
    let mut received = 0;
    match vendor {
        Vendor::Snp(chain) => {
            evidence.certificates = chain.iter().map(|vcek| vcek.der().to_vec().into()).collect();
        }
        Vendor::Tdx(padded) => {
            received = padded.len();
            evidence.td_quote = Some(Quote::trim_padding(&padded)?.to_vec().into());
        }
    }
    Ok(Coco::Azure { tee, evidence: Box::new(evidence), received })
}

/// Bytes as a list of numbers.
struct Numbers(Vec<u8>);

impl FromJson for Numbers {
    const EXPECTED: &'static str = "a list of numbers from 0 to 255";

    fn from_json(value: Value) -> std::result::Result<Self, Mismatch> {
        let numbers = Vec::<u64>::from_json(value)?;
        let bytes: Option<Vec<u8>> = numbers.into_iter().map(|number| u8::try_from(number).ok()).collect();
        bytes.map(Self).ok_or(Mismatch::Type)
    }
}

/// A register as a list of numbers.
struct Register([u8; 32]);

impl FromJson for Register {
    const EXPECTED: &'static str = Numbers::EXPECTED;

    fn from_json(value: Value) -> std::result::Result<Self, Mismatch> {
        let Numbers(bytes) = Numbers::from_json(value)?;
        let found = bytes.len();
        bytes.try_into().map(Self).map_err(|_| Mismatch::Length { expected: 32, found })
    }
}
