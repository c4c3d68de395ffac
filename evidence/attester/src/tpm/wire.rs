//! TPM commands as bytes: for those that libtss2 has no words for.
//!
//! Source: TPM 2.0 Library, revision 1.59, part 1, 18 and 19 (structure of commands, sessions), part 3.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::error::UNEXPECTED;
use super::{DEVICES, TpmError};

/// TPM_ST_NO_SESSIONS and TPM_ST_SESSIONS.
const WITHOUT_SESSIONS: u16 = 0x8001;
const WITH_SESSIONS: u16 = 0x8002;

/// Bytes of tag, size and code.
const HEADER: usize = 10;

/// TPM_RC_RETRY: the command was not begun, and is to be sent again. The kernel does so by itself.
const RETRY: u32 = 0x922;

/// How often, and how long after an answer.
const RETRIES: u32 = 100;
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The longest answer that is read, in bytes: that of the kernel.
const MAX_ANSWER: usize = 4096;

/// TPM_RS_PW: an authorization in the clear.
pub(super) const PASSWORD: u32 = 0x4000_0009;

/// A connection to the TPM that takes whole commands.
#[derive(Debug)]
pub(super) enum Wire {
    /// A device of the kernel's.
    Device(File),
    /// A software TPM.
    Socket(TcpStream),
}

/// One command before it is sent.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in part 3.
    pub(super) name: &'static str,
    /// TPM_CC.
    pub(super) code: u32,
    /// Its handles.
    pub(super) handles: Vec<u32>,
    /// Its one authorization ([`password`], [`super::session::Session`]), if it has one.
    pub(super) authorization: Option<Vec<u8>>,
    /// Its parameters.
    pub(super) parameters: Vec<u8>,
}

/// An answer to a command that the TPM carried out.
#[derive(Debug)]
pub(super) struct Answer {
    command: &'static str,
    /// What stands behind the header.
    rest: Vec<u8>,
}

impl Wire {
    /// A connection to the TPM that `tcti` names as for [`super::Tpm::open`], or to the guest's below `root`: to the TPM itself if it can
    /// be had, because the kernel's resource manager knows no commands of a vendor's.
    pub(super) fn open(root: &Path, tcti: Option<&str>) -> Result<Self, TpmError> {
        let Some(tcti) = tcti else {
            let [managed, plain] = DEVICES.map(|device| root.join(device));
            return Self::device(&plain).or_else(|error| Self::device(&managed).map_err(|_other| error));
        };
        let unknown = || TpmError::Tcti(tcti.to_owned());
        match tcti.split_once(':').ok_or_else(unknown)? {
            ("device", path) => Self::device(Path::new(path)),
            ("swtpm", address) => {
                let value = |key| address.split(',').find_map(|pair| pair.strip_prefix(key));
                let port = value("port=").and_then(|port| port.parse::<u16>().ok()).ok_or_else(unknown)?;
                let host = value("host=").ok_or_else(unknown)?;
                let connected = TcpStream::connect((host, port)).and_then(|socket| {
                    socket.set_nodelay(true)?;
                    Ok(Self::Socket(socket))
                });
                connected.map_err(|error| open_failed(tcti, &error))
            }
            _ => Err(unknown()),
        }
    }

    fn device(path: &Path) -> Result<Self, TpmError> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map(Self::Device).map_err(|error| open_failed(&path.display().to_string(), &error))
    }

    /// Sends a command and waits for its answer.
    pub(super) fn send(&mut self, command: &Command) -> Result<Answer, TpmError> {
        let name = command.name;
        let failed = |answer: String| TpmError::Command { command: name, answer };
        let bytes = command.bytes();
        for _again in 0..RETRIES {
            let transmitted = match self {
                Self::Device(device) => transmit(device, &bytes),
                Self::Socket(socket) => transmit(socket, &bytes),
            };
            let answer = transmitted.map_err(|error| failed(error.to_string()))?;
            match Reader(&answer).header().ok_or_else(|| failed(UNEXPECTED.to_owned()))? {
                0 => {
                    let rest = answer.get(HEADER..).unwrap_or_default().to_vec();
                    return Ok(Answer { command: name, rest });
                }
                RETRY => sleep(RETRY_INTERVAL),
                code => return Err(failed(format!("response code {code:#010x}"))),
            }
        }
        Err(failed(format!("response code {RETRY:#010x}")))
    }
}

fn open_failed(name: &str, error: &io::Error) -> TpmError {
    TpmError::Open { name: name.to_owned(), answer: error.to_string() }
}

/// A device gives its whole answer to one read, and a socket as much as there is.
fn transmit(tpm: &mut (impl Read + Write), command: &[u8]) -> io::Result<Vec<u8>> {
    tpm.write_all(command)?;
    let mut buffer = [0; MAX_ANSWER];
    let mut answer = Vec::new();
    loop {
        let read = tpm.read(&mut buffer)?;
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let size = Reader(&answer).after(2).and_then(|mut rest| rest.u32());
        let size = size.and_then(|size| usize::try_from(size).ok());
        match size {
            Some(size) if size == answer.len() => return Ok(answer),
            Some(size) if size < answer.len() || size > MAX_ANSWER => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            _ if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

impl Command {
    fn bytes(&self) -> Vec<u8> {
        let mut body: Vec<u8> = self.handles.iter().flat_map(|handle| handle.to_be_bytes()).collect();
        if let Some(authorization) = &self.authorization {
            body.extend(length_u32(authorization.len()).to_be_bytes());
            body.extend_from_slice(authorization);
        }
        body.extend_from_slice(&self.parameters);
        let tag = if self.authorization.is_some() { WITH_SESSIONS } else { WITHOUT_SESSIONS };
        let size = length_u32(HEADER.saturating_add(body.len()));
        [&tag.to_be_bytes()[..], &size.to_be_bytes(), &self.code.to_be_bytes(), &body].concat()
    }
}

impl Answer {
    /// The handle that the answer begins with.
    pub(super) fn handle(&self) -> Result<u32, TpmError> {
        Reader(&self.rest).u32().ok_or_else(|| self.unexpected())
    }

    /// What an answer without sessions holds behind a number of handles.
    pub(super) fn behind(&self, handles: usize) -> Result<Reader<'_>, TpmError> {
        Reader(&self.rest).after(handles.saturating_mul(4)).ok_or_else(|| self.unexpected())
    }

    /// The parameters and the authorizations of an answer with sessions, behind a number of handles.
    pub(super) fn with_sessions(&self, handles: usize) -> Result<(Reader<'_>, Reader<'_>), TpmError> {
        let mut rest = self.behind(handles)?;
        let parameters = rest.u32().and_then(|size| rest.take(usize::try_from(size).ok()?));
        Ok((Reader(parameters.ok_or_else(|| self.unexpected())?), rest))
    }

    /// The answer is not in its form.
    pub(super) fn unexpected(&self) -> TpmError {
        TpmError::Command { command: self.command, answer: UNEXPECTED.to_owned() }
    }
}

/// The authorization by a password, which is empty for the TPM's hierarchies.
pub(super) fn password(password: &[u8]) -> Vec<u8> {
    [&PASSWORD.to_be_bytes()[..], &sized(&[]), &[0], &sized(password)].concat()
}

/// A TPM2B: its length in two bytes, then the bytes.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What is left of an answer to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The response code of a whole answer.
    fn header(&mut self) -> Option<u32> {
        self.take(6)?;
        self.u32()
    }

    fn after(self, length: usize) -> Option<Self> {
        self.0.get(length..).map(Self)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*taken))
    }

    /// A TPM2B.
    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.take(u16::from_be_bytes(*length).into())
    }
}
