//! A confidential VM around a real software TPM: a [`Proxy`] in front of it is the NitroTPM's own part, a simulated configfs-TSM tree the
//! processor's.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ciborium::Value;
use tempfile::TempDir;

use super::guest::Guest;
use crate::amd::{CertTable, ReportSpec, guid};
use crate::swtpm::{Proxy, Swtpm, Wire};
use crate::tpm::alg;
use crate::tsm::{Behaviour as Files, TsmTree};

/// The command of AWS's, and those of the NV index through which it is asked (TPM_CC).
const NITRO_TPM_REQUEST: u32 = 0x2000_0001;
const NV_DEFINE_SPACE: u32 = 0x12A;
const NV_WRITE: u32 = 0x137;
const NV_READ: u32 = 0x14E;

/// Bytes of the index through which a NitroTPM is asked, and the most that one of libtpms has.
const ASKED_SIZE: u16 = 8192;
const INDEX_SIZE: u16 = 2048;

/// TPM_HT_HMAC_SESSION: what the handle of a session begins with.
const HMAC_SESSION: u8 = 2;

/// How the parts around a guest behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// The NitroTPM answers with this code.
    pub error: Option<&'static str>,
    /// The NitroTPM's answer ends in the middle.
    pub truncated: bool,
    /// The document is of other registers.
    pub other_registers: bool,
    /// Somebody between guest and TPM changes the request.
    pub changed_request: bool,
    /// The second document and those after it are of another instance.
    pub other_instance: bool,
}

/// What the threads of a machine share.
#[derive(Debug)]
struct State {
    guest: Guest,
    behaviour: Behaviour,
    /// The index through which the NitroTPM is asked: its handle, and its authorization.
    index: Option<(u32, Vec<u8>)>,
    /// What stands in it, once the NitroTPM has answered.
    answer: Option<Vec<u8>>,
    /// How many documents were made.
    documents: u32,
}

/// A running machine. Dropped, it stops all that it started.
#[derive(Debug)]
pub struct Machine {
    state: Arc<Mutex<State>>,
    proxy: Proxy,
    tpm: Swtpm,
    tree: TsmTree,
    // After the tree, which is unmounted first.
    root: TempDir,
}

impl Machine {
    /// Starts a TPM, boots `guest` on it, and puts NitroTPM and processor around it. The guest has not extended anything yet.
    ///
    /// # Errors
    ///
    /// The system's (where FUSE cannot be mounted, a test calls [`crate::vectors::skipped`]), and what the TPM answers.
    pub fn start(mut guest: Guest) -> io::Result<Self> {
        let tpm = Swtpm::start()?;
        guest.events.clear();
        let root = tempfile::Builder::new().prefix("lab-aws-").tempdir()?;
        // The tree takes all of its sys/ and dev/: the guest sees of it what the processor's driver makes.
        let (files, guest_root) = (root.path().join("files"), root.path().join("guest"));
        write(&guest_root, "sys/class/dmi/id/sys_vendor", b"Amazon EC2\n")?;
        write(&guest_root, "sys/kernel/security/tpm0/binary_bios_measurements", &guest.boot.bytes())?;
        let state = State { guest, behaviour: Behaviour::default(), index: None, answer: None, documents: 0 };
        let state = Arc::new(Mutex::new(state));
        let processor = Arc::clone(&state);
        let maker =
            move |report_data: &[u8; 64], vmpl: u32| Ok(report(&lock(&processor).guest, report_data, vmpl));
        let tree = TsmTree::mount(&files, Files::snp(), Box::new(maker))?;
        symlink(files.join("sys/kernel/config"), guest_root.join("sys/kernel/config"))?;
        symlink(files.join("dev"), guest_root.join("dev"))?;
        let nitro = Arc::clone(&state);
        let hook = move |command: &[u8], tpm: &mut Wire| before(&mut lock(&nitro), command, tpm);
        let proxy = Proxy::start(&tpm, hook)?;
        let machine = Self { state, proxy, tpm, tree, root };
        machine.boot()?;
        Ok(machine)
    }

    /// What firmware and boot loader do when the machine starts.
    fn boot(&self) -> io::Result<()> {
        let mut wire = self.tpm.wire()?;
        for event in &lock(&self.state).guest.boot.events {
            let digests = [
                (alg::SHA1, crate::keys::sha1(event.measured()).to_vec()),
                (alg::SHA256, crate::keys::sha256(event.measured()).to_vec()),
                (alg::SHA384, crate::keys::sha384(event.measured()).to_vec()),
            ];
            let digests: Vec<(u16, &[u8])> =
                digests.iter().map(|(id, digest)| (*id, digest.as_slice())).collect();
            wire.pcr_extend(event.pcr, &digests)?;
        }
        Ok(())
    }

    /// Where the guest's file system begins.
    #[must_use]
    pub fn root(&self) -> std::path::PathBuf {
        self.root.path().join("guest")
    }

    /// How the TPM is reached.
    #[must_use]
    pub fn tcti(&self) -> String {
        self.proxy.tcti()
    }

    /// The guest.
    #[must_use]
    pub fn guest(&self) -> Guest {
        lock(&self.state).guest.clone()
    }

    /// Changes the guest: its processor and its instance as they are from now on.
    pub fn change(&self, change: impl FnOnce(&mut Guest)) {
        change(&mut lock(&self.state).guest);
    }

    /// Lets the parts around the guest behave otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = lock(&self.state);
        (state.behaviour, state.documents) = (behaviour, 0);
    }

    /// The index through which the NitroTPM was asked last; `None` if it never was.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        lock(&self.state).index.as_ref().map(|(handle, _auth)| *handle)
    }

    /// The software TPM.
    pub const fn tpm(&mut self) -> &mut Swtpm {
        &mut self.tpm
    }

    /// The processor's files.
    pub const fn tree(&self) -> &TsmTree {
        &self.tree
    }
}

fn lock(state: &Arc<Mutex<State>>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(root: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    let path = root.join(path);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(path, bytes)
}

/// What the processor and the host hand out: the report, and a table with the certificate of its key alone.
fn report(guest: &Guest, report_data: &[u8; 64], vmpl: u32) -> (Vec<u8>, Vec<u8>) {
    let vek = guest.vek();
    let report = ReportSpec { report_data: *report_data, vmpl, ..guest.report.clone() }.sign(&vek);
    (report, CertTable::default().with(guid::VLEK, &vek.der).bytes())
}

/// What the NitroTPM does in the place of the software TPM, or before it.
fn before(state: &mut State, command: &[u8], tpm: &mut Wire) -> io::Result<Option<Vec<u8>>> {
    match word(command, 6) {
        Some(NV_DEFINE_SPACE) => define(state, command, tpm),
        Some(NITRO_TPM_REQUEST) => attest(state, command, tpm).map(Some),
        Some(NV_READ) => Ok(read(state, command)),
        Some(NV_WRITE) if state.behaviour.changed_request => {
            // The last byte of the request: its offset follows.
            let mut changed = command.to_vec();
            changed.iter_mut().rev().skip(2).take(1).for_each(|byte| *byte ^= 1);
            tpm.transmit(&changed).map(Some)
        }
        _ => Ok(None),
    }
}

/// An index of the size that a NitroTPM is asked through is defined smaller: no request is that long, and answers are kept here.
fn define(state: &mut State, command: &[u8], tpm: &mut Wire) -> io::Result<Option<Vec<u8>>> {
    let Some((rest, size)) = command.split_last_chunk::<2>() else { return Ok(None) };
    if *size != ASKED_SIZE.to_be_bytes() {
        return Ok(None);
    }
    // Behind the header, the owner's handle and its authorization by an empty password: authorization and public area of the index.
    let parameters = command.get(10 + 4 + 4 + 9..).unwrap_or_default();
    let parsed = parameters.split_first_chunk().and_then(|(length, rest)| {
        let (auth, public) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some((word(public, 2)?, auth.to_vec()))
    });
    state.index = Some(parsed.ok_or(io::ErrorKind::InvalidData)?);
    state.answer = None;
    tpm.transmit(&[rest, &INDEX_SIZE.to_be_bytes()].concat()).map(Some)
}

/// The document that was asked for, in the place of the request; and an answer of a command with one session.
fn attest(state: &mut State, command: &[u8], tpm: &mut Wire) -> io::Result<Vec<u8>> {
    let (index, auth) = state.index.clone().ok_or(io::ErrorKind::InvalidData)?;
    let is_asked = word(command, 10) == Some(index) && word(command, 14) == Some(index);
    // One session by HMAC with SHA-512, whose value only the TPM could check.
    let is_authorized = command.get(22) == Some(&HMAC_SESSION) && is_mac(command);
    if !(is_asked && is_authorized) {
        return Ok(response(0x0000_098E, &[]));
    }
    let request = request(tpm, index, &auth)?;
    let answer = match state.behaviour.error {
        Some(code) => map("Error", Value::Text(code.to_owned())),
        None => map("Attestation", map("document", Value::Bytes(document(state, &request, tpm)?))),
    };
    let mut bytes = Vec::new();
    ciborium::into_writer(&answer, &mut bytes).map_err(io::Error::other)?;
    if state.behaviour.truncated {
        // What follows is no document either: bytes that were never written are all ones.
        bytes.truncate(8);
    }
    bytes.resize(ASKED_SIZE.into(), 0xFF);
    state.answer = Some(bytes);
    let session = [&[0, 32][..], &[7; 32], &[1, 0, 64], &[7; 64]].concat();
    Ok(response(0, &[&[0; 4][..], &session].concat()))
}

/// The members of the request that stands in the index: nonce and user_data.
fn request(tpm: &mut Wire, index: u32, auth: &[u8]) -> io::Result<[Option<Vec<u8>>; 2]> {
    let password = [&0x4000_0009_u32.to_be_bytes()[..], &[0; 3], &sized(auth)].concat();
    let mut bytes = Vec::new();
    for offset in (0..INDEX_SIZE).step_by(512) {
        let handles = [index.to_be_bytes(), index.to_be_bytes()].concat();
        let length = u32::try_from(password.len()).unwrap_or(u32::MAX).to_be_bytes();
        let parameters = [512_u16.to_be_bytes(), offset.to_be_bytes()].concat();
        let body = [&handles[..], &length, &password, &parameters].concat();
        let size = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(10).to_be_bytes();
        let read = tpm.transmit(&[&[0x80, 0x02][..], &size, &NV_READ.to_be_bytes(), &body].concat())?;
        bytes.extend_from_slice(read.get(16..16 + 512).ok_or(io::ErrorKind::InvalidData)?);
    }
    let request: Value = ciborium::from_reader(&bytes[..]).map_err(io::Error::other)?;
    let members = request.into_map().ok().and_then(|mut map| map.pop()?.1.into_map().ok());
    let members = members.ok_or(io::ErrorKind::InvalidData)?;
    Ok(["nonce", "user_data"].map(|name| {
        let member = members.iter().find(|(key, _)| key.as_text() == Some(name));
        member.and_then(|(_, value)| value.as_bytes().cloned())
    }))
}

/// A document of the software TPM's own registers.
fn document(
    state: &mut State,
    [nonce, user_data]: &[Option<Vec<u8>>; 2],
    tpm: &mut Wire,
) -> io::Result<Vec<u8>> {
    let mut guest = state.guest.clone();
    guest.pcrs.clear();
    for pcr in 0..24 {
        let value = tpm.pcr_read(alg::SHA384, pcr)?.ok_or(io::ErrorKind::InvalidData)?;
        let mut value: [u8; 48] = value.try_into().map_err(|_value| io::ErrorKind::InvalidData)?;
        if state.behaviour.other_registers {
            value[0] ^= 1;
        }
        guest.pcrs.push((pcr, value));
    }
    if state.behaviour.other_instance && state.documents > 0 {
        guest.instance = super::Instance::named("i-0abcdef1234567890", super::Instance::REGION);
    }
    state.documents = state.documents.saturating_add(1);
    Ok(guest.document_for(nonce.as_deref(), user_data.as_deref()))
}

/// TPM2_NV_Read of the index, once the NitroTPM has answered in it.
fn read(state: &State, command: &[u8]) -> Option<Vec<u8>> {
    let (answer, (index, _auth)) = (state.answer.as_ref()?, state.index.as_ref()?);
    let (_, parameters) = command.split_last_chunk::<4>().filter(|_| word(command, 14) == Some(*index))?;
    let [a, b, c, d] = *parameters;
    let (length, offset) = (usize::from(u16::from_be_bytes([a, b])), usize::from(u16::from_be_bytes([c, d])));
    let data = sized(answer.get(offset..offset.checked_add(length)?)?);
    let size = u32::try_from(data.len()).ok()?.to_be_bytes();
    Some(response(0, &[&size[..], &data, &[0, 0, 0, 0, 0]].concat()))
}

/// An answer with sessions.
fn response(code: u32, rest: &[u8]) -> Vec<u8> {
    let tag: u16 = if code == 0 { 0x8002 } else { 0x8001 };
    let size = u32::try_from(rest.len()).unwrap_or(u32::MAX).saturating_add(10);
    [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes(), rest].concat()
}

/// Whether a command ends with an HMAC by SHA-512: its length, and as many bytes.
fn is_mac(command: &[u8]) -> bool {
    command.split_last_chunk::<64>().is_some_and(|(before, _mac)| before.ends_with(&[0, 64]))
}

fn map(name: &str, value: Value) -> Value {
    Value::Map(vec![(Value::Text(name.to_owned()), value)])
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()[..], bytes].concat()
}

/// The number at an offset.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
