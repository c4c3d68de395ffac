//! A verdict depends on its input alone.

use backend_api::{Challenge, TrustAnchors};

use crate::{
    Case, Failure, Outcome, Subject,
    judge::{Verdict, judge},
};

const THREADS: usize = 4;

/// One input makes one verdict: again, between other verdicts on the same Evidence, and in four threads at once.
///
/// # Errors
///
/// The case that was judged in two ways.
pub fn verdicts_are_pure(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    // Each case beside inputs that differ from it in one thing: what a cache may have confused.
    let cases: Vec<Case> = subject.golden().iter().flat_map(variations).collect();
    let first: Vec<Verdict> = cases.iter().map(|case| judge(backend, case)).collect();
    let again = |start: usize| -> Outcome {
        for (case, first) in cases.iter().zip(&first).cycle().skip(start).take(cases.len()) {
            let verdict = judge(backend, case);
            ensure!(verdict == *first, "{}: first {first:?}, then {verdict:?}", case.name);
        }
        Ok(())
    };
    again(0)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|start| scope.spawn(move || again(start))).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked while comparing verdicts")))
        });
        joined.collect()
    })
}

fn variations(case: &Case) -> [Case; 5] {
    let after = case.validity.not_after.saturating_add(1);
    let other = Challenge::new(case.challenge.as_bytes().map(|byte| !byte));
    // The accepted one last: what it leaves behind must not change the others.
    [
        case.at_second(after),
        Case { challenge: other, ..case.clone() },
        Case { trust_anchors: TrustAnchors::default(), ..case.clone() },
        Case { endorsements: Vec::new(), ..case.clone() },
        case.clone(),
    ]
}
