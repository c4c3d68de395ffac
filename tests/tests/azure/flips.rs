//! Every single-byte change of what something signs is refused, and every truncation; nothing panics.

use std::{ops::Range, thread};

use backend_api::Result;
use backend_azure::{AzureEvidence, Tee, hcl::HclReport};
use registry::AttestationResult;

use crate::{real::Real, scene::Scene};

const MASKS: [u8; 3] = [0x01, 0x80, 0xFF];

/// A part of the evidence.
type Part = fn(&mut AzureEvidence) -> &mut Vec<u8>;

/// Changes each byte of `range` in `part` by each mask.
fn assert_all_refused(
    name: &str,
    evidence: &AzureEvidence,
    (part, range): (Part, Range<usize>),
    judge: impl Fn(&AzureEvidence) -> Result<AttestationResult> + Sync,
) {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let work = |start: usize| {
        for at in range.clone().skip(start).step_by(threads) {
            for mask in MASKS {
                let mut changed = evidence.clone();
                part(&mut changed)[at] ^= mask;
                assert!(judge(&changed).is_err(), "{name} with byte {at:#x} changed by {mask:#x}");
            }
        }
    };
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|start| scope.spawn(move || work(start))).collect();
        started.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// What is signed, or hashed into what is signed.
fn covered(evidence: &AzureEvidence, tee: Tee) -> Vec<(Part, Range<usize>)> {
    let hcl = HclReport::parse(&evidence.hcl_report).unwrap();
    let runtime_data = 1236..1236 + hcl.runtime_data.len();
    let hcl_report: Part = |evidence| &mut evidence.hcl_report;
    let mut all = vec![
        (hcl_report, 0..4),
        (hcl_report, 1216..1236),
        (hcl_report, runtime_data),
        (|evidence| &mut evidence.quote, 0..evidence.quote.len()),
        (|evidence| &mut evidence.signature, 0..evidence.signature.len()),
        (|evidence| &mut evidence.pcrs[4], 0..32),
        (|evidence| evidence.pcrs.last_mut().unwrap(), 0..32),
    ];
    match tee {
        Tee::Snp => all.push((hcl_report, 32..1216)),
        // Report data, and what the quote repeats; the rest is between a TD and its own platform.
        Tee::Tdx => all.extend([(hcl_report, 160..224), (hcl_report, 296..416), (hcl_report, 544..944)]),
    }
    if let Some(certificate) = &evidence.ak_certificate {
        let length = evidence_tpm::without_padding(certificate).unwrap().len();
        all.push((|evidence| evidence.ak_certificate.as_mut().unwrap(), 0..length));
    }
    all
}

#[test]
fn of_every_real_guest() {
    for real in Real::all("of_every_real_guest") {
        if real.name == "tdx-v4-trustee" {
            // Nothing accepts it: there is no collateral of its time.
            continue;
        }
        let mut policy = real.known("danger-accept-unendorsed-ak = true");
        if real.tee == Tee::Tdx {
            let mrtd = real.mrtd();
            policy += &format!("[reference-values]\nmeasurements = [\"{mrtd}\"]\n");
        }
        let verifier = real.verifier(&policy).unwrap();
        let judge = |evidence: &AzureEvidence| real.judge_by(&verifier, evidence);
        assert!(judge(&real.evidence).is_ok(), "{}", real.name);
        for part in covered(&real.evidence, real.tee) {
            assert_all_refused(&real.name, &real.evidence, part, judge);
        }
    }
}

#[test]
fn of_every_technology_of_the_lab() {
    for scene in [Scene::snp(), Scene::tdx()] {
        let verifier = scene.verifier().unwrap();
        let evidence = scene.payload();
        let judge = |evidence: &AzureEvidence| scene.judge_by(&verifier, evidence);
        let name = scene.tee().name();
        for part in covered(&evidence, scene.tee()) {
            assert_all_refused(name, &evidence, part, judge);
        }
        let parts: [Part; 4] = [
            |evidence| &mut evidence.hcl_report,
            |evidence| &mut evidence.quote,
            |evidence| &mut evidence.signature,
            |evidence| evidence.ak_certificate.as_mut().unwrap(),
        ];
        for (number, part) in parts.into_iter().enumerate() {
            let mut whole = evidence.clone();
            // Zeros at the end of an index say nothing.
            let covered = part(&mut whole).iter().rposition(|byte| *byte != 0).unwrap();
            for length in 0..=covered {
                let mut cut = evidence.clone();
                part(&mut cut).truncate(length);
                assert!(judge(&cut).is_err(), "{name}: part {number} cut to {length} bytes");
            }
        }
    }
}

/// Each field that a TD quote repeats is compared: one byte of each, in the TD report.
#[test]
fn of_each_field_of_a_td_report() {
    for offset in [264, 280, 328, 376, 512, 520, 528, 576, 624, 672, 720, 911, 912, 959, 128] {
        // A quote of version 5 that repeats MRSERVICETD, too.
        let mut scene = Scene::tdx();
        if let lab::azure::Tee::Tdx(processor) = &mut scene.guest.tee {
            *processor = processor.clone().with_form(5, lab::intel::BodyType::Td15);
        }
        assert!(scene.judge().is_ok());
        scene.guest.td_report_patches = vec![(offset, vec![0xEE])];
        let check = scene.judge().unwrap_err().check().unwrap().name();
        assert_eq!(check, "td-report-quoted", "{offset}");
    }
}
