//! One verdict: what a relying party does with a case, with panics caught.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use backend_api::{
    AttestationBackend, BindInput, EndorsementRequest, Endorsements, Error, ErrorKind, Evidence, Limits,
    Result, RuntimeBinding, VerifiedEvidence, VerifyInput,
};
use serde_json::Value;

use crate::{Case, Failure};

/// What a backend says of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// `verify` and `bind_runtime` accept it.
    Accepted(Box<Accepted>),
    /// One of them refuses it, or there is no input to give them.
    Refused(Error),
    /// One of them panicked, with this message.
    Panicked(String),
}

#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) verified: VerifiedEvidence,
    pub(crate) binding: RuntimeBinding,
}

/// What `backend` says of `case`.
pub(crate) fn judge(backend: &dyn AttestationBackend, case: &Case) -> Verdict {
    judge_within(backend, case, &Limits::default())
}

/// What `backend` says of `case`, with other limits than the default.
pub(crate) fn judge_within(backend: &dyn AttestationBackend, case: &Case, limits: &Limits) -> Verdict {
    match guarded(|| accept(backend, case, limits)) {
        Ok(Ok(accepted)) => Verdict::Accepted(Box::new(accepted)),
        Ok(Err(error)) => Verdict::Refused(error),
        Err(message) => Verdict::Panicked(message),
    }
}

fn accept(backend: &dyn AttestationBackend, case: &Case, limits: &Limits) -> Result<Accepted> {
    let endorsements: Endorsements =
        case.endorsements.iter().map(|given| given.endorsement.clone()).collect();
    let policy = backend.policy(&case.policy)?;
    let anchors = &case.trust_anchors;
    let input =
        VerifyInput::new(&case.evidence, &case.challenge, &endorsements, anchors, &policy, case.at, limits)?;
    let input = match &case.cpu {
        None => input,
        Some(cpu) => input.beside(&cpu.verified),
    };
    let verified = backend.verify(&input)?;
    let input = BindInput::new(&case.reference_values, &policy);
    let input = match &case.cpu {
        None => input,
        Some(cpu) => input.beside(&cpu.binding),
    };
    let binding = backend.bind_runtime(&verified, &input)?;
    Ok(Accepted { verified, binding })
}

/// What `backend` asks for at first, with panics caught.
pub(crate) fn requests(
    backend: &dyn AttestationBackend,
    evidence: &Evidence,
) -> Result<Result<Vec<EndorsementRequest>>, Failure> {
    requests_beyond(backend, evidence, &Endorsements::new())
}

/// What `backend` asks for beyond what it has, with panics caught.
pub(crate) fn requests_beyond(
    backend: &dyn AttestationBackend,
    evidence: &Evidence,
    have: &Endorsements,
) -> Result<Result<Vec<EndorsementRequest>>, Failure> {
    guarded(|| backend.endorsements_for(evidence, have))
        .map_err(|message| Failure::new(format_args!("endorsements_for panicked: {message}")))
}

/// What `backend` shows people of Evidence, with panics caught: an object, or why it cannot be read.
pub(crate) fn shown(backend: &dyn AttestationBackend, evidence: &Evidence) -> Result<Result<Value>, Failure> {
    let shown = guarded(|| backend.inspect(evidence))
        .map_err(|message| Failure::new(format_args!("inspect panicked: {message}")))?;
    match &shown {
        Ok(value) => ensure!(value.is_object(), "inspect: expected an object, found {value}"),
        Err(error) => ensure!(
            matches!(error.kind(), ErrorKind::MalformedEvidence | ErrorKind::LimitExceeded),
            "inspect: expected Evidence that cannot be read at most, found {error}"
        ),
    }
    Ok(shown)
}

/// What `action` gives, or the message of its panic.
pub(crate) fn guarded<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

impl Verdict {
    /// The acceptance, or a failure that says what was there instead.
    pub(crate) fn accepted(self, what: impl fmt::Display) -> Result<Accepted, Failure> {
        match self {
            Self::Accepted(accepted) => Ok(*accepted),
            Self::Refused(error) => {
                Err(Failure::new(format_args!("{what}: expected acceptance, found {error}")))
            }
            Self::Panicked(message) => Err(panicked(what, &message)),
        }
    }

    /// The refusal, or a failure that says what was there instead.
    pub(crate) fn refused(self, what: impl fmt::Display) -> Result<Error, Failure> {
        match self {
            Self::Refused(error) => Ok(error),
            Self::Accepted(_) => {
                Err(Failure::new(format_args!("{what}: expected a refusal, found acceptance")))
            }
            Self::Panicked(message) => Err(panicked(what, &message)),
        }
    }

    /// Nothing, unless it panicked.
    pub(crate) fn no_panic(&self, what: impl fmt::Display) -> Result<(), Failure> {
        match self {
            Self::Panicked(message) => Err(panicked(what, message)),
            _ => Ok(()),
        }
    }
}

fn panicked(what: impl fmt::Display, message: &str) -> Failure {
    Failure::new(format_args!("{what}: panicked: {message}"))
}

impl Accepted {
    /// Whether both say the same of what runs where.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.verified.claims() == other.verified.claims()
            && self.binding.identity() == other.binding.identity()
    }
}

/// Whether two verdicts are one: everything that a caller can see is the same.
impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Accepted(one), Self::Accepted(other)) => {
                let (a, b) = (&one.verified, &other.verified);
                a.claims() == b.claims()
                    && a.ledger() == b.ledger()
                    && a.graph() == b.graph()
                    && a.media_type() == b.media_type()
                    && one.binding == other.binding
            }
            (Self::Refused(one), Self::Refused(other)) => {
                (one.kind(), one.check(), one.to_string()) == (other.kind(), other.check(), other.to_string())
            }
            (Self::Panicked(_), Self::Panicked(_)) => true,
            _ => false,
        }
    }
}
