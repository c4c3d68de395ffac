//! One change each, and the check that must refuse it.

use backend_api::EndorsementKind;
use lab::{
    amd::{ReportSpec, crl_spec},
    azure::{Guest, Tee, hierarchy::common_name},
    events::Event,
    keys::Pkcs1,
    time::utc_day,
    tpm::{BootLog, SelectionSpec, rsassa_sha256},
};

use super::{AzureDraft, forged};
use crate::commands::demo::{
    OTHER_CHALLENGE,
    vtpm::{flip, logged},
};

/// Makes the change.
type Change = fn(&Guest, &mut AzureDraft);

/// Where the measurement stands in the report of the paravisor: behind its header, in the SNP report.
const MEASUREMENT: usize = 32 + 0x90;

/// Where the runtime data begin.
const RUNTIME_DATA: usize = 1236;

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("one bit of the SNP report", "report-signature", |_, trial| {
        flip(&mut trial.evidence.hcl_report, MEASUREMENT);
    }),
    ("one bit of the runtime data", "report-data", |_, trial| {
        flip(&mut trial.evidence.hcl_report, RUNTIME_DATA.saturating_add(9));
    }),
    ("one bit of the vTPM's quote", "tpm-quote-signature", |_, trial| {
        let last = trial.evidence.quote.len().saturating_sub(1);
        flip(&mut trial.evidence.quote, last);
    }),
    ("the value of a register", "pcr-digest", |_, trial| {
        if let Some(value) = trial.evidence.pcrs.last_mut() {
            flip(value, 0);
        }
    }),
    ("another challenge", "tpm-extra-data", |_, trial| trial.challenge = OTHER_CHALLENGE),
    ("signed by the attestation key of another VM", "tpm-quote-signature", |_, trial| {
        trial.evidence.signature = rsassa_sha256(&Guest::other_ak(), &trial.evidence.quote).into();
    }),
    ("no certificate of the attestation key", "ak-certificate", |_, trial| {
        trial.evidence.ak_certificate = None;
    }),
    ("the certificate of another VM's attestation key", "ak-certificate-key", |guest, trial| {
        let mut guest = guest.clone();
        guest.ak_spec.spki = Guest::other_ak().spki().to_vec();
        trial.evidence.ak_certificate = Some(guest.ak_certificate().into());
    }),
    ("the certificate of a VM of Trusted Launch", "ak-certificate-subject", |guest, trial| {
        let mut guest = guest.clone();
        guest.ak_spec.subject = common_name("353c6d9a70bc.TrustedVM.Azure.windows.net");
        trial.evidence.ak_certificate = Some(guest.ak_certificate().into());
    }),
    (
        "a certificate of the attestation key that Azure revoked",
        "ak-certificate-revocation",
        |guest, trial| {
            let list = guest.hierarchy.crl_spec(false).revoke(&guest.ak_spec.serial);
            let list = list.sign(&Pkcs1::Sha256(guest.hierarchy.ca_key()));
            trial.endorsements.push((EndorsementKind::RevocationList, list));
        },
    ),
    ("the authority of attestation keys left out", "ak-certificate-path", |guest, trial| {
        let is_ca = |bytes: &[u8]| bytes == guest.hierarchy.ca();
        trial.endorsements.retain(|(_, bytes)| !is_ca(bytes));
        trial.evidence.certificates.retain(|bytes| !is_ca(bytes));
    }),
    ("AMD's revocation list left out", "crl-current", |_, trial| _ = trial.endorsements.pop()),
    ("a stale revocation list of AMD's", "crl-current", |guest, trial| {
        let Tee::Snp(processor) = &guest.tee else { return };
        let mut list = crl_spec(&processor.hierarchy);
        list.next_update = Some(utc_day(2026, 5, 1));
        let list = list.sign(processor.hierarchy.ark_key());
        trial.endorsements.pop();
        trial.endorsements.push((EndorsementKind::RevocationList, list));
    }),
    ("an event left out", "runtime-replay", |_, trial| _ = trial.evidence.runtime_events.pop()),
    ("an event changed", "runtime-replay", |_, trial| {
        if let Some(event) = trial.evidence.runtime_events.get_mut(2) {
            flip(&mut event.payload, 0);
        }
    }),
    ("an event added", "runtime-replay", |_, trial| {
        trial.evidence.runtime_events.push(logged(&Event::new("app-id", &[9; 20])));
    }),
    ("the log of another boot", "boot-log-replay", |_, trial| {
        let mut boot = BootLog::new();
        boot.events.pop();
        trial.evidence.boot_log = Some(boot.bytes().into());
    }),
    ("PCR16 in the place of PCR4, signed anew", "tpm-selection", |guest, trial| {
        anew(guest, trial, |guest| {
            let good = guest.pcr(4);
            guest.pcrs.push((16, good));
            guest.selection = SelectionSpec::sha256(&[0, 2, 7, 8, 9, 11, 12, 13, 14, 16]);
        });
    }),
    ("another kernel, signed anew", "boot-registers", |guest, trial| {
        anew(guest, trial, |guest| {
            let mut images = guest.boot.events.iter_mut().filter(|event| event.pcr == 11);
            if let Some(event) = images.next_back() {
                event.measured = Some(b"another kernel".to_vec());
            }
        });
    }),
    ("a command line from outside of the image, signed anew", "boot-registers", |guest, trial| {
        anew(guest, trial, |guest| guest.pcrs.push((12, [7; 32])));
        trial.evidence.boot_log = None;
    }),
    ("a report of VMPL 2, signed anew", "vmpl", |guest, trial| {
        report_anew(guest, trial, |report| report.vmpl = 2)
    }),
    ("debugging allowed, signed anew", "no-debug", |guest, trial| {
        report_anew(guest, trial, |report| report.policy |= 1 << 19);
    }),
    ("a paravisor that Microsoft did not launch, signed anew", "id-key", |guest, trial| {
        report_anew(guest, trial, |report| report.id_key_digest = [7; 48]);
    }),
    ("runtime data with a key twice, signed anew", "runtime-data", |guest, trial| {
        anew(guest, trial, |guest| guest.runtime_data.appended = r#","keys":[]"#.to_owned());
    }),
    ("runtime data with two attestation keys, signed anew", "ak-key", |guest, trial| {
        anew(guest, trial, |guest| {
            let key = guest.runtime_data.key.clone();
            guest.runtime_data.more_keys.push(key);
        });
    }),
    ("an interactive console, signed anew", "vm-configuration", |guest, trial| {
        anew(guest, trial, |guest| {
            if let Some(flags) = guest.runtime_data.vm_configuration.as_object_mut() {
                flags.insert("interactive-console-enabled".to_owned(), true.into());
            }
        });
    }),
];

/// Puts the evidence of a changed guest in the place of the other: with an attestation key of the lab's, because a TPM lends its own to
/// nobody.
fn anew(guest: &Guest, trial: &mut AzureDraft, change: impl FnOnce(&mut Guest)) {
    let lent = Guest::snp();
    let mut guest = Guest { hierarchy: guest.hierarchy.clone(), ..lent };
    change(&mut guest);
    trial.evidence = forged(&guest);
}

fn report_anew(guest: &Guest, trial: &mut AzureDraft, change: impl FnOnce(&mut ReportSpec)) {
    anew(guest, trial, |guest| {
        if let Tee::Snp(processor) = &mut guest.tee {
            change(&mut processor.report);
        }
    });
}
