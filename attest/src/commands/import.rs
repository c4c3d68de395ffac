//! `attest import`.

use std::path::Path;

use backend_api::{Envelope, Error, ErrorKind, Evidence, Result};
use backend_baremetal_snp::{MEDIA_TYPE, SnpEvidence};
use evidence_dstack::wire::Attestation;
use evidence_snp::{CertificateTable, Report, read_certificates};
use evidence_x509::Certificate;
use serde_json::json;

use crate::{
    cli::{ImportDstack, ImportSnp, Target},
    files::{self, MAX_FILE},
    output::{Answer, printable, table},
};

/// Imports a bare report.
pub(crate) fn snp(args: &ImportSnp) -> Result<Answer> {
    let report = files::read(&args.report, MAX_FILE)?;
    let mut chain = Vec::new();
    for path in &args.cert {
        let read = Certificate::parse_der_or_pem(&files::read(path, MAX_FILE)?);
        let read = read.map_err(|error| malformed(path, &error))?;
        chain.extend(read.iter().map(|certificate| certificate.der().to_vec()));
    }
    if let Some(path) = &args.cert_table {
        let table = files::read(path, MAX_FILE)?;
        let table = CertificateTable::parse(&table).map_err(|error| malformed(path, &error))?;
        let entries: Vec<&[u8]> = table.certificates().collect();
        chain.extend(read_certificates(&entries).map_err(|error| malformed(path, &error))?);
    }
    let mut evidence = SnpEvidence::new(report, chain);
    evidence.mr_config = args.mr_config.as_deref().map(files::read_text).transpose()?;
    write(&args.report, evidence, &args.target)
}

/// Imports one of dstack's attestations.
pub(crate) fn dstack(args: &ImportDstack) -> Result<Answer> {
    let bytes = files::read_or_stdin(&args.file)?;
    let attestation = match from_hex(&bytes) {
        Some(binary) => Attestation::decode(&binary),
        None if bytes.trim_ascii_start().starts_with(b"{") => Attestation::decode(bytes.trim_ascii()),
        None => Attestation::decode(&bytes),
    };
    let attestation = attestation.map_err(|error| malformed(&args.file, &error))?;
    let evidence = SnpEvidence::from_dstack(&attestation).map_err(|error| malformed(&args.file, &error))?;
    write(&args.file, evidence, &args.target)
}

/// The bytes of a text of nothing but hex digits.
fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii();
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    hex::decode(digits).ok().filter(|binary| !binary.is_empty())
}

/// Writes the envelope, once it is sure that it can be read again.
fn write(source: &Path, evidence: SnpEvidence, target: &Target) -> Result<Answer> {
    let report = Report::parse(&evidence.report).map_err(|error| malformed(source, &error))?;
    let payload = evidence.encode();
    let again = SnpEvidence::decode(&payload).map_err(|error| malformed(source, &error))?;
    let envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, payload));
    let bytes = if target.json_envelope {
        format!("{}\n", envelope.encode_json()).into_bytes()
    } else {
        envelope.encode_cbor()
    };
    if again != evidence || Envelope::decode(&bytes)? != envelope {
        return Err(Error::new(ErrorKind::Internal, "the envelope would not be read as it was written"));
    }
    if files::is_standard_stream(&target.output) {
        return Ok(Answer::bytes(bytes));
    }
    files::write(&target.output, &bytes)?;

    let json = json!({
        "written": target.output,
        "bytes": bytes.len(),
        "media-type": MEDIA_TYPE,
        "certificates": evidence.certificates.len(),
        "mr-config": evidence.mr_config.is_some(),
        "launch-inputs": evidence.launch.is_some(),
        "unverified-report-data": hex::encode(report.report_data),
    });
    let told = |told| if told { "yes" } else { "no" };
    let rows = [
        ("media type", MEDIA_TYPE.to_string()),
        ("certificates", evidence.certificates.len().to_string()),
        ("HOST_DATA document", told(evidence.mr_config.is_some()).to_owned()),
        ("launch inputs", told(evidence.launch.is_some()).to_owned()),
        ("REPORT_DATA, unverified", hex::encode(report.report_data)),
    ];
    let written = printable(&target.output.display().to_string());
    let rows = table(rows.map(|(fact, value)| [fact.to_owned(), value]));
    Ok(Answer::done(
        format!("wrote {written}, {} bytes; nothing in it is verified\n{rows}", bytes.len()),
        json,
    ))
}

/// Input that is not evidence in its format.
fn malformed(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::MalformedEvidence, format_args!("{path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_told_from_binary() {
        assert_eq!(from_hex(b" 0x00aB\n"), Some(vec![0, 0xab]));
        for other in [&b""[..], b"\0\x03", b"{}", b"0", b"00 11"] {
            assert_eq!(from_hex(other), None);
        }
    }
}
