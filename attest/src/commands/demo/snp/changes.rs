//! One change each, and the check that must refuse it.

use backend_baremetal_snp::LaunchEvidence;
use lab::{
    amd::{Guest, Hierarchy, Product, ReportSpec, VekSpec, crl_spec, guest::mr_config},
    keys::p256_spki,
    time::utc_day,
};

use super::{SnpTrial, image};
use crate::commands::demo::{CHALLENGE, OTHER_CHALLENGE};

/// Makes the change.
type Change = fn(&Guest, &mut SnpTrial);

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("one bit of the report", "report-signature", |_, trial| {
        // The first byte of MEASUREMENT.
        if let Some(byte) = trial.evidence.report.get_mut(0x90) {
            *byte ^= 1;
        }
    }),
    ("another challenge", "report-data", |_, trial| trial.challenge = OTHER_CHALLENGE),
    ("another chip's VCEK", "vek-hwid", |guest, trial| {
        let other = VekSpec {
            hwid: Some(vec![7; 64]),
            key_label: "another chip".to_owned(),
            ..guest.vek_spec.clone()
        };
        replace_certificate(trial, 0, other.issue(&guest.hierarchy).der);
    }),
    ("debugging allowed, signed anew", "no-debug", |guest, trial| {
        let report = ReportSpec { policy: 0xb_0000, report_data: CHALLENGE, ..guest.report.clone() };
        trial.evidence.report = report.sign(&guest.vek).into();
    }),
    ("VMPL 1, signed anew", "vmpl", |guest, trial| {
        let report = ReportSpec { vmpl: 1, report_data: CHALLENGE, ..guest.report.clone() };
        trial.evidence.report = report.sign(&guest.vek).into();
    }),
    ("another kernel", "launch-measurement", |guest, trial| {
        let mut other = Guest { kernel: b"another kernel".to_vec(), ..guest.clone() };
        other.seal_image();
        with_launch(trial, |launch| launch.source = image(&other));
    }),
    ("another kernel, checksum file kept", "image-documents", |guest, trial| {
        let mut other = Guest { kernel: b"another kernel".to_vec(), ..guest.clone() };
        other.seal_image();
        other.checksum_file.clone_from(&guest.checksum_file);
        with_launch(trial, |launch| launch.source = image(&other));
    }),
    ("another command line", "launch-measurement", |guest, trial| {
        let mut other = Guest { cmdline: guest.cmdline.replace("panic=1", "panic=0"), ..guest.clone() };
        other.seal_image();
        with_launch(trial, |launch| launch.source = image(&other));
    }),
    ("init=/bin/sh appended", "appended-cmdline", |_, trial| {
        with_launch(trial, |launch| launch.append = Some("init=/bin/sh".to_owned()));
    }),
    ("one vCPU more", "launch-measurement", |_, trial| {
        with_launch(trial, |launch| launch.vcpus = launch.vcpus.saturating_add(1));
    }),
    ("no launch inputs", "measurement-known", |_, trial| trial.evidence.launch = None),
    ("another application's document", "host-data-document", |_, trial| {
        trial.evidence.mr_config = Some(mr_config(b"another app compose", &p256_spki("kms root")));
    }),
    ("no revocation list", "crl-current", |_, trial| trial.revocation_list = None),
    ("stale revocation list", "crl-current", |guest, trial| {
        let mut list = crl_spec(&guest.hierarchy);
        list.next_update = Some(utc_day(2026, 5, 1));
        trial.revocation_list = Some(list.sign(guest.hierarchy.ark_key()));
    }),
    ("ASK revoked", "not-revoked", |guest, trial| {
        let list = crl_spec(&guest.hierarchy).revoke(&guest.hierarchy.ask_serial());
        trial.revocation_list = Some(list.sign(guest.hierarchy.ark_key()));
    }),
    ("ASK expired", "chain-validity", |guest, trial| {
        let mut expired = guest.hierarchy.ask_spec();
        expired.not_after = utc_day(2026, 5, 1);
        replace_certificate(trial, 1, expired.sign(guest.hierarchy.ark_key()));
    }),
    ("root of the same name, another key", "root-pinned", |guest, trial| {
        let other = Hierarchy::new(Product::Genoa);
        let mut root = guest.hierarchy.ark_spec();
        root.spki = other.ark_key().spki().to_vec();
        replace_certificate(trial, 2, root.sign(other.ark_key()));
    }),
];

/// Puts another certificate in a place of the chain: VCEK, ASK, ARK.
fn replace_certificate(trial: &mut SnpTrial, place: usize, der: Vec<u8>) {
    if let Some(certificate) = trial.evidence.certificates.get_mut(place) {
        *certificate = der.into();
    }
}

fn with_launch(trial: &mut SnpTrial, change: impl FnOnce(&mut LaunchEvidence)) {
    if let Some(launch) = &mut trial.evidence.launch {
        change(launch);
    }
}
