//! A confidential VM of Google's, in a trust domain of Intel's: its registers and those of Google's vTPM tell the same.

mod changes;
#[cfg(feature = "attester")]
mod collected;

use backend_api::{EndorsementKind, Result};
use backend_gcp::{GcpEvidence, ID, TDX_V1};
use lab::google::{Guest, guest::Tee};

#[cfg(not(feature = "attester"))]
use super::vtpm::NO_ATTESTER;
use super::{
    CHALLENGE, Story, Trial, Vendor,
    vtpm::{Draft, Lived, logged, names},
};
use changes::CHANGES;

type GcpDraft = Draft<GcpEvidence>;

fn draft(guest: &Guest, evidence: GcpEvidence) -> GcpDraft {
    let mut endorsements = guest.endorsements();
    // The vTPM does not have it.
    endorsements.push((EndorsementKind::Certificate, guest.hierarchy.ca().to_vec()));
    Draft::new(evidence, endorsements)
}

fn seal(draft: &GcpDraft) -> Trial {
    draft.seal(TDX_V1, GcpEvidence::encode)
}

fn forged(guest: &Guest) -> GcpEvidence {
    let parts = guest.v1_parts(&CHALLENGE);
    let mut evidence =
        GcpEvidence::new(parts.report, parts.quote, parts.signature, parts.pcrs, parts.ak_certificate);
    evidence.launch_endorsement = Some(parts.launch_endorsement.into());
    evidence.boot_log = Some(parts.boot_log.into());
    evidence.cc_log = parts.cc_log.map(Into::into);
    evidence.runtime_events = guest.events.iter().map(logged).collect();
    evidence
}

type GcpLived = Lived<Guest, GcpEvidence>;

/// Nothing was collected, for this reason.
fn forged_because(why: &str) -> GcpLived {
    Lived::forged(Guest::tdx(), why, |guest, more| {
        let mut guest = guest.clone();
        guest.events.extend(more);
        forged(&guest)
    })
}

#[cfg(feature = "attester")]
fn lived() -> Result<GcpLived> {
    collected::lived()
}

#[cfg(not(feature = "attester"))]
fn lived() -> Result<GcpLived> {
    Ok(forged_because(NO_ATTESTER))
}

/// A relying party that knows the image by the registers of both, and the project.
fn policy(guest: &Guest, image: &str) -> String {
    let pcrs = [2, 4, 9, 11].map(|pcr| format!("pcrs.{pcr} = [\"{}\"]\n", hex::encode(guest.pcr(pcr))));
    let [_, rtmr1, rtmr2, _] = guest.rtmrs().map(hex::encode);
    format!(
        "version = 1\n[backend.gcp.instance]\nprojects = [\"lab-project\"]\n\
         [[backend.gcp.launch.images]]\nos-image-hash = \"{image}\"\nrtmr1 = [\"{rtmr1}\"]\nrtmr2 = [\"{rtmr2}\"]\n{}",
        pcrs.concat()
    )
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
    let image = "1a".repeat(32);
    let [_, rtmr1, rtmr2, _] = guest.rtmrs().map(hex::encode);
    let measurement = match &guest.tee {
        Tee::Snp(processor) => processor.report.measurement,
        Tee::Tdx(processor) => processor.quote.body.mrtd,
    };
    Ok(Story {
        vendors: vec![Vendor {
            backend: ID,
            name: "Intel",
            anchors: guest.pins().into_iter().collect(),
            foreign_check: "root-pinned",
        }],
        policy: policy(&guest, &image),
        introduction: (
            format!(
                "The lab forges a processor, the authorities of Intel, of Google's virtual TPMs and of Google's firmware; and a guest: \
                 a boot that the trust domain's registers and those of the vTPM hold, an application. {how}"
            ),
            vec![
                ("platform", "a trust domain of Google's, simulated".to_owned()),
                ("image", image),
                ("boot loader and kernel, RTMR1", rtmr1),
                ("command line and initrd, RTMR2", rtmr2),
                ("runtime events", names(&undamaged.evidence.runtime_events)),
            ],
        ),
        collected,
        acceptance: "Intel signs the TD quote, which commits to the vTPM's attestation key; Google certifies that key for an instance, \
                     and endorses the firmware whose MRTD the quote has; the vTPM's quote commits to the TD quote. RTMR1, RTMR2 and the \
                     vTPM's registers are those of the image that the policy lists, and one list of events replays to both RTMR3 and PCR14."
            .to_owned(),
        expected: vec![("measurement, of the firmware", hex::encode(measurement))],
        accepted: accepted.collect(),
        refused: changed.collect(),
        undamaged: seal(&undamaged),
    })
}
