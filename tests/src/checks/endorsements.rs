//! The same Evidence beside other Endorsements.

use std::collections::BTreeSet;

use backend_api::{Endorsement, Endorsements, Limits};

use super::{bytes::flips, descriptor::is_line};
use crate::{
    Case, Failure, Flip, Given, Loose, Outcome, Removal, Subject,
    judge::{judge, requests_beyond},
};

/// Asked in rounds, as the registry does, from a source that holds the case's Endorsements, the backend asks for everything
/// that the case needs, in few rounds, in requests of one line, the same at each call.
///
/// # Errors
///
/// What it did not ask for, or how it asked.
pub fn needed_endorsements_are_asked_for(subject: &dyn Subject) -> Outcome {
    for case in subject.golden() {
        let name = &case.name;
        let have = fetched(subject, &case)?;
        for given in &case.endorsements {
            let Endorsement { kind, bytes, .. } = &given.endorsement;
            let needed = matches!(given.removal, Removal::Refused(_));
            let there = have.of(*kind).any(|fetched| fetched == bytes);
            ensure!(there || !needed, "{name}: needs a {kind:?} and does not ask for one");
        }
    }
    Ok(())
}

fn fetched(subject: &dyn Subject, case: &Case) -> Result<Endorsements, Failure> {
    let (backend, name) = (subject.backend(), &case.name);
    let mut have = Endorsements::new();
    let mut asked = BTreeSet::new();
    // The last round is the one in which nothing new is asked for.
    for _ in 0..=Limits::default().rounds {
        let mut requests = requests_beyond(backend, &case.evidence, &have)?
            .map_err(|error| Failure::new(format_args!("{name}: endorsements_for refuses it: {error}")))?;
        let again = requests_beyond(backend, &case.evidence, &have)?;
        ensure!(
            again.is_ok_and(|again| again == requests),
            "{name}: endorsements_for asks differently each time"
        );
        requests.retain(|request| asked.insert(request.clone()));
        if requests.is_empty() {
            return Ok(have);
        }
        for request in &requests {
            let lines = is_line(&request.what) && is_line(&request.location);
            ensure!(lines, "{name}: {request:?} does not say what it asks for, or where, in one line");
            let held = case.endorsements.iter().map(|given| &given.endorsement);
            held.filter(|endorsement| endorsement.kind == request.kind)
                .for_each(|endorsement| have.add(endorsement.clone()));
        }
    }
    Err(Failure::new(format_args!("{name}: endorsements_for asks for more in every round")))
}

/// Without one of its Endorsements a case is refused with the kind that it states, or accepted if it states that.
///
/// # Errors
///
/// The Endorsement whose absence was judged otherwise.
pub fn missing_endorsements_are_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        for (index, given) in case.endorsements.iter().enumerate() {
            let what = format!("{}: without endorsement {index}", case.name);
            let mut without = case.clone();
            without.endorsements.remove(index);
            let verdict = judge(backend, &without);
            match given.removal {
                Removal::Accepted(_) => drop(verdict.accepted(what)?),
                Removal::Refused(expected) => {
                    let kind = verdict.refused(&what)?.kind();
                    ensure!(kind == expected, "{what}: expected {expected:?}, found {kind:?}");
                }
            }
        }
    }
    Ok(())
}

/// Endorsements in any order, or given twice, make the same verdict.
///
/// # Errors
///
/// The case for which they did not.
pub fn order_of_endorsements_does_not_matter(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let golden = judge(backend, &case);
        let mut order = case.endorsements.clone();
        for _ in 0..order.len() {
            order.rotate_left(1);
            for reversed in [false, true] {
                let mut endorsements = order.clone();
                if reversed {
                    endorsements.reverse();
                }
                let changed = Case { endorsements, ..case.clone() };
                let same = judge(backend, &changed) == golden;
                ensure!(same, "{}: endorsements in another order make another verdict", case.name);
            }
        }
        let endorsements = [case.endorsements.clone(), case.endorsements.clone()].concat();
        let same = judge(backend, &Case { endorsements, ..case.clone() }) == golden;
        ensure!(same, "{}: endorsements given twice make another verdict", case.name);
    }
    Ok(())
}

/// A needed Endorsement with one byte flipped makes for a refusal, except where it declares that nothing covers the byte. A
/// redundant one makes for a refusal or the same verdict. An Endorsement that several cases need is flipped for the first of them.
///
/// # Errors
///
/// The first byte that could be flipped.
pub fn flipped_endorsements_are_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let mut flipped: BTreeSet<Vec<u8>> = BTreeSet::new();
    for case in subject.golden() {
        let golden = judge(backend, &case).accepted(&case.name)?;
        for (index, given) in case.endorsements.iter().enumerate() {
            let bytes = &given.endorsement.bytes;
            if matches!(given.removal, Removal::Refused(_)) && !flipped.insert(bytes.clone()) {
                continue;
            }
            let loose = match given.removal {
                Removal::Refused(_) => given.loose.clone(),
                Removal::Accepted(why) => vec![Loose { range: 0..bytes.len(), flip: Flip::Ignored, why }],
            };
            let what = format!("{}: endorsement {index}", case.name);
            flips(&what, bytes, &[0xFF], &loose, &golden, |flipped| {
                judge(backend, &replace(&case, index, given, flipped))
            })?;
        }
    }
    Ok(())
}

fn replace(case: &Case, index: usize, given: &Given, bytes: Vec<u8>) -> Case {
    let mut changed = case.clone();
    let mut other = given.clone();
    other.endorsement.bytes = bytes;
    changed.endorsements.splice(index..=index, [other]);
    changed
}
