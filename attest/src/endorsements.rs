//! Directories of endorsements, recognised by content.

mod intel;
mod nvidia;

use std::{
    fs,
    path::{Path, PathBuf},
};

use backend_api::{Endorsement, EndorsementKind, Endorsements, Error, ErrorKind, Limits, Result};
use evidence_gce::endorsement::described;
use evidence_x509::{Certificate, OcspResponse, RevocationList};

use crate::files::{self, FileError};

/// The most files of one directory.
const MAX_FILES: usize = 96;

/// The most bytes of one file.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file is passed over.
const UNKNOWN: &str = "neither certificate, revocation list (DER, PEM or hex), status response (DER), document of Intel's, manifest of \
                       NVIDIA's nor launch endorsement of Google's";

/// Reads every regular file of each directory in the order of the names; what is neither a certificate, a
/// revocation list, a status response nor a signed document is passed over with a warning.
pub(crate) fn read(directories: &[PathBuf]) -> Result<(Endorsements, Vec<String>)> {
    let mut all = Endorsements::new();
    let mut warnings = Vec::new();
    for directory in directories {
        for path in regular_files(directory)? {
            match recognise(&files::read(&path, MAX_BYTES)?) {
                Ok(found) => found.into_iter().for_each(|endorsement| all.add(endorsement)),
                Err(reason) => warnings.push(format!("{path:?} is passed over: {reason}")),
            }
        }
    }
    let limit = Limits::default().endorsements;
    if all.len() > limit {
        return Err(invalid(format!("{} endorsements, at most {limit} are used", all.len())));
    }
    Ok((all, warnings))
}

fn regular_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| {
        Error::from(FileError::Read { path: directory.to_owned(), problem: error.kind() })
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_file() {
            continue;
        }
        if paths.len() == MAX_FILES {
            return Err(invalid(format!(
                "{directory:?} has more than {MAX_FILES} files, the most that are read"
            )));
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

/// The endorsements of one file: PEM of one or several, one in DER, a list in hex, Intel's JSON, NVIDIA's XML or JSON, or Google's word for
/// firmware.
fn recognise(bytes: &[u8]) -> Result<Vec<Endorsement>, String> {
    match bytes.trim_ascii() {
        text if text.starts_with(b"-----BEGIN ") => pem(text),
        text if nvidia::is_manifest(text) => nvidia::recognise(bytes),
        text if text.starts_with(b"{") => intel::recognise(text),
        text => {
            let list = || revocation_list(&from_hex(text).ok_or(UNKNOWN)?);
            let one = certificate(bytes).or_else(|_| revocation_list(bytes)).or_else(|_| list());
            let one = one.or_else(|_| status_response(bytes)).or_else(|_| launch_endorsement(bytes));
            one.map(|endorsement| vec![endorsement]).map_err(|_| UNKNOWN.to_owned())
        }
    }
}

/// The bytes of a text of nothing but hex digits.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|bytes| !bytes.is_empty())
}

fn pem(mut rest: &[u8]) -> Result<Vec<Endorsement>, String> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (block, after) = split_pem_block(rest).ok_or("PEM block without an end")?;
        let (label, der) = der::pem::decode_vec(block).map_err(|error| format!("malformed PEM: {error}"))?;
        found.push(match label {
            "CERTIFICATE" => certificate(&der)?,
            "X509 CRL" => revocation_list(&der)?,
            _ => return Err(UNKNOWN.to_owned()),
        });
        rest = after.trim_ascii_start();
    }
    Ok(found)
}

fn certificate(der: &[u8]) -> Result<Endorsement, String> {
    let read = Certificate::parse(der).map_err(|error| format!("malformed certificate: {error}"))?;
    Ok(Endorsement::new(EndorsementKind::Certificate, read.der().to_vec()))
}

fn revocation_list(der: &[u8]) -> Result<Endorsement, String> {
    RevocationList::well_formed(der).map_err(|error| format!("malformed revocation list: {error}"))?;
    Ok(Endorsement::new(EndorsementKind::RevocationList, der.to_vec()))
}

fn status_response(der: &[u8]) -> Result<Endorsement, String> {
    OcspResponse::well_formed(der).map_err(|error| format!("malformed status response: {error}"))?;
    Ok(Endorsement::new(EndorsementKind::StatusResponse, der.to_vec()))
}

fn launch_endorsement(bytes: &[u8]) -> Result<Endorsement, String> {
    described(bytes).map_err(|error| error.to_string())?;
    Ok(Endorsement::new(EndorsementKind::Document, bytes.to_vec()))
}

/// Splits PEM text after its first block, whatever its label.
fn split_pem_block(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const END: &[u8] = b"-----END ";
    const DASHES: &[u8] = b"-----";
    let end = find(text, END)?.checked_add(END.len())?;
    let dashes = find(text.get(end..)?, DASHES)?;
    text.split_at_checked(end.checked_add(dashes)?.checked_add(DASHES.len())?)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use lab::amd::{Guest, Product};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap()
    }

    fn kinds(bytes: &[u8]) -> Result<Vec<EndorsementKind>, String> {
        recognise(bytes).map(|found| found.into_iter().map(|endorsement| endorsement.kind).collect())
    }

    #[test]
    fn content_tells_what_a_file_is() {
        use EndorsementKind::{Certificate, Document, RevocationList, StatusResponse};
        let guest = Guest::new(Product::Milan);
        let (ark, crl) = (guest.hierarchy.ark(), guest.crl());
        assert_eq!(kinds(ark), Ok(vec![Certificate]));
        assert_eq!(kinds(&crl), Ok(vec![RevocationList]));
        let both = format!("\n{}\r\n{}", pem("CERTIFICATE", ark), pem("X509 CRL", &crl));
        assert_eq!(kinds(both.as_bytes()), Ok(vec![Certificate, RevocationList]));
        assert_eq!(recognise(both.as_bytes()).unwrap()[1].bytes, crl);
        for (kind, bytes) in lab::nvidia::Machine::h100().endorsements() {
            assert_eq!(recognise(&bytes), Ok(vec![Endorsement::new(kind, bytes.clone())]));
            assert!(kind == Document || kind == StatusResponse);
            assert!(kinds(&[&bytes, &b"x"[..]].concat()).is_err());
        }
        let endorsement = lab::google::EndorsementSpec::default().sign();
        assert_eq!(kinds(&endorsement), Ok(vec![Document]));
        assert_eq!(recognise(&endorsement).unwrap()[0].bytes, endorsement);
        let digits = format!("{}\n", hex::encode_upper(&crl));
        assert_eq!(recognise(digits.as_bytes()).unwrap()[0].bytes, crl);
    }

    #[test]
    fn anything_else_is_passed_over_with_a_reason() {
        let guest = Guest::new(Product::Milan);
        let text = pem("CERTIFICATE", guest.hierarchy.ark());
        let key = pem("PRIVATE KEY", b"key");
        for wrong in ["", "# Endorsements", "{}", "-----BEGIN ", &text[..200], &key, &format!("{text}more")] {
            assert!(kinds(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(kinds(&guest.hierarchy.ark()[..100]).is_err());
        assert!(kinds(&[guest.hierarchy.ark(), b"\n"].concat()).is_err());
        let endorsement = lab::google::EndorsementSpec::default().sign();
        assert!(kinds(&endorsement[..endorsement.len() - 1]).is_err());
        assert!(kinds(pem("X509 CRL", guest.hierarchy.ark()).as_bytes()).is_err());
        // Only revocation lists are served in hex.
        assert!(kinds(hex::encode(guest.hierarchy.ark()).as_bytes()).is_err());
    }
}
