//! Intel's quote generation service (QGS), which turns a TDREPORT into a quote on the host.
//!
//! Source: Intel SGX DCAP, `QuoteGeneration/quote_wrapper/qgs_msg_lib` (messages, version 1) and `tdx_attest`
//! (framing, and `/etc/tdx-attest.conf`). Each message follows its length, 4 bytes, big-endian. Integers of
//! messages are little-endian.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use evidence_ledger::ErrorKind;
use vsock::{VMADDR_CID_HOST, VsockAddr, VsockStream};

use crate::deadline::Deadline;
use crate::io::{IoFailure, read_up_to};
use crate::tdreport::{TDREPORT_LEN, TdReport};

/// The guest's configuration, below its root: a line `port = N`.
pub const CONFIGURATION: &str = "etc/tdx-attest.conf";

/// The most bytes of the configuration.
const CONFIGURATION_LIMIT: usize = 64 * 1024;

/// The most bytes of an answer.
const ANSWER_LIMIT: usize = 128 * 1024;

/// Only the major version is compared: minor ones are compatible.
const MAJOR_VERSION: u16 = 1;

/// GET_QUOTE_REQ.
const GET_QUOTE_REQ: u32 = 0;

/// GET_QUOTE_RESP.
const GET_QUOTE_RESP: u32 = 1;

/// Bytes of `qgs_msg_get_quote_req_t` with a TDREPORT and without ids: header, two sizes, the report.
const REQUEST_LEN: u32 = 16 + 8 + 1024;

/// Why the service gave no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QgsError {
    /// The answer holds no quote.
    #[error("answer of the quote generation service holds no quote")]
    Empty,
    /// The connection failed.
    #[error("quote generation service: cannot {operation}: {kind}")]
    Connection {
        /// `connect`, `send` or `receive`.
        operation: &'static str,
        /// The kind of error.
        kind: io::ErrorKind,
    },
    /// The configuration could not be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// Lengths within the answer do not add up to its own.
    #[error("answer of {found} bytes, {claimed} expected by its fields")]
    Length {
        /// By its fields.
        claimed: u64,
        /// By its frame.
        found: usize,
    },
    /// Another message.
    #[error("answer is of type {0}, expected {GET_QUOTE_RESP} (GET_QUOTE_RESP)")]
    MessageType(u32),
    /// The guest is not configured for the service.
    #[error("no line `port = N` in {CONFIGURATION}: the guest has no quote generation service")]
    NoPort,
    /// The configuration names no usable port.
    #[error("{CONFIGURATION} does not name one vsock port from 1 to 4294967295")]
    PortUnusable,
    /// The service says no.
    #[error("quote generation service refused with code {0:#x}")]
    Refused(u32),
    /// Longer than allowed.
    #[error("{what} has more than {limit} bytes")]
    TooLong {
        /// The answer, or the configuration.
        what: &'static str,
        /// The most bytes.
        limit: usize,
    },
    /// A version that is not known.
    #[error("answer is of version {0}, expected {MAJOR_VERSION}")]
    Version(u16),
}

impl QgsError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Connection { .. } | Self::Io(_) | Self::Refused(_) => ErrorKind::DeviceUnavailable,
            Self::Empty | Self::Length { .. } | Self::MessageType(_) => ErrorKind::MalformedEvidence,
            Self::NoPort => ErrorKind::Unsupported,
            Self::PortUnusable => ErrorKind::InvalidConfig,
            Self::TooLong { .. } => ErrorKind::LimitExceeded,
            Self::Version(_) => ErrorKind::UnsupportedEvidence,
        }
    }
}

/// The service's vsock port, by the configuration below the guest's root.
///
/// # Errors
///
/// [`QgsError::NoPort`] without configuration or without its line; [`QgsError::PortUnusable`] for a line of
/// another form and for more than one.
pub fn port(root: &Path) -> Result<u32, QgsError> {
    let limit = CONFIGURATION_LIMIT;
    let bytes = match read_up_to(&root.join(CONFIGURATION), limit) {
        Err(failure) if failure.kind == io::ErrorKind::NotFound => return Err(QgsError::NoPort),
        read => read?.ok_or(QgsError::TooLong { what: CONFIGURATION, limit })?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut ports = text.lines().filter_map(|line| match line.trim().split_once('=') {
        Some((key, value)) if key.trim_end() == "port" => Some(value.trim_start()),
        _ => None,
    });
    let number = ports.next().ok_or(QgsError::NoPort)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse() {
        Ok(port) if digits && port > 0 && ports.next().is_none() => Ok(port),
        _ => Err(QgsError::PortUnusable),
    }
}

/// A connection whose readings and writings end at a deadline.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: VsockStream,
    deadline: Deadline,
}

impl Connection {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.left();
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A connection to the host's service.
pub(crate) fn connect(port: u32, allowed: Duration) -> Result<Connection, QgsError> {
    let deadline = Deadline::after(allowed);
    let stream = VsockStream::connect(&VsockAddr::new(VMADDR_CID_HOST, port))
        .map_err(|error| QgsError::Connection { operation: "connect", kind: error.kind() })?;
    Ok(Connection { stream, deadline })
}

/// Sends the report and receives a quote: GET_QUOTE_REQ without a list of key ids, GET_QUOTE_RESP.
///
/// # Errors
///
/// [`QgsError`].
pub fn exchange(stream: &mut (impl Read + Write), report: &TdReport) -> Result<Vec<u8>, QgsError> {
    let failed = |operation| move |error: io::Error| QgsError::Connection { operation, kind: error.kind() };
    stream.write_all(&request(report)).map_err(failed("send"))?;
    stream.flush().map_err(failed("send"))?;

    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(failed("receive"))?;
    let too_long = QgsError::TooLong { what: "answer", limit: ANSWER_LIMIT };
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_length| too_long.clone())?;
    if length > ANSWER_LIMIT {
        return Err(too_long);
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).map_err(failed("receive"))?;
    quote(&answer)
}

/// The framed request.
fn request(report: &TdReport) -> Vec<u8> {
    let mut message = Vec::with_capacity(TDREPORT_LEN.saturating_add(28));
    message.extend(REQUEST_LEN.to_be_bytes());
    // qgs_msg_header_t: versions, type, size, error code.
    message.extend(MAJOR_VERSION.to_le_bytes());
    message.extend(0_u16.to_le_bytes());
    for field in [GET_QUOTE_REQ, REQUEST_LEN, 0] {
        message.extend(field.to_le_bytes());
    }
    // report_size, id_list_size, report.
    message.extend(1024_u32.to_le_bytes());
    message.extend(0_u32.to_le_bytes());
    message.extend(report.as_bytes());
    message
}

/// The quote of an answer: header, `selected_id_size`, `quote_size`, id, quote.
fn quote(answer: &[u8]) -> Result<Vec<u8>, QgsError> {
    let found = answer.len();
    let length = |claimed| QgsError::Length { claimed, found };
    let (header, rest) = answer.split_first_chunk::<16>().ok_or_else(|| length(16))?;
    let [major_0, major_1, _, _, fields @ ..] = *header;
    let major = u16::from_le_bytes([major_0, major_1]);
    if major != MAJOR_VERSION {
        return Err(QgsError::Version(major));
    }
    let (words, _) = fields.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
    let mut word = || words.next().unwrap_or_default();
    let (message_type, size, code) = (word(), word(), word());
    if message_type != GET_QUOTE_RESP {
        return Err(QgsError::MessageType(message_type));
    }
    if usize::try_from(size) != Ok(found) {
        return Err(length(size.into()));
    }
    if code != 0 {
        return Err(QgsError::Refused(code));
    }

    let (sizes, rest) = rest.split_first_chunk::<8>().ok_or_else(|| length(24))?;
    let [id_len, quote_len] = [sizes.first_chunk::<4>(), sizes.last_chunk::<4>()]
        .map(|size| size.map_or(0, |size| u32::from_le_bytes(*size)));
    if quote_len == 0 {
        return Err(QgsError::Empty);
    }
    let claimed = u64::from(id_len).saturating_add(quote_len.into()).saturating_add(24);
    if u64::try_from(found) != Ok(claimed) {
        return Err(length(claimed));
    }
    Ok(rest.get(usize::try_from(id_len).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec())
}
