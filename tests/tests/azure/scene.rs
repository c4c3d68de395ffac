//! One guest, one relying party: accepted as they stand, and changed in one thing by a case.

use std::sync::Arc;

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, MediaType, OfflineBundle,
    Result, TrustAnchors, UnixTime,
};
use backend_azure::{AzureEvidence, ID, Profile, Tee, media_type};
use lab::{
    azure::{Guest, guest},
    tpm::AttestSpec,
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};

use super::payload::payload;

/// A guest of the lab, what it sends, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The guest. Reports and quotes are signed when the scene is judged.
    pub(crate) guest: Guest,
    /// What the guest commits to.
    pub(crate) asked: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// Lines of the policy itself.
    pub(crate) top: &'static str,
    /// Lines of the section `[backend.azure]`.
    pub(crate) azure: String,
    /// Other sections, TOML.
    pub(crate) policy: String,
    /// The image that the relying party lists: lines of its `pcrs`; none, if absent.
    pub(crate) image: Option<String>,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// The media type, if it is not the guest's own in the profile v1.
    pub(crate) media_type: Option<MediaType>,
    /// Changes to the quote before it is signed, one after the other.
    pub(crate) edits: Vec<fn(&mut AttestSpec)>,
    /// A last change to what the guest sends.
    pub(crate) edit: fn(&mut AzureEvidence),
    /// A last change to the payload's bytes.
    pub(crate) edit_bytes: fn(&mut Vec<u8>),
    /// A last change to what the vendors say.
    pub(crate) edit_endorsements: fn(&mut Vec<(EndorsementKind, Vec<u8>)>),
}

/// 2026-06-01, inside the validity of everything that the lab forges.
pub(crate) fn june_2026() -> u64 {
    lab::time::utc_day(2026, 6, 1)
}

/// What the image of the lab is called.
pub(crate) const OS_IMAGE_HASH: [u8; 32] = [0x1A; 32];

impl Scene {
    /// A guest on SEV-SNP.
    pub(crate) fn snp() -> Self {
        Self::of(Guest::snp())
    }

    /// A guest in a trust domain.
    pub(crate) fn tdx() -> Self {
        Self::of(Guest::tdx())
    }

    pub(crate) fn of(guest: Guest) -> Self {
        Self {
            asked: [0xC4; 64],
            challenge: [0xC4; 64],
            top: "",
            azure: String::new(),
            policy: String::new(),
            image: Some(image(&guest, &[2, 4, 7, 9, 11])),
            at: june_2026(),
            anchors: guest.pins().into_iter().collect(),
            media_type: None,
            edits: Vec::new(),
            edit: |_| {},
            edit_bytes: |_| {},
            edit_endorsements: |_| {},
            guest,
        }
    }

    pub(crate) fn tee(&self) -> Tee {
        match self.guest.tee {
            guest::Tee::Snp(_) => Tee::Snp,
            guest::Tee::Tdx(_) => Tee::Tdx,
        }
    }

    /// What the guest sends.
    pub(crate) fn payload(&self) -> AzureEvidence {
        let mut guest = self.guest.clone();
        guest.edit_quote.clone_from(&self.edits);
        let mut evidence = payload(&guest, &self.asked);
        (self.edit)(&mut evidence);
        evidence
    }

    /// What AMD, Intel and Azure say.
    pub(crate) fn endorsements(&self) -> Endorsements {
        let mut all = self.guest.endorsements();
        (self.edit_endorsements)(&mut all);
        all.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_by(&self.verifier()?, &self.payload())
    }

    pub(crate) fn judge_by(
        &self,
        verifier: &Verifier,
        evidence: &AzureEvidence,
    ) -> Result<AttestationResult> {
        let mut bytes = evidence.encode();
        (self.edit_bytes)(&mut bytes);
        let own = || media_type(self.tee(), Profile::V1);
        let evidence = Evidence::new(self.media_type.clone().unwrap_or_else(own), bytes);
        block_on(verifier.verify(&Envelope::of_cpu(evidence).encode_cbor(), &Challenge::new(self.challenge)))
    }

    /// The relying party.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        let image = self.image.as_ref().map_or_else(String::new, |pcrs| {
            format!(
                "[[backend.azure.launch.images]]\nos-image-hash = \"{}\"\n[backend.azure.launch.images.pcrs]\n{pcrs}\n",
                hex::encode(OS_IMAGE_HASH)
            )
        });
        let policy =
            format!("version = 1\n{}\n[backend.azure]\n{}\n{image}{}", self.top, self.azure, self.policy);
        let policy = AppraisalPolicy::from_toml(&policy)?;
        let accepted = Registry::linked()?.accept([ID.as_str()])?;
        let source = Arc::new(OfflineBundle::new(self.endorsements()));
        let clock = Clock::Fixed(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.at)));
        let verifier = Verifier::new(accepted, source, policy)?.with_clock(clock);
        verifier.danger_replace_trust_anchors(ID, self.anchors.clone())
    }
}

/// Lines of an image's `pcrs`: these registers as the guest has them.
pub(crate) fn image(guest: &Guest, pcrs: &[u8]) -> String {
    let line = |pcr: &u8| format!("{pcr} = [\"{}\"]", hex::encode(guest.pcr(*pcr)));
    pcrs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
