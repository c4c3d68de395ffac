//! A confidential VM of Azure's, on SEV-SNP.

mod changes;
#[cfg(feature = "attester")]
mod collected;

use backend_api::{EndorsementKind, Result};
use backend_azure::{AzureEvidence, ID, Profile, Tee, media_type};
use lab::azure::Guest;

#[cfg(not(feature = "attester"))]
use super::vtpm::NO_ATTESTER;
use super::{
    CHALLENGE, Story, Trial, Vendor,
    vtpm::{Draft, Lived, logged, names},
};
use changes::CHANGES;

type AzureDraft = Draft<AzureEvidence>;

fn draft(guest: &Guest, evidence: AzureEvidence) -> AzureDraft {
    // The metadata service does not have it.
    let mut endorsements = vec![(EndorsementKind::Certificate, guest.hierarchy.ca().to_vec())];
    endorsements.extend(guest.endorsements());
    Draft::new(evidence, endorsements)
}

fn seal(draft: &AzureDraft) -> Trial {
    draft.seal(media_type(Tee::Snp, Profile::V1), AzureEvidence::encode)
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

type AzureLived = Lived<Guest, AzureEvidence>;

/// Nothing was collected, for this reason.
fn forged_because(why: &str) -> AzureLived {
    Lived::forged(Guest::snp(), why, |guest, more| {
        let mut guest = guest.clone();
        guest.events.extend(more);
        forged(&guest)
    })
}

#[cfg(feature = "attester")]
fn lived() -> Result<AzureLived> {
    collected::lived()
}

#[cfg(not(feature = "attester"))]
fn lived() -> Result<AzureLived> {
    Ok(forged_because(NO_ATTESTER))
}

pub(super) fn story() -> Result<Story> {
    let Lived { guest, evidence, later, collected, how } = lived()?;
    let undamaged = draft(&guest, evidence);
    let changed = CHANGES.iter().map(|(change, expected, apply)| {
        let mut tampered = undamaged.clone();
        apply(&guest, &mut tampered);
        (*change, *expected, seal(&tampered))
    });
    let accepted = later.into_iter().map(|(change, evidence)| (change, seal(&draft(&guest, evidence))));
    let pcr = |pcr: u8| hex::encode(guest.boot.pcr(u32::from(pcr)));
    let image = "1a".repeat(32);
    let lines = [2, 4, 7, 9, 11].map(|register| format!("{register} = [\"{}\"]\n", pcr(register)));
    Ok(Story {
        vendors: vec![Vendor {
            backend: ID,
            name: "AMD",
            anchors: guest.pins().into_iter().collect(),
            foreign_check: "chain-signatures",
        }],
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
                ("runtime events", names(&undamaged.evidence.runtime_events)),
            ],
        ),
        collected,
        acceptance: "the report commits to the runtime data, these name the attestation key, Azure certifies that key, it \
                     signs the registers; the boot's are those of the image that the policy lists, and PCR14 is replayed from \
                     the events."
            .to_owned(),
        expected: vec![("measurement, of the paravisor", "a2".repeat(48))],
        accepted: accepted.collect(),
        refused: changed.collect(),
        undamaged: seal(&undamaged),
    })
}
