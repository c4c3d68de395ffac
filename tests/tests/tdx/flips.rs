//! Every truncation and every single-byte change of a quote is refused, and nothing panics.
//!
//! No byte of a quote is left uncovered: the attestation key signs header and TD report, the QE report
//! commits to that key, the PCK signs the QE report, Intel signs the certificates, and all between them
//! (lengths, types, PEM) has one form.

use std::{collections::HashSet, ops::Range, thread};

use backend_api::Result;
use evidence_tdx::Quote;
use lab::intel::{TdGuest, quote::FORMS};
use registry::AttestationResult;

use crate::{real::Real, scene::Scene};

const MASKS: [u8; 3] = [0x01, 0x80, 0xFF];

/// The masks for byte `at` of the quote with this number. Behind the TD report each byte has its turn of one
/// mask: what must be verified there takes the longest, and quotes of one layout, of which there are several,
/// take all three.
fn masks(number: usize, at: usize, report_end: usize) -> Vec<u8> {
    if at < report_end { MASKS.to_vec() } else { vec![MASKS[(at + number) % MASKS.len()]] }
}

/// What follows the PCK certificate, CA and root, is the same in many quotes, and its bytes are tried once.
#[derive(Default)]
struct Issuers(HashSet<Vec<u8>>);

impl Issuers {
    /// The bytes of `quote` that are new.
    fn unseen(&mut self, quote: &[u8]) -> Range<usize> {
        let chain = Quote::parse(quote).unwrap().pck_chain().len();
        let start = quote.len() - chain;
        let end = b"-----END CERTIFICATE-----";
        let pck = quote[start..].windows(end.len()).position(|part| part == end).unwrap();
        let after_pck = start + pck + end.len();
        0..if self.0.insert(quote[after_pck..].to_vec()) { quote.len() } else { after_pck }
    }
}

fn assert_all_refused(
    (number, name): (usize, &str),
    quote: &[u8],
    flipped: Range<usize>,
    judge: impl Fn(&[u8]) -> Result<AttestationResult> + Sync,
) {
    assert!(judge(quote).is_ok(), "{name}");
    let report_end = Quote::parse(quote).unwrap().signed_bytes().len();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let part = |start: usize| {
        for length in (0..quote.len()).skip(start).step_by(threads) {
            assert!(judge(&quote[..length]).is_err(), "{name} cut to {length} bytes");
        }
        for at in flipped.clone().skip(start).step_by(threads) {
            for mask in masks(number, at, report_end) {
                let mut changed = quote.to_vec();
                changed[at] ^= mask;
                assert!(judge(&changed).is_err(), "{name} with byte {at:#x} changed by {mask:#x}");
            }
        }
    };
    let part = &part;
    thread::scope(|scope| (0..threads).for_each(|start| drop(scope.spawn(move || part(start)))));
}

#[test]
fn of_every_real_quote() {
    let mut issuers = Issuers::default();
    for (number, real) in Real::all("of_every_real_quote").iter().enumerate() {
        let verifier = real.verifier();
        let quote = &real.evidence.quote;
        assert_all_refused((number, real.name), quote, issuers.unseen(quote), |quote| {
            real.judge(&verifier, quote)
        });
    }
}

#[test]
fn of_every_form_of_the_lab() {
    let mut issuers = Issuers::default();
    for (number, (version, body_type)) in FORMS.into_iter().enumerate() {
        let scene = Scene::of(TdGuest::new().with_form(version, body_type));
        let verifier = scene.verifier().unwrap();
        let (name, quote) = (format!("version {version}, {body_type:?}"), scene.quote());
        assert_all_refused((number, &name), &quote, issuers.unseen(&quote), |quote| {
            scene.judge_by(&verifier, &scene.payload_with(quote.to_vec()))
        });
    }
}
