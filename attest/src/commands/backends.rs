//! `attest backends`.

use std::fmt::Write as _;

use backend_api::{AttesterRole, CheckInfo, MediaType, Registration, Result, RuntimeMechanism};
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
    let media_types: Vec<&str> = descriptor.media_types.iter().map(MediaType::as_str).collect();
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
    let checks = |title, groups: &[&[CheckInfo]]| {
        let all = groups.iter().flat_map(|group| group.iter());
        let rows = all.map(|info| [info.check.name().to_owned(), info.establishes.to_owned()]);
        section(title, rows)
    };
    format!(
        "{}: {}\n{}{}{}",
        descriptor.id,
        printable(descriptor.summary),
        table(facts.map(|(fact, value)| [fact.to_owned(), value])),
        checks("checks of verify", descriptor.verify_checks),
        checks("checks of bind", descriptor.bind_checks),
    )
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
    json!({
        "id": descriptor.id,
        "role": descriptor.role,
        "summary": descriptor.summary,
        "crate": registration.crate_name,
        "version": registration.crate_version,
        "media-types": descriptor.media_types,
        "attester": descriptor.attester,
        "runtime": descriptor.runtime,
        "checks": {"verify": checks(descriptor.verify_checks), "bind": checks(descriptor.bind_checks)},
    })
}
