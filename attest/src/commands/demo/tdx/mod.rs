//! Intel TDX on bare metal.

mod changes;
#[cfg(feature = "attester")]
mod collected;
#[cfg(feature = "attester")]
mod tree;

use backend_api::{Endorsement, EndorsementKind, Evidence, Result};
use backend_tdx::{BootLog, ID, LaunchEvidence, MEDIA_TYPE, TdxEvidence};
use evidence_x509::Certificate;
use lab::intel::{Collateral, TdGuest, launch::Event};

use super::{CHALLENGE, Story, Trial, Vendor, later, vtpm::logged};
use changes::CHANGES;

/// A forged guest's evidence, before it is put into an envelope.
#[derive(Debug, Clone)]
struct TdxTrial {
    evidence: TdxEvidence,
    challenge: [u8; 64],
    collateral: Collateral,
}

impl TdxTrial {
    /// What `guest` would have collected.
    fn forged(guest: &TdGuest) -> Self {
        Self { evidence: forged(guest, &CHALLENGE), challenge: CHALLENGE, collateral: guest.collateral() }
    }

    fn seal(&self) -> Trial {
        Trial {
            evidence: Evidence::new(MEDIA_TYPE, self.evidence.encode()),
            devices: Vec::new(),
            challenge: self.challenge,
            endorsements: endorsements(&self.collateral).into_iter().collect(),
        }
    }
}

/// What `guest` would have collected for a challenge.
pub(super) fn forged(guest: &TdGuest, challenge: &[u8; 64]) -> TdxEvidence {
    let mut evidence = TdxEvidence::new(guest.quote_for(challenge));
    evidence.boot_log = Some(BootLog::Ccel(guest.launch.ccel().into()));
    evidence.runtime_events = guest.launch.events.iter().map(logged).collect();
    evidence.mr_config = Some(guest.launch.mr_config.clone());
    evidence.launch = Some(launch(guest));
    evidence
}

/// The documents of the image that `guest` runs, and its machine.
fn launch(guest: &TdGuest) -> LaunchEvidence {
    LaunchEvidence {
        checksum_file: guest.launch.checksum_file.clone().into(),
        measurement: guest.launch.measurement_cbor.clone().into(),
        memory_size: guest.launch.memory_size,
        two_pass: guest.launch.two_pass,
    }
}

/// What a verifier fetches from Intel.
pub(super) fn endorsements(collateral: &Collateral) -> Vec<Endorsement> {
    let certificates = Certificate::parse_der_or_pem(collateral.tcb_info_issuer_chain.as_bytes());
    let certificates = certificates.into_iter().flatten().map(|certificate| certificate.der().to_vec());
    let documents =
        [&collateral.tcb_info, &collateral.qe_identity].map(|document| document.json().into_bytes());
    let lists = [&collateral.root_ca_crl, &collateral.pck_crl].map(Clone::clone);
    let of = |kind| move |bytes: Vec<u8>| Endorsement::new(kind, bytes);
    let all = certificates.map(of(EndorsementKind::Certificate));
    let all = all.chain(documents.map(of(EndorsementKind::Document)));
    all.chain(lists.map(of(EndorsementKind::RevocationList))).collect()
}

/// The guest's evidence, whether it was collected, and a word about that.
#[cfg(feature = "attester")]
fn undamaged(guest: &TdGuest) -> Result<(TdxTrial, bool, String)> {
    match collected::collect(guest)? {
        Ok(evidence) => {
            let how = "In a simulated file tree of its kernel (FUSE) the guest extends its launch events \
                       into RTMR3 and collects: registers, log, configuration and quote, by the code that \
                       runs in real guests.";
            let trial = TdxTrial { evidence, challenge: CHALLENGE, collateral: guest.collateral() };
            Ok((trial, true, how.to_owned()))
        }
        Err(reason) => {
            let how = format!(
                "The guest's files cannot be simulated here ({reason}), so that its evidence is forged: \
                 nothing was extended or collected."
            );
            Ok((TdxTrial::forged(guest), false, how))
        }
    }
}

#[cfg(not(feature = "attester"))]
fn undamaged(guest: &TdGuest) -> Result<(TdxTrial, bool, String)> {
    let how = "This build cannot collect, so that the guest's evidence is forged: nothing was extended or \
               collected.";
    Ok((TdxTrial::forged(guest), false, how.to_owned()))
}

pub(super) fn story() -> Result<Story> {
    let guest = TdGuest::new();
    let (undamaged, collected, how) = undamaged(&guest)?;
    let changed = CHANGES.iter().map(|(change, expected, apply)| {
        let mut tampered = undamaged.clone();
        apply(&guest, &mut tampered);
        (*change, *expected, tampered.seal())
    });
    let extended = |event: Event| {
        let mut later = guest.clone();
        later.launch.events.push(event);
        later.seal_events();
        TdxTrial::forged(&later).seal()
    };
    let digest = hex::encode(guest.launch.os_image_hash());
    Ok(Story {
        vendors: vec![Vendor {
            backend: ID,
            name: "Intel",
            anchors: guest.pins().into_iter().collect(),
            foreign_check: "root-pinned",
        }],
        policy: "version = 1".to_owned(),
        introduction: (
            format!(
                "The lab forges a platform: root, CA and PCK certificate, TCB info, QE identity, revocation \
                 lists; and a guest: an image, a launch, an application. {how}"
            ),
            vec![
                ("platform", format!("FMSPC {}, simulated", hex::encode(&guest.pck_spec.fmspc))),
                ("image", digest),
                ("memory", format!("{} bytes", guest.launch.memory_size)),
                ("runtime events", names(&guest.launch.events)),
                ("MRCONFIGID document", guest.launch.mr_config.clone()),
            ],
        ),
        collected,
        acceptance:
            "MRTD and RTMR0 to RTMR2 are computed again from the image's document, memory size and the \
                     digests of the ACPI tables; RTMR3 is replayed from the events."
                .to_owned(),
        expected: vec![("measurement, launched", hex::encode(guest.quote.body.mrtd))],
        accepted: later().map(|(change, event)| (change, extended(event))).into(),
        refused: changed.collect(),
        undamaged: undamaged.seal(),
    })
}

pub(super) fn names(events: &[Event]) -> String {
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    names.join(" ")
}
