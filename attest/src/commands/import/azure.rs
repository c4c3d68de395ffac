//! `attest import azure`, and what is told of an imported report and quote.

use std::path::Path;

use backend_api::{Error, ErrorKind, Result};
use backend_azure::{AzureEvidence, Error as AzureError, Profile, Tee, hcl::HclReport, media_type};
use evidence_event_log::EventLog;
use evidence_json::{FromJson as _, JsonError, parse_value};
use evidence_tdx::Quote;
use evidence_tpm::{Attest, Error as TpmError, HashAlgorithm, Signature, without_padding};
use evidence_x509::{Certificate, CertificateError};
use serde_json::Value;

use super::{Imported, certificates, malformed, not_as_written};
use crate::{
    cli::{AzureProfile, ImportAzure},
    files::{self, MAX_FILE},
    output::Answer,
};

/// The most bytes of a file of registers: 24 values have less than 2000.
const MAX_PCRS: usize = 64 << 10;

/// Registers of a TPM.
pub(super) const REGISTERS: usize = 24;

/// Bytes of an RSASSA signature of a vTPM of Azure's: RSA-2048.
const RSA_SIGNATURE: usize = 256;

/// The value of each register of the bank of SHA-256, where there is one.
pub(super) type Registers = [Option<[u8; 32]>; REGISTERS];

/// Why parts are no evidence of Azure's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PartError {
    /// The certificate is not in its format.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// More or fewer certificates in a file.
    #[error("expected one certificate of the attestation key, found {0}")]
    Certificates(usize),
    /// No strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Something else than registers.
    #[error("expected an object of register numbers and hex, or a list of 24 registers")]
    Registers,
    /// A list of another length.
    #[error("expected a list of 24 registers, found {0}")]
    RegisterCount(usize),
    /// A register that no TPM has.
    #[error("expected registers from 0 to 23, found {0:?}")]
    RegisterNumber(String),
    /// Something else than a digest.
    #[error("expected 64 hex digits as the value of register {0}")]
    RegisterValue(usize),
    /// A register that was quoted has no value.
    #[error("expected a value of register {0}, which the quote selects, found none")]
    RegisterMissing(u8),
    /// A quote of other banks.
    #[error("quote selects {0:?}, expected registers of sha256 alone")]
    Selection(String),
    /// No signature of a TPM.
    #[error("expected TPMT_SIGNATURE, or an RSASSA signature of 256 bytes, found {found} bytes: {error}")]
    Signature {
        /// Bytes found.
        found: usize,
        /// Why they are no TPMT_SIGNATURE.
        error: TpmError,
    },
    /// The report of the paravisor is of another technology.
    #[error("report of the paravisor has the type {0}, expected 2 (SEV-SNP) or 4 (TDX)")]
    Technology(u32),
    /// The quote is not in its format.
    #[error(transparent)]
    Tpm(#[from] TpmError),
}

/// Imports a report of the paravisor and a quote of its vTPM.
pub(crate) fn run(args: &ImportAzure) -> Result<Answer> {
    let read = |path: &Path| files::read(path, MAX_FILE);
    let hcl_report = read(&args.hcl_report)?;
    HclReport::parse(&hcl_report).map_err(|error| malformed(&args.hcl_report, &error))?;
    let quote = read(&args.quote)?;
    let attest = Attest::parse(&quote).map_err(|error| malformed(&args.quote, &error))?;
    let signature = signature(read(&args.signature)?).map_err(|error| malformed(&args.signature, &error))?;
    let registers =
        registers(&files::read_text(&args.pcrs)?).map_err(|error| malformed(&args.pcrs, &error))?;
    let pcrs = selected(&attest, &registers).map_err(|error| malformed(&args.pcrs, &error))?;

    let mut evidence = AzureEvidence::new(hcl_report, quote, signature, pcrs);
    if let Some(path) = &args.ak_cert {
        let certificate = ak_certificate(read(path)?).map_err(|error| malformed(path, &error))?;
        evidence.ak_certificate = Some(certificate.into());
    }
    let all = certificates(args.vcek.iter().chain(&args.certificate))?;
    evidence.certificates = all.into_iter().map(Into::into).collect();
    let mut received = 0;
    if let Some(path) = &args.td_quote {
        let padded = read(path)?;
        received = padded.len();
        let quote = Quote::trim_padding(&padded).map_err(|error| malformed(path, &error))?;
        evidence.td_quote = Some(quote.to_vec().into());
    }
    if let Some(path) = &args.event_log {
        let log = read(path)?;
        EventLog::parse(&log).map_err(|error| malformed(path, &error))?;
        evidence.boot_log = Some(log.into());
    }
    let profile = match args.profile {
        AzureProfile::V1 => Profile::V1,
        AzureProfile::Coco => Profile::Coco,
        AzureProfile::Raw => Profile::Raw,
    };
    imported(&args.hcl_report, profile, &evidence, received)?.write(&args.target)
}

/// `received` is the size of the TD quote before zeros after it were cut.
pub(super) fn imported(
    source: &Path,
    profile: Profile,
    evidence: &AzureEvidence,
    received: usize,
) -> Result<Imported> {
    let hcl = HclReport::parse(&evidence.hcl_report).map_err(|error| malformed(source, &error))?;
    let tee = hcl.tee().ok_or_else(|| {
        let error = PartError::Technology(hcl.report_type);
        Error::new(ErrorKind::UnsupportedEvidence, format_args!("{source:?}: {error}"))
    })?;
    let presence = match (tee, &evidence.td_quote) {
        (Tee::Snp, None) | (Tee::Tdx, Some(_)) => None,
        (Tee::Snp, Some(_)) => Some(("a TD quote", "none")),
        (Tee::Tdx, None) => Some(("no TD quote", "one")),
    };
    if let Some((found, expected)) = presence {
        let error = AzureError::TdQuotePresence { tee: tee.name(), found, expected };
        return Err(malformed(source, &error));
    }
    let attest = Attest::parse(&evidence.quote).map_err(|error| malformed(source, &error))?;
    let payload = evidence.encode();
    let again = AzureEvidence::decode(&payload).map_err(|error| malformed(source, &error))?;
    if again != *evidence {
        return Err(not_as_written());
    }
    let cut = evidence.td_quote.as_ref().map(|quote| received.saturating_sub(quote.len()));
    let mut facts = vec![
        ("technology", "technology", tee.name().into()),
        ("quoted registers", "registers", evidence.pcrs.len().into()),
        ("certificate of the attestation key", "ak-certificate", evidence.ak_certificate.is_some().into()),
        ("other certificates", "certificates", evidence.certificates.len().into()),
        ("boot log", "boot-log", evidence.boot_log.is_some().into()),
        ("extraData, unverified", "unverified-extra-data", hex::encode(attest.extra_data).into()),
    ];
    facts.extend(cut.map(|cut| ("zeros cut after the TD quote", "zeros-cut", Value::from(cut))));
    Ok(Imported { media_type: media_type(tee, profile), payload, facts })
}

/// TPMT_SIGNATURE: as it is, or around a number that stands alone.
pub(super) fn signature(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, PartError> {
    match Signature::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(_) if bytes.len() == RSA_SIGNATURE => Ok(Signature::rsassa_sha256(&bytes)?),
        Err(error) => Err(PartError::Signature { found: bytes.len(), error }),
    }
}

/// The registers that `attest` selects, ascending.
pub(super) fn selected(
    attest: &Attest<'_>,
    registers: &Registers,
) -> std::result::Result<Vec<Vec<u8>>, PartError> {
    let selection = match attest.selections.as_slice() {
        [one] if one.algorithm == HashAlgorithm::Sha256 && one.count() > 0 => one,
        others => {
            let shown: Vec<String> = others.iter().map(ToString::to_string).collect();
            return Err(PartError::Selection(shown.join(" ")));
        }
    };
    let value = |pcr: u8| {
        let value = registers.get(usize::from(pcr)).copied().flatten();
        value.map(|value| value.to_vec()).ok_or(PartError::RegisterMissing(pcr))
    };
    selection.pcrs().map(value).collect()
}

/// An object of registers by number, or a list of all.
fn registers(text: &str) -> std::result::Result<Registers, PartError> {
    let value = |index, value| {
        let value = <[u8; 32]>::from_json(value).map_err(|_| PartError::RegisterValue(index))?;
        Ok::<_, PartError>(Some(value))
    };
    let mut registers: Registers = [None; REGISTERS];
    match parse_value("registers", text, MAX_PCRS)? {
        Value::Array(values) if values.len() == REGISTERS => {
            for (index, (register, found)) in registers.iter_mut().zip(values).enumerate() {
                *register = value(index, found)?;
            }
        }
        Value::Array(values) => return Err(PartError::RegisterCount(values.len())),
        Value::Object(values) => {
            for (name, found) in values {
                let index = name.parse().ok().filter(|index: &usize| index.to_string() == name);
                let Some((index, register)) =
                    index.and_then(|index| Some((index, registers.get_mut(index)?)))
                else {
                    return Err(PartError::RegisterNumber(name));
                };
                *register = value(index, found)?;
            }
        }
        _ => return Err(PartError::Registers),
    }
    Ok(registers)
}

/// A certificate as the TPM keeps it, zeros behind it included; out of PEM, if it stands there.
fn ak_certificate(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, PartError> {
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        let certificates = Certificate::parse_der_or_pem(&bytes)?;
        let [certificate] = certificates.as_slice() else {
            return Err(PartError::Certificates(certificates.len()));
        };
        return Ok(certificate.der().to_vec());
    }
    Certificate::parse(without_padding(&bytes)?)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read_strictly() {
        let digest = "5e".repeat(32);
        let all = format!("[{}]", vec![format!("{digest:?}"); 24].join(","));
        assert_eq!(registers(&all), Ok([Some([0x5E; 32]); 24]));
        let two = format!(r#"{{"23":"{digest}","0":"{}"}}"#, digest.to_uppercase());
        let read = registers(&two).unwrap();
        assert_eq!(read.iter().flatten().count(), 2);
        assert_eq!((read[0], read[23]), (Some([0x5E; 32]), Some([0x5E; 32])));
        for (text, error) in [
            ("7".to_owned(), PartError::Registers),
            ("[]".to_owned(), PartError::RegisterCount(0)),
            (all.replace("[\"5e", "[\"5e\",\"5e"), PartError::RegisterCount(25)),
            (all.replacen("5e", "5", 1), PartError::RegisterValue(0)),
            (all.replacen("5e", "5e5e", 1), PartError::RegisterValue(0)),
            (two.replace("23", "24"), PartError::RegisterNumber("24".to_owned())),
            (two.replace("23", "023"), PartError::RegisterNumber("023".to_owned())),
            (two.replace("23", "+2"), PartError::RegisterNumber("+2".to_owned())),
            (two.replace("23", "pcr2"), PartError::RegisterNumber("pcr2".to_owned())),
            (r#"{"7":null}"#.to_owned(), PartError::RegisterValue(7)),
        ] {
            assert_eq!(registers(&text), Err(error), "{text}");
        }
        for text in [two.replace("23", "0"), two.replace('}', ""), "x".repeat(MAX_PCRS + 1)] {
            assert!(matches!(registers(&text), Err(PartError::Json(_))), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_told_from_a_signature() {
        let wrapped = signature(vec![7; 256]).unwrap();
        assert_eq!(signature(wrapped.clone()), Ok(wrapped.clone()));
        assert!(wrapped.ends_with(&[7; 256]) && wrapped.len() == 262);
        for length in [0, 1, 255, 257] {
            let error = signature(vec![7; length]).unwrap_err();
            assert!(matches!(error, PartError::Signature { found, .. } if found == length), "{error}");
        }
    }
}
