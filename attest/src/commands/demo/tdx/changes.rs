//! One change each, and the check that must refuse it.

use backend_tdx::{BootLog, LaunchEvidence};
use evidence_x509::Certificate;
use lab::{
    amd::guest::mr_config,
    intel::{CollateralSpec, PckSpec, TdGuest, launch::Event, quote::QeReport, tcb::rfc3339},
    keys::{P256Key, p256_spki},
    time::utc_day,
    x509::pem_chain,
};

use super::{TdxTrial, launch};
use crate::commands::demo::{CHALLENGE, OTHER_CHALLENGE, vtpm::logged};

/// Makes the change.
type Change = fn(&TdGuest, &mut TdxTrial);

/// MRTD in a quote of version 4: the header has 48 bytes, and 136 of the TD report stand before it.
const MRTD: usize = 184;

/// MRENCLAVE in the QE report.
const MRENCLAVE: usize = 64;

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("one bit of the quote", "quote-signature", |_, trial| {
        if let Some(byte) = trial.evidence.quote.get_mut(MRTD) {
            *byte ^= 1;
        }
    }),
    ("another challenge", "report-data", |_, trial| trial.challenge = OTHER_CHALLENGE),
    ("debugging allowed, signed anew", "no-debug", |guest, trial| {
        sign_anew(guest, trial, |guest| guest.quote.body.td_attributes |= 1);
    }),
    ("SEPT_VE_DISABLE not set, signed anew", "sept-ve-disable", |guest, trial| {
        sign_anew(guest, trial, |guest| guest.quote.body.td_attributes = 0);
    }),
    ("another platform's PCK certificate", "qe-report-signature", |guest, trial| {
        let other = PckSpec { key_label: "another PCK".to_owned(), ..guest.pck_spec.clone() };
        let chain = other.issue(&guest.hierarchy).pem_chain();
        sign_anew(guest, trial, |guest| guest.quote.cert_data = Some(chain.into_bytes()));
    }),
    ("one byte of the QE report", "qe-report-signature", |guest, trial| {
        sign_anew(guest, trial, |guest| {
            let offset = guest.quote.layout().qe_report.saturating_add(MRENCLAVE);
            guest.quote.patches_after.push((offset, vec![0]));
        });
    }),
    ("QE report of another key", "attestation-key", |guest, trial| {
        sign_anew(guest, trial, |guest| guest.quote.qe_report.report_data = Some([7; 64]));
    }),
    ("another enclave of Intel's", "qe-identity", |guest, trial| {
        let other = QeReport { isv_prod_id: 1, ..guest.quote.qe_report.clone() };
        sign_anew(guest, trial, |guest| guest.quote.qe_report = other);
    }),
    ("root of the same name, another key", "root-pinned", |guest, trial| {
        let key = P256Key::from_label("another root");
        let mut root = guest.hierarchy.root_spec();
        root.spki = key.spki();
        let root = root.sign(&key);
        let chain = guest.pck.chain.iter().take(2).chain([&root]).map(Vec::as_slice);
        let chain = pem_chain(chain).into_bytes();
        sign_anew(guest, trial, |guest| guest.quote.cert_data = Some(chain));
    }),
    ("TCB info of last month", "tcb-info-current", |guest, trial| {
        collateral_anew(guest, trial, |spec| spec.tcb_info.next_update = rfc3339(utc_day(2026, 5, 1)));
    }),
    ("TCB info changed after it was signed", "tcb-info-signature", |_, trial| {
        let document = &mut trial.collateral.tcb_info;
        document.body = document.body.replace("OutOfDate", "UpToDate");
    }),
    ("TCB info of another platform", "collateral", |guest, trial| {
        collateral_anew(guest, trial, |spec| spec.tcb_info.fmspc = "B0C06F000000".to_owned());
    }),
    ("the signer of TCB info revoked", "not-revoked", |guest, trial| {
        let signer = Certificate::parse(guest.hierarchy.tcb_signing());
        let serial = signer.map(|signer| signer.serial().to_vec()).unwrap_or_default();
        collateral_anew(guest, trial, |spec| spec.root_ca_crl = spec.root_ca_crl.clone().revoke(&serial));
    }),
    ("the PCK certificate revoked", "not-revoked", |guest, trial| {
        let serial = &guest.pck_spec.serial;
        collateral_anew(guest, trial, |spec| spec.pck_crl = spec.pck_crl.clone().revoke(serial));
    }),
    ("stale revocation list", "crl-current", |guest, trial| {
        collateral_anew(guest, trial, |spec| spec.pck_crl.next_update = Some(utc_day(2026, 5, 1)));
    }),
    ("platform out of date", "tcb-accepted", |guest, trial| {
        collateral_anew(guest, trial, |spec| spec.tcb_info.set_status("OutOfDate", &["INTEL-SA-00001"]));
    }),
    ("another kernel", "launch-measurement", |guest, trial| {
        trial.evidence.launch = Some(launch(&with_kernel(guest)));
    }),
    ("another kernel, checksum file kept", "image-documents", |guest, trial| {
        let other = launch(&with_kernel(guest));
        with_launch(trial, |launch| launch.measurement = other.measurement);
    }),
    ("more memory", "launch-measurement", |_, trial| {
        with_launch(trial, |launch| launch.memory_size = launch.memory_size.saturating_mul(2));
    }),
    ("other ACPI tables in the boot log", "boot-log-replay", |guest, trial| {
        let mut other = guest.clone();
        other.launch.acpi.tables = [7; 48];
        other.seal_launch();
        trial.evidence.boot_log = Some(BootLog::Ccel(other.launch.ccel().into()));
    }),
    ("no boot log", "acpi-digests", |_, trial| trial.evidence.boot_log = None),
    ("no launch inputs", "measurement-known", |_, trial| trial.evidence.launch = None),
    ("a runtime event dropped", "runtime-replay", |_, trial| drop(trial.evidence.runtime_events.pop())),
    ("two runtime events in the other order", "runtime-replay", |_, trial| {
        if let [first, second, ..] = trial.evidence.runtime_events.as_mut_slice() {
            std::mem::swap(first, second);
        }
    }),
    ("another compose-hash in the log", "runtime-replay", |_, trial| {
        let mut events = trial.evidence.runtime_events.iter_mut();
        if let Some(event) = events.find(|event| event.name == "compose-hash") {
            event.payload = vec![7; 32].into();
        }
    }),
    ("another compose-hash, extended and signed anew", "mr-config-id", |guest, trial| {
        events_anew(guest, trial, |events| {
            if let Some(event) = events.iter_mut().find(|event| event.name == "compose-hash") {
                event.payload = vec![7; 32];
            }
        });
    }),
    ("a second system-ready, extended and signed anew", "launch-events", |guest, trial| {
        events_anew(guest, trial, |events| events.push(Event::new("system-ready", b"")));
    }),
    ("no compose-hash, extended and signed anew", "application-events", |guest, trial| {
        events_anew(guest, trial, |events| events.retain(|event| event.name != "compose-hash"));
    }),
    ("MRCONFIGID of another application", "mr-config-id", |guest, trial| {
        let mut other = guest.launch.clone();
        other.mr_config = others_document();
        let id = other.mr_config_id();
        sign_anew(guest, trial, |guest| guest.quote.body.mr_config_id = id);
    }),
    ("another application's document", "mr-config-id", |_, trial| {
        trial.evidence.mr_config = Some(others_document());
    }),
];

/// A quote of a guest with one change, for the same challenge.
fn sign_anew(guest: &TdGuest, trial: &mut TdxTrial, change: impl FnOnce(&mut TdGuest)) {
    let mut other = guest.clone();
    change(&mut other);
    trial.evidence.quote = other.quote_for(&CHALLENGE).into();
}

/// Other events, in the register and in the log.
fn events_anew(guest: &TdGuest, trial: &mut TdxTrial, change: impl FnOnce(&mut Vec<Event>)) {
    let mut other = guest.clone();
    change(&mut other.launch.events);
    other.seal_events();
    trial.evidence.runtime_events = other.launch.events.iter().map(logged).collect();
    trial.evidence.quote = other.quote_for(&CHALLENGE).into();
}

/// Collateral with one change, signed by Intel's keys of the lab.
fn collateral_anew(guest: &TdGuest, trial: &mut TdxTrial, change: impl FnOnce(&mut CollateralSpec)) {
    let mut spec = guest.collateral.clone();
    change(&mut spec);
    trial.collateral = spec.sign(&guest.hierarchy);
}

fn with_kernel(guest: &TdGuest) -> TdGuest {
    let mut other = guest.clone();
    other.launch.image.kernel_authenticode = [7; 48];
    other.launch.seal_image();
    other
}

fn with_launch(trial: &mut TdxTrial, change: impl FnOnce(&mut LaunchEvidence)) {
    if let Some(launch) = &mut trial.evidence.launch {
        change(launch);
    }
}

fn others_document() -> String {
    mr_config(b"another app compose", &p256_spki("kms root"))
}
