//! One guest, one relying party: accepted as they stand, and changed in one thing by a case.

use std::sync::Arc;

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, OfflineBundle, Result,
    TrustAnchors, UnixTime,
};
use backend_tdx::{ID, MEDIA_TYPE, TdxEvidence};
use lab::intel::TdGuest;
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};

use super::payload::payload;

/// A guest of the lab, what it sends, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The guest. Quote and collateral are signed when the scene is judged.
    pub(crate) guest: TdGuest,
    /// What the guest signs as REPORTDATA.
    pub(crate) report_data: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// The relying party's policy, TOML without its version.
    pub(crate) policy: String,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// A last change to what the guest sends.
    pub(crate) edit: fn(&mut TdxEvidence),
    /// A last change to the payload's bytes.
    pub(crate) edit_bytes: fn(&mut Vec<u8>),
    /// A last change to what Intel says.
    pub(crate) edit_bundle: fn(&TdGuest, &mut Bundle),
}

/// What a relying party has from Intel.
#[derive(Clone)]
pub(crate) struct Bundle {
    /// Certificates, DER: the signer of the documents.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// TCB info and the identity of the quoting enclave, JSON with signature.
    pub(crate) documents: Vec<Vec<u8>>,
    /// The lists of the root and of the PCK CA, DER.
    pub(crate) revocation_lists: Vec<Vec<u8>>,
}

/// 2026-06-01, inside the validity of everything that the lab forges.
pub(crate) fn june_2026() -> u64 {
    lab::time::utc_day(2026, 6, 1)
}

impl Scene {
    /// A dstack guest whose quote is of version 4.
    pub(crate) fn new() -> Self {
        Self::of(TdGuest::new())
    }

    pub(crate) fn of(guest: TdGuest) -> Self {
        Self {
            report_data: [0xC4; 64],
            challenge: [0xC4; 64],
            policy: String::new(),
            at: june_2026(),
            anchors: guest.pins().into_iter().collect(),
            edit: |_| {},
            edit_bytes: |_| {},
            edit_bundle: |_, _| {},
            guest,
        }
    }

    /// The quote as the scene signs it.
    pub(crate) fn quote(&self) -> Vec<u8> {
        self.guest.quote_for(&self.report_data)
    }

    /// What the guest sends, around `quote`.
    pub(crate) fn payload_with(&self, quote: Vec<u8>) -> Vec<u8> {
        let mut evidence = payload(&self.guest, quote);
        (self.edit)(&mut evidence);
        let mut bytes = evidence.encode();
        (self.edit_bytes)(&mut bytes);
        bytes
    }

    /// What the relying party has from Intel.
    pub(crate) fn endorsements(&self) -> Endorsements {
        let mut bundle = Bundle::of(&self.guest);
        (self.edit_bundle)(&self.guest, &mut bundle);
        bundle.endorsements()
    }

    /// Signs the quote, and judges what the guest then sends.
    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_payload(&self.payload_with(self.quote()))
    }

    /// The relying party's whole pipeline over one payload.
    pub(crate) fn judge_payload(&self, payload: &[u8]) -> Result<AttestationResult> {
        self.judge_by(&self.verifier()?, payload)
    }

    /// What `verifier` says of one payload.
    pub(crate) fn judge_by(&self, verifier: &Verifier, payload: &[u8]) -> Result<AttestationResult> {
        block_on(verifier.verify(&envelope(payload), &Challenge::new(self.challenge)))
    }

    /// The relying party.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        let verifier = verifier(&self.policy, self.endorsements(), self.at)?;
        verifier.danger_replace_trust_anchors(ID, self.anchors.clone())
    }
}

impl Bundle {
    pub(crate) fn of(guest: &TdGuest) -> Self {
        let collateral = guest.collateral();
        let documents = [&collateral.tcb_info, &collateral.qe_identity];
        Self {
            certificates: vec![guest.collateral.tcb_signing_chain[0].clone()],
            documents: documents.map(|document| document.json().into_bytes()).to_vec(),
            revocation_lists: vec![collateral.root_ca_crl, collateral.pck_crl],
        }
    }

    pub(crate) fn endorsements(&self) -> Endorsements {
        let kinds = [
            (EndorsementKind::Certificate, &self.certificates),
            (EndorsementKind::Document, &self.documents),
            (EndorsementKind::RevocationList, &self.revocation_lists),
        ];
        let all = kinds.into_iter().flat_map(|(kind, list)| list.iter().map(move |bytes| (kind, bytes)));
        all.map(|(kind, bytes)| Endorsement::new(kind, bytes.clone())).collect()
    }
}

/// A relying party under Intel's own root.
pub(crate) fn verifier(policy: &str, endorsements: Endorsements, at: u64) -> Result<Verifier> {
    let policy = AppraisalPolicy::from_toml(&format!("version = 1\n{policy}"))?;
    let accepted = Registry::linked()?.accept([ID.as_str()])?;
    let verifier = Verifier::new(accepted, Arc::new(OfflineBundle::new(endorsements)), policy)?;
    Ok(verifier.with_clock(Clock::Fixed(UnixTime::since_unix_epoch(std::time::Duration::from_secs(at)))))
}

/// A payload as it is sent.
pub(crate) fn envelope(payload: &[u8]) -> Vec<u8> {
    Envelope::of_cpu(Evidence::new(MEDIA_TYPE, payload.to_vec())).encode_cbor()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
