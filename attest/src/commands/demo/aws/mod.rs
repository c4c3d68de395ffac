//! A confidential VM of AWS's, on SEV-SNP with a NitroTPM beside it.

mod changes;
#[cfg(feature = "attester")]
mod collected;

use backend_api::Result;
use backend_aws::{AwsEvidence, ID, Profile, media_type};
use lab::aws::{Guest, guest::Parts};

#[cfg(not(feature = "attester"))]
use super::vtpm::NO_ATTESTER;
use super::{
    CHALLENGE, Story, Trial, Vendor,
    vtpm::{Draft, Lived, logged, names},
};
use changes::CHANGES;

type AwsDraft = Draft<AwsEvidence>;

fn seal(draft: &AwsDraft) -> Trial {
    draft.seal(media_type(Profile::V1), AwsEvidence::encode)
}

fn forged(guest: &Guest) -> AwsEvidence {
    let Parts { report, document, certificates, boot_log } = guest.v1_parts(&CHALLENGE);
    AwsEvidence {
        report: Some(report.into()),
        document: Some(document.into()),
        certificates: certificates.into_iter().map(Into::into).collect(),
        boot_log: Some(boot_log.into()),
        runtime_events: guest.events.iter().map(logged).collect(),
        ek_public: None,
    }
}

type AwsLived = Lived<Guest, AwsEvidence>;

/// Nothing was collected, for this reason.
fn forged_because(why: &str) -> AwsLived {
    Lived::forged(Guest::new(), why, |guest, more| {
        let mut guest = guest.clone();
        guest.events.extend(more);
        forged(&guest)
    })
}

#[cfg(feature = "attester")]
fn lived() -> Result<AwsLived> {
    collected::lived()
}

#[cfg(not(feature = "attester"))]
fn lived() -> Result<AwsLived> {
    Ok(forged_because(NO_ATTESTER))
}

/// A relying party that knows region, launch and image.
fn policy(guest: &Guest, image: &str) -> String {
    let register = |pcr: u8| format!("{pcr} = [\"{}\"]\n", hex::encode(guest.pcr(pcr)));
    format!(
        "version = 1\n[backend.aws]\nregions = [\"us-east-2\"]\n\
         [[backend.aws.launch.measurements]]\nmeasurement = \"{}\"\nfirmware = \"the lab's\"\nvcpus = 2\n\
         [[backend.aws.launch.images]]\nos-image-hash = \"{image}\"\n[backend.aws.launch.images.pcrs]\n{}",
        hex::encode(guest.report.measurement),
        [2, 4, 7, 9, 11].map(register).concat()
    )
}

pub(super) fn story() -> Result<Story> {
    let Lived { guest, evidence, later, collected, how } = lived()?;
    let undamaged = Draft::new(evidence, guest.endorsements());
    let changed = CHANGES.iter().map(|(change, expected, apply)| {
        let mut tampered = undamaged.clone();
        apply(&guest, &mut tampered);
        (*change, *expected, seal(&tampered))
    });
    let draft = |evidence| Draft::new(evidence, guest.endorsements());
    let accepted = later.into_iter().map(|(change, evidence)| (change, seal(&draft(evidence))));
    let image = "1a".repeat(32);
    let pcr = |pcr| hex::encode(guest.pcr(pcr));
    Ok(Story {
        vendors: vec![Vendor {
            backend: ID,
            name: "AWS",
            anchors: guest.pins().into_iter().collect(),
            foreign_check: "nitro-root-pinned",
        }],
        policy: policy(&guest, &image),
        introduction: (
            format!(
                "The lab forges a processor with AMD's authorities and AWS's VLEK, and an instance with its NitroTPM and the authorities \
                 above that; and a guest: a boot, an application. {how}"
            ),
            vec![
                ("processor", "EPYC 7003 (Milan), simulated".to_owned()),
                ("instance", guest.instance_id().to_owned()),
                ("image", image),
                ("boot loader, PCR4", pcr(4)),
                ("kernel, PCR11", pcr(11)),
                ("runtime events", names(&undamaged.evidence.runtime_events)),
            ],
        ),
        collected,
        acceptance: "the document commits to the report, which names the document's instance, and both commit to the challenge; the VLEK is \
                     AWS's, of the region of the document. The launch and the registers of the boot are those that the policy lists, and \
                     PCR14 is replayed from the events."
            .to_owned(),
        expected: vec![("measurement, launched", hex::encode(guest.report.measurement))],
        accepted: accepted.collect(),
        refused: changed.collect(),
        undamaged: seal(&undamaged),
    })
}
