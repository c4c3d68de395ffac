//! What tools hand out of a vTPM, part by part.

use std::path::Path;

use backend_api::Result;
use evidence_json::{FromJson as _, JsonError, parse_value};
use evidence_tpm::{Attest, Error as TpmError, HashAlgorithm, Signature, without_padding};
use evidence_x509::{Certificate, CertificateError};
use serde_json::Value;

use super::malformed;
use crate::{
    cli::VtpmQuote,
    files::{self, MAX_FILE},
};

/// The most bytes of a file of registers: 24 values have less than 2000.
const MAX_PCRS: usize = 64 << 10;

/// Registers of a TPM.
pub(super) const REGISTERS: usize = 24;

/// Bytes of a register in the bank of SHA-256.
const REGISTER: usize = 32;

/// Bytes of an RSASSA signature of the clouds' vTPMs: RSA-2048.
const RSA_SIGNATURE: usize = 256;

/// The value of each register of the bank of SHA-256, where there is one.
pub(super) type Registers = [Option<[u8; REGISTER]>; REGISTERS];

/// Why a part is none of a vTPM's.
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
    #[error(
        "expected TPMT_SIGNATURE, an RSASSA signature of 256 bytes, or an ECDSA signature in DER, found {found} bytes: {error}"
    )]
    Signature {
        /// Bytes found.
        found: usize,
        /// Why they are no TPMT_SIGNATURE.
        error: TpmError,
    },
    /// The quote is not in its format.
    #[error(transparent)]
    Tpm(#[from] TpmError),
}

/// A quote as Evidence has it, of which nothing is verified.
pub(super) struct Quoted {
    /// TPMS_ATTEST.
    pub(super) quote: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub(super) signature: Vec<u8>,
    /// The values of the selected registers, ascending.
    pub(super) pcrs: Vec<Vec<u8>>,
    /// extraData of the quote.
    pub(super) extra_data: Vec<u8>,
}

impl Quoted {
    /// Reads its three files.
    pub(super) fn read(parts: &VtpmQuote) -> Result<Self> {
        let VtpmQuote { quote: path, signature: signature_path, pcrs } = parts;
        let quote = files::read(path, MAX_FILE)?;
        let attest = Attest::parse(&quote).map_err(|error| malformed(path, &error))?;
        let signature = signature(files::read(signature_path, MAX_FILE)?);
        let signature = signature.map_err(|error| malformed(signature_path, &error))?;
        let pcrs = quoted(path, &attest, pcrs)?;
        let extra_data = attest.extra_data.to_vec();
        Ok(Self { quote, signature, pcrs, extra_data })
    }
}

/// TPMT_SIGNATURE: as it is, or around an RSASSA number or an ECDSA signature in DER that stands alone.
pub(super) fn signature(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, PartError> {
    match Signature::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(_) if bytes.len() == RSA_SIGNATURE => Ok(Signature::rsassa_sha256(&bytes)?),
        Err(error) => {
            Signature::ecdsa_sha256(&bytes).map_err(|_| PartError::Signature { found: bytes.len(), error })
        }
    }
}

/// The registers that `attest` of the file `quote` selects, ascending, from the file `pcrs`: out of JSON, or the quoted values one after
/// the other.
fn quoted(quote: &Path, attest: &Attest<'_>, pcrs: &Path) -> Result<Vec<Vec<u8>>> {
    let selected = selection(attest).map_err(|error| malformed(quote, &error))?;
    let bytes = files::read(pcrs, MAX_FILE)?;
    // In JSON each of them takes more bytes than that.
    if bytes.len() == selected.len().saturating_mul(REGISTER) {
        return Ok(bytes.chunks(REGISTER).map(<[u8]>::to_vec).collect());
    }
    let registers = registers(&files::text(pcrs, bytes)?);
    let values = registers.and_then(|registers| values(&selected, &registers));
    values.map_err(|error| malformed(pcrs, &error))
}

/// The registers that `attest` selects, ascending.
pub(super) fn selected(
    attest: &Attest<'_>,
    registers: &Registers,
) -> std::result::Result<Vec<Vec<u8>>, PartError> {
    values(&selection(attest)?, registers)
}

fn values(selected: &[u8], registers: &Registers) -> std::result::Result<Vec<Vec<u8>>, PartError> {
    let value = |pcr: &u8| {
        let value = registers.get(usize::from(*pcr)).copied().flatten();
        value.map(|value| value.to_vec()).ok_or(PartError::RegisterMissing(*pcr))
    };
    selected.iter().map(value).collect()
}

/// The registers of the one bank that counts.
fn selection(attest: &Attest<'_>) -> std::result::Result<Vec<u8>, PartError> {
    match attest.selections.as_slice() {
        [one] if one.algorithm == HashAlgorithm::Sha256 && one.count() > 0 => Ok(one.pcrs().collect()),
        others => {
            let shown: Vec<String> = others.iter().map(ToString::to_string).collect();
            Err(PartError::Selection(shown.join(" ")))
        }
    }
}

/// An object of registers by number, or a list of all.
fn registers(text: &str) -> std::result::Result<Registers, PartError> {
    let value = |index, value| {
        let value = <[u8; REGISTER]>::from_json(value).map_err(|_| PartError::RegisterValue(index))?;
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
pub(super) fn ak_certificate(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, PartError> {
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
