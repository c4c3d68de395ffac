//! What errors say.

use std::error::Error as _;

use backend_api::{Challenge, Error, ErrorKind, TrustAnchors};

use super::{bytes::with_flip, input::foreign};
use crate::{
    Case, Failure, Outcome, Subject,
    judge::{Verdict, judge},
};

/// How many bytes of a challenge an error may not show, in hex.
const SECRET: usize = 8;

/// Errors are one line without a control character; they name the backend and a declared check, have a source, serialise
/// with their kind and fault, never are the backend's own fault, and never show the challenge.
///
/// # Errors
///
/// The first error that is not so.
pub fn errors_are_clean(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let mut refused: Vec<Case> = subject.golden().iter().flat_map(|case| refusals(subject, case)).collect();
    refused.extend(subject.negative().into_iter().map(|forgery| forgery.case));
    for case in refused {
        // Acceptance and panics are the business of other checks.
        if let Verdict::Refused(error) = judge(backend, &case) {
            is_clean(subject, &case, &error)
                .map_err(|failure| Failure::new(format_args!("{}: {error:?}: {failure}", case.name)))?;
        }
    }
    Ok(())
}

/// Variations of a golden case that are refused.
fn refusals(subject: &dyn Subject, case: &Case) -> Vec<Case> {
    let bytes = case.evidence.bytes();
    let (before, after) =
        (case.validity.not_before.saturating_sub(1), case.validity.not_after.saturating_add(1));
    let mut other = *case.challenge.as_bytes();
    other.iter_mut().zip(1..).for_each(|(byte, number): (_, u8)| *byte ^= number.wrapping_mul(0x9D));
    let mut all = vec![
        Case { challenge: Challenge::new(other), ..case.clone() },
        Case { trust_anchors: TrustAnchors::default(), ..case.clone() },
        Case { endorsements: Vec::new(), ..case.clone() },
        case.at_second(before),
        case.at_second(after),
        case.with_bytes([bytes, b"\0"].concat()),
    ];
    let step = (bytes.len() / 64).max(1);
    for at in (0..bytes.len()).step_by(step) {
        all.push(case.with_bytes(bytes.iter().copied().take(at).collect()));
        all.push(with_flip(case, at, 0xFF));
    }
    all.extend(foreign(subject, case).into_iter().map(|evidence| Case { evidence, ..case.clone() }));
    all
}

fn is_clean(subject: &dyn Subject, case: &Case, error: &Error) -> Outcome {
    let descriptor = subject.backend().descriptor();
    let kind = error.kind();
    ensure!(kind != ErrorKind::Internal, "the backend blames itself");
    ensure!(error.backend() == Some(descriptor.id), "names the backend {:?}", error.backend());
    if let Some(check) = error.check() {
        let declared = descriptor.checks().any(|info| info.check == check);
        ensure!(declared, "names the check {check}, which is not declared");
    }
    ensure!(
        error.source().is_some_and(|source| !source.to_string().is_empty()),
        "has no source that says anything"
    );

    let line = error.to_string();
    ensure!(!line.contains(char::is_control), "the message is not one line");
    let told = format!("{line} {error:?}").to_ascii_lowercase();
    let golden = subject.golden().into_iter().map(|golden| golden.challenge);
    for challenge in golden.chain([case.challenge]) {
        let secret = hex::encode(challenge.as_bytes());
        let shown = secret.as_bytes().windows(SECRET.saturating_mul(2)).any(|part| {
            // A challenge of one repeated digit says nothing that could be told from other text.
            part.iter().any(|digit| Some(digit) != part.first())
                && told.as_bytes().windows(part.len()).any(|text| text == part)
        });
        ensure!(!shown, "shows a part of the challenge");
    }

    let json = serde_json::to_value(error).map_err(Failure::new)?;
    let expected = [
        ("kind", serde_json::to_value(kind)),
        ("fault", serde_json::to_value(kind.fault())),
        ("retryable", serde_json::to_value(kind.is_retryable())),
        ("backend", serde_json::to_value(descriptor.id)),
        ("check", serde_json::to_value(error.check())),
    ];
    for (key, value) in expected {
        let value = value.map_err(Failure::new)?;
        ensure!(json.get(key) == Some(&value), "serialises with {key} {:?}, expected {value}", json.get(key));
    }
    Ok(())
}
