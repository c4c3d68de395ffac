//! One guest, one relying party: accepted as they stand, and changed in one thing by a case.

use std::sync::Arc;

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, MediaType, OfflineBundle,
    Result, TrustAnchors, UnixTime,
};
use backend_gcp::{GcpEvidence, ID, Profile, SNP_RAW, SNP_V1, TDX_DSTACK, TDX_RAW, TDX_V1, Tee};
use lab::{
    google::{Guest, guest, guest::Parts},
    tpm::AttestSpec,
};
use registry::{Accepted, AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};

use super::payload::assembled;

/// A guest of the lab, what it sends, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The guest. Reports and quotes are signed when the scene is judged.
    pub(crate) guest: Guest,
    /// How it commits to the challenge.
    pub(crate) profile: Profile,
    /// What the guest commits to.
    pub(crate) asked: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// Lines of the policy itself.
    pub(crate) top: &'static str,
    /// Lines of the section `[backend.gcp]`.
    pub(crate) gcp: String,
    /// Other sections, TOML.
    pub(crate) policy: String,
    /// The image that the relying party lists: its lines; none, if absent.
    pub(crate) image: Option<String>,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// The media type, if it is not the guest's own.
    pub(crate) media_type: Option<MediaType>,
    /// Changes to the quote before it is signed, one after the other.
    pub(crate) edits: Vec<fn(&mut AttestSpec)>,
    /// A last change to what the guest sends.
    pub(crate) edit: fn(&mut GcpEvidence),
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
    /// A guest on SEV-SNP, whose image is known by the vTPM's registers.
    pub(crate) fn snp() -> Self {
        Self::of(Guest::snp())
    }

    /// A guest in a trust domain, whose image is known by the TD's registers.
    pub(crate) fn tdx() -> Self {
        let scene = Self::of(Guest::tdx());
        Self { image: Some(rtmrs(&scene.guest)), ..scene }
    }

    pub(crate) fn of(guest: Guest) -> Self {
        Self {
            profile: Profile::V1,
            asked: [0xC4; 64],
            challenge: [0xC4; 64],
            top: "",
            gcp: String::new(),
            policy: String::new(),
            image: Some(pcrs(&guest, &[2, 4, 7, 9, 11])),
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

    /// The media type of the guest's own Evidence.
    pub(crate) fn own_media_type(&self) -> MediaType {
        match (self.tee(), self.profile) {
            (Tee::Snp, Profile::V1) => SNP_V1,
            (Tee::Snp, _) => SNP_RAW,
            (Tee::Tdx, Profile::V1) => TDX_V1,
            (Tee::Tdx, Profile::Dstack) => TDX_DSTACK,
            (Tee::Tdx, Profile::Raw) => TDX_RAW,
        }
    }

    /// What the guest sends.
    pub(crate) fn payload(&self) -> GcpEvidence {
        let mut guest = self.guest.clone();
        guest.edit_quote.clone_from(&self.edits);
        let mut evidence = assembled(&guest, self.parts(&guest));
        (self.edit)(&mut evidence);
        evidence
    }

    fn parts(&self, guest: &Guest) -> Parts {
        match self.profile {
            Profile::V1 => guest.v1_parts(&self.asked),
            Profile::Dstack => guest.dstack_parts(&self.asked),
            // Another tool's: one nonce in both halves.
            Profile::Raw => guest.parts(guest.report(&self.asked), &self.asked[..32]),
        }
    }

    /// What AMD, Intel and Google say.
    pub(crate) fn endorsements(&self) -> Endorsements {
        let mut all = self.guest.endorsements();
        (self.edit_endorsements)(&mut all);
        all.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_by(&self.verifier()?, &self.payload())
    }

    pub(crate) fn judge_by(&self, verifier: &Verifier, evidence: &GcpEvidence) -> Result<AttestationResult> {
        block_on(self.judged_by(verifier, evidence))
    }

    pub(crate) async fn judged_by(
        &self,
        verifier: &Verifier,
        evidence: &GcpEvidence,
    ) -> Result<AttestationResult> {
        let mut bytes = evidence.encode();
        (self.edit_bytes)(&mut bytes);
        let evidence = Evidence::new(self.media_type.clone().unwrap_or_else(|| self.own_media_type()), bytes);
        verifier.verify(&Envelope::of_cpu(evidence).encode_cbor(), &Challenge::new(self.challenge)).await
    }

    /// The relying party.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        self.verifier_of(Registry::linked()?.accept([ID.as_str()])?)
    }

    /// A relying party that accepts these backends.
    pub(crate) fn verifier_of(&self, accepted: Accepted) -> Result<Verifier> {
        let image = self.image.as_ref().map_or_else(String::new, |lines| {
            let name = hex::encode(OS_IMAGE_HASH);
            format!("[[backend.gcp.launch.images]]\nos-image-hash = \"{name}\"\n{lines}\n")
        });
        let policy =
            format!("version = 1\n{}\n[backend.gcp]\n{}\n{image}{}", self.top, self.gcp, self.policy);
        let policy = AppraisalPolicy::from_toml(&policy)?;
        let source = Arc::new(OfflineBundle::new(self.endorsements()));
        let clock = Clock::Fixed(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.at)));
        let verifier = Verifier::new(accepted, source, policy)?.with_clock(clock);
        verifier.danger_replace_trust_anchors(ID, self.anchors.clone())
    }
}

/// Lines of an image that is known by these registers of the vTPM, as the guest has them.
pub(crate) fn pcrs(guest: &Guest, pcrs: &[u8]) -> String {
    let line = |pcr: &u8| format!("pcrs.{pcr} = [\"{}\"]", hex::encode(guest.pcr(*pcr)));
    pcrs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Lines of an image that is known by the TD's registers, as the guest has them.
pub(crate) fn rtmrs(guest: &Guest) -> String {
    let [_, rtmr1, rtmr2, _] = guest.rtmrs().map(hex::encode);
    format!("rtmr1 = [\"{rtmr1}\"]\nrtmr2 = [\"{rtmr2}\"]")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
