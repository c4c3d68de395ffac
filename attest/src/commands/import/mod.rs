//! `attest import`: what other tools collected, in an envelope.

mod aws;
mod azure;
mod coco;
mod gcp;
mod nvidia;
mod snp;
mod tdx;
mod vtpm;

use std::path::{Path, PathBuf};

use backend_api::{Envelope, Error, ErrorKind, Evidence, MediaType, Result};
use backend_baremetal_snp::SnpEvidence;
use backend_tdx::TdxEvidence;
use evidence_dstack::wire::{Attestation, Platform, Request, WireError};
use evidence_event_log::{
    EventLog,
    runtime::{LoggedEvent, RuntimeLog},
};
use evidence_snp::{CertificateTable, read_certificates};
use evidence_x509::Certificate;
use serde_json::{Map, Value};

pub(crate) use aws::run as aws;
pub(crate) use azure::run as azure;
pub(crate) use coco::run as coco;
pub(crate) use gcp::run as gcp;
pub(crate) use nvidia::run as nvidia;
pub(crate) use snp::run as snp;
pub(crate) use tdx::run as tdx;

use super::malformed;
use crate::{
    cli::{ImportDstack, Target},
    files::{self, MAX_FILE},
    output::{Answer, printable, table},
};

/// A payload that can be read again, and what is told about it: for people, and its name and value in JSON.
struct Imported {
    media_type: MediaType,
    payload: Vec<u8>,
    facts: Vec<(&'static str, &'static str, Value)>,
}

/// Imports one of dstack's attestations, of the platform that it says it is of.
pub(crate) fn dstack(args: &ImportDstack) -> Result<Answer> {
    let bytes = files::read_or_stdin(&args.file)?;
    let attestation = attestation(&bytes).map_err(|error| malformed(&args.file, &error))?;
    let imported = match &attestation.platform {
        Platform::AmdSevSnp { .. } => {
            let evidence = SnpEvidence::from_dstack(&attestation);
            snp::imported(&args.file, &evidence.map_err(|error| malformed(&args.file, &error))?)?
        }
        Platform::Tdx { quote, .. } => {
            let evidence = TdxEvidence::from_dstack(&attestation);
            let evidence = evidence.map_err(|error| malformed(&args.file, &error))?;
            tdx::imported(&args.file, &evidence, quote.len())?
        }
        other => {
            let message = format_args!(
                "{:?}: attestation is of the platform {}, expected dstack-amd-sev-snp or dstack-tdx",
                args.file,
                other.tee_variant()
            );
            return Err(Error::new(ErrorKind::UnsupportedEvidence, message));
        }
    };
    imported.write(&args.target)
}

/// Binary, hex of it, or JSON, where a quote may stand without the challenge that it was asked for: nothing
/// here needs that.
fn attestation(bytes: &[u8]) -> std::result::Result<Attestation, WireError> {
    if let Some(binary) = from_hex(bytes) {
        return Attestation::decode(&binary);
    }
    let text = bytes.trim_ascii();
    match std::str::from_utf8(text) {
        Ok(json) if json.starts_with('{') => {
            let mut request = Request::parse(json)?;
            if let Request::Quote(quote) = &mut request {
                quote.report_data.get_or_insert([0; 64]);
            }
            request.into_attestation()
        }
        _ => Attestation::decode(bytes),
    }
}

/// The bytes of a text of nothing but hex digits.
fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii();
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    hex::decode(digits).ok().filter(|binary| !binary.is_empty())
}

impl Imported {
    /// Writes an envelope of a CPU.
    fn write(self, target: &Target) -> Result<Answer> {
        self.write_in(Envelope::of_cpu, target)
    }

    /// Writes the envelope `beside`, with these devices behind those that it has.
    fn write_beside(self, mut beside: Envelope, target: &Target) -> Result<Answer> {
        let around = |devices| {
            beside.devices.push(devices);
            beside
        };
        self.write_in(around, target)
    }

    /// Writes the envelope, once it is sure that it can be read again.
    fn write_in(self, around: impl FnOnce(Evidence) -> Envelope, target: &Target) -> Result<Answer> {
        let Self { media_type, payload, facts } = self;
        let envelope = around(Evidence::new(media_type.clone(), payload));
        let bytes = files::envelope_bytes(&envelope, target.json_envelope)?;
        if files::is_standard_stream(&target.output) {
            return Ok(Answer::bytes(bytes));
        }
        files::write(&target.output, &bytes)?;

        let mut json = Map::new();
        json.insert("written".to_owned(), target.output.display().to_string().into());
        json.insert("bytes".to_owned(), bytes.len().into());
        json.insert("media-type".to_owned(), media_type.to_string().into());
        let mut rows = vec![["media type".to_owned(), media_type.to_string()]];
        for (fact, key, value) in facts {
            let shown = match &value {
                Value::Bool(told) => if *told { "yes" } else { "no" }.to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            rows.push([fact.to_owned(), shown]);
            json.insert(key.to_owned(), value);
        }
        let written = printable(&target.output.display().to_string());
        let count = bytes.len();
        let text = format!("wrote {written}, {count} bytes; nothing in it is verified\n{}", table(rows));
        Ok(Answer::done(text, json.into()))
    }
}

/// Every certificate of these files, DER or PEM, in their order.
fn certificates<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for path in paths {
        let read = Certificate::parse_der_or_pem(&files::read(path, MAX_FILE)?);
        let read = read.map_err(|error| malformed(path, &error))?;
        all.extend(read.iter().map(|certificate| certificate.der().to_vec()));
    }
    Ok(all)
}

/// The certificates of a host's table, as an extended report carries it.
fn certificate_table(path: &Path) -> Result<Vec<Vec<u8>>> {
    let table = files::read(path, MAX_FILE)?;
    let table = CertificateTable::parse(&table).map_err(|error| malformed(path, &error))?;
    let entries: Vec<&[u8]> = table.certificates().collect();
    read_certificates(&entries).map_err(|error| malformed(path, &error))
}

/// A log of a boot, TCG crypto-agile.
fn boot_log(path: &Path) -> Result<Vec<u8>> {
    let log = files::read(path, MAX_FILE)?;
    EventLog::parse(&log).map_err(|error| malformed(path, &error))?;
    Ok(log)
}

/// dstack's log of runtime events: one in JSON on each line.
fn runtime_events(path: &Path) -> Result<Vec<LoggedEvent>> {
    let log = RuntimeLog::parse_lines(&files::read(path, MAX_FILE)?);
    let log = log.map_err(|error| malformed(path, &error))?;
    Ok(log.events().iter().map(LoggedEvent::from).collect())
}

/// The payload would be another when it is read: a mistake of this program.
fn not_as_written() -> Error {
    Error::new(ErrorKind::Internal, "the payload would not be read as it was written")
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
