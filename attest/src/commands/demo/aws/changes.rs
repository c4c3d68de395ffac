//! One change each, and the check that must refuse it.

use backend_api::EndorsementKind;
use backend_aws::v1_nonce;
use lab::{
    amd::{Product, ReportSpec, VekSpec},
    aws::{DocumentSpec, Guest, Instance},
    events::Event,
    keys::EcKey,
    tpm::{BootEvent, event_type},
};

use super::{AwsDraft, forged};
use crate::commands::demo::{
    CHALLENGE, OTHER_CHALLENGE,
    vtpm::{flip, logged},
};

/// Makes the change.
type Change = fn(&Guest, &mut AwsDraft);

/// Where the measurement stands in the report.
const MEASUREMENT: usize = 0x90;

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("one bit of the report", "nitro-nonce", |_, draft| {
        if let Some(report) = &mut draft.evidence.report {
            flip(report, MEASUREMENT);
        }
    }),
    ("one bit of the report, and a document that commits to it", "report-signature", |guest, draft| {
        let mut report = draft.evidence.report.clone().unwrap_or_default();
        flip(&mut report, MEASUREMENT);
        committing(guest, draft, &report);
    }),
    ("one bit of the document's signature", "nitro-signature", |_, draft| {
        if let Some(document) = &mut draft.evidence.document {
            let last = document.len().saturating_sub(1);
            flip(document, last);
        }
    }),
    ("another challenge", "nitro-user-data", |_, draft| draft.challenge = OTHER_CHALLENGE),
    ("the document of another instance", "nitro-nonce", |_, draft| {
        draft.evidence.document = forged(&other_guest()).document;
    }),
    ("the document of another instance that commits to this report", "report-data", |_, draft| {
        let report = draft.evidence.report.clone().unwrap_or_default();
        committing(&other_guest(), draft, &report);
    }),
    ("the guest's report for another challenge", "report-data", |guest, draft| {
        let report = guest.v1_parts(&OTHER_CHALLENGE).report;
        committing(guest, draft, &report);
    }),
    ("no report", "report-present", |_, draft| draft.evidence.report = None),
    ("no document", "document-present", |_, draft| draft.evidence.document = None),
    ("a document of a Nitro Enclave", "nitro-document-type", |_, draft| {
        document_anew(draft, |document| document.registers = "pcrs".to_owned());
    }),
    ("a document of six minutes ago", "nitro-age", |_, draft| {
        anew(draft, |guest| {
            let (signer, _) = &mut guest.instance.certificate;
            signer.not_before = signer.not_before.saturating_sub(360);
            let made = &mut guest.instance.document.timestamp;
            *made = made.saturating_sub(360_000);
        });
    }),
    ("a document in the name of another instance", "nitro-module-id", |_, draft| {
        document_anew(draft, |document| document.module_id = "i-0abcdef1-tpm0".to_owned());
    }),
    ("a root of AWS's of the same name, another key", "nitro-root-pinned", |_, draft| {
        anew(draft, |guest| {
            let key = EcKey::from_label("another root");
            if let [root, below, ..] = guest.instance.authorities.as_mut_slice() {
                root.0.spki = key.spki();
                (root.1, below.1) = (key.clone(), key);
            }
        });
    }),
    ("an instance that none of AWS's authorities certified", "nitro-chain-signatures", |_, draft| {
        anew(draft, |guest| {
            if let Some(authority) = guest.instance.authorities.last_mut() {
                authority.1 = EcKey::from_label("nobody");
            }
        });
    }),
    ("another provider's VLEK", "csp-id", |_, draft| {
        anew(draft, |guest| guest.vek_spec.csp_id = Some("CN=cc-us-east-2.example.com".to_owned()));
    }),
    ("a document of another region than the VLEK's", "document-region", |_, draft| {
        anew(draft, |guest| guest.instance = Instance::named(Instance::ID, "eu-west-1"));
    }),
    ("a report under the key of a chip", "signing-key", |_, draft| {
        anew(draft, |guest| {
            guest.vek_spec = VekSpec::vcek(Product::Milan);
            let measurement = guest.report.measurement;
            guest.report = ReportSpec { measurement, ..ReportSpec::new(Product::Milan, 5) };
        });
    }),
    ("the certificate of the VLEK left out", "vek-present", |_, draft| draft.evidence.certificates.clear()),
    ("AMD's authority of VLEKs left out", "issuer-pinned", |guest, draft| {
        draft.endorsements.retain(|(_, bytes)| bytes != guest.hierarchy.asvk());
    }),
    ("AMD's revocation list left out", "crl-current", |_, draft| {
        draft.endorsements.retain(|(kind, _)| *kind != EndorsementKind::RevocationList);
    }),
    ("debugging allowed, signed anew", "no-debug", |_, draft| {
        anew(draft, |guest| guest.report.policy |= 1 << 19);
    }),
    ("a report of VMPL 1, signed anew", "vmpl", |_, draft| anew(draft, |guest| guest.report.vmpl = 1)),
    ("an ID block, which AWS does not give, signed anew", "id-key", |_, draft| {
        anew(draft, |guest| guest.report.id_key_digest = [7; 48]);
    }),
    ("other firmware, signed anew", "measurement-listed", |_, draft| {
        anew(draft, |guest| guest.report.measurement = [7; 48]);
    }),
    ("the log of another boot", "boot-log-replay", |guest, draft| {
        let mut boot = guest.boot.clone();
        boot.events.pop();
        draft.evidence.boot_log = Some(boot.bytes().into());
    }),
    ("another kernel, signed anew", "boot-registers", |_, draft| {
        anew(draft, |guest| {
            let mut images = guest.boot.events.iter_mut().filter(|event| event.pcr == 11);
            if let Some(event) = images.next_back() {
                event.measured = Some(b"another kernel".to_vec());
            }
        });
    }),
    ("a command line from outside of the image, signed anew", "boot-registers", |_, draft| {
        anew(draft, |guest| guest.boot.events.push(BootEvent::new(12, event_type::IPL, b"init=/bin/sh")));
    }),
    ("a configuration that nobody lists, signed anew", "configuration", |_, draft| {
        anew(draft, |guest| guest.boot.events.push(BootEvent::new(8, event_type::IPL, b"grub_cmd: linux")));
    }),
    ("an event left out", "runtime-replay", |_, draft| _ = draft.evidence.runtime_events.pop()),
    ("an event added", "runtime-replay", |_, draft| {
        draft.evidence.runtime_events.push(logged(&Event::new("app-id", &[9; 20])));
    }),
    ("a second system-ready, extended and signed anew", "launch-events", |_, draft| {
        anew(draft, |guest| guest.events.push(Event::new("system-ready", b"")));
    }),
];

/// Another guest, of the same image, in the same region.
fn other_guest() -> Guest {
    Guest { instance: Instance::named("i-0abcdef1234567890", Instance::REGION), ..Guest::new() }
}

/// Puts the evidence of a changed guest in the place of the other.
fn anew(draft: &mut AwsDraft, change: impl FnOnce(&mut Guest)) {
    let mut guest = Guest::new();
    change(&mut guest);
    draft.evidence = forged(&guest);
}

/// The same with a document that is changed before it is signed.
fn document_anew(draft: &mut AwsDraft, change: fn(&mut DocumentSpec)) {
    anew(draft, |guest| guest.edit_document.push(change));
}

/// Puts this report there, and a document of `guest` that commits to it.
fn committing(guest: &Guest, draft: &mut AwsDraft, report: &[u8]) {
    draft.evidence.report = Some(report.to_vec().into());
    draft.evidence.document = Some(guest.document_for(Some(&v1_nonce(report)), Some(&CHALLENGE)).into());
}
