//! `attest import nvidia`: reports of GPUs and switches, beside the evidence of their CPU.

mod json;

use std::{fmt, path::Path};

use backend_api::{Envelope, Error, ErrorKind, Result};
use backend_nvidia::{DeviceEvidence, NvidiaEvidence, Profile, media_type};
use evidence_nvidia::{Chain, Device, Error as DeviceError, Report};
use evidence_x509::{Certificate, CertificateError};
use serde_bytes::{ByteArray, ByteBuf};

use super::{Imported, not_as_written};
use crate::{
    cli::{ImportNvidia, NvidiaProfile},
    files::{self, MAX_FILE, STANDARD_STREAM},
    output::Answer,
};

/// A device as it was received, and what is said of it that nobody signed.
#[derive(Debug, Default)]
struct Item {
    /// For errors.
    from: String,
    report: Vec<u8>,
    /// PEM, leaf first.
    chain: Vec<u8>,
    /// The architecture, in NVIDIA's word.
    arch: Option<String>,
    /// The nonce.
    nonce: Option<[u8; 32]>,
    /// The driver's version.
    driver: Option<String>,
    /// The version of the video BIOS.
    vbios: Option<String>,
}

/// Why a device cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ItemError {
    #[error("arch is {said:?}, and the certificates are of {found}")]
    Arch { said: String, found: &'static str },
    #[error("certificates: {0}")]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the report's own nonce is {found}, expected {expected}, as {who}")]
    Nonce { found: String, expected: String, who: &'static str },
    #[error("the certificates are of a {chain}, and the report is of a {report}")]
    OfOther { chain: &'static str, report: &'static str },
    #[error(
        "expected a report that ends with its signature, found one byte 00 behind it, as old wrappers of NVML add: \
         cut it, so that {0} bytes are left"
    )]
    TrailingZero(usize),
    #[error("{key} is {said:?}, and the report has {found}")]
    Version { key: &'static str, said: String, found: String },
}

impl ItemError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Arch { .. } | Self::OfOther { .. } | Self::Version { .. } => {
                ErrorKind::InconsistentEvidence
            }
            Self::Certificate(_) | Self::TrailingZero(_) => ErrorKind::MalformedEvidence,
            Self::Device(error) => error.kind(),
            Self::Nonce { .. } => ErrorKind::ChallengeMismatch,
        }
    }
}

/// Imports devices.
pub(crate) fn run(args: &ImportNvidia) -> Result<Answer> {
    let files = args.devices_json.iter().chain([&args.beside]);
    if files.filter(|path| path.as_os_str() == STANDARD_STREAM).count() > 1 {
        let message = "standard input holds one file, expected `-` at most once in --devices and --beside";
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    let beside = beside(&args.beside)?;
    let items = if args.devices_json.is_empty() { raw(args)? } else { json::read(&args.devices_json)? };
    let nonces = nonces(&args.nonce, items.len())?;
    let devices = items.iter().enumerate().map(|(index, item)| {
        let nonce = nonces.get(index).or_else(|| nonces.first());
        Read::of(item, nonce)
            .map_err(|error| Error::new(error.kind(), format_args!("{}: {error}", item.from)))
    });
    imported(args, devices.collect::<Result<Vec<_>>>()?)?.write_beside(beside, &args.target)
}

/// The envelope of the CPU, in which no devices of NVIDIA's are yet.
fn beside(path: &Path) -> Result<Envelope> {
    let envelope = Envelope::decode(&files::read_or_stdin(path)?);
    let envelope = envelope.map_err(|error| {
        let error = Error::from(error);
        Error::new(
            error.kind(),
            format_args!("{path:?}: expected an envelope with the evidence of a CPU: {error}"),
        )
    })?;
    let is_of_devices = |media_type| backend_nvidia::profile_of(media_type).is_some();
    if is_of_devices(envelope.cpu.media_type()) {
        let message = format_args!("{path:?}: expected the evidence of a CPU, found devices in its place");
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    if envelope.devices.iter().any(|evidence| is_of_devices(evidence.media_type())) {
        let message =
            "has devices of NVIDIA's already: import all of them at once, so that they are judged together";
        return Err(Error::new(ErrorKind::InvalidConfig, format_args!("{path:?} {message}")));
    }
    Ok(envelope)
}

/// Reports and certificates, file by file.
fn raw(args: &ImportNvidia) -> Result<Vec<Item>> {
    let (reports, chains) = (args.report.len(), args.cert_chain.len());
    if reports != chains {
        let message = format!("{reports} of --report and {chains} of --cert-chain, expected as many of each");
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    let pairs = args.report.iter().zip(&args.cert_chain);
    let items = pairs.map(|(report, chain)| {
        Ok(Item {
            from: format!("{report:?}"),
            report: files::read(report, MAX_FILE)?,
            chain: files::read(chain, MAX_FILE)?,
            ..Item::default()
        })
    });
    items.collect()
}

/// What `--nonce` says: of all devices, or of each.
fn nonces(texts: &[String], devices: usize) -> Result<Vec<[u8; 32]>> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    if texts.len() > 1 && texts.len() != devices {
        let found = texts.len();
        return Err(invalid(format!(
            "{found} of --nonce for {devices} devices, expected one, or one for each"
        )));
    }
    let nonces = texts.iter().map(|text| {
        let mut nonce = [0; 32];
        let read = hex::decode_to_slice(text, &mut nonce);
        read.map_err(|_| invalid(format!("--nonce has {} characters, expected 64 hex digits", text.len())))?;
        Ok(nonce)
    });
    nonces.collect()
}

/// A device that can be read, and is what was said of it.
struct Read {
    device: DeviceEvidence,
    nonce: [u8; 32],
    chip: String,
    version: String,
}

impl Read {
    fn of(item: &Item, expected: Option<&[u8; 32]>) -> std::result::Result<Self, ItemError> {
        let report = Report::parse(&item.report).map_err(|error| match item.report.split_last() {
            Some((0, rest)) if Report::parse(rest).is_ok() => ItemError::TrailingZero(rest.len()),
            _ => error.into(),
        })?;
        // NVML's text ends in a NUL.
        let text = item.chain.iter().rposition(|byte| *byte != 0).and_then(|last| item.chain.get(..=last));
        let certificates = Certificate::parse_der_or_pem(text.unwrap_or_default())?;
        let certificates: Vec<&[u8]> = certificates.iter().map(Certificate::der).collect();
        let (chip, architecture) = Chain::parse(&certificates)?.chip()?;

        if let Some(said) = item.arch.clone().filter(|said| said != architecture.name()) {
            return Err(ItemError::Arch { said, found: architecture.name() });
        }
        let (unit, driver, bios) = match &report.opaque.device {
            Device::Gpu(gpu) => ("GPU", Some(gpu.driver_version.as_str()), gpu.vbios_version.as_str()),
            Device::Switch(switch) => ("switch", None, switch.bios_version.as_str()),
        };
        let chain = if architecture.is_switch() { "switch" } else { "GPU" };
        if chain != unit {
            return Err(ItemError::OfOther { chain, report: unit });
        }
        for (key, said, found) in
            [("driver_version", &item.driver, driver), ("vbios_version", &item.vbios, Some(bios))]
        {
            if let Some(said) = said.clone().filter(|said| Some(said.as_str()) != found) {
                return Err(ItemError::Version { key, said, found: found.unwrap_or("none").to_owned() });
            }
        }
        let said = [(expected, "--nonce says"), (item.nonce.as_ref(), "the file says")];
        for (expected, who) in said {
            if let Some(expected) = expected.filter(|expected| **expected != report.nonce) {
                let (found, expected) = (hex::encode(report.nonce), hex::encode(expected));
                return Err(ItemError::Nonce { found, expected, who });
            }
        }
        let device = DeviceEvidence {
            report: ByteBuf::from(item.report.clone()),
            certificates: certificates.into_iter().map(ByteBuf::from).collect(),
        };
        let version = match driver {
            Some(driver) => format!("driver {driver}, video BIOS {bios}"),
            None => format!("BIOS {bios}"),
        };
        Ok(Self { device, nonce: report.nonce, chip, version })
    }
}

fn imported(args: &ImportNvidia, devices: Vec<Read>) -> Result<Imported> {
    let profile = match args.profile {
        NvidiaProfile::V1 => Profile::V1,
        NvidiaProfile::Boot => Profile::Boot,
        NvidiaProfile::Raw => Profile::Raw,
    };
    let mut nonces: Vec<[u8; 32]> = devices.iter().map(|read| read.nonce).collect();
    nonces.dedup();
    if let (Profile::Boot | Profile::V1, [first, other, ..]) = (profile, nonces.as_slice()) {
        let message = format!(
            "devices signed the nonces {} and {}, expected one nonce of all devices in --profile {}",
            hex::encode(first),
            hex::encode(other),
            profile.name()
        );
        return Err(Error::new(ErrorKind::InconsistentEvidence, message));
    }
    let facts = vec![
        ("devices", "devices", devices.len().into()),
        ("of, unverified", "unverified-devices", listed(devices.iter().map(Described)).into()),
        ("nonce, unverified", "unverified-nonce", listed(nonces.iter().map(hex::encode)).into()),
        (
            "confidential computing, unverified",
            "unverified-cc-state",
            args.cc_state.map_or_else(|| "not said".to_owned(), |state| state.to_string()).into(),
        ),
    ];
    let nonce = nonces.first().copied().filter(|_| profile == Profile::Boot);
    let evidence = NvidiaEvidence {
        nonce: nonce.map(ByteArray::new),
        cc_state: args.cc_state,
        devices: devices.into_iter().map(|read| read.device).collect(),
    };
    let payload = evidence.encode();
    let again = NvidiaEvidence::decode(&payload).map_err(|error| {
        Error::new(ErrorKind::LimitExceeded, format_args!("all devices together: {error}"))
    })?;
    if again != evidence {
        return Err(not_as_written());
    }
    Ok(Imported { media_type: media_type(profile), payload, facts })
}

/// Chip and versions.
struct Described<'a>(&'a Read);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.chip, self.0.version)
    }
}

/// Equal neighbours once, with their number.
fn listed(all: impl Iterator<Item = impl ToString>) -> String {
    let all: Vec<String> = all.map(|one| one.to_string()).collect();
    let groups = all.chunk_by(|one, other| one == other).filter_map(|group| {
        let first = group.first()?;
        Some(if group.len() == 1 { first.clone() } else { format!("{} x {first}", group.len()) })
    });
    groups.collect::<Vec<_>>().join(", ")
}
