//! Reference values: which of the documents at hand are of a device, and whether NVIDIA signed them.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use aws_lc_rs::digest::{Context, SHA256};
use backend_api::{EndorsementKind, Endorsements, Failed, Ledger, UnixTime};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence_nvidia::{Device, Revocation, VerifiedDevice, checks::reference::RIM_PRESENT};
use evidence_rim::{Anchors, Edition, Rim, VerifiedRim, VerifyRim};
use evidence_x509::{Certificate, Moment};
use moka::sync::Cache;
use serde::Deserialize;

use crate::{Error, checks::rim_status as checks, policy::RimPolicy, verify::DEVICES};

/// How many manifests are kept: some hundred kilobytes.
const KEPT: u64 = 64;

/// Manifests that were read in this process, by their bytes. Nothing of them is verified.
static READ: LazyLock<Cache<[u8; 32], Arc<Rim>>> = LazyLock::new(|| Cache::new(KEPT));

/// Manifests that were verified in this process, by all that was verified: the bytes and the trust anchors.
static VERIFIED: LazyLock<Cache<[u8; 32], Arc<VerifiedRim>>> = LazyLock::new(|| Cache::new(KEPT));

/// What NVIDIA's service answers with, `GET /v1/rim/{id}`.
#[derive(Deserialize)]
struct Answer {
    id: String,
    rim: String,
}

/// A manifest by itself, or as NVIDIA's service answers with one. Nothing in it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RimDocument {
    /// What the service calls it. Nobody signs that.
    pub id: Option<String>,
    /// The manifest, as NVIDIA signs it.
    pub document: Vec<u8>,
}

impl RimDocument {
    /// Takes a manifest out of the service's answer; what is no such answer stands for itself. `None` for an answer with no base64 in it.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Answer>(bytes) {
            Ok(Answer { id, rim }) => Some(Self { id: Some(id), document: STANDARD.decode(rim).ok()? }),
            Err(_) => Some(Self { id: None, document: bytes.to_vec() }),
        }
    }
}

/// A manifest at hand.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// As NVIDIA's service says around it.
    id: Option<String>,
    document: Vec<u8>,
    pub(crate) rim: Arc<Rim>,
}

/// Every manifest at hand: a document as NVIDIA signs it, or the answer of NVIDIA's service with one in it. What is none is passed over.
pub(crate) fn candidates(endorsements: &Endorsements) -> Vec<Candidate> {
    let documents = endorsements.of(EndorsementKind::Document);
    let candidates = documents.filter_map(|bytes| {
        let RimDocument { id, document } = RimDocument::of(bytes)?;
        let key = key(&[], &document);
        let rim = match READ.get(&key) {
            Some(rim) => rim,
            None => {
                let rim = Arc::new(Rim::parse(&document).ok()?);
                READ.insert(key, Arc::clone(&rim));
                rim
            }
        };
        Some(Candidate { id, document, rim })
    });
    candidates.collect()
}

/// What a manifest must be of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    id: String,
    product: String,
    is_switch: bool,
    version: String,
}

impl Wanted {
    /// Whether a manifest says that it is of this version of a GPU's or a switch's firmware, and nobody says that it has another id.
    fn fits(&self, candidate: &Candidate) -> bool {
        let edition = if self.is_switch { Edition::Switch } else { Edition::Gpu };
        candidate.rim.edition() == edition
            && candidate.rim.colloquial_version().eq_ignore_ascii_case(&self.version)
            && candidate.id.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(&self.id))
    }
}

/// What the verification of manifests depends on, and what came of it: devices of one kind share manifests.
#[derive(Debug)]
pub(crate) struct Rims<'a> {
    candidates: Vec<Candidate>,
    anchors: &'a Anchors,
    at: UnixTime,
    revocation: &'a Revocation<'a>,
    policy: &'a RimPolicy,
    found: BTreeMap<Wanted, Option<Found>>,
}

/// A manifest that NVIDIA signed, and what was checked of it: signature, and status of its signers.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) rim: Arc<VerifiedRim>,
    pub(crate) ledger: Ledger,
}

/// The manifests of one device; one that is not at hand is not there.
#[derive(Debug)]
pub(crate) struct DeviceRims {
    pub(crate) driver: Option<Found>,
    pub(crate) vbios: Option<Found>,
}

impl<'a> Rims<'a> {
    pub(crate) const fn new(
        candidates: Vec<Candidate>,
        anchors: &'a Anchors,
        at: UnixTime,
        revocation: &'a Revocation<'a>,
        policy: &'a RimPolicy,
    ) -> Self {
        Self { candidates, anchors, at, revocation, policy, found: BTreeMap::new() }
    }

    /// Verifies the manifests at hand that are of `device`.
    pub(crate) fn of(&mut self, device: &VerifiedDevice) -> Result<DeviceRims, Failed<Error>> {
        let ids = device.rim_ids();
        let is_switch = device.architecture().is_switch();
        let wanted = |id: &str, version: &str| Wanted {
            id: id.to_owned(),
            product: device.product().to_owned(),
            is_switch,
            version: version.to_owned(),
        };
        let driver = match (&device.opaque().device, &ids.driver) {
            (Device::Gpu(gpu), Some(id)) => self.find(wanted(id, &gpu.driver_version))?,
            _ => None,
        };
        Ok(DeviceRims { driver, vbios: self.find(wanted(&ids.vbios, device.vbios_version()))? })
    }

    fn find(&mut self, wanted: Wanted) -> Result<Option<Found>, Failed<Error>> {
        if let Some(known) = self.found.get(&wanted) {
            return Ok(known.clone());
        }
        let found = self.verified(&wanted)?;
        self.found.insert(wanted, found.clone());
        Ok(found)
    }

    /// Of the manifests for one version the one of the chip whose signer's certificate is the youngest: NVIDIA issues some again, with other
    /// values. What NVIDIA did not sign is worth no more than what is not at hand; but what is said of the signer is asked of the chosen one
    /// alone, so that nobody brings an older one back by what they say, or keep back, of the newer.
    fn verified(&self, wanted: &Wanted) -> Result<Option<Found>, Failed<Error>> {
        let (mut chosen, mut refused): (Option<Arc<VerifiedRim>>, Option<Failed<Error>>) = (None, None);
        let mut ambiguous = false;
        let rank = |rim: &VerifiedRim| (rim.product() == wanted.product, rim.signer_window().not_before);
        for candidate in self.candidates.iter().filter(|candidate| wanted.fits(candidate)) {
            match self.signed(&candidate.document) {
                Ok(rim) => match &chosen {
                    Some(other) if rank(other) > rank(&rim) => {}
                    Some(other) if rank(other) == rank(&rim) => {
                        ambiguous |= other.golden() != rim.golden();
                    }
                    _ => (chosen, ambiguous) = (Some(rim), false),
                },
                Err(failed) => {
                    let failed = failed.map(|error| Error::Rim { id: wanted.id.clone(), error });
                    refused = refused.or(Some(failed));
                }
            }
        }
        // Nothing that is signed says which of two issues of one signer is the later.
        if ambiguous {
            let error = Error::RimAmbiguous(wanted.id.clone());
            return Err(Failed { check: RIM_PRESENT, error });
        }
        match (chosen, refused) {
            (Some(rim), _) => self.with_status(rim).map(Some),
            (None, Some(failed)) => Err(failed),
            (None, None) => Ok(None),
        }
    }

    /// Whether its signers are revoked.
    fn with_status(&self, rim: Arc<VerifiedRim>) -> Result<Found, Failed<Error>> {
        let mut ledger = rim.ledger().clone();
        // Each certificate below the root, with its issuer.
        let pairs: Vec<(&Certificate, &Certificate)> =
            rim.chain().iter().zip(rim.chain().iter().skip(1)).collect();
        let time = self.policy.status_time(self.at);
        let is_accepted = self.policy.danger_accept_unknown_revocation;
        let statuses = match self.revocation.verify(&pairs, &DEVICES).map_err(Error::RimStatus) {
            Ok(none) if none.are_empty() && is_accepted => {
                ledger.not_performed(checks::RIM_STATUS_SIGNATURE, UNKNOWN_REVOCATION);
                none
            }
            statuses => ledger.record(checks::RIM_STATUS_SIGNATURE, statuses)?,
        };
        let not_revoked = statuses.not_revoked().map_err(Error::RimStatus);
        if statuses.are_complete() || !is_accepted {
            ledger.verify(checks::RIM_NOT_REVOKED, not_revoked)?;
        } else {
            not_revoked.map_err(|error| Failed { check: checks::RIM_NOT_REVOKED, error })?;
            ledger.not_performed(checks::RIM_NOT_REVOKED, UNKNOWN_REVOCATION);
        }
        let now = statuses.current(self.at).map(drop);
        match (now, statuses.current(time).map(drop).map_err(Error::RimStatus)) {
            (Err(_), Ok(())) => {
                let pinned = Moment(time.as_secs());
                let reason = format!("current at {pinned}, to which the policy pins manifests, and not now");
                ledger.not_performed(checks::RIM_STATUS_CURRENT, reason);
            }
            (Err(_), Err(_)) if is_accepted => {
                ledger.not_performed(checks::RIM_STATUS_CURRENT, UNKNOWN_REVOCATION);
            }
            (Ok(()), _) => ledger.verify(checks::RIM_STATUS_CURRENT, Ok(()))?,
            (Err(_), Err(error)) => ledger.verify(checks::RIM_STATUS_CURRENT, Err(error))?,
        }
        Ok(Found { ledger, rim })
    }

    /// Once verified, a manifest is verified for as long as its certificates are valid.
    fn signed(&self, document: &[u8]) -> Result<Arc<VerifiedRim>, Failed<evidence_rim::Error>> {
        let key = key(self.anchors.digest(), document);
        let is_in_force = |rim: &Arc<VerifiedRim>| rim.window().contains(self.at.as_secs());
        if let Some(rim) = VERIFIED.get(&key).filter(is_in_force) {
            return Ok(rim);
        }
        let rim = VerifyRim { document, anchors: self.anchors, at: self.at, time: self.policy.time() };
        let rim = Arc::new(rim.verify()?);
        if is_in_force(&rim) {
            VERIFIED.insert(key, Arc::clone(&rim));
        }
        Ok(rim)
    }
}

/// Why nothing is said of signers.
const UNKNOWN_REVOCATION: &str =
    "danger-accept-unknown-revocation: nothing current says that each signer of manifests is good";

/// SHA-256 over the anchors' digest and the document.
fn key(anchors: &[u8], document: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(anchors);
    context.update(document);
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
