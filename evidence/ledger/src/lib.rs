#![doc = include_str!("../README.md")]

mod hex;
mod kind;

use std::{borrow::Cow, fmt};

pub use hex::Hex;
pub use kind::{ErrorKind, Fault};

use serde::{Serialize, Serializer};

/// The name of a check: lower-case words joined by hyphens, such as `vek-tcb`.
///
/// Names are part of the public interface: policies require them and tests assert them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check(&'static str);

impl Check {
    /// Names a check.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// A check as its backend declares it: what it is called, what it establishes, where that is specified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckInfo {
    /// The check.
    pub check: Check,
    /// What holds when it passed: one sentence.
    pub establishes: &'static str,
    /// Where that is specified: document, revision, section.
    pub source: &'static str,
}

/// Declares checks: a constant for each, and `ALL` with what each establishes and where that is specified.
///
/// ```
/// evidence_ledger::checks! {
///     SIGNATURE = "signature": "the signature verifies", "RFC 8032 §5.1.7";
/// }
/// assert_eq!(ALL[0].check, SIGNATURE);
/// ```
#[macro_export]
macro_rules! checks {
    ($($constant:ident = $name:literal: $establishes:literal, $source:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $establishes, ".")]
            pub const $constant: $crate::Check = $crate::Check::new($name);
        )*

        /// Every check that is declared here, in the order in which they are made.
        pub const ALL: &[$crate::CheckInfo] = &[
            $($crate::CheckInfo { check: $constant, establishes: $establishes, source: $source },)*
        ];
    };
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "reason")]
pub enum Outcome {
    /// It was performed and it held.
    Passed,
    /// It was not performed, for the reason given. A policy can refuse this for any check.
    NotPerformed(Cow<'static, str>),
}

/// One line of a [`Ledger`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The check.
    pub check: Check,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A check that did not hold, and the detail of why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<E> {
    /// The check that failed.
    pub check: Check,
    /// Why.
    pub error: E,
}

impl<E> Failed<E> {
    /// The same failure with its detail converted.
    pub fn map<F>(self, convert: impl FnOnce(E) -> F) -> Failed<F> {
        Failed { check: self.check, error: convert(self.error) }
    }
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.error)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failed<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// A ledger that does not list every declared check exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A declared check has no entry.
    #[error("the ledger has no entry for the declared check {0}")]
    Missing(Check),
    /// An entry names a check that was not declared, or that has an entry already.
    #[error("the ledger has an undeclared or repeated entry for the check {0}")]
    Unexpected(Check),
}

/// The checks performed so far, in order.
///
/// A failed check ends a verification, so a ledger holds only what passed and what was not performed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// An empty ledger with room for `checks` entries.
    pub fn with_capacity(checks: usize) -> Self {
        Self { entries: Vec::with_capacity(checks) }
    }

    /// Records `check` as passed if `holds`.
    ///
    /// # Errors
    ///
    /// [`Failed`] with what `error` gives, if it does not hold.
    pub fn require<E>(
        &mut self,
        check: Check,
        holds: bool,
        error: impl FnOnce() -> E,
    ) -> Result<(), Failed<E>> {
        self.verify(check, if holds { Ok(()) } else { Err(error()) })
    }

    /// Records `check` as passed if `result` is `Ok`.
    ///
    /// # Errors
    ///
    /// [`Failed`] with the error of `result`.
    pub fn verify<E>(&mut self, check: Check, result: Result<(), E>) -> Result<(), Failed<E>> {
        self.record(check, result)
    }

    /// Records `check` as passed if `result` is `Ok`, and hands on its value: for a check that cannot be left out, because
    /// what follows needs the value.
    ///
    /// # Errors
    ///
    /// [`Failed`] with the error of `result`.
    pub fn record<T, E>(&mut self, check: Check, result: Result<T, E>) -> Result<T, Failed<E>> {
        let value = result.map_err(|error| Failed { check, error })?;
        self.push(check, Outcome::Passed);
        Ok(value)
    }

    /// Records `check` as not performed.
    pub fn not_performed(&mut self, check: Check, reason: impl Into<Cow<'static, str>>) {
        self.push(check, Outcome::NotPerformed(reason.into()));
    }

    /// Appends the entries of another ledger.
    pub fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// One ledger for several things of which the checks of the longest were made, or those of them that concern the thing: a check
    /// passed if it passed wherever it stands, and else was not performed for the first reason given.
    pub fn common<'a>(ledgers: impl IntoIterator<Item = &'a Self>) -> Self {
        let ledgers: Vec<&Self> = ledgers.into_iter().collect();
        let longest = ledgers.iter().rev().max_by_key(|ledger| ledger.entries.len());
        let entries = longest.into_iter().flat_map(|ledger| &ledger.entries).map(|entry| {
            let mut outcomes = ledgers.iter().filter_map(|ledger| ledger.outcome(entry.check));
            let gap = outcomes.find(|outcome| **outcome != Outcome::Passed);
            Entry { check: entry.check, outcome: gap.unwrap_or(&entry.outcome).clone() }
        });
        Self { entries: entries.collect() }
    }

    /// The entries in the order in which the checks were made.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What became of `check`; `None` if it has no entry.
    pub fn outcome(&self, check: Check) -> Option<&Outcome> {
        self.entries.iter().find(|entry| entry.check == check).map(|entry| &entry.outcome)
    }

    /// Whether `check` has an entry that says that it passed.
    pub fn passed(&self, check: Check) -> bool {
        self.outcome(check) == Some(&Outcome::Passed)
    }

    /// The checks that were not performed, with the reasons.
    pub fn gaps(&self) -> impl Iterator<Item = (Check, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.outcome {
            Outcome::Passed => None,
            Outcome::NotPerformed(reason) => Some((entry.check, reason.as_ref())),
        })
    }

    /// Establishes that each declared check has exactly one entry and that nothing else has one.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] naming the first check for which that does not hold.
    pub fn complete<'a>(&self, declared: impl IntoIterator<Item = &'a Check>) -> Result<(), LedgerError> {
        let mut left: Vec<Check> = self.entries.iter().map(|entry| entry.check).collect();
        for check in declared {
            let Some(at) = left.iter().position(|entry| entry == check) else {
                return Err(LedgerError::Missing(*check));
            };
            left.swap_remove(at);
        }
        left.first().map_or(Ok(()), |check| Err(LedgerError::Unexpected(*check)))
    }

    fn push(&mut self, check: Check, outcome: Outcome) {
        self.entries.push(Entry { check, outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Check = Check::new("a");
    const B: Check = Check::new("b");

    #[test]
    fn a_failed_check_is_an_error_and_leaves_no_entry() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.require(A, false, || 7), Err(Failed { check: A, error: 7 }));
        assert_eq!(ledger.record::<(), _>(B, Err(8)), Err(Failed { check: B, error: 8 }));
        assert!(ledger.entries().is_empty());
    }

    #[test]
    fn passed_and_not_performed_are_told_apart() {
        let mut ledger = Ledger::default();
        ledger.require(A, true, || ()).unwrap();
        ledger.not_performed(B, "no list given");
        assert!(ledger.passed(A));
        assert!(!ledger.passed(B));
        assert_eq!(ledger.gaps().collect::<Vec<_>>(), [(B, "no list given")]);
    }

    #[test]
    fn what_is_common_passed_everywhere() {
        let ledger = |a: bool, b: Option<&'static str>| {
            let mut ledger = Ledger::default();
            ledger.require(A, a, || ()).unwrap();
            match b {
                None => ledger.require(B, true, || ()).unwrap(),
                Some(reason) => ledger.not_performed(B, reason),
            }
            ledger
        };
        let (passed, first, second) =
            (ledger(true, None), ledger(true, Some("one")), ledger(true, Some("two")));
        assert_eq!(Ledger::common([&passed, &passed]), passed);
        assert_eq!(Ledger::common([&passed, &first, &second]), first);
        assert_eq!(Ledger::common([&second, &passed, &first]), second);
        // What does not concern one of them is the others' to pass.
        let mut short = Ledger::default();
        short.require(A, true, || ()).unwrap();
        assert_eq!(Ledger::common([&short, &passed]), passed);
        assert_eq!(Ledger::common([&short, &first]), first);
        assert_eq!(Ledger::common([]), Ledger::default());
    }

    #[test]
    fn complete_names_what_is_missing_or_repeated() {
        let mut ledger = Ledger::default();
        ledger.require(A, true, || ()).unwrap();
        assert_eq!(ledger.complete(&[A]), Ok(()));
        assert_eq!(ledger.complete(&[A, B]), Err(LedgerError::Missing(B)));
        assert_eq!(ledger.complete(&[]), Err(LedgerError::Unexpected(A)));
        ledger.require(A, true, || ()).unwrap();
        assert_eq!(ledger.complete(&[A]), Err(LedgerError::Unexpected(A)));
    }
}
