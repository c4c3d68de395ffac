//! The suite tests itself: a sound backend passes every check, and a backend with one defect fails exactly the checks that are
//! there for it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failure of a test helper is a failure of the test"
)]

#[path = "mutants/example.rs"]
mod example;
#[path = "mutants/forge.rs"]
mod forge;
#[path = "mutants/platform.rs"]
mod platform;

use backend_api::{
    AttesterRole, BackendId, CheckInfo, Descriptor, EvidenceKind, MediaType, Registration, Role,
    RuntimeMechanism,
};
use conformance::checks;
use example::{Defect, Example};
use forge::Subjected;
use platform::{BIND_CHECKS, VERIFY_CHECKS, trust_anchors};

const fn kind(media_type: &'static str) -> EvidenceKind {
    EvidenceKind { media_type: MediaType::new(media_type), verify_checks: &[VERIFY_CHECKS] }
}

const fn descriptor(role: Role, id: &'static str, kinds: &'static [EvidenceKind]) -> Descriptor {
    Descriptor {
        id: BackendId::new(id),
        role,
        summary: "a platform for tests",
        kinds,
        attester: AttesterRole::Absent,
        runtime: RuntimeMechanism::None { reason: "the example platform has no register" },
        bind_checks: &[BIND_CHECKS],
        trust_anchors,
    }
}

/// The names of the checks that a backend fails; why is told on stderr.
fn failing(registration: &'static Registration) -> Vec<&'static str> {
    let subject = Subjected(registration);
    let mut names = Vec::new();
    for check in checks::ALL {
        if let Err(failure) = (check.run)(&subject) {
            eprintln!("{}: {}", check.name, failure.to_string().chars().take(300).collect::<String>());
            names.push(check.name);
        }
    }
    names
}

/// A backend, registered as any other is, and a test that it fails the given checks and no other.
macro_rules! backend {
    ($module:ident, $id:literal, $defect:ident, $fails:tt) => {
        backend!($module, $id, $defect, $fails, Cpu);
    };
    ($module:ident, $id:literal, $defect:ident, [$($fails:ident),*], $role:ident) => {
        pub(crate) mod $module {
            use super::*;

            static KINDS: [EvidenceKind; 1] = [kind(concat!("application/vnd.", $id))];
            static DESCRIPTOR: Descriptor = descriptor(Role::$role, $id, &KINDS);
            static BACKEND: Example = Example { descriptor: &DESCRIPTOR, defect: Defect::$defect };
            backend_api::register!(&BACKEND);

            #[test]
            fn fails_exactly_these() {
                let expected: &[&str] = &[$(stringify!($fails)),*];
                assert_eq!(failing(&REGISTRATION), expected);
            }
        }
    };
}

backend!(sound, "example", None, []);
backend!(any_challenge, "example-1", AcceptsAnyChallenge, [other_challenges_are_refused]);
backend!(half_challenge, "example-2", ComparesHalfTheChallenge, [other_challenges_are_refused]);
backend!(any_time, "example-3", IgnoresTime, [other_times_are_refused]);
backend!(
    remembers,
    "example-4",
    RemembersAcceptance,
    [
        other_challenges_are_refused,
        other_times_are_refused,
        other_trust_anchors_are_refused,
        foreign_evidence_is_refused,
        missing_endorsements_are_refused,
        flipped_endorsements_are_refused,
        forgeries_fail_their_check,
        evidence_of_others_is_not_bound
    ]
);
backend!(
    panics_short,
    "example-5",
    PanicsOnShortInput,
    [truncated_evidence_is_refused, arbitrary_bytes_do_not_panic]
);
backend!(panics_long, "example-6", PanicsOnOversize, [oversized_input_is_refused_quickly]);
backend!(
    trailing,
    "example-7",
    AcceptsTrailingBytes,
    [extended_evidence_is_refused, oversized_input_is_refused_quickly]
);
backend!(unsigned, "example-8", SkipsTheSignature, [flipped_evidence_is_refused]);
backend!(
    unrevoked,
    "example-9",
    SkipsRevocation,
    [missing_endorsements_are_refused, flipped_endorsements_are_refused, forgeries_fail_their_check]
);
backend!(
    first_root,
    "example-10",
    TakesTheFirstRootInTheEvidence,
    [other_trust_anchors_are_refused, forgeries_fail_their_check]
);
backend!(first_certificate, "example-11", TakesTheFirstCertificate, [order_of_endorsements_does_not_matter]);
backend!(
    unsigned_certificate,
    "example-12",
    TrustsUnsignedCertificates,
    [flipped_endorsements_are_refused, forgeries_fail_their_check]
);
backend!(asks_too_little, "example-13", AsksForNoList, [needed_endorsements_are_asked_for]);
backend!(short_ledger, "example-14", LeavesACheckOutOfTheLedger, [ledgers_list_every_check_in_order]);
backend!(
    changing,
    "example-15",
    SaysAnotherThingEachTime,
    [order_of_endorsements_does_not_matter, verdicts_are_pure]
);
backend!(talkative, "example-16", ShowsTheChallenge, [errors_are_clean]);
backend!(two_lines, "example-17", WritesTwoLines, [errors_are_clean]);
backend!(nameless, "example-18", NamesNoCheck, [forgeries_fail_their_check]);
// The contract takes no witness of a kind that is not declared: an error of the backend's own.
backend!(any_media_type, "example-19", TakesAnyMediaType, [foreign_evidence_is_refused, errors_are_clean]);
backend!(tolerant, "example-20", ToleratesUnknownPolicyKeys, [policy_sections_are_strict]);
backend!(binds_others, "example-21", PanicsOnAnothersEvidence, [evidence_of_others_is_not_bound]);
backend!(collects, "example-22", CollectsThoughItSaysItCannot, [attester_agrees_with_the_descriptor]);
backend!(device, "example-device", None, [], Device);
backend!(lone_device, "example-24", VerifiesADeviceAlone, [a_device_alone_is_refused], Device);
// Another one registers this id too.
backend!(same_id, "example-23", None, [registered_exactly_once]);
backend!(malformed, "Example_25", None, [descriptor_is_valid]);

mod same_id_again {
    use super::*;

    static KINDS: [EvidenceKind; 1] = [kind("application/vnd.again")];
    static DESCRIPTOR: Descriptor = descriptor(Role::Cpu, "example-23", &KINDS);
    static BACKEND: Example = Example { descriptor: &DESCRIPTOR, defect: Defect::None };
    backend_api::register!(&BACKEND);
}

mod unregistered {
    use super::*;

    static KINDS: [EvidenceKind; 1] = [kind("application/vnd.unregistered")];
    static DESCRIPTOR: Descriptor = descriptor(Role::Cpu, "unregistered", &KINDS);
    static REGISTRATION: Registration = Registration {
        backend: &Example { descriptor: &DESCRIPTOR, defect: Defect::None },
        crate_name: "conformance",
        crate_version: "0.1.0",
    };

    #[test]
    fn fails_exactly_these() {
        assert_eq!(failing(&REGISTRATION), ["registered_exactly_once"]);
    }
}

/// The sound backend, were these its kinds of Evidence: why its descriptor is refused, if it is.
fn with_kinds(kinds: Vec<EvidenceKind>) -> Option<String> {
    let descriptor = Box::leak(Box::new(descriptor(Role::Cpu, "example-kinds", kinds.leak())));
    let backend = Box::leak(Box::new(Example { descriptor, defect: Defect::None }));
    let registration =
        Box::leak(Box::new(Registration { backend, crate_name: "conformance", crate_version: "0.1.0" }));
    checks::descriptor_is_valid(&Subjected(registration)).err().map(|failure| failure.to_string())
}

#[test]
fn each_kind_of_evidence_has_checks() {
    const FEWER: &[CheckInfo] = VERIFY_CHECKS.split_at(2).0;
    let beside = |verify_checks| {
        let other = EvidenceKind { media_type: MediaType::new("application/vnd.two"), verify_checks };
        with_kinds(vec![kind("application/vnd.one"), other])
    };
    let cases: [(&'static [&'static [CheckInfo]], Option<&str>); 6] = [
        (&[VERIFY_CHECKS], None),
        (&[&[], FEWER], None),
        (&[], Some("application/vnd.two: verify declares no check")),
        (&[&[]], Some("application/vnd.two: verify declares no check")),
        (&[VERIFY_CHECKS, VERIFY_CHECKS], Some("application/vnd.two: check payload is declared twice")),
        (
            &[VERIFY_CHECKS, BIND_CHECKS],
            Some("application/vnd.two: check measurement-listed is declared twice"),
        ),
    ];
    for (verify_checks, refused) in cases {
        assert_eq!(beside(verify_checks).as_deref(), refused);
    }
    assert_eq!(with_kinds(Vec::new()).as_deref(), Some("there is no media type"));
    let twice = with_kinds(vec![kind("application/vnd.one"), kind("application/vnd.one")]);
    assert_eq!(twice.as_deref(), Some("media type application/vnd.one stands twice"));
}
