//! Input that is meant to harm.

use std::time::{Duration, Instant};

use backend_api::{Endorsement, EndorsementKind, ErrorKind, Limits};

use crate::{
    Case, Given, Outcome, Subject,
    judge::{Verdict, judge, judge_within, requests, shown},
    noise::Noise,
};

/// How much a hostile sender may send at once.
const OVERSIZE: usize = 16 << 20;

/// How long one refusal may take, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many arbitrary inputs are tried.
const ARBITRARY: usize = 20_000;

/// Starts of CBOR, DER and JSON that promise far more than follows.
const PROMISES: [&[u8]; 10] = [
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\x00\x00\x00\x7f\xff\xff\xff\xff",
    b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x30\x80\x30\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"[[[[[[[[",
];

/// Evidence above the limits is refused as `LimitExceeded`, Endorsements as `InvalidConfig`; 16 MiB of Evidence, or a megabyte of an Endorsement, is refused quickly
/// though the limits would allow it; lengths that promise more than there is do no harm.
///
/// # Errors
///
/// The input that was judged otherwise, or not in time.
pub fn oversized_input_is_refused_quickly(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let mut wide = Limits::default();
    wide.evidence_bytes = usize::MAX;
    for case in subject.golden() {
        let name = &case.name;
        for (limits, expected) in tight(&case) {
            let what = format!("{name}: with {limits:?}");
            let kind = judge_within(backend, &case, &limits).refused(&what)?.kind();
            ensure!(kind == expected, "{what}: expected {expected:?}, found {kind:?}");
        }
        let bytes = case.evidence.bytes();
        let head = bytes.len().saturating_sub(1).min(64);
        let heads = PROMISES.into_iter().chain(bytes.get(..head));
        let mut hostile: Vec<Vec<u8>> = heads.map(<[u8]>::to_vec).collect();
        for filler in [0x00, 0x9F, 0xFF, b'[', b'{', 0x30] {
            let filled = vec![filler; OVERSIZE];
            hostile.push([bytes, &filled].concat());
            hostile.push(filled);
        }
        for bytes in hostile {
            let what = format!("{name}: {} bytes that begin {:02x?}", bytes.len(), bytes.get(..8));
            let hostile = case.with_bytes(bytes);
            let start = Instant::now();
            let _ = requests(backend, &hostile.evidence)?;
            let _ = shown(backend, &hostile.evidence)?;
            judge_within(backend, &hostile, &wide).refused(&what)?;
            in_time(&what, start)?;
        }
        for kind in [EndorsementKind::Certificate, EndorsementKind::Document, EndorsementKind::RevocationList]
        {
            for filler in [0x00, 0x30, b'['] {
                let what = format!("{name}: with a {kind:?} of {filler:#04x}s");
                let mut burdened = case.clone();
                let bytes = vec![filler; Limits::default().endorsement_bytes];
                burdened.endorsements.push(Given::redundant(Endorsement::new(kind, bytes), "it is none"));
                let start = Instant::now();
                unharmed(&what, &judge(backend, &case), &judge(backend, &burdened))?;
                in_time(&what, start)?;
            }
        }
    }
    Ok(())
}

/// Limits that `case` just exceeds, and the kind of the refusal: Evidence is the attester's, Endorsements are the caller's.
fn tight(case: &Case) -> Vec<(Limits, ErrorKind)> {
    let longest = case.endorsements.iter().map(|given| given.endorsement.bytes.len()).max();
    let below = |number: usize| number.checked_sub(1);
    let mut all = Vec::new();
    if let Some(evidence_bytes) = below(case.evidence.bytes().len()) {
        let mut limits = Limits::default();
        limits.evidence_bytes = evidence_bytes;
        all.push((limits, ErrorKind::LimitExceeded));
    }
    if let Some(endorsement_bytes) = longest.and_then(below) {
        let mut limits = Limits::default();
        limits.endorsement_bytes = endorsement_bytes;
        all.push((limits, ErrorKind::InvalidConfig));
    }
    if let Some(endorsements) = below(case.endorsements.len()) {
        let mut limits = Limits::default();
        limits.endorsements = endorsements;
        all.push((limits, ErrorKind::InvalidConfig));
    }
    all
}

fn in_time(what: &str, start: Instant) -> Outcome {
    let took = start.elapsed();
    ensure!(took < PATIENCE, "{what}: took {took:?}, expected at most {PATIENCE:?}");
    Ok(())
}

/// Nothing but a refusal or the golden verdict's claims and identity.
fn unharmed(what: &str, golden: &Verdict, verdict: &Verdict) -> Outcome {
    verdict.no_panic(what)?;
    if let (Verdict::Accepted(golden), Verdict::Accepted(accepted)) = (golden, verdict) {
        ensure!(accepted.says_the_same(golden), "{what}: accepted with other claims or another identity");
    }
    Ok(())
}

/// 20,000 inputs, half of them noise and half damaged Evidence, are refused, or say the same as the golden case; none panics.
///
/// # Errors
///
/// The input that was judged otherwise.
pub fn arbitrary_bytes_do_not_panic(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let cases = subject.golden();
    let golden: Vec<Verdict> = cases.iter().map(|case| judge(backend, case)).collect();
    let mut noise = Noise::new(0x9E37_79B9_7F4A_7C15);
    let inputs = (0..ARBITRARY).zip(cases.iter().zip(&golden).cycle());
    for (number, (case, golden)) in inputs {
        let is_noise = noise.below(2) == 0;
        let bytes = if is_noise {
            let length = noise.below(2048);
            noise.bytes(length)
        } else {
            noise.mutate(case.evidence.bytes())
        };
        let what = format!("{}: arbitrary input {number}: {}", case.name, hex::encode(&bytes));
        let arbitrary = case.with_bytes(bytes);
        let _ = requests(backend, &arbitrary.evidence)?;
        let _ = shown(backend, &arbitrary.evidence)?;
        unharmed(&what, golden, &judge(backend, &arbitrary))?;
    }
    Ok(())
}
