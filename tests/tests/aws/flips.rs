//! Every single-byte change of what something signs is refused, and every truncation; nothing panics.

use std::{ops::Range, thread};

use backend_api::Result;
use backend_aws::{AwsEvidence, Profile};
use registry::AttestationResult;

use crate::{scene::Scene, vectors::Real};

const MASKS: [u8; 3] = [0x01, 0x80, 0xFF];

/// A part of the evidence.
type Part = fn(&mut AwsEvidence) -> &mut Vec<u8>;

const REPORT: Part = |evidence| evidence.report.as_mut().unwrap();
const DOCUMENT: Part = |evidence| evidence.document.as_mut().unwrap();
const VLEK: Part = |evidence| evidence.certificates.first_mut().unwrap();

/// Changes each byte of a part by each mask, and cuts it to each length.
fn assert_all_refused(
    name: &str,
    evidence: &AwsEvidence,
    part: Part,
    judge: impl Fn(&AwsEvidence) -> Result<AttestationResult> + Sync,
) {
    let range: Range<usize> = 0..part(&mut evidence.clone()).len();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let work = |start: usize| {
        for at in range.clone().skip(start).step_by(threads) {
            for mask in MASKS {
                let mut changed = evidence.clone();
                part(&mut changed)[at] ^= mask;
                assert!(judge(&changed).is_err(), "{name} with byte {at:#x} changed by {mask:#x}");
            }
            let mut cut = evidence.clone();
            part(&mut cut).truncate(at);
            assert!(judge(&cut).is_err(), "{name} cut to {at} bytes");
        }
    };
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|start| scope.spawn(move || work(start))).collect();
        started.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn of_the_lab() {
    let scene = Scene::v1();
    let verifier = scene.verifier().unwrap();
    let evidence = scene.payload();
    let judge = |evidence: &AwsEvidence| scene.judge_by(&verifier, evidence);
    assert!(judge(&evidence).is_ok());
    for part in [REPORT, VLEK] {
        assert_all_refused("v1", &evidence, part, judge);
    }
}

#[test]
fn of_real_evidence() {
    let Some(root) = lab::vectors::root("of_real_evidence") else { return };
    let of_report = Real::read(&root, "aws/vlek-v5-useast2-2026-geoar");
    let of_document = Real::read(&root, "aws/nitrotpm-vaportpm");
    for (real, policy, parts) in [
        (&of_report, of_report.known(""), &[REPORT, VLEK][..]),
        (&of_document, of_document.known_document("danger-accept-no-tee = true"), &[DOCUMENT]),
    ] {
        let judge = real.judge_as(Profile::Raw, &policy).unwrap();
        assert!(judge(&real.evidence).is_ok());
        for part in parts {
            assert_all_refused("real", &real.evidence, *part, &judge);
        }
    }
}
