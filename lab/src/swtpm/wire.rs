//! Commands to a TPM, in the lab's own hand: TPM 2.0 Library, revision 1.59, parts 2 and 3. Numbers are
//! big-endian, authorizations empty passwords.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::tpm::alg;

use super::message::{Fields, HEADER_LEN, NV_READ, WITH_SESSIONS, read_message};

/// Where [`Wire::create_primary_ak_rsa2048`] leaves its key: Azure's handle of it.
pub const AK_HANDLE: u32 = 0x8100_0003;

const NO_SESSIONS: u16 = 0x8001;

/// TPM_ALG_NULL: the key's own scheme.
const NULL: u16 = 0x0010;

const OWNER: u32 = 0x4000_0001;
const ENDORSEMENT: u32 = 0x4000_000b;
const PLATFORM: u32 = 0x4000_000c;

/// An authorization by an empty password: TPM_RS_PW, no nonce, no attributes, no password.
const EMPTY_PASSWORD: [u8; 9] = [0x40, 0, 0, 9, 0, 0, 0, 0, 0];

/// The most bytes of an NV index that one command reads or writes.
const NV_CHUNK: u16 = 512;

/// Azure's AK: RSA, nameAlg SHA-256, fixedTPM | fixedParent | sensitiveDataOrigin | userWithAuth | noDA |
/// restricted | sign, no policy, no symmetric algorithm, RSASSA with SHA-256, 2048 bits, exponent 65537, no
/// unique bytes.
const AK_TEMPLATE: [u8; 24] = [
    0x00, 0x01, 0x00, 0x0b, 0x00, 0x05, 0x04, 0x72, 0x00, 0x00, 0x00, 0x10, 0x00, 0x14, 0x00, 0x0b, 0x08,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

/// TPM_RC_RETRY: the command was not begun, and is to be sent again. libtpms tests an algorithm before it uses it first.
const RETRY: u32 = 0x922;
const RETRIES: u8 = 100;

/// How long an answer may take: making an RSA key takes seconds on a busy machine.
const ANSWER: Duration = Duration::from_secs(60);

/// A connection to a TPM's data port. swtpm serves nobody else until it is dropped.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

struct Command<'a> {
    name: &'static str,
    code: u32,
    handles: &'a [u32],
    /// Whether its first handle needs an authorization.
    authorised: bool,
    parameters: &'a [u8],
}

impl Wire {
    /// Connects to a port of loopback. An answer that takes longer than a minute is an error.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self { stream })
    }

    /// The same connection, for shutting it down from elsewhere.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends one command as it is, and returns its response as it is, whatever its response code.
    ///
    /// # Errors
    ///
    /// The system's; of the kind `ConnectionAborted` where the TPM closes the connection instead.
    pub fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(command)?;
        read_message(&mut self.stream)?.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }

    /// TPM2_SelfTest of what was not tested yet: a command that every TPM answers.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn self_test(&mut self) -> io::Result<()> {
        let (name, code) = ("TPM2_SelfTest", 0x143);
        self.run(&Command { name, code, handles: &[], authorised: false, parameters: &[0] }).map(drop)
    }

    /// TPM2_GetCapability of handles: what is loaded or defined in the TPM, of the kind of `first` and from it on, at most 64.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn handles(&mut self, first: u32) -> io::Result<Vec<u32>> {
        let (name, code) = ("TPM2_GetCapability", 0x17a);
        let parameters = [1, first, 64].map(u32::to_be_bytes).concat();
        let command = Command { name, code, handles: &[], authorised: false, parameters: &parameters };
        let response = self.run(&command)?;
        let mut fields = Fields(&response);
        parsed(name, move || {
            let _more = fields.take(1)?;
            let _capability = fields.u32()?;
            let count = fields.u32()?;
            (0..count).map(|_handle| fields.u32()).collect()
        })
    }

    /// TPM2_PCR_Extend of PCR `index`, with the digest of each algorithm in one command.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn pcr_extend(&mut self, index: u32, digests: &[(u16, &[u8])]) -> io::Result<()> {
        let mut parameters = u32_of(digests.len())?.to_be_bytes().to_vec();
        for (algorithm, digest) in digests {
            parameters.extend(algorithm.to_be_bytes());
            parameters.extend(*digest);
        }
        let (name, code) = ("TPM2_PCR_Extend", 0x182);
        let command = Command { name, code, handles: &[index], authorised: true, parameters: &parameters };
        self.run(&command).map(drop)
    }

    /// TPM2_PCR_Read of PCR `index` in one bank; `None` where the bank has no such PCR.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn pcr_read(&mut self, algorithm: u16, index: u8) -> io::Result<Option<Vec<u8>>> {
        let select = 1_u32.checked_shl(index.into()).ok_or(io::ErrorKind::InvalidInput)?;
        let (name, code) = ("TPM2_PCR_Read", 0x17e);
        let parameters = selections(&[(algorithm, select)])?;
        let command = Command { name, code, handles: &[], authorised: false, parameters: &parameters };
        let response = self.run(&command)?;
        let mut fields = Fields(&response);
        let value = move || {
            let _update_counter = fields.u32()?;
            for _selection in 0..fields.u32()? {
                let _algorithm = fields.u16()?;
                let [len] = fields.take(1)?.try_into().ok()?;
                let _select = fields.take(usize::from(u8::from_be_bytes([len])))?;
            }
            let digests = fields.u32()?;
            Some(if digests == 0 { None } else { Some(fields.sized()?.to_vec()) })
        };
        parsed(name, value)
    }

    /// TPM2_PCR_Allocate by the platform: from the next [`super::Swtpm::restart`] on, each of `allocated` has
    /// PCRs 0 to 23, and each of `others` none.
    ///
    /// # Errors
    ///
    /// The system's, the TPM's response code, or that it has no room.
    pub fn pcr_allocate(&mut self, allocated: &[u16], others: &[u16]) -> io::Result<()> {
        let all = allocated.iter().map(|algorithm| (*algorithm, 0x00ff_ffff));
        let none = others.iter().map(|algorithm| (*algorithm, 0));
        let parameters = selections(&all.chain(none).collect::<Vec<_>>())?;
        let (name, code) = ("TPM2_PCR_Allocate", 0x12b);
        let command = Command { name, code, handles: &[PLATFORM], authorised: true, parameters: &parameters };
        let response = self.run(&command)?;
        let mut fields = Fields(&response);
        let success = parsed(name, move || fields.u32().and_then(|_size| fields.take(1)))?;
        if success == [1] { Ok(()) } else { Err(io::Error::other(format!("{name}: no room"))) }
    }

    /// TPM2_NV_DefineSpace of `index` by the owner, of `size` bytes (libtpms: at most 2048), with nameAlg
    /// SHA-256, an empty password and no policy. `attributes` are those of TPMA_NV (part 2, 13.4).
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn nv_define(&mut self, index: u32, attributes: u32, size: u16) -> io::Result<()> {
        let public = [
            &index.to_be_bytes()[..],
            &alg::SHA256.to_be_bytes(),
            &attributes.to_be_bytes(),
            &[0; 2],
            &size.to_be_bytes(),
        ];
        let parameters = [&[0; 2][..], &sized(&public.concat())?].concat();
        let (name, code) = ("TPM2_NV_DefineSpace", 0x12a);
        let command = Command { name, code, handles: &[OWNER], authorised: true, parameters: &parameters };
        self.run(&command).map(drop)
    }

    /// TPM2_NV_Write of `data` from the first byte of `index` on, by the owner, in chunks.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn nv_write(&mut self, index: u32, data: &[u8]) -> io::Result<()> {
        let (name, code, handles) = ("TPM2_NV_Write", 0x137, &[OWNER, index]);
        let mut offset = 0_u16;
        for chunk in data.chunks(NV_CHUNK.into()) {
            let parameters = [&sized(chunk)?[..], &offset.to_be_bytes()].concat();
            self.run(&Command { name, code, handles, authorised: true, parameters: &parameters })?;
            offset = offset.saturating_add(NV_CHUNK);
        }
        Ok(())
    }

    /// The whole of `index`, by TPM2_NV_ReadPublic and TPM2_NV_Read by the owner, in chunks.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn nv_read(&mut self, index: u32) -> io::Result<Vec<u8>> {
        let (name, code) = ("TPM2_NV_ReadPublic", 0x169);
        let public =
            self.run(&Command { name, code, handles: &[index], authorised: false, parameters: &[] })?;
        let size = parsed(name, || Fields(&public).sized()?.last_chunk().copied())?;
        let size = u16::from_be_bytes(size);

        let (name, code, handles) = ("TPM2_NV_Read", NV_READ, &[OWNER, index]);
        let mut data = Vec::new();
        for offset in (0..size).step_by(NV_CHUNK.into()) {
            let len = size.saturating_sub(offset).min(NV_CHUNK);
            let parameters = [len.to_be_bytes(), offset.to_be_bytes()].concat();
            let command = Command { name, code, handles, authorised: true, parameters: &parameters };
            let response = self.run(&command)?;
            let mut fields = Fields(&response);
            data.extend(parsed(name, move || fields.u32().and_then(|_size| fields.sized()))?);
        }
        Ok(data)
    }

    /// Makes the AK that Azure makes: [`Wire::create_primary`] by Azure's template, and TPM2_EvictControl to
    /// [`AK_HANDLE`]. Returns its TPMT_PUBLIC.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn create_primary_ak_rsa2048(&mut self) -> io::Result<Vec<u8>> {
        let (handle, public) = self.create_primary(&AK_TEMPLATE)?;
        let (name, code, handles) = ("TPM2_EvictControl", 0x120, &[OWNER, handle]);
        let parameters = AK_HANDLE.to_be_bytes();
        let kept = self.run(&Command { name, code, handles, authorised: true, parameters: &parameters });
        self.flush(handle)?;
        kept.map(|_| public)
    }

    /// TPM2_FlushContext of a key.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn flush(&mut self, handle: u32) -> io::Result<()> {
        let (name, code) = ("TPM2_FlushContext", 0x165);
        let parameters = handle.to_be_bytes();
        self.run(&Command { name, code, handles: &[], authorised: false, parameters: &parameters }).map(drop)
    }

    /// TPM2_CreatePrimary in the endorsement hierarchy by `template`, a TPMT_PUBLIC: the transient handle of the key,
    /// and its TPMT_PUBLIC.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn create_primary(&mut self, template: &[u8]) -> io::Result<(u32, Vec<u8>)> {
        // Neither password nor data of its own; no outside information, no PCRs at creation.
        let sensitive = sized(&[0; 4])?;
        let parameters = [&sensitive[..], &sized(template)?, &[0; 2], &[0; 4]].concat();
        let (name, code) = ("TPM2_CreatePrimary", 0x131);
        let handles = &[ENDORSEMENT];
        let created =
            self.run(&Command { name, code, handles, authorised: true, parameters: &parameters })?;
        let mut fields = Fields(&created);
        parsed(name, move || {
            let handle = fields.u32()?;
            let _size = fields.u32()?;
            Some((handle, fields.sized()?.to_vec()))
        })
    }

    /// TPM2_Quote by the key at `handle` and its own scheme, over PCRs 0 to 23 of `banks`: TPMS_ATTEST and TPMT_SIGNATURE.
    ///
    /// # Errors
    ///
    /// The system's, or the TPM's response code.
    pub fn quote(&mut self, handle: u32, extra_data: &[u8], banks: &[u16]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let banks: Vec<(u16, u32)> = banks.iter().map(|algorithm| (*algorithm, 0x00ff_ffff)).collect();
        let parameters = [sized(extra_data)?, NULL.to_be_bytes().to_vec(), selections(&banks)?].concat();
        let (name, code) = ("TPM2_Quote", 0x158);
        let handles = &[handle];
        let quoted = self.run(&Command { name, code, handles, authorised: true, parameters: &parameters })?;
        let mut fields = Fields(&quoted);
        parsed(name, move || {
            let size = usize::try_from(fields.u32()?).ok()?;
            let mut parameters = Fields(fields.take(size)?);
            Some((parameters.sized()?.to_vec(), parameters.0.to_vec()))
        })
    }

    /// What follows the header of the response.
    fn run(&mut self, command: &Command<'_>) -> io::Result<Vec<u8>> {
        let Command { name, code, handles, authorised, parameters } = *command;
        let mut body: Vec<u8> = handles.iter().flat_map(|handle| handle.to_be_bytes()).collect();
        if authorised {
            body.extend(u32_of(EMPTY_PASSWORD.len())?.to_be_bytes());
            body.extend(EMPTY_PASSWORD);
        }
        body.extend(parameters);
        let tag = if authorised { WITH_SESSIONS } else { NO_SESSIONS };
        let size = u32_of(body.len())?.saturating_add(HEADER_LEN);
        let header = [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes()].concat();
        let command = [header, body].concat();
        for _again in 0..RETRIES {
            let response = self.transmit(&command)?;
            let mut fields = Fields(&response);
            match fields.header() {
                Some((_tag, _size, 0)) => return Ok(fields.0.to_vec()),
                Some((_tag, _size, RETRY)) => {}
                Some((_tag, _size, code)) => {
                    return Err(io::Error::other(format!("{name} answers {code:#x}")));
                }
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} is put off")))
    }
}

fn parsed<T>(name: &str, parse: impl FnOnce() -> Option<T>) -> io::Result<T> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("{name} answers too few bytes"));
    parse().ok_or_else(malformed)
}

fn u32_of(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_too_long| io::ErrorKind::InvalidInput.into())
}

/// A TPM2B.
fn sized(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let len = u16::try_from(bytes.len()).map_err(|_too_long| io::ErrorKind::InvalidInput)?;
    Ok([&len.to_be_bytes()[..], bytes].concat())
}

/// A TPML_PCR_SELECTION of PCRs 0 to 23: bit n of a selection is PCR n.
fn selections(selections: &[(u16, u32)]) -> io::Result<Vec<u8>> {
    let mut list = u32_of(selections.len())?.to_be_bytes().to_vec();
    for (algorithm, select) in selections {
        let [first, second, third, _none] = select.to_le_bytes();
        list.extend(algorithm.to_be_bytes());
        list.extend([3, first, second, third]);
    }
    Ok(list)
}
