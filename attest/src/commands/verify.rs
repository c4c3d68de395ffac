//! `attest verify`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::UNIX_EPOCH};

use backend_api::{
    Challenge, Descriptor, Error, ErrorKind, Field, Ledger, OfflineBundle, Outcome, Result, UnixTime,
};
use registry::{AppraisalPolicy, Appraised, AttestationResult, Clock, Registry, Verifier};
use serde_json::{Value, json};

use super::{name, rfc3339};
use crate::{
    cli::VerifyArgs,
    endorsements, files,
    output::{Answer, printable, section, table},
};

/// What applies when no policy is given.
const DEFAULT_POLICY: &str = include_str!("../../../policies/default.toml");

/// Hex digits of a launch measurement: SHA-384.
const MEASUREMENT_DIGITS: usize = 96;

/// Judges an envelope.
pub(crate) fn run(args: &VerifyArgs) -> Result<Answer> {
    let registry = Registry::linked()?;
    let accepted = registry.accept(&args.accept).map_err(|error| match args.accept.is_empty() {
        true => invalid(format!("--accept is missing: {error}")),
        false => error,
    })?;
    let challenge: Challenge = args.challenge.parse()?;
    let clock = args.at.as_deref().map_or(Ok(Clock::System), |at| instant("--at", at).map(Clock::Fixed))?;
    let policy = policy(args, &registry)?;
    let (endorsements, warnings) = endorsements::read(&args.endorsements)?;
    let source = Arc::new(OfflineBundle::new(endorsements));
    let verifier = Verifier::new(accepted, source, policy)?.with_clock(clock);
    let envelope = files::read_or_stdin(&args.file)?;
    let answer = match block_on(verifier.verify(&envelope, &challenge))? {
        Ok(result) => acceptance(&result)?,
        Err(error) if error.kind().is_refusal() => {
            Answer::failure(&error).with_text(refusal(&error, &registry))
        }
        Err(error) => Answer::failure(&error),
    };
    Ok(answer.with_warnings(warnings))
}

/// Runs `future` on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Error::new(ErrorKind::Internal, format_args!("no runtime: {}", error.kind())))?;
    Ok(runtime.block_on(future))
}

/// A time as the option has it.
pub(super) fn instant(option: &str, at: &str) -> Result<UnixTime> {
    let time = humantime::parse_rfc3339(at).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let time = time.ok_or_else(|| {
        invalid(format!("{option} is {at:?}, expected a time in UTC such as 2026-06-18T01:05:04Z"))
    })?;
    Ok(UnixTime::since_unix_epoch(time))
}

/// The policy file, or the default, with what the command line adds.
fn policy(args: &VerifyArgs, registry: &Registry) -> Result<AppraisalPolicy> {
    let mut policy = match &args.policy {
        Some(path) => AppraisalPolicy::from_toml(&files::read_text(path)?)?,
        None => AppraisalPolicy::from_toml(DEFAULT_POLICY)?,
    };
    for measurement in &args.measurement {
        if measurement.len() != MEASUREMENT_DIGITS {
            let found = measurement.len();
            return Err(invalid(format!(
                "--measurement has {found} characters, expected {MEASUREMENT_DIGITS} hex digits"
            )));
        }
        policy.add_reference_value("measurements", measurement)?;
    }
    for required in &args.require_check {
        let info = registry.checks().find(|info| info.check.name() == required).ok_or_else(|| {
            invalid(format!("no linked backend makes the check {required:?}; `attest backends` lists them"))
        })?;
        policy.require_check(info.check);
    }
    Ok(policy)
}

fn acceptance(result: &AttestationResult) -> Result<Answer> {
    let mut json = json!({ "verdict": "accepted" });
    let detail =
        serde_json::to_value(result).map_err(|error| Error::with_source(ErrorKind::Internal, error))?;
    if let (Some(json), Value::Object(detail)) = (json.as_object_mut(), detail) {
        json.extend(detail);
    }
    let mut text = format!("accepted, as of {}\n", rfc3339(result.verified_at));
    text.push_str(&describe(&result.cpu));
    for (index, device) in result.devices.iter().enumerate() {
        // Writing to memory does not fail.
        let _ = writeln!(text, "\ndevice {index}");
        text.push_str(&describe(device));
    }
    Ok(Answer::done(text, json))
}

/// What was established about one item of evidence.
fn describe(item: &Appraised) -> String {
    let claims = &item.claims;
    let advisories = claims.advisory_ids.join(", ");
    let facts = [
        ("backend", item.backend.to_string()),
        ("media type", item.media_type.to_string()),
        ("product", format!("{} ({})", claims.product, claims.tee)),
        ("tcb status", claims.tcb_status.clone()),
        ("advisories", if advisories.is_empty() { "none listed".to_owned() } else { advisories }),
        ("measurement", claims.measurement.clone()),
    ];
    // A device has no TCB status, and its measurements have been compared.
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let notes = item.notes.iter().map(|(subject, note)| [(*subject).to_owned(), note.clone()]);
    let links = item.graph.links().iter().map(|link| {
        let word = format!("on the word of {}", name(link.authority));
        [format!("{} -> {}", link.from, link.to), link.means.to_string(), word]
    });
    [
        section("evidence", facts.map(|(fact, value)| [fact.to_owned(), value])),
        identity(item),
        details(&claims.details),
        section("not covered", notes),
        ledger(&item.ledger),
        section("binding graph", links),
    ]
    .concat()
}

/// One row for each claim; a list of objects has a section for each of them.
fn details(claims: &BTreeMap<&'static str, Value>) -> String {
    let (lists, single): (Vec<_>, Vec<_>) = claims.iter().partition(|(_, value)| objects(value).is_some());
    let mut text =
        section("claims", single.into_iter().map(|(claim, value)| [(*claim).to_owned(), plain(value)]));
    for (claim, value) in lists {
        for (index, members) in objects(value).into_iter().flatten().enumerate() {
            let members = members.as_object().into_iter().flatten();
            let rows = members.map(|(key, value)| [key.clone(), brief(value)]);
            text.push_str(&section(&format!("claims, {claim}: {index}"), rows));
        }
    }
    text
}

/// The objects of a list of nothing else.
fn objects(value: &Value) -> Option<&Vec<Value>> {
    value.as_array().filter(|values| !values.is_empty() && values.iter().all(Value::is_object))
}

/// A claim about one of several things: what would fill the screen is counted.
fn brief(value: &Value) -> String {
    /// The most characters that people look at.
    const LIMIT: usize = 400;
    let (count, text) = match value {
        Value::Array(values) if values.is_empty() => return "none".to_owned(),
        Value::Array(values) => (values.len(), values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => (members.len(), plain(value)),
        other => return plain(other),
    };
    if text.len() > LIMIT { format!("{count} values, which --json shows") } else { text }
}

/// Every bound field with the lane that bound it.
pub(crate) fn identity(item: &Appraised) -> String {
    let rows = item
        .identity
        .iter()
        .map(|(field, bound)| [field.name().to_owned(), name(bound.lane), value_of(field, &bound.value)]);
    section("identity: field, what bound it, value", rows)
}

/// Hex; the key provider is JSON text.
fn value_of(field: Field, value: &[u8]) -> String {
    let text = std::str::from_utf8(value).ok().filter(|_| field == Field::KeyProvider);
    text.map_or_else(|| hex::encode(value), str::to_owned)
}

/// How many checks there were, and each with its outcome.
pub(super) fn ledger(ledger: &Ledger) -> String {
    let gaps = ledger.gaps().count();
    let passed = ledger.entries().len().saturating_sub(gaps);
    let rows = ledger.entries().iter().map(|entry| {
        let outcome = match &entry.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::NotPerformed(reason) => format!("not performed: {reason}"),
        };
        [entry.check.name().to_owned(), outcome]
    });
    section(&format!("checks: {passed} passed, {gaps} not performed"), rows)
}

/// Which check failed, why, and on whose side the fault lies.
pub(super) fn refusal(error: &Error, registry: &Registry) -> String {
    let mut rows = Vec::new();
    let mut row = |fact: &str, value: String| rows.push([fact.to_owned(), value]);
    if let Some(backend) = error.backend() {
        row("backend", backend.to_string());
    }
    if let Some(check) = error.check() {
        row("failed check", check.name().to_owned());
        // Backends share names of checks; what one establishes is in the words of the backend that says so.
        let own = registry.iter().map(|linked| linked.backend.descriptor());
        let own =
            own.filter(|descriptor| Some(descriptor.id) == error.backend()).flat_map(Descriptor::checks);
        if let Some(info) = own.chain(registry.checks()).find(|info| info.check == check) {
            row("establishes", info.establishes.to_owned());
        }
    }
    row("why", std::error::Error::source(error).map(ToString::to_string).unwrap_or_default());
    row("kind", name(error.kind()));
    row("fault", format!("of the {}", name(error.kind().fault())));
    if error.kind().is_retryable() {
        row("retry", "may succeed with other or newer endorsements".to_owned());
    }
    format!("refused\n\n{}", table(rows))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
            members.join(" ")
        }
        other => other.to_string(),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}
