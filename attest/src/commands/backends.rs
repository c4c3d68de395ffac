//! `attest backends`.

use std::fmt::Write as _;

use backend_api::{
    AttesterRole, CheckInfo, Descriptor, EvidenceKind, MediaType, Registration, Result, RuntimeMechanism,
};
use registry::{FEATURES, Registry};
use serde_json::{Value, json};

use super::name;
use crate::output::{Answer, printable, section, table};

/// Lists the backends that are linked, and the features that would link more.
pub(crate) fn run() -> Result<Answer> {
    let registry = Registry::linked()?;
    let missing: Vec<&str> =
        FEATURES.iter().filter(|(_, linked)| !linked).map(|(feature, _)| *feature).collect();
    let mut text = String::new();
    for registration in registry.iter() {
        text.push_str(&describe(registration));
        text.push('\n');
    }
    let appraisal = registry::checks::ALL.iter();
    let rows = appraisal.clone().map(|info| [info.check.name().to_owned(), info.establishes.to_owned()]);
    text.push_str(&section("checks of the appraisal, for every backend", rows));
    let listed = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
    // Writing to memory does not fail.
    let _ = writeln!(text, "features of the crate registry that this build lacks: {listed}");
    let backends: Vec<Value> = registry.iter().map(as_json).collect();
    Ok(Answer::done(
        text,
        json!({ "backends": backends, "appraisal": checks_as_json(appraisal), "missing-features": missing }),
    ))
}

fn describe(registration: &Registration) -> String {
    let descriptor = registration.backend.descriptor();
    let media_types: Vec<&str> = descriptor.media_types().map(MediaType::as_str).collect();
    let collects = match descriptor.attester {
        AttesterRole::Absent => "no, this build only verifies",
        AttesterRole::Present => "yes",
    };
    let runtime = match descriptor.runtime {
        RuntimeMechanism::None { reason } => format!("none: {reason}"),
        RuntimeMechanism::Registers { registers } => {
            let names = registers.iter().map(|register| format!("{} ({})", register.name, register.hash));
            names.collect::<Vec<_>>().join(", ")
        }
    };
    let facts = [
        ("role", name(descriptor.role)),
        ("crate", format!("{} {}", registration.crate_name, registration.crate_version)),
        ("media types", media_types.join(", ")),
        ("collects", collects.to_owned()),
        ("runtime events", runtime),
    ];
    format!(
        "{}: {}\n{}{}{}",
        descriptor.id,
        printable(descriptor.summary),
        table(facts.map(|(fact, value)| [fact.to_owned(), value])),
        checks_of_verify(descriptor),
        checks("checks of bind", descriptor.bind_checks),
    )
}

/// One list where every kind of Evidence has the same checks, else one for each kind.
fn checks_of_verify(descriptor: &Descriptor) -> String {
    let all = |kind: &EvidenceKind| kind.verify_checks.concat();
    match descriptor.kinds {
        [first, others @ ..] if others.iter().all(|other| all(other) == all(first)) => {
            checks("checks of verify", first.verify_checks)
        }
        kinds => kinds
            .iter()
            .map(|kind| checks(&format!("checks of verify, {}", kind.media_type), kind.verify_checks))
            .collect(),
    }
}

fn checks(title: &str, groups: &[&[CheckInfo]]) -> String {
    let all = groups.iter().flat_map(|group| group.iter());
    section(title, all.map(|info| [info.check.name().to_owned(), info.establishes.to_owned()]))
}

fn checks_as_json(checks: impl Iterator<Item = &'static CheckInfo>) -> Vec<Value> {
    checks
        .map(|info| json!({"check": info.check, "establishes": info.establishes, "source": info.source}))
        .collect()
}

fn as_json(registration: &'static Registration) -> Value {
    let descriptor = registration.backend.descriptor();
    let checks =
        |groups: &'static [&[CheckInfo]]| checks_as_json(groups.iter().flat_map(|group| group.iter()));
    let kinds = descriptor
        .kinds
        .iter()
        .map(|kind| json!({"media-type": kind.media_type, "checks": checks(kind.verify_checks)}));
    json!({
        "id": descriptor.id,
        "role": descriptor.role,
        "summary": descriptor.summary,
        "crate": registration.crate_name,
        "version": registration.crate_version,
        "kinds": kinds.collect::<Vec<_>>(),
        "attester": descriptor.attester,
        "runtime": descriptor.runtime,
        "checks": {"bind": checks(descriptor.bind_checks)},
    })
}

#[cfg(test)]
mod tests {
    use backend_api::{BackendId, Check, Role, TrustAnchors};

    use super::*;

    const fn info(name: &'static str) -> CheckInfo {
        CheckInfo { check: Check::new(name), establishes: "something", source: "this file" }
    }

    fn listed(first: &'static [&'static [CheckInfo]], second: &'static [&'static [CheckInfo]]) -> String {
        let kind = |media_type, verify_checks| EvidenceKind {
            media_type: MediaType::new(media_type),
            verify_checks,
        };
        let descriptor = Descriptor {
            id: BackendId::new("two-kinds"),
            role: Role::Cpu,
            summary: "for tests",
            kinds: vec![kind("application/first", first), kind("application/second", second)].leak(),
            attester: AttesterRole::Absent,
            runtime: RuntimeMechanism::None { reason: "for tests" },
            bind_checks: &[],
            trust_anchors: TrustAnchors::default,
        };
        checks_of_verify(&descriptor)
    }

    #[test]
    fn kinds_of_evidence_share_one_list_of_checks_or_have_their_own() {
        const GROUPED: &[&[CheckInfo]] = &[&[info("a")], &[info("b")]];
        const TOGETHER: &[&[CheckInfo]] = &[&[info("a"), info("b")]];
        const OTHERS: &[&[CheckInfo]] = &[&[info("a")]];
        assert_eq!(listed(GROUPED, TOGETHER), "\nchecks of verify\n  a  something\n  b  something\n");
        assert_eq!(
            listed(GROUPED, OTHERS),
            "\nchecks of verify, application/first\n  a  something\n  b  something\n\
             \nchecks of verify, application/second\n  a  something\n"
        );
    }
}
