//! Every truncation and every single-byte change of a quote is refused, and nothing panics.
//!
//! No byte of a quote is left uncovered: the attestation key signs header and TD report, the QE report commits to that key, the
//! PCK signs the QE report, Intel signs the PCK certificate, and all between them (lengths, types, PEM) has one form.

use std::thread;

use backend_api::Result;
use lab::intel::{TdGuest, quote::FORMS};
use registry::AttestationResult;

use crate::{real::Real, scene::Scene};

const MASKS: [u8; 3] = [0x01, 0x80, 0xFF];

fn assert_all_refused(name: &str, quote: &[u8], judge: impl Fn(&[u8]) -> Result<AttestationResult> + Sync) {
    assert!(judge(quote).is_ok(), "{name}");
    let refused = &|start: usize, step: usize| {
        for length in (0..quote.len()).skip(start).step_by(step) {
            assert!(judge(&quote[..length]).is_err(), "{name} cut to {length} bytes");
        }
        for at in (0..quote.len()).skip(start).step_by(step) {
            for mask in MASKS {
                let mut changed = quote.to_vec();
                changed[at] ^= mask;
                assert!(judge(&changed).is_err(), "{name} with byte {at:#x} changed by {mask:#x}");
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        (0..threads).for_each(|start| drop(scope.spawn(move || refused(start, threads))));
    });
}

#[test]
fn of_every_real_quote() {
    for real in Real::all("of_every_real_quote") {
        let start = std::time::Instant::now();
        let verifier = real.verifier();
        assert_all_refused(real.name, &real.evidence.quote, |quote| real.judge(&verifier, quote));
        eprintln!("{} {:?}", real.name, start.elapsed());
    }
}

#[test]
fn of_every_form_of_the_lab() {
    for (version, body_type) in FORMS {
        let start = std::time::Instant::now();
        let scene = Scene::of(TdGuest::new().with_form(version, body_type));
        let verifier = scene.verifier().unwrap();
        assert_all_refused(&format!("version {version}, {body_type:?}"), &scene.quote(), |quote| {
            scene.judge_by(&verifier, &scene.payload_with(quote.to_vec()))
        });
        eprintln!("{} {:?}", version, start.elapsed());
    }
}
