//! One change each, and the check that must refuse it.

use backend_api::EndorsementKind;
use lab::{
    events::Event,
    google::{
        EndorsementAuthority, EndorsementSpec, Guest, INSTANCE_INFO, InstanceSpec, PropertiesSpec, guest,
    },
    keys::{P256Key, Pkcs1, PssSha256},
    tpm::{BootEvent, SelectionSpec, event_type},
    x509::CertSpec,
};

use super::{GcpDraft, forged};
use crate::commands::demo::{
    CHALLENGE, OTHER_CHALLENGE,
    vtpm::{flip, logged},
};

/// Makes the change.
type Change = fn(&Guest, &mut GcpDraft);

/// MRTD in a quote of version 4: the header has 48 bytes, and 136 of the TD report stand before it.
const MRTD: usize = 184;

/// A byte of the golden measurement in a launch endorsement.
const GOLDEN: usize = 40;

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("one bit of the TD quote", "quote-signature", |_, draft| flip(&mut draft.evidence.report, MRTD)),
    ("one bit of the vTPM's quote", "tpm-quote-signature", |_, draft| {
        let last = draft.evidence.quote.len().saturating_sub(1);
        flip(&mut draft.evidence.quote, last);
    }),
    ("the value of a register", "pcr-digest", |_, draft| {
        if let Some(value) = draft.evidence.pcrs.last_mut() {
            flip(value, 0);
        }
    }),
    ("another challenge", "report-data", |_, draft| draft.challenge = OTHER_CHALLENGE),
    ("the vTPM's half of another VM", "report-data", |_, draft| {
        let honest = draft.evidence.report.clone();
        anew(draft, |guest| {
            guest.ak = P256Key::from_label("google ak of another vm");
            guest.ak_spec.spki = guest.ak.spki();
        });
        draft.evidence.report = honest;
    }),
    ("a TD quote of another VM, which names this one's attestation key", "tpm-extra-data", |guest, draft| {
        let mut other = guest.clone();
        other.cc_events.push(BootEvent::new(3, event_type::IPL, b"init=/bin/sh"));
        draft.evidence.report = other.v1_parts(&CHALLENGE).report.into();
    }),
    ("the vTPM of a VM without a TEE, signed anew", "vtpm-technology", |_, draft| {
        anew(draft, |it| it.boot = guest::boot(0));
    }),
    ("the vTPM of a VM on SEV-SNP, signed anew", "vtpm-technology", |_, draft| {
        anew(draft, |it| it.boot = guest::boot(4));
    }),
    ("no launch endorsement", "launch-endorsement", |_, draft| draft.evidence.launch_endorsement = None),
    ("one bit of the launch endorsement", "gce-endorsement-signature", |_, draft| {
        if let Some(endorsement) = &mut draft.evidence.launch_endorsement {
            flip(endorsement, GOLDEN);
        }
    }),
    ("the launch endorsement of other firmware", "gce-launch-endorsed", |_, draft| {
        endorsed(draft, |spec| {
            spec.tdx.iter_mut().flat_map(|tdx| &mut tdx.measurements).for_each(|it| it.mrtd = vec![9; 48]);
        });
    }),
    ("a launch that is endorsed with an SVSM on SEV-SNP, signed anew", "gce-launch-endorsed", |_, draft| {
        anew(draft, |guest| {
            if let guest::Tee::Tdx(processor) = &mut guest.tee {
                processor.quote.body.mrtd = [0x5A; 48];
            }
        });
    }),
    (
        "a signer of firmware whom the root of attestation keys certified",
        "gce-endorsement-path",
        |guest, draft| {
            let signer =
                EndorsementAuthority::new().signer_spec().sign(&PssSha256(guest.hierarchy.root_key()));
            endorsed(draft, |spec| spec.cert = signer);
        },
    ),
    ("the certificate of an instance of another project", "gce-project", |guest, draft| {
        let instance = InstanceSpec { project_id: "another-project".to_owned(), ..InstanceSpec::default() };
        certified(guest, draft, &guest.hierarchy.ak_spec(&instance));
    }),
    ("the certificate of a vTPM of Google's tests", "gce-production", |guest, draft| {
        let mut properties = PropertiesSpec::default();
        properties.flags.iter_mut().for_each(|(_, flag)| *flag = 0);
        let instance = InstanceSpec { properties: Some(properties), ..InstanceSpec::default() };
        certified(guest, draft, &guest.hierarchy.ak_spec(&instance));
    }),
    ("a certificate that names no instance", "gce-instance-present", |guest, draft| {
        let mut spec = guest.ak_spec.clone();
        spec.remove_extension(INSTANCE_INFO);
        certified(guest, draft, &spec);
    }),
    (
        "a certificate of the attestation key that Google revoked",
        "ak-certificate-revocation",
        |guest, draft| {
            let list = guest.hierarchy.crl_spec(false).revoke(&guest.ak_spec.serial);
            let list = list.sign(&Pkcs1::Sha256(guest.hierarchy.ca_key()));
            draft.endorsements.push((EndorsementKind::RevocationList, list));
        },
    ),
    ("the authority of attestation keys left out", "ak-certificate-path", |guest, draft| {
        draft.endorsements.retain(|(_, bytes)| bytes != guest.hierarchy.ca());
    }),
    ("the revocation list of Google's root left out", "gce-authorities-current", |guest, draft| {
        let [of_root, _] = guest.hierarchy.crls();
        draft.endorsements.retain(|(_, bytes)| *bytes != of_root);
    }),
    ("Intel's revocation lists left out", "collateral", |guest, draft| {
        let [of_root, _] = guest.hierarchy.crls();
        let is_intels =
            |kind: EndorsementKind, bytes: &[u8]| kind == EndorsementKind::RevocationList && bytes != of_root;
        draft.endorsements.retain(|(kind, bytes)| !is_intels(*kind, bytes));
    }),
    ("debugging allowed, signed anew", "no-debug", |_, draft| {
        anew(draft, |guest| {
            if let guest::Tee::Tdx(processor) = &mut guest.tee {
                processor.quote.body.td_attributes |= 1;
            }
        });
    }),
    ("PCR16 in the place of PCR4, signed anew", "tpm-selection", |_, draft| {
        anew(draft, |guest| {
            let good = guest.pcr(4);
            guest.pcrs.push((16, good));
            guest.selection = SelectionSpec::sha256(&[0, 2, 7, 8, 9, 11, 12, 13, 14, 16]);
        });
    }),
    ("the log of another boot", "boot-log-replay", |_, draft| {
        let mut boot = guest::boot(3);
        boot.events.pop();
        draft.evidence.boot_log = Some(boot.bytes().into());
    }),
    ("the log of the vTPM's registers as that of the TD's", "cc-log-replay", |_, draft| {
        draft.evidence.cc_log.clone_from(&draft.evidence.boot_log);
    }),
    ("another command line in the TD's registers, signed anew", "boot-registers", |_, draft| {
        anew(draft, |guest| {
            guest.cc_events.push(BootEvent::new(3, event_type::IPL, b"init=/bin/sh"));
        });
    }),
    ("another kernel in the vTPM's registers, signed anew", "boot-registers", |_, draft| {
        anew(draft, |guest| guest.pcrs.push((11, [7; 32])));
        draft.evidence.boot_log = None;
    }),
    ("an event left out", "runtime-replay", |_, draft| _ = draft.evidence.runtime_events.pop()),
    ("an event added", "runtime-replay", |_, draft| {
        draft.evidence.runtime_events.push(logged(&Event::new("app-id", &[9; 20])));
    }),
    ("another list of events in RTMR3 than in PCR14, signed anew", "runtime-replay", |_, draft| {
        anew(draft, |guest| {
            let mut events = guest.events.clone();
            events.iter_mut().filter(|it| it.name == "app-id").for_each(|it| it.payload = vec![9; 20]);
            guest.rtmr3_events = Some(events);
        });
    }),
];

/// Puts the evidence of a changed guest in the place of the other: with an attestation key of the lab's, because a TPM lends its own to
/// nobody.
fn anew(draft: &mut GcpDraft, change: impl FnOnce(&mut Guest)) {
    let mut guest = Guest::tdx();
    change(&mut guest);
    draft.evidence = forged(&guest);
}

/// Another endorsement by Google's signer.
fn endorsed(draft: &mut GcpDraft, change: impl FnOnce(&mut EndorsementSpec)) {
    let mut spec = EndorsementSpec::default();
    change(&mut spec);
    draft.evidence.launch_endorsement = Some(spec.sign().into());
}

/// Another certificate of the guest's attestation key.
fn certified(guest: &Guest, draft: &mut GcpDraft, spec: &CertSpec) {
    let mut guest = guest.clone();
    guest.ak_spec = CertSpec { spki: guest.ak_spec.spki, ..spec.clone() };
    draft.evidence.ak_certificate = guest.ak_certificate().into();
}
