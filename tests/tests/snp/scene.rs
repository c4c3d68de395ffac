//! One guest, one relying party: accepted as they stand, and changed in one thing by a case.

use std::sync::Arc;

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, OfflineBundle, Result,
    TrustAnchors, UnixTime,
};
use backend_baremetal_snp::{ID, ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence};
use lab::amd::{Guest, Product};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_bytes::ByteBuf;

/// A guest of the lab, what it sends, and what a relying party holds against it.
pub(crate) struct Scene {
    /// The guest. Its report is signed when the scene is judged.
    pub(crate) guest: Guest,
    /// Certificates that come along, DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Revocation lists that the relying party has, DER.
    pub(crate) revocation_lists: Vec<Vec<u8>>,
    /// What the guest signs as REPORT_DATA.
    pub(crate) report_data: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// The relying party's policy, TOML without its version.
    pub(crate) policy: String,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// What is appended to the image's command line.
    pub(crate) append: Option<String>,
    /// A last change to what the guest sends.
    pub(crate) edit: fn(&mut SnpEvidence),
    /// A last change to the payload's bytes.
    pub(crate) edit_bytes: fn(&mut Vec<u8>),
}

/// 2026-06-01, inside the validity of everything that the lab forges.
pub(crate) fn june_2026() -> u64 {
    lab::time::utc_day(2026, 6, 1)
}

impl Scene {
    pub(crate) fn new(product: Product) -> Self {
        let guest = Guest::new(product);
        Self {
            certificates: guest.chain(),
            revocation_lists: vec![guest.crl()],
            report_data: [0xC4; 64],
            challenge: [0xC4; 64],
            policy: String::new(),
            at: june_2026(),
            anchors: guest.hierarchy.pins().into_iter().collect(),
            append: None,
            edit: |_| {},
            edit_bytes: |_| {},
            guest,
        }
    }

    /// What the guest sends, around `report`.
    pub(crate) fn payload_with(&self, report: Vec<u8>) -> Vec<u8> {
        let guest = &self.guest;
        let mut evidence = SnpEvidence::new(report, self.certificates.clone());
        evidence.mr_config = Some(guest.mr_config.clone());
        evidence.launch = Some(LaunchEvidence {
            source: LaunchSource::Image(ImageDocuments {
                checksum_file: ByteBuf::from(guest.checksum_file.clone()),
                measurement: ByteBuf::from(guest.measurement_cbor.clone()),
            }),
            append: self.append.clone(),
            vcpus: guest.vcpus,
            vcpu_type: guest.vcpu_type.clone(),
            guest_features: guest.guest_features,
        });
        (self.edit)(&mut evidence);
        let mut bytes = evidence.encode();
        (self.edit_bytes)(&mut bytes);
        bytes
    }

    pub(crate) fn endorsements(&self) -> Endorsements {
        let kind = EndorsementKind::RevocationList;
        self.revocation_lists.iter().map(|der| Endorsement::new(kind, der.clone())).collect()
    }

    /// Signs the report, and judges what the guest then sends.
    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_payload(&self.payload_with(self.guest.report_for(&self.report_data)))
    }

    /// The relying party's whole pipeline over one payload.
    pub(crate) fn judge_payload(&self, payload: &[u8]) -> Result<AttestationResult> {
        self.judge_envelope(&Envelope::of_cpu(Evidence::new(MEDIA_TYPE, payload.to_vec())))
    }

    /// The relying party's whole pipeline over one envelope.
    pub(crate) fn judge_envelope(&self, envelope: &Envelope) -> Result<AttestationResult> {
        let policy = AppraisalPolicy::from_toml(&format!("version = 1\n{}", self.policy))?;
        let accepted = Registry::linked()?.accept(["baremetal-snp"])?;
        let verifier = Verifier::new(accepted, Arc::new(OfflineBundle::new(self.endorsements())), policy)?
            .with_clock(Clock::Fixed(time(self.at)))
            .danger_replace_trust_anchors(ID, self.anchors.clone())?;
        block_on(verifier.verify(&envelope.encode_cbor(), &Challenge::new(self.challenge)))
    }
}

/// The pipeline under AMD's own roots, without revocation lists, for one real report and its measurement.
pub(crate) fn judge_real(evidence: &SnpEvidence, challenge: [u8; 64], at: u64) -> Result<AttestationResult> {
    let mut policy = AppraisalPolicy::from_toml(include_str!("../../../policies/archived-evidence.toml"))?;
    if let Some(measurement) = evidence.report.get(0x90..0xC0).filter(|_| evidence.launch.is_none()) {
        policy.add_reference_value("measurements", &hex::encode(measurement))?;
    }
    let accepted = Registry::linked()?.accept(["baremetal-snp"])?;
    let verifier = Verifier::new(accepted, Arc::new(OfflineBundle::default()), policy)?
        .with_clock(Clock::Fixed(time(at)));
    let envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, evidence.encode())).encode_cbor();
    block_on(verifier.verify(&envelope, &Challenge::new(challenge)))
}

pub(crate) fn time(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
