//! Evidence with other bytes.

use crate::{
    Case, Failure, Flip, Loose, Outcome, Subject,
    judge::{Accepted, Verdict, judge, requests},
};

/// What a byte is flipped with: all of its bits, and the lowest, which keeps most bytes plausible.
pub(super) const MASKS: [u8; 2] = [0xFF, 0x01];

/// Evidence that ends anywhere before its end is refused.
///
/// # Errors
///
/// The first length at which it was not.
pub fn truncated_evidence_is_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let bytes = case.evidence.bytes();
        for length in 0..bytes.len() {
            let shorter = case.with_bytes(bytes.iter().copied().take(length).collect());
            let what = format!("{}: first {length} of {} bytes", case.name, bytes.len());
            let _ = requests(backend, &shorter.evidence)?;
            judge(backend, &shorter).refused(what)?;
        }
    }
    Ok(())
}

/// Evidence with anything before or after it is refused.
///
/// # Errors
///
/// What could be added.
pub fn extended_evidence_is_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let bytes = case.evidence.bytes();
        for extra in [&[0][..], b"\xFF", b"\n", b" ", &[0; 64], bytes] {
            for (place, extended) in [("after", [bytes, extra].concat()), ("before", [extra, bytes].concat())]
            {
                let what = format!("{}: {} bytes {place} it", case.name, extra.len());
                judge(backend, &case.with_bytes(extended)).refused(what)?;
            }
        }
    }
    Ok(())
}

/// Evidence with one byte flipped is refused, except where the case declares that nothing covers it.
///
/// # Errors
///
/// The first byte that could be flipped.
pub fn flipped_evidence_is_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let golden = judge(backend, &case).accepted(&case.name)?;
        let bytes = case.evidence.bytes();
        flips(&case.name, bytes, &MASKS, &case.loose, &golden, |flipped| {
            judge(backend, &case.with_bytes(flipped))
        })?;
    }
    Ok(())
}

/// Flips each byte of `bytes` with each of `masks`, and holds what `judge` says against what `loose` declares.
pub(super) fn flips(
    what: &str,
    bytes: &[u8],
    masks: &[u8],
    loose: &[Loose],
    golden: &Accepted,
    judge: impl Fn(Vec<u8>) -> Verdict,
) -> Outcome {
    let mut flipped = bytes.to_vec();
    for at in 0..bytes.len() {
        let declared = loose.iter().find(|loose| loose.range.contains(&at));
        for mask in masks {
            flip(&mut flipped, at, *mask);
            let what = format_args!("{what}: byte {at} flipped with {mask:#04x}");
            let verdict = judge(flipped.clone());
            verdict.no_panic(what)?;
            flip(&mut flipped, at, *mask);
            let Verdict::Accepted(accepted) = verdict else {
                continue;
            };
            match declared.map(|declared| declared.flip) {
                None => {
                    return Err(Failure::new(format_args!("{what}: expected a refusal, found acceptance")));
                }
                Some(Flip::Ignored) => ensure!(
                    accepted.says_the_same(golden),
                    "{what}: expected the same claims and identity, found others"
                ),
                Some(Flip::ChangesIdentity) => ensure!(
                    accepted.binding.identity() != golden.binding.identity(),
                    "{what}: expected another identity, found the same"
                ),
            }
        }
    }
    Ok(())
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask;
    }
}

/// The case with one byte flipped.
pub(super) fn with_flip(case: &Case, at: usize, mask: u8) -> Case {
    let mut bytes = case.evidence.bytes().to_vec();
    flip(&mut bytes, at, mask);
    case.with_bytes(bytes)
}
