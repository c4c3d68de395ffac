//! Every single-byte change of what something signs is refused, and every truncation; nothing panics.

use std::{ops::Range, thread};

use backend_gcp::GcpEvidence;

use crate::{cases::quote::dstack, scene::Scene};

const MASKS: [u8; 3] = [0x01, 0x80, 0xFF];

/// A part of the evidence.
type Part = fn(&mut GcpEvidence) -> &mut Vec<u8>;

/// Changes each byte of `range` in `part` by each mask.
fn assert_all_refused(scene: &Scene, (part, range): (Part, Range<usize>)) {
    let (verifier, evidence) = (scene.verifier().unwrap(), scene.payload());
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let work = |start: usize| {
        for at in range.clone().skip(start).step_by(threads) {
            for mask in MASKS {
                let mut changed = evidence.clone();
                part(&mut changed)[at] ^= mask;
                assert!(scene.judge_by(&verifier, &changed).is_err(), "byte {at:#x} changed by {mask:#x}");
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
fn covered(evidence: &GcpEvidence) -> Vec<(Part, Range<usize>)> {
    let endorsement = evidence.launch_endorsement.as_ref().unwrap().len();
    vec![
        (|evidence| &mut evidence.report, 0..evidence.report.len()),
        (|evidence| &mut evidence.quote, 0..evidence.quote.len()),
        (|evidence| &mut evidence.signature, 0..evidence.signature.len()),
        (|evidence| &mut evidence.pcrs[0], 0..32),
        (|evidence| evidence.pcrs.last_mut().unwrap(), 0..32),
        (|evidence| &mut evidence.ak_certificate, 0..evidence.ak_certificate.len()),
        (|evidence| evidence.launch_endorsement.as_mut().unwrap(), 0..endorsement),
    ]
}

#[test]
fn on_sev_snp() {
    let scene = Scene::snp();
    covered(&scene.payload()).into_iter().for_each(|part| assert_all_refused(&scene, part));
}

/// The zeros behind the TD quote are quoted in dstack's form.
#[test]
fn in_dstack_s_form() {
    let scene = dstack();
    let report: Part = |evidence| &mut evidence.report;
    let length = scene.payload().report.len();
    assert_all_refused(&scene, (report, length - 200..length));
    assert_all_refused(&scene, (report, 0..700));
    assert_all_refused(&scene, (|evidence| &mut evidence.quote, 0..100));
}

#[test]
fn truncations() {
    let scene = Scene::snp();
    let (verifier, evidence) = (scene.verifier().unwrap(), scene.payload());
    for (part, range) in covered(&evidence) {
        for length in range.step_by(7) {
            let mut changed = evidence.clone();
            part(&mut changed).truncate(length);
            assert!(scene.judge_by(&verifier, &changed).is_err(), "{length} bytes");
        }
    }
}
