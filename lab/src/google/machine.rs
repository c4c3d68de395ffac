//! A confidential VM around a real software TPM and a simulated kernel: the host's files and devices are a file system (FUSE), what
//! Google publishes is on loopback.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use tiny_http::{Response, Server};

use super::guest::{Guest, Tee};
use crate::amd::{CertTable, guid};
use crate::keys::{p256_point_spki, rsa_spki};
use crate::swtpm::Swtpm;
use crate::tpm::alg;
use crate::tsm::{self, Maker, TsmTree};

/// Where a vTPM of Google's keeps template and certificate of its attestation keys.
const ECC: (u32, u32) = (0x01C1_0003, 0x01C1_0002);
const RSA: (u32, u32) = (0x01C1_0001, 0x01C1_0000);

/// TPMA_NV_OWNERWRITE, TPMA_NV_OWNERREAD and TPMA_NV_AUTHREAD.
const ATTRIBUTES: u32 = 0x0006_0002;

/// TPMT_PUBLIC of a restricted signing key: ECDSA with SHA-256 on P-256, and RSASSA with SHA-256 and 2048 bits.
const ECC_TEMPLATE: [u8; 24] = [
    0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00,
    0x03, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
];
const RSA_TEMPLATE: [u8; 24] = [
    0x00, 0x01, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0x00, 0x00, 0x00, 0x10, 0x00, 0x14, 0x00, 0x0B, 0x08,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

/// What is where on a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setup {
    /// The attestation key is an RSA key, and there is none on P-256.
    pub rsa: bool,
    /// The vTPM has no certificate of an attestation key.
    pub no_certificate: bool,
    /// The certificate is of another key than the template leads to.
    pub other_key: bool,
    /// The launch endorsement is not in the host's table, but where Google publishes it.
    pub published: bool,
    /// What is in the host's table under the names of certificates is none.
    pub bad_table: bool,
}

/// A running machine. Dropped, it stops all that it started.
pub struct Machine {
    tree: Arc<TsmTree>,
    guest: Guest,
    storage: Arc<Server>,
    service: Option<JoinHandle<()>>,
    tpm: Swtpm,
    // After the tree, which is unmounted first.
    root: TempDir,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("tpm", &self.tpm).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Machine {
    /// Starts a TPM, boots `guest` on it, and puts kernel and host around it. The attestation key is the TPM's own, and the guest has
    /// not extended anything yet.
    ///
    /// # Errors
    ///
    /// The system's, also where FUSE cannot be mounted, and what the TPM answers.
    pub fn start(mut guest: Guest, setup: Setup) -> io::Result<Self> {
        guest.events.clear();
        let root = tempfile::Builder::new().prefix("lab-google-").tempdir()?;
        let tree = mount(root.path(), &guest, setup)?;
        let tpm = Swtpm::start()?;
        let mut wire = tpm.wire()?;
        let template = if setup.rsa { &RSA_TEMPLATE[..] } else { &ECC_TEMPLATE };
        let (handle, public) = wire.create_primary(template)?;
        wire.flush(handle)?;
        let no_key = || io::Error::from(io::ErrorKind::InvalidData);
        guest.ak_spec.spki = if setup.rsa {
            rsa_spki(public.last_chunk::<256>().ok_or_else(no_key)?)
        } else {
            // The point: X and Y, each after its length.
            let point = public.last_chunk::<68>().ok_or_else(no_key)?;
            let [x, y] = [2..34, 36..68].map(|range| point.get(range).unwrap_or_default());
            p256_point_spki(x, y)
        };
        let mut certified = guest.clone();
        if setup.other_key {
            certified.ak_spec.spki = guest.ak.spki();
        }
        let (of_template, of_certificate) = if setup.rsa { RSA } else { ECC };
        let mut all = vec![(of_template, template.to_vec())];
        if !setup.no_certificate {
            all.push((of_certificate, certified.ak_certificate()));
        }
        for (index, content) in all {
            let size = u16::try_from(content.len()).map_err(|_| no_key())?;
            wire.nv_define(index, ATTRIBUTES, size)?;
            wire.nv_write(index, &content)?;
        }
        drop(wire);
        let server = Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::other)?;
        let (storage, endorsement) = (Arc::new(server), guest.endorsement.sign());
        let (answering, folder) = (Arc::clone(&storage), folder(&guest));
        let service = thread::spawn(move || {
            for request in answering.incoming_requests() {
                let is_it = setup.published && request.url() == folder;
                // Who does not wait for the answer gets none.
                let _ = if is_it {
                    request.respond(Response::from_data(endorsement.clone()))
                } else {
                    request.respond(Response::empty(404))
                };
            }
        });
        let machine = Self { tree, guest, storage, service: Some(service), tpm, root };
        machine.boot()?;
        Ok(machine)
    }

    /// What firmware and boot loader extend when the machine starts.
    fn boot(&self) -> io::Result<()> {
        let mut wire = self.tpm.wire()?;
        for event in &self.guest.boot.events {
            let digests = [
                (alg::SHA1, crate::keys::sha1(event.measured()).to_vec()),
                (alg::SHA256, crate::keys::sha256(event.measured()).to_vec()),
                (alg::SHA384, crate::keys::sha384(event.measured()).to_vec()),
            ];
            let digests: Vec<(u16, &[u8])> =
                digests.iter().map(|(id, digest)| (*id, digest.as_slice())).collect();
            wire.pcr_extend(event.pcr, &digests)?;
        }
        (0..4).for_each(|rtmr| self.tree.reset(rtmr));
        for event in self.guest.cc_boot().events {
            let rtmr = usize::try_from(event.pcr).unwrap_or_default().saturating_sub(1);
            self.tree.extend(rtmr, &crate::keys::sha384(event.measured()));
        }
        Ok(())
    }

    /// Where the guest's file system begins.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// How libtss2 reaches the vTPM.
    #[must_use]
    pub fn tcti(&self) -> String {
        self.tpm.tcti()
    }

    /// Where launch endorsements are published.
    #[must_use]
    pub fn storage_url(&self) -> String {
        self.storage.server_addr().to_ip().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// The guest, with the attestation key of this TPM.
    #[must_use]
    pub const fn guest(&self) -> &Guest {
        &self.guest
    }

    /// The kernel's files.
    #[must_use]
    pub fn tree(&self) -> &TsmTree {
        &self.tree
    }

    /// The software TPM.
    pub const fn tpm(&mut self) -> &mut Swtpm {
        &mut self.tpm
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.storage.unblock();
        if let Some(service) = self.service.take() {
            let _ = service.join();
        }
    }
}

/// Where Google publishes the endorsement of what was launched.
fn folder(guest: &Guest) -> String {
    let (folder, launch) = match &guest.tee {
        Tee::Snp(processor) => ("sevsnp", processor.report.measurement),
        Tee::Tdx(processor) => ("tdx", processor.quote.body.mrtd),
    };
    format!("/gce_tcb_integrity/ovmf_x64_csm/{folder}/{}.binarypb", hex::encode(launch))
}

/// The files of the kernel, and of Google's firmware.
fn mount(root: &Path, guest: &Guest, setup: Setup) -> io::Result<Arc<TsmTree>> {
    let dmi = |name: &str, text: &str| (format!("class/dmi/id/{name}"), format!("{text}\n").into_bytes());
    let files = vec![
        dmi("product_name", "Google Compute Engine"),
        dmi("sys_vendor", "Google"),
        ("kernel/security/tpm0/binary_bios_measurements".to_owned(), guest.boot.bytes()),
    ];
    let behaviour = match &guest.tee {
        Tee::Snp(_) => tsm::Behaviour { files, ..tsm::Behaviour::snp() },
        Tee::Tdx(_) => {
            let ccel = Some((Vec::new(), guest.cc_boot().bytes()));
            tsm::Behaviour { files, ccel, ..tsm::Behaviour::tdx() }
        }
    };
    // The maker asks the tree that it is a part of.
    let slot = Arc::new(Mutex::new(Weak::<TsmTree>::new()));
    let maker = maker(guest.clone(), setup, Arc::clone(&slot));
    let tree = Arc::new(TsmTree::mount(root, behaviour, maker)?);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&tree);
    Ok(tree)
}

/// What makes reports: of SEV-SNP with the host's table, or quotes of the TD's registers as they are, with zeros behind them.
fn maker(guest: Guest, setup: Setup, tree: Arc<Mutex<Weak<TsmTree>>>) -> Maker {
    Box::new(move |report_data: &[u8; 64], vmpl: u32| match &guest.tee {
        Tee::Snp(processor) => {
            let mut processor = processor.clone();
            processor.report.vmpl = vmpl;
            let mut table = CertTable::chain(&processor.hierarchy, &processor.vek, processor.vek_spec.kind);
            if setup.bad_table {
                table = CertTable::default().with(guid::VCEK, b"no certificate");
            }
            if !setup.published {
                table = table.with(guid::GCE_ENDORSEMENT, &guest.endorsement.sign());
            }
            Ok((processor.report_for(report_data), table.bytes()))
        }
        Tee::Tdx(processor) => {
            let tree = tree.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            let tree = tree.ok_or(io::ErrorKind::NotFound)?;
            let mut processor = processor.clone();
            let body = &mut processor.quote.body;
            let registers = [&mut body.rtmr0, &mut body.rtmr1, &mut body.rtmr2, &mut body.rtmr3];
            for (index, register) in registers.into_iter().enumerate() {
                *register = tree.rtmr(index).ok_or(io::ErrorKind::NotFound)?;
            }
            let mut quote = processor.quote_for(report_data);
            quote.resize(quote.len().max(8000), 0);
            Ok((quote, Vec::new()))
        }
    })
}
