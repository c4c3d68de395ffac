//! A confidential VM of Azure's, on SEV-SNP.

mod changes;
#[cfg(feature = "attester")]
mod collected;

use backend_api::{Endorsement, EndorsementKind, Evidence, Result};
use backend_azure::{AzureEvidence, ID, Profile, Tee, media_type};
use evidence_event_log::runtime::LoggedEvent;
use lab::{azure::Guest, events::Event};

use super::{CHALLENGE, Story, Trial};
use changes::CHANGES;

/// A guest's evidence, before it is put into an envelope.
#[derive(Debug, Clone)]
struct AzureTrial {
    evidence: AzureEvidence,
    challenge: [u8; 64],
    /// What a verifier has of AMD and Azure.
    endorsements: Vec<(EndorsementKind, Vec<u8>)>,
}

impl AzureTrial {
    fn of(guest: &Guest, evidence: AzureEvidence) -> Self {
        // The metadata service does not have it.
        let mut endorsements = vec![(EndorsementKind::Certificate, guest.hierarchy.ca().to_vec())];
        endorsements.extend(guest.endorsements());
        Self { evidence, challenge: CHALLENGE, endorsements }
    }

    fn seal(&self) -> Trial {
        let endorsement = |(kind, bytes): &(EndorsementKind, Vec<u8>)| Endorsement::new(*kind, bytes.clone());
        Trial {
            evidence: Evidence::new(media_type(Tee::Snp, Profile::V1), self.evidence.encode()),
            challenge: self.challenge,
            endorsements: self.endorsements.iter().map(endorsement).collect(),
        }
    }
}

fn forged(guest: &Guest) -> AzureEvidence {
    let parts = guest.v1_parts(&CHALLENGE);
    let mut evidence = AzureEvidence::new(parts.hcl_report, parts.quote, parts.signature, parts.pcrs);
    evidence.ak_certificate = Some(parts.ak_certificate.into());
    evidence.certificates = parts.certificates.into_iter().map(Into::into).collect();
    evidence.boot_log = Some(parts.boot_log.into());
    evidence.runtime_events = guest.events.iter().map(logged).collect();
    evidence
}

fn logged(event: &Event) -> LoggedEvent {
    LoggedEvent { name: event.name.clone(), payload: event.payload.clone().into(), version: event.version }
}

/// What stands behind the story: the guest, its evidence, the same after more events, and a word about how it came about.
struct Lived {
    guest: Guest,
    evidence: AzureEvidence,
    later: Vec<(&'static str, AzureEvidence)>,
    collected: bool,
    how: String,
}

impl Lived {
    /// Nothing was collected, for this reason.
    fn forged(why: &str) -> Self {
        let guest = Guest::snp();
        let after = |event: Event| {
            let mut later = guest.clone();
            later.events.push(event);
            forged(&later)
        };
        let later = vec![
            (changes::LATER_EVENT, after(Event::new("application-event", b"later"))),
            (changes::LATER_APP_ID, after(Event::new("app-id", &[7; 20]))),
        ];
        Self {
            evidence: forged(&guest),
            later,
            guest,
            collected: false,
            how: format!("{why}, so that the guest's evidence is forged: nothing was extended or collected."),
        }
    }
}

#[cfg(feature = "attester")]
fn lived() -> Result<Lived> {
    collected::lived()
}

#[cfg(not(feature = "attester"))]
fn lived() -> Result<Lived> {
    Ok(Lived::forged("This build cannot collect"))
}

pub(super) fn story() -> Result<Story> {
    let Lived { guest, evidence, later, collected, how } = lived()?;
    let undamaged = AzureTrial::of(&guest, evidence);
    let changed = CHANGES.iter().map(|(change, expected, apply)| {
        let mut tampered = undamaged.clone();
        apply(&guest, &mut tampered);
        (*change, *expected, tampered.seal())
    });
    let accepted =
        later.into_iter().map(|(change, evidence)| (change, AzureTrial::of(&guest, evidence).seal()));
    let pcr = |pcr: u8| hex::encode(guest.boot.pcr(u32::from(pcr)));
    let image = "1a".repeat(32);
    let lines = [2, 4, 7, 9, 11].map(|register| format!("{register} = [\"{}\"]\n", pcr(register)));
    let names: Vec<String> =
        undamaged.evidence.runtime_events.iter().map(|event| event.name.clone()).collect();
    Ok(Story {
        backend: ID,
        vendor: "AMD",
        policy: format!(
            "version = 1\n[[backend.azure.launch.images]]\nos-image-hash = \"{image}\"\n\
             [backend.azure.launch.images.pcrs]\n{}",
            lines.concat()
        ),
        introduction: (
            format!(
                "The lab forges a processor, the authorities of AMD and of Azure's virtual TPMs, and a paravisor that \
                 Microsoft's key launched; and a guest: a boot, an application. {how}"
            ),
            vec![
                ("processor", "EPYC 7003 (Milan), simulated".to_owned()),
                ("image", image),
                ("boot loader, PCR4", pcr(4)),
                ("kernel, PCR11", pcr(11)),
                ("runtime events", names.join(" ")),
            ],
        ),
        collected,
        acceptance: "the report commits to the runtime data, these name the attestation key, Azure certifies that key, it \
                     signs the registers; the boot's are those of the image that the policy lists, and PCR14 is replayed from \
                     the events."
            .to_owned(),
        expected: vec![("measurement, of the paravisor", "a2".repeat(48))],
        anchors: guest.pins().into_iter().collect(),
        foreign_check: "chain-signatures",
        accepted: accepted.collect(),
        refused: changed.collect(),
        undamaged: undamaged.seal(),
    })
}
