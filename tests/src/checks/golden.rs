//! Evidence that is accepted.

use backend_api::{Check, CheckInfo, Ledger};

use super::descriptor::is_line;
use crate::{
    Failure, Outcome, Subject,
    judge::{judge, shown},
};

/// Every golden case is accepted at its time, claims and identity are as stated, and people can look at it.
///
/// # Errors
///
/// The first case that is refused, or that says something else.
pub fn golden_cases_are_accepted(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let descriptor = backend.descriptor();
    let cases = subject.golden();
    for media_type in descriptor.media_types() {
        let covered = cases.iter().any(|case| case.evidence.media_type() == media_type);
        ensure!(covered, "no golden case has the media type {media_type}");
    }
    for case in cases {
        let name = &case.name;
        let accepted = judge(backend, &case).accepted(name)?;
        ensure!(shown(backend, &case.evidence)?.is_ok(), "{name}: inspect cannot read it");
        let verified = &accepted.verified;
        ensure!(verified.backend() == descriptor.id, "{name}: verified by {}", verified.backend());
        ensure!(verified.role() == descriptor.role, "{name}: verified as {:?}", verified.role());
        ensure!(verified.media_type() == case.evidence.media_type(), "{name}: has another media type");
        ensure!(!verified.graph().links().is_empty(), "{name}: the graph has no link");

        let claims = verified.claims();
        ensure!(
            is_line(claims.tee) && is_line(claims.tee_variant) && is_line(&claims.product),
            "{name}: no technology, no name of dstack's for it or no product is claimed"
        );
        let hashes = [("measurement", &claims.measurement), ("device-id", &claims.device_id)];
        for (what, hash) in hashes {
            ensure!(is_lower_hex(hash), "{name}: claimed {what} is not lower-case hex");
        }
        ensure!([0, 64].contains(&claims.device_id.len()), "{name}: claimed device-id is not 32 bytes");

        ensure!(!case.claims.is_empty(), "{name}: states no claim");
        let claims = serde_json::to_value(claims).map_err(Failure::new)?;
        for (pointer, expected) in &case.claims {
            let found = claims.pointer(pointer);
            ensure!(found == Some(expected), "{name}: claim {pointer} is {found:?}, expected {expected}");
        }
        let (found, expected) = (accepted.binding.device_event(), case.device_event.as_ref());
        ensure!(found == expected, "{name}: of devices was measured {found:?}, expected {expected:?}");
        for (field, expected) in &case.identity {
            let found = accepted.binding.identity().get(*field);
            ensure!(
                found == Some(expected),
                "{name}: {} is {:?}, expected {}",
                field.name(),
                found.map(hex::encode),
                hex::encode(expected)
            );
        }
    }
    Ok(())
}

/// The ledgers of `verify` and `bind_runtime` list every check that the descriptor declares for this kind of Evidence,
/// once, in its order, and give a reason for each that was not performed.
///
/// # Errors
///
/// The first ledger that does not.
pub fn ledgers_list_every_check_in_order(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let descriptor = backend.descriptor();
    for case in subject.golden() {
        let accepted = judge(backend, &case).accepted(&case.name)?;
        let media_type = accepted.verified.media_type();
        let Some(kind) = descriptor.kind(media_type) else {
            return Err(Failure::new(format_args!("{}: {media_type} is not declared", case.name)));
        };
        for (stage, groups, ledger) in [
            ("verify", kind.verify_checks, accepted.verified.ledger()),
            ("bind_runtime", descriptor.bind_checks, accepted.binding.ledger()),
        ] {
            ledger_is_complete(groups, ledger)
                .map_err(|failure| Failure::new(format_args!("{}: {stage}: {failure}", case.name)))?;
        }
    }
    Ok(())
}

fn ledger_is_complete(groups: &[&[CheckInfo]], ledger: &Ledger) -> Outcome {
    let declared: Vec<Check> = groups.iter().flat_map(|group| group.iter()).map(|info| info.check).collect();
    let listed: Vec<Check> = ledger.entries().iter().map(|entry| entry.check).collect();
    let missing = declared.iter().find(|check| !listed.contains(check));
    ensure!(missing.is_none(), "the ledger misses {missing:?}");
    ensure!(listed == declared, "the ledger lists {listed:?}, expected the declared order {declared:?}");
    for (check, reason) in ledger.gaps() {
        ensure!(is_line(reason), "{check} was not performed, and the ledger does not say why in one line");
    }
    Ok(())
}

fn is_lower_hex(text: &str) -> bool {
    hex::decode(text).is_ok_and(|bytes| hex::encode(bytes) == text)
}
