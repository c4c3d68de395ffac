//! The same Evidence beside another challenge, time, root or label.

use backend_api::{Challenge, ErrorKind, Evidence, MediaType, Role, TrustAnchor, TrustAnchors};

use crate::{
    Case, Outcome, Subject, Validity,
    judge::{judge, requests},
};

/// Kinds that refuse Evidence for what it is, before anything is verified.
const NOT_OURS: [ErrorKind; 2] = [ErrorKind::MalformedEvidence, ErrorKind::UnsupportedEvidence];

/// A challenge that differs in any one bit, is zero, or is right only in its first half, is refused as `ChallengeMismatch`.
///
/// # Errors
///
/// The first challenge that was not.
pub fn other_challenges_are_refused(subject: &dyn Subject) -> Outcome {
    for case in subject.golden() {
        for challenge in other_challenges(&case.challenge) {
            let changed = Case { challenge, ..case.clone() };
            let what = format!("{}: for another challenge", case.name);
            let kind = judge(subject.backend(), &changed).refused(&what)?.kind();
            ensure!(
                kind == ErrorKind::ChallengeMismatch,
                "{what}: expected ChallengeMismatch, found {kind:?}"
            );
        }
    }
    Ok(())
}

fn other_challenges(challenge: &Challenge) -> Vec<Challenge> {
    let right = *challenge.as_bytes();
    let mut first_half = right;
    first_half.iter_mut().skip(32).for_each(|byte| *byte = 0);
    let mut others = vec![[0; 64], [0xFF; 64], right.map(|byte| !byte), first_half];
    for at in 0..right.len() {
        for bit in 0..8 {
            let mut other = right;
            other.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            others.push(other);
        }
    }
    others.retain(|other| *other != right);
    others.into_iter().map(Challenge::new).collect()
}

/// A case is accepted in the first and the last second of its validity, and refused one second before and after.
///
/// # Errors
///
/// The second that was judged otherwise.
pub fn other_times_are_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let name = &case.name;
        let Validity { not_before, not_after, earlier, later } = case.validity;
        for kind in [earlier, later] {
            let is_time =
                matches!(kind, ErrorKind::Expired | ErrorKind::NotYetValid | ErrorKind::StaleEndorsements);
            ensure!(is_time, "{name}: {kind:?} is not a refusal for the time");
        }
        for (second, what) in [(not_before, "the first"), (not_after, "the last")] {
            judge(backend, &case.at_second(second)).accepted(format_args!("{name}: in {what} second"))?;
        }
        let outside = [
            not_before.checked_sub(1).map(|second| (second, earlier)),
            not_after.checked_add(1).map(|second| (second, later)),
        ];
        for (second, expected) in outside.into_iter().flatten() {
            let what = format!("{name}: at {second}");
            let kind = judge(backend, &case.at_second(second)).refused(&what)?.kind();
            ensure!(kind == expected, "{what}: expected {expected:?}, found {kind:?}");
        }
        for second in [0, u64::MAX].into_iter().filter(|second| !(not_before..=not_after).contains(second)) {
            judge(backend, &case.at_second(second)).refused(format_args!("{name}: at {second}"))?;
        }
    }
    Ok(())
}

/// Without its trust anchors a case is refused as `UntrustedIssuer`: under the vendor's where it was made under others, under
/// pins of other keys, of other names, and under none.
///
/// # Errors
///
/// The trust anchors under which it was not.
pub fn other_trust_anchors_are_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        for (what, trust_anchors) in other_anchors(&case, &(backend.descriptor().trust_anchors)()) {
            let what = format!("{}: under {what}", case.name);
            let changed = Case { trust_anchors, ..case.clone() };
            let kind = judge(backend, &changed).refused(&what)?.kind();
            ensure!(kind == ErrorKind::UntrustedIssuer, "{what}: expected UntrustedIssuer, found {kind:?}");
        }
    }
    Ok(())
}

pub(super) fn other_anchors(case: &Case, vendor: &TrustAnchors) -> Vec<(&'static str, TrustAnchors)> {
    let changed = |change: fn(&mut TrustAnchor)| {
        let mut anchors = case.trust_anchors.clone();
        anchors.0.iter_mut().for_each(change);
        anchors
    };
    let other_keys = changed(|anchor| anchor.spki_sha256 = anchor.spki_sha256.map(|byte| !byte));
    let other_names = changed(|anchor| anchor.subject = format!("Not {}", anchor.subject).into());
    let mut all = vec![
        ("no trust anchor", TrustAnchors::default()),
        ("pins of other keys", other_keys),
        ("pins of other names", other_names),
    ];
    if case.trust_anchors != *vendor {
        all.push(("the vendor's trust anchors", vendor.clone()));
    }
    all
}

/// Evidence under a media type that is not the backend's is refused for that, by `verify` and by `endorsements_for`; under the
/// backend's media type other backends' bytes are refused.
///
/// # Errors
///
/// The Evidence that was not.
pub fn foreign_evidence_is_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let own = backend.descriptor();
    for case in subject.golden() {
        for evidence in foreign(subject, &case) {
            let what = format!("{}: {evidence:?}", case.name);
            let asked = requests(backend, &evidence)?;
            ensure!(
                asked.as_ref().is_err_and(|error| NOT_OURS.contains(&error.kind())),
                "{what}: endorsements_for gives {asked:?}, expected a refusal as {NOT_OURS:?}"
            );
            let kind = judge(backend, &Case { evidence, ..case.clone() }).refused(&what)?.kind();
            ensure!(NOT_OURS.contains(&kind), "{what}: expected one of {NOT_OURS:?}, found {kind:?}");
        }
        for (evidence, media_type) in
            subject.foreign().iter().flat_map(|evidence| own.media_types().map(move |own| (evidence, own)))
        {
            let evidence = Evidence::new(media_type.clone(), evidence.bytes().to_vec());
            let what = format!("{}: another backend's bytes as {evidence:?}", case.name);
            judge(backend, &Case { evidence, ..case.clone() }).refused(what)?;
        }
    }
    Ok(())
}

/// The subject's foreign Evidence, and the case's own bytes under other media types.
pub(super) fn foreign(subject: &dyn Subject, case: &Case) -> Vec<Evidence> {
    let own = subject.backend().descriptor();
    let mut media_types: Vec<MediaType> =
        backend_api::linked().flat_map(|other| other.backend.descriptor().media_types()).cloned().collect();
    media_types.push(MediaType::new("application/octet-stream"));
    media_types.extend(MediaType::parse(&format!("{}x", case.evidence.media_type())));
    media_types.retain(|media_type| own.kind(media_type).is_none());
    let bytes = case.evidence.bytes();
    let relabelled = media_types.into_iter().map(|media_type| Evidence::new(media_type, bytes.to_vec()));
    subject.foreign().into_iter().chain(relabelled).collect()
}

/// A device's Evidence is refused as `InvalidConfig` where no CPU was verified beside it. A CPU backend has nothing to do
/// here.
///
/// # Errors
///
/// The case that was not, or that lacks its CPU.
pub fn a_device_alone_is_refused(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    if backend.descriptor().role == Role::Cpu {
        return Ok(());
    }
    for case in subject.golden() {
        ensure!(case.cpu.is_some(), "{}: the case of a device lacks its CPU", case.name);
        let what = format!("{}: without a CPU", case.name);
        let kind = judge(backend, &Case { cpu: None, ..case }).refused(&what)?.kind();
        ensure!(kind == ErrorKind::InvalidConfig, "{what}: expected InvalidConfig, found {kind:?}");
    }
    Ok(())
}
