//! The checks, as functions: for harnesses other than the tests that [`suite!`](crate::suite) makes.

mod attester;
mod bytes;
mod descriptor;
mod endorsements;
mod errors;
mod forged;
mod golden;
mod hostile;
mod input;
mod pure;

use crate::{Outcome, Subject};

/// A check with its name.
#[derive(Debug, Clone, Copy)]
pub struct NamedCheck {
    /// The name of the function, and of the test that [`suite!`](crate::suite) makes of it.
    pub name: &'static str,
    /// The function.
    pub run: fn(&dyn Subject) -> Outcome,
}

/// Re-exports the checks, lists them in [`ALL`], and makes `suite!` of them. `$d` is a dollar sign for the inner macro.
macro_rules! checks {
    ($d:tt $($module:ident::$name:ident,)*) => {
        $(pub use $module::$name;)*

        /// Every check.
        pub const ALL: &[NamedCheck] = &[$(NamedCheck { name: stringify!($name), run: $name },)*];

        /// Makes one `#[test]` of each check, for a [`Subject`](crate::Subject): `suite!(MySubject);`
        #[macro_export]
        macro_rules! suite {
            ($d subject:expr) => {
                $(
                    #[test]
                    fn $name() {
                        $d crate::run($d crate::checks::$name, &$d subject);
                    }
                )*
            };
        }
    };
}

checks! { $
    descriptor::descriptor_is_valid,
    descriptor::registered_exactly_once,
    descriptor::policy_sections_are_strict,
    golden::golden_cases_are_accepted,
    golden::ledgers_list_every_check_in_order,
    bytes::truncated_evidence_is_refused,
    bytes::extended_evidence_is_refused,
    bytes::flipped_evidence_is_refused,
    input::other_challenges_are_refused,
    input::other_times_are_refused,
    input::other_trust_anchors_are_refused,
    input::foreign_evidence_is_refused,
    input::a_device_alone_is_refused,
    endorsements::needed_endorsements_are_asked_for,
    endorsements::missing_endorsements_are_refused,
    endorsements::order_of_endorsements_does_not_matter,
    endorsements::flipped_endorsements_are_refused,
    forged::forgeries_fail_their_check,
    pure::verdicts_are_pure,
    hostile::oversized_input_is_refused_quickly,
    hostile::arbitrary_bytes_do_not_panic,
    errors::errors_are_clean,
    attester::evidence_of_others_is_not_bound,
    attester::attester_agrees_with_the_descriptor,
}
