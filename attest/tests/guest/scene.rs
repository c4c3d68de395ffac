//! Guests on simulated files.

use std::{path::Path, sync::Arc, time::Duration};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, OfflineBundle, TrustAnchors, UnixTime,
};
use backend_tdx::ID;
use evidence_x509::Certificate;
use lab::{
    amd::{Guest, Product},
    intel::TdGuest,
    tsm::{Behaviour, TsmTree},
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use tempfile::TempDir;

use crate::common::{Run, attest};

#[path = "../../src/commands/demo/tdx/tree.rs"]
mod tree;

pub(super) const CHALLENGE: [u8; 64] = [7; 64];

/// A guest of Intel TDX.
pub(super) struct TdxScene {
    pub(super) tree: Arc<TsmTree>,
    pub(super) guest: TdGuest,
    // After the tree, which is unmounted first.
    folder: TempDir,
}

impl TdxScene {
    /// `None`, with a word of it, where FUSE cannot be mounted.
    pub(super) fn new(test: &str) -> Option<Self> {
        Self::of(test, TdGuest::new())
    }

    pub(super) fn of(test: &str, guest: TdGuest) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match tree::mount(folder.path(), &guest) {
            Ok(tree) => Some(Self { tree, guest, folder }),
            Err(error) => {
                lab::vectors::skipped(test, &error.to_string());
                None
            }
        }
    }

    /// A path of the scene's folder that is no part of what is simulated.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command of the guest.
    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        run_in(self.folder.path(), arguments)
    }

    pub(super) fn collect(&self, name: &str, more: &[&str]) -> Run {
        let (challenge, target) = (hex::encode(CHALLENGE), self.path(name));
        self.run(&[&["collect", "--challenge", &challenge, "-o", &target], more].concat())
    }

    /// Extends dstack's launch events.
    pub(super) fn launch(&self) {
        for event in &self.guest.launch.events {
            self.run(&["extend", &event.name, "--payload", &hex::encode(&event.payload)]).expect(0);
        }
    }

    /// The verdict under the lab's roots.
    pub(super) fn judge(&self, envelope: &[u8]) -> backend_api::Result<AttestationResult> {
        let all = self.guest.collateral();
        let mut endorsements = Endorsements::new();
        for certificate in Certificate::parse_der_or_pem(all.tcb_info_issuer_chain.as_bytes()).unwrap() {
            endorsements.add(Endorsement::new(EndorsementKind::Certificate, certificate.der().to_vec()));
        }
        for document in [&all.tcb_info, &all.qe_identity] {
            endorsements.add(Endorsement::new(EndorsementKind::Document, document.json().into_bytes()));
        }
        for list in [all.root_ca_crl, all.pck_crl] {
            endorsements.add(Endorsement::new(EndorsementKind::RevocationList, list));
        }
        let anchors: TrustAnchors = self.guest.pins().into_iter().collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
        let accepted = Registry::linked().unwrap().accept([ID.as_str()]).unwrap();
        let source = Arc::new(OfflineBundle::new(endorsements));
        let verifier = Verifier::new(accepted, source, AppraisalPolicy::default()).unwrap();
        let verifier =
            verifier.with_clock(Clock::Fixed(at)).danger_replace_trust_anchors(ID, anchors).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(verifier.verify(envelope, &Challenge::new(CHALLENGE)))
    }
}

/// A guest of AMD SEV-SNP.
pub(super) struct SnpScene {
    pub(super) tree: TsmTree,
    folder: TempDir,
}

impl SnpScene {
    pub(super) fn new(test: &str) -> Option<Self> {
        let (folder, guest) = (tempfile::tempdir().unwrap(), Guest::new(Product::Milan));
        let maker = Box::new(move |challenge: &[u8; 64], _: u32| {
            Ok((guest.report_for(challenge).to_vec(), guest.cert_table()))
        });
        match TsmTree::mount(folder.path(), Behaviour::snp(), maker) {
            Ok(tree) => Some(Self { tree, folder }),
            Err(error) => {
                lab::vectors::skipped(test, &error.to_string());
                None
            }
        }
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        run_in(self.folder.path(), arguments)
    }
}

fn run_in(root: &Path, arguments: &[&str]) -> Run {
    attest([arguments, &["--guest-root", root.to_str().unwrap()]].concat())
}
