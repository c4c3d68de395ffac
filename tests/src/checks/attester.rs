//! What belongs to others, and what a guest can do.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use backend_api::{
    AttesterRole, Authority, BackendId, BackendPolicy, BindInput, BindingGraph, Challenge, Check, CheckInfo,
    Claims, CollectRequest, Descriptor, Endorsements, ErrorKind, EvidenceKind, Guest, Ledger, Limits,
    MediaType, Presence, ReferenceValues, Result, Role, RuntimeEvent, RuntimeMechanism, TrustAnchors,
    VerifiedEvidence, VerifyInput,
};

use super::descriptor::is_line;
use crate::{Case, Failure, Outcome, Subject, judge::guarded};

/// A backend that there is not. It claims the kind of Evidence that it is asked about, so that only the witness tells
/// whose it is.
fn stranger(media_type: &MediaType) -> Descriptor {
    let kind = EvidenceKind {
        media_type: media_type.clone(),
        verify_checks: &[&[CheckInfo { check: STRANGE, establishes: "nothing", source: "this file" }]],
    };
    Descriptor {
        id: BackendId::new("stranger"),
        role: Role::Cpu,
        summary: "stands for every other backend",
        // A descriptor lives as long as its program.
        kinds: vec![kind].leak(),
        attester: AttesterRole::Absent,
        runtime: RuntimeMechanism::None { reason: "it stands for others" },
        bind_checks: &[],
        trust_anchors: TrustAnchors::default,
    }
}

const STRANGE: Check = Check::new("strange");

/// What another backend made (its verified Evidence, its policy) is refused as `InvalidConfig`.
///
/// # Errors
///
/// What was not.
pub fn evidence_of_others_is_not_bound(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    for case in subject.golden() {
        let name = &case.name;
        let endorsements: Endorsements =
            case.endorsements.iter().map(|given| given.endorsement.clone()).collect();
        let theirs = BackendPolicy::new(STRANGE);
        let ours = backend.policy(&case.policy).map_err(Failure::new)?;
        let references = ReferenceValues::new();
        let input = input(&case, &endorsements, &theirs).map_err(Failure::new)?;

        is_invalid(&format!("{name}: verify with another backend's policy"), || {
            backend.verify(&input).map(drop)
        })?;
        let verified = strange(&input).map_err(Failure::new)?;
        for policy in [&ours, &theirs] {
            is_invalid(&format!("{name}: bind_runtime of another backend's evidence"), || {
                backend.bind_runtime(&verified, &BindInput::new(&references, policy)).map(drop)
            })?;
        }
    }
    Ok(())
}

fn input<'a>(
    case: &'a Case,
    endorsements: &'a Endorsements,
    policy: &'a BackendPolicy,
) -> Result<VerifyInput<'a>> {
    let Case { evidence, challenge, trust_anchors, at, cpu, .. } = case;
    let limits = Limits::default();
    let input = VerifyInput::new(evidence, challenge, endorsements, trust_anchors, policy, *at, &limits)?;
    Ok(cpu.as_ref().map_or(input, |cpu| input.beside(&cpu.verified)))
}

fn strange(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut ledger = Ledger::default();
    ledger.not_performed(STRANGE, "there is nothing to check");
    let graph = BindingGraph::default().link("nobody", "nothing", "no means", Authority::Asserted);
    VerifiedEvidence::assertion(
        &stranger(input.evidence.media_type()),
        input,
        ledger,
        graph,
        Claims::new("stranger", "stranger", "none", &[]),
        STRANGE,
    )
}

fn is_invalid(what: &str, action: impl FnOnce() -> Result<()>) -> Outcome {
    let found =
        guarded(action).map_err(|message| Failure::new(format_args!("{what}: panicked: {message}")))?;
    let found = found.map_err(|error| error.kind());
    ensure!(found == Err(ErrorKind::InvalidConfig), "{what}: expected InvalidConfig, found {found:?}");
    Ok(())
}

/// What the descriptor says that the backend cannot do is `Unsupported`, at once; in a guest that has no device the backend does
/// not claim to be certain.
///
/// What a backend that collects does beside its devices is not tried here: that needs the devices.
///
/// # Errors
///
/// What did not agree.
pub fn attester_agrees_with_the_descriptor(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let descriptor = backend.descriptor();
    let guest = Guest::at("nowhere/conformance-suite");
    let panicked = |message: String| Failure::new(format_args!("panicked: {message}"));

    let detection = guarded(|| backend.detect(&guest)).map_err(panicked)?;
    ensure!(detection.presence != Presence::Certain, "detect is certain in a guest without files");
    let reasons = &detection.reasons;
    ensure!(!reasons.is_empty() && reasons.iter().all(|reason| is_line(reason)), "detect gives no reasons");

    let absent = descriptor.attester == AttesterRole::Absent;
    if absent {
        ensure!(detection.presence == Presence::Absent, "detect finds what this build cannot collect from");
        let request = CollectRequest::new(Challenge::new([7; 64])).map_err(Failure::new)?;
        unsupported("collect", || backend.collect(&guest, &request))?;
    }
    if absent || matches!(descriptor.runtime, RuntimeMechanism::None { .. }) {
        let event = RuntimeEvent::new("conformance", b"payload".to_vec()).map_err(Failure::new)?;
        unsupported("extend_runtime", || backend.extend_runtime(&guest, &event))?;
    }
    Ok(())
}

/// The future that `start` makes is ready when it is first polled, with `Unsupported`.
fn unsupported<T, F: Future<Output = Result<T>>>(what: &str, start: impl FnOnce() -> F) -> Outcome {
    let polled = guarded(|| match pin!(start()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result.map(drop).map_err(|error| error.kind())),
        Poll::Pending => None,
    });
    let found = polled.map_err(|message| Failure::new(format_args!("{what}: panicked: {message}")))?;
    ensure!(
        found == Some(Err(ErrorKind::Unsupported)),
        "{what}: the descriptor says that there is none; expected Unsupported, found {found:?}"
    );
    Ok(())
}
