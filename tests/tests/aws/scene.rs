//! One guest, one relying party: accepted as they stand, and changed in one thing by a case.

use std::{sync::Arc, time::Duration};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, OfflineBundle, Result,
    TrustAnchors, UnixTime,
};
use backend_aws::{AwsEvidence, ID, Profile, media_type, v1_nonce};
use lab::{aws::Guest, time::utc_day};
use registry::{Accepted, AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};

use super::payload::{assembled, payload};

/// A guest of the lab, what it sends, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The guest. Report and document are signed when the scene is judged.
    pub(crate) guest: Guest,
    /// In which profile it sends them.
    pub(crate) profile: Profile,
    /// What the guest commits to.
    pub(crate) asked: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// Lines of the policy itself.
    pub(crate) top: &'static str,
    /// Lines of the section `[backend.aws]`.
    pub(crate) aws: String,
    /// Other sections, TOML.
    pub(crate) policy: String,
    /// The launch that the relying party lists.
    pub(crate) measurement: Option<[u8; 48]>,
    /// The image that the relying party lists: lines of its `pcrs`; none, if absent.
    pub(crate) image: Option<String>,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// A last change to what the guest sends.
    pub(crate) edit: fn(&mut AwsEvidence),
    /// Whether the document commits to the report as it is after that.
    pub(crate) recommits: bool,
    /// A last change to the payload's bytes.
    pub(crate) edit_bytes: fn(&mut Vec<u8>),
    /// A last change to what the vendors say.
    pub(crate) edit_endorsements: fn(&mut Vec<(EndorsementKind, Vec<u8>)>),
}

/// 2026-06-01, inside the validity of everything that the lab forges.
pub(crate) fn june_2026() -> u64 {
    utc_day(2026, 6, 1)
}

/// What the image of the lab is called.
pub(crate) const OS_IMAGE_HASH: [u8; 32] = [0x1A; 32];

/// The registers that a relying party lists of an image.
pub(crate) const LISTED: [u8; 5] = [2, 4, 7, 9, 11];

impl Scene {
    /// A guest in our own profile.
    pub(crate) fn v1() -> Self {
        let guest = Guest::new();
        Self {
            profile: Profile::V1,
            asked: [0xC4; 64],
            challenge: [0xC4; 64],
            top: "",
            aws: String::new(),
            policy: String::new(),
            measurement: Some(guest.report.measurement),
            image: Some(image(&guest, &LISTED)),
            at: june_2026(),
            anchors: guest.pins().into_iter().collect(),
            edit: |_| {},
            recommits: false,
            edit_bytes: |_| {},
            edit_endorsements: |_| {},
            guest,
        }
    }

    /// What the guest sends.
    pub(crate) fn payload(&self) -> AwsEvidence {
        let (guest, asked) = (&self.guest, &self.asked);
        let mut evidence = match self.profile {
            Profile::V1 => payload(guest, asked),
            Profile::Raw | Profile::NitroTpmOnly => {
                let parts = guest.parts(guest.report_for(asked), guest.document_for(None, Some(asked)));
                assembled(guest, parts)
            }
        };
        if self.profile == Profile::NitroTpmOnly {
            (evidence.report, evidence.certificates) = (None, Vec::new());
        }
        (self.edit)(&mut evidence);
        if self.recommits {
            let nonce = v1_nonce(evidence.report.as_ref().unwrap());
            evidence.document = Some(guest.document_for(Some(&nonce), Some(asked)).into());
        }
        evidence
    }

    /// What AMD says.
    pub(crate) fn endorsements(&self) -> Endorsements {
        let mut all = self.guest.endorsements();
        (self.edit_endorsements)(&mut all);
        all.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_by(&self.verifier()?, &self.payload())
    }

    pub(crate) fn judge_by(&self, verifier: &Verifier, evidence: &AwsEvidence) -> Result<AttestationResult> {
        block_on(self.judged_by(verifier, evidence))
    }

    pub(crate) async fn judged_by(
        &self,
        verifier: &Verifier,
        evidence: &AwsEvidence,
    ) -> Result<AttestationResult> {
        let mut bytes = evidence.encode();
        (self.edit_bytes)(&mut bytes);
        let evidence = Evidence::new(media_type(self.profile), bytes);
        verifier.verify(&Envelope::of_cpu(evidence).encode_cbor(), &Challenge::new(self.challenge)).await
    }

    /// The relying party.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        self.verifier_of(Registry::linked()?.accept([ID.as_str()])?)
    }

    /// A relying party that accepts these backends.
    pub(crate) fn verifier_of(&self, accepted: Accepted) -> Result<Verifier> {
        let measurement = self.measurement.map_or_else(String::new, |measurement| {
            format!(
                "[[backend.aws.launch.measurements]]\nmeasurement = \"{}\"\nfirmware = \"lab\"\nvcpus = 2\n",
                hex::encode(measurement)
            )
        });
        let image = self.image.as_ref().map_or_else(String::new, |pcrs| {
            format!(
                "[[backend.aws.launch.images]]\nos-image-hash = \"{}\"\n[backend.aws.launch.images.pcrs]\n{pcrs}\n",
                hex::encode(OS_IMAGE_HASH)
            )
        });
        let policy = format!(
            "version = 1\n{}\n[backend.aws]\n{}\n{}{measurement}{image}",
            self.top, self.aws, self.policy
        );
        verifier_of(accepted, &policy, self.endorsements(), self.at)?
            .danger_replace_trust_anchors(ID, self.anchors.clone())
    }
}

/// A relying party that takes this backend's word, under the vendors' own roots.
pub(crate) fn verifier(policy: &str, endorsements: Endorsements, at: u64) -> Result<Verifier> {
    verifier_of(Registry::linked()?.accept([ID.as_str()])?, policy, endorsements, at)
}

fn verifier_of(accepted: Accepted, policy: &str, endorsements: Endorsements, at: u64) -> Result<Verifier> {
    let policy = AppraisalPolicy::from_toml(policy)?;
    let source = Arc::new(OfflineBundle::new(endorsements));
    let clock = Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(at)));
    Ok(Verifier::new(accepted, source, policy)?.with_clock(clock))
}

/// Lines of an image's `pcrs`: these registers as the guest has them.
pub(crate) fn image(guest: &Guest, pcrs: &[u8]) -> String {
    let line = |pcr: &u8| format!("{pcr} = [\"{}\"]", hex::encode(guest.pcr(*pcr)));
    pcrs.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
