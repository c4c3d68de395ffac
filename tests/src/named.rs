//! Cases of named checks: scenes that differ from accepted ones in one defect each, which the check must name.

use std::env;

use backend_api::Result;

/// One defect, and the check that must name it. `S` is a scene: Evidence, what a relying party has, and what is changed of both.
#[derive(Debug)]
pub struct NamedCase<S> {
    /// The check.
    pub check: &'static str,
    /// What is wrong.
    pub defect: &'static str,
    /// Makes the accepted scene from which the case differs.
    pub base: fn() -> S,
    /// Makes the defect.
    pub make: fn(&mut S),
}

/// Makes `CASES` of lines `"check", "defect": change;`, each for what differs from the plain scene; `"check", "defect", of base:
/// change;` for what differs from the scene that `base` makes, and `after base` for one that `base` makes of the plain scene.
#[macro_export]
macro_rules! named_cases {
    (@base $plain:expr,) => { || $plain };
    (@base $plain:expr, of $base:path) => { $base };
    (@base $plain:expr, after $base:path) => { || { let mut scene = $plain; $base(&mut scene); scene } };
    ($scene:ty = $plain:expr;
     $($check:literal, $defect:literal $(, $how:ident $base:path)?: $make:expr;)*) => {
        pub(super) const CASES: &[$crate::named::NamedCase<$scene>] = &[$($crate::named::NamedCase {
            check: $check,
            defect: $defect,
            base: $crate::named_cases!(@base $plain, $($how $base)?),
            make: $make,
        },)*];
    };
}

/// Judges each case without its defect and with it; `judge` gives the check that failed, or `accepted`. Where the variable
/// `CASES_OF` names a check, those of this check alone: `scripts/remove-each-check` asks for one after the other.
///
/// # Panics
///
/// If a scene is refused without its defect, or not by its check with it; names all of them.
pub fn each_fails_its_check<'a, S: 'static>(
    cases: impl Iterator<Item = &'a NamedCase<S>>,
    judge: impl Fn(&S) -> String,
) {
    let only = env::var("CASES_OF").ok();
    let mut wrong = Vec::new();
    for NamedCase { check, defect, base, make } in
        cases.filter(|case| only.as_ref().is_none_or(|only| case.check == only))
    {
        let mut scene = base();
        let before = judge(&scene);
        if before != ACCEPTED {
            wrong.push(format!("{check}, {defect}: refused without it: {before}"));
            continue;
        }
        make(&mut scene);
        let found = judge(&scene);
        if found != *check {
            wrong.push(format!("{check}, {defect}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ACCEPTED: &str = "accepted";

/// The check that a verdict names; what it says where it names none, and `accepted` where it is no refusal.
pub fn failed_check<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => ACCEPTED.to_owned(),
        Err(error) => match error.check() {
            Some(check) => check.name().to_owned(),
            None => format!("no check: {error}"),
        },
    }
}
