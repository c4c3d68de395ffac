//! AMD SEV-SNP on bare metal.

mod changes;

use backend_api::{Endorsement, EndorsementKind, Evidence};
use backend_baremetal_snp::{ID, ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence};
use lab::amd::{Guest, Product};

use super::{CHALLENGE, Story, Trial, Vendor};
use changes::CHANGES;

/// A forged guest's evidence, before it is put into an envelope.
#[derive(Debug, Clone)]
struct SnpTrial {
    evidence: SnpEvidence,
    challenge: [u8; 64],
    revocation_list: Option<Vec<u8>>,
}

impl SnpTrial {
    /// The undamaged evidence of `guest`.
    fn of(guest: &Guest) -> Self {
        let mut evidence = SnpEvidence::new(guest.report_for(&CHALLENGE), guest.chain());
        evidence.mr_config = Some(guest.mr_config.clone());
        evidence.launch = Some(LaunchEvidence {
            source: image(guest),
            append: None,
            vcpus: guest.vcpus,
            vcpu_type: guest.vcpu_type.clone(),
            guest_features: guest.guest_features,
        });
        Self { evidence, challenge: CHALLENGE, revocation_list: Some(guest.crl()) }
    }

    fn seal(&self) -> Trial {
        let list = self.revocation_list.iter();
        Trial {
            evidence: Evidence::new(MEDIA_TYPE, self.evidence.encode()),
            devices: Vec::new(),
            challenge: self.challenge,
            endorsements: list
                .map(|der| Endorsement::new(EndorsementKind::RevocationList, der.clone()))
                .collect(),
        }
    }
}

/// The documents of the image that `guest` runs.
fn image(guest: &Guest) -> LaunchSource {
    LaunchSource::Image(ImageDocuments {
        checksum_file: guest.checksum_file.clone().into(),
        measurement: guest.measurement_cbor.clone().into(),
    })
}

pub(super) fn story() -> Story {
    let guest = Guest::new(Product::Milan);
    let undamaged = SnpTrial::of(&guest);
    let changed = CHANGES.iter().map(|(change, expected, apply)| {
        let mut tampered = undamaged.clone();
        apply(&guest, &mut tampered);
        (*change, *expected, tampered.seal())
    });
    Story {
        vendors: vec![Vendor {
            backend: ID,
            name: "AMD",
            anchors: guest.hierarchy.pins().into_iter().collect(),
            foreign_check: "chain-signatures",
        }],
        policy: "version = 1".to_owned(),
        introduction: (
            "The lab forges a guest: root, intermediate and chip certificates, a revocation list, an image, \
             a launch, and a report that is signed for a challenge."
                .to_owned(),
            vec![
                ("processor", format!("{}, simulated", guest.product.name())),
                ("command line", guest.cmdline.clone()),
                ("vCPUs", format!("{} of type {}", guest.vcpus, guest.vcpu_type)),
                ("HOST_DATA document", guest.mr_config.clone()),
            ],
        ),
        collected: false,
        acceptance:
            "the measurement is computed again from firmware, kernel, initrd, command line and vCPUs."
                .to_owned(),
        expected: vec![("measurement, recomputed", hex::encode(guest.measurement()))],
        accepted: Vec::new(),
        refused: changed.collect(),
        undamaged: undamaged.seal(),
    }
}
