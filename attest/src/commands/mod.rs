//! The commands.

mod backends;
#[cfg(feature = "demo")]
mod demo;
mod endorsement;
#[cfg(feature = "attester")]
mod guest;
mod import;
mod inspect;
mod measure;
mod rim;
mod verify;

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use backend_api::{Error, ErrorKind, Result};

use crate::{
    cli::{Command, Endorsement, Import, Measure, Rim},
    output::Answer,
};

/// Does what is asked.
pub(crate) fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Backends => backends::run(),
        Command::Verify(args) => verify::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Import(Import::Snp(args)) => import::snp(args),
        Command::Import(Import::Tdx(args)) => import::tdx(args),
        Command::Import(Import::Azure(args)) => import::azure(args),
        Command::Import(Import::Gcp(args)) => import::gcp(args),
        Command::Import(Import::Aws(args)) => import::aws(args),
        Command::Import(Import::Nvidia(args)) => import::nvidia(args),
        Command::Import(Import::Coco(args)) => import::coco(args),
        Command::Import(Import::Dstack(args)) => import::dstack(args),
        Command::Endorsement(Endorsement::Show(args)) => endorsement::show(args),
        Command::Endorsement(Endorsement::Verify(args)) => endorsement::verify(args),
        Command::Rim(Rim::Show(args)) => rim::show(args),
        Command::Rim(Rim::Verify(args)) => rim::verify(args),
        Command::Measure(Measure::Snp(args)) => measure::snp(args),
        Command::Measure(Measure::Tdx(args)) => measure::tdx(args),
        #[cfg(feature = "attester")]
        Command::Detect(args) => guest::detect(args),
        #[cfg(feature = "attester")]
        Command::Collect(args) => Ok(guest::collect(args)),
        #[cfg(feature = "attester")]
        Command::Extend(args) => Ok(guest::extend(args)),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args),
    }
}

/// Input that is not in its format.
fn malformed(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::MalformedEvidence, format_args!("{path:?}: {error}"))
}

/// Seconds since 1970-01-01T00:00:00Z in the form of RFC 3339; as a number if they are beyond the year 9999.
fn rfc3339(seconds: u64) -> String {
    let mut text = String::new();
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    match time.map(|time| write!(text, "{}", humantime::format_rfc3339_seconds(time))) {
        Some(Ok(())) => text,
        _ => seconds.to_string(),
    }
}

/// The name of a kebab-case variant, as its JSON form spells it.
fn name(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_form() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(253_402_300_800), "253402300800");
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
    }
}
