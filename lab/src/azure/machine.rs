//! A confidential VM around a real software TPM: the paravisor is a [`Proxy`] in front of it, the metadata service answers over HTTP.

use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiny_http::{Method, Request, Response, Server};

use super::guest::{Guest, Tee};
use crate::keys::rsa_spki;
use crate::swtpm::{Proxy, Swtpm, Wire, nv_read_at_start};
use crate::tpm::alg;
use crate::x509::pem_chain;

/// The report of the paravisor, what the guest wants to be in it, and the certificate of the attestation key.
const HCL_REPORT: u32 = 0x0140_0001;
const USER_DATA: u32 = 0x0140_0002;
const AK_CERTIFICATE: u32 = 0x01C1_01D0;

/// TPMA_NV_OWNERWRITE and TPMA_NV_OWNERREAD, and the same with TPMA_NV_AUTHREAD.
const OWNER: u32 = 0x0002_0002;
const OWNER_AND_ANYONE: u32 = 0x0006_0002;

/// The most bytes of an index of libtpms. Azure's has 2600.
const INDEX_SIZE: u16 = 2048;

/// What Azure's firmware says on every machine.
const ASSET_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

/// How the parts around a guest behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// The paravisor keeps the report that it made at the boot.
    pub stale_report: bool,
    /// The metadata service answers with this status.
    pub metadata_status: Option<u16>,
    /// The metadata service answers with something that is no answer.
    pub metadata_garbage: bool,
    /// The metadata service quotes another TD report than it is sent.
    pub other_td_quote: bool,
    /// The metadata service waits before it answers.
    pub metadata_delay: Duration,
}

/// What the threads of a machine share.
#[derive(Debug)]
struct State {
    guest: Guest,
    behaviour: Behaviour,
}

/// A running machine. Dropped, it stops all that it started.
pub struct Machine {
    root: TempDir,
    state: Arc<Mutex<State>>,
    metadata: Arc<Server>,
    service: Option<JoinHandle<()>>,
    proxy: Proxy,
    tpm: Swtpm,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("tpm", &self.tpm).field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Machine {
    /// Starts a TPM, boots `guest` on it, and puts paravisor and metadata service around it. The attestation key is the TPM's own,
    /// and the guest has not extended anything yet.
    ///
    /// # Errors
    ///
    /// The system's, and what the TPM answers.
    pub fn start(mut guest: Guest) -> io::Result<Self> {
        let tpm = Swtpm::start()?;
        guest.events.clear();
        guest.hcl.size = usize::from(INDEX_SIZE);
        let mut wire = tpm.wire()?;
        let public = wire.create_primary_ak_rsa2048()?;
        let modulus = public.last_chunk::<256>().ok_or(io::ErrorKind::InvalidData)?;
        guest.runtime_data.modulus = modulus.to_vec();
        guest.ak_spec.spki = rsa_spki(modulus);
        wire.nv_define(HCL_REPORT, OWNER, INDEX_SIZE)?;
        let certificate: Vec<u8> = guest.ak_certificate().into_iter().take(usize::from(INDEX_SIZE)).collect();
        wire.nv_define(AK_CERTIFICATE, OWNER_AND_ANYONE, INDEX_SIZE)?;
        wire.nv_write(AK_CERTIFICATE, &certificate)?;
        drop(wire);
        let root = tempfile::Builder::new().prefix("lab-azure-").tempdir()?;
        write(root.path(), "sys/class/dmi/id/chassis_asset_tag", format!("{ASSET_TAG}\n").as_bytes())?;
        write(root.path(), "sys/kernel/security/tpm0/binary_bios_measurements", &guest.boot.bytes())?;
        let state = Arc::new(Mutex::new(State { guest, behaviour: Behaviour::default() }));
        let paravisor = Arc::clone(&state);
        let proxy = Proxy::start(&tpm, move |command: &[u8], wire: &mut Wire| {
            if nv_read_at_start(command) == Some(HCL_REPORT) {
                renew(&lock(&paravisor), wire)?;
            }
            Ok(None)
        })?;
        let server = Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::other)?;
        let metadata = Arc::new(server);
        let (answering, behind) = (Arc::clone(&metadata), Arc::clone(&state));
        let service = thread::spawn(move || {
            for request in answering.incoming_requests() {
                answer(request, &behind);
            }
        });
        let machine = Self { root, state, metadata, service: Some(service), proxy, tpm };
        machine.boot()?;
        Ok(machine)
    }

    /// What firmware, boot loader and paravisor do when the machine starts.
    fn boot(&self) -> io::Result<()> {
        let mut wire = self.tpm.wire()?;
        let state = lock(&self.state);
        for event in &state.guest.boot.events {
            let digests = [
                (alg::SHA1, crate::keys::sha1(event.measured()).to_vec()),
                (alg::SHA256, crate::keys::sha256(event.measured()).to_vec()),
                (alg::SHA384, crate::keys::sha384(event.measured()).to_vec()),
            ];
            let digests: Vec<(u16, &[u8])> =
                digests.iter().map(|(id, digest)| (*id, digest.as_slice())).collect();
            wire.pcr_extend(event.pcr, &digests)?;
        }
        renew_always(&state, &mut wire)
    }

    /// Where the guest's file system begins.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// How libtss2 reaches the vTPM.
    #[must_use]
    pub fn tcti(&self) -> String {
        self.proxy.tcti()
    }

    /// Where the metadata service answers.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        self.metadata.server_addr().to_ip().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// The guest, with the attestation key of this TPM.
    #[must_use]
    pub fn guest(&self) -> Guest {
        lock(&self.state).guest.clone()
    }

    /// Lets the parts around the guest behave otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.state).behaviour = behaviour;
    }

    /// The software TPM.
    pub const fn tpm(&mut self) -> &mut Swtpm {
        &mut self.tpm
    }

    /// Starts the machine again, after its TPM was killed or not: registers and the files of a running system are as after a boot.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn reboot(&mut self) -> io::Result<()> {
        self.tpm.restart()?;
        let run = self.root.path().join("run");
        if run.exists() {
            std::fs::remove_dir_all(run)?;
        }
        self.boot()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.metadata.unblock();
        if let Some(service) = self.service.take() {
            let _ = service.join();
        }
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

/// Makes the report of the paravisor anew, as a read of its first byte does.
fn renew(state: &State, wire: &mut Wire) -> io::Result<()> {
    if state.behaviour.stale_report { Ok(()) } else { renew_always(state, wire) }
}

fn renew_always(state: &State, wire: &mut Wire) -> io::Result<()> {
    let mut guest = state.guest.clone();
    // Before the guest has defined the index there is nothing that it wants.
    if let Ok(user_data) = wire.nv_read(USER_DATA) {
        guest.runtime_data.user_data = Some(user_data);
    }
    let (report, _) = guest.hcl_report();
    wire.nv_write(HCL_REPORT, &report)
}

/// Azure's metadata service.
fn answer(mut request: Request, state: &Arc<Mutex<State>>) {
    let (guest, behaviour) = {
        let state = lock(state);
        (state.guest.clone(), state.behaviour)
    };
    thread::sleep(behaviour.metadata_delay);
    let body = match (behaviour.metadata_status, request.method(), request.url()) {
        (Some(status), _, _) => Err(status),
        (None, Method::Get, "/metadata/THIM/amd/certification") => {
            let asked = request.headers().iter().any(|it| it.field.equiv("Metadata") && it.value == "true");
            certification(&guest).filter(|_| asked).ok_or(400)
        }
        (None, Method::Post, "/acc/tdquote") => {
            let mut text = String::new();
            let read = request.as_reader().take(64 * 1024).read_to_string(&mut text);
            read.ok().and_then(|_| td_quote(&guest, &text, behaviour)).ok_or(400)
        }
        _ => Err(404),
    };
    // Who does not wait for the answer gets none.
    let _ = match body {
        Ok(_) if behaviour.metadata_garbage => request.respond(Response::from_string("{")),
        Ok(body) => request.respond(Response::from_string(body.to_string())),
        Err(status) => request.respond(Response::empty(status)),
    };
}

fn certification(guest: &Guest) -> Option<Value> {
    let Tee::Snp(processor) = &guest.tee else { return None };
    let chain = processor.chain();
    let (vcek, above) = chain.split_first()?;
    Some(json!({
        "vcekCert": pem_chain([vcek.as_slice()]),
        "certificateChain": pem_chain(above.iter().map(Vec::as_slice)),
        "tcbm": "DB18000000000004",
        "cacheControl": "86400",
    }))
}

/// The quote of the TD report that the guest sends. The host's quoting enclave knows the rest of it.
fn td_quote(guest: &Guest, text: &str, behaviour: Behaviour) -> Option<Value> {
    let Tee::Tdx(processor) = &guest.tee else { return None };
    let asked: Value = serde_json::from_str(text).ok()?;
    let report = BASE64_STANDARD.decode(asked.get("report")?.as_str()?).ok()?;
    let report_data =
        if behaviour.other_td_quote { &[0; 64] } else { report.get(128..)?.first_chunk::<64>()? };
    // As configfs-TSM and Azure hand it out: with padding behind it.
    let padded = [processor.quote_for(report_data), vec![0; 70]].concat();
    Some(json!({ "quote": BASE64_URL_SAFE_NO_PAD.encode(padded) }))
}
