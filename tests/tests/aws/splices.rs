//! Halves of two guests, of two challenges, of two instances: each is genuine, and together they are refused.

use backend_aws::{AwsEvidence, Profile};
use lab::aws::{Guest, Instance};

use crate::{
    payload::payload,
    scene::{Scene, image},
};

const CHALLENGE: [u8; 64] = [0xC4; 64];

/// Another guest in the same region: another launch, another system, another instance.
fn other_guest() -> Guest {
    let mut guest = Guest::new();
    guest.instance = Instance::named("i-0abcdef1234567890", Instance::REGION);
    guest.report.measurement = [0xBE; 48];
    guest.boot.events[12].measured = Some(b"another unified kernel image".to_vec());
    guest
}

/// The check that refuses these halves, by a relying party that knows both launches and both images.
fn failed(report: &AwsEvidence, document: &AwsEvidence) -> String {
    let guest = Guest::new();
    let mut scene = Scene::v1();
    scene.measurement = None;
    scene.policy = format!(
        "[reference-values]\nmeasurements = [\"{}\", \"{}\"]\n[[backend.aws.launch.images]]\n[backend.aws.launch.images.pcrs]\n{}\n",
        "ae".repeat(48),
        "be".repeat(48),
        image(&other_guest(), &crate::scene::LISTED)
    );
    scene.image = Some(image(&guest, &crate::scene::LISTED));
    let spliced = AwsEvidence {
        report: report.report.clone(),
        certificates: report.certificates.clone(),
        ..document.clone()
    };
    conformance::named::failed_check(scene.judge_by(&scene.verifier().unwrap(), &spliced))
}

#[test]
fn halves_of_two_guests_are_refused() {
    let (ours, theirs) = (Guest::new(), other_guest());
    let (a, b) = (payload(&ours, &CHALLENGE), payload(&theirs, &CHALLENGE));
    assert_eq!(failed(&a, &a), "accepted");
    assert_eq!(failed(&b, &b), "accepted");
    assert_eq!(failed(&a, &b), "nitro-nonce");
    assert_eq!(failed(&b, &a), "nitro-nonce");
    // A guest that has others' reports signed into its own document: the report names the other instance.
    let stranger = AwsEvidence {
        document: Some(
            theirs
                .document_for(Some(&backend_aws::v1_nonce(a.report.as_ref().unwrap())), Some(&CHALLENGE))
                .into(),
        ),
        ..b
    };
    assert_eq!(failed(&a, &stranger), "report-data");
}

#[test]
fn halves_of_two_challenges_are_refused() {
    let guest = Guest::new();
    let (now, before) = (payload(&guest, &CHALLENGE), payload(&guest, &[0xC5; 64]));
    assert_eq!(failed(&before, &now), "nitro-nonce");
    assert_eq!(failed(&now, &before), "nitro-nonce");
    assert_eq!(failed(&before, &before), "nitro-user-data");
}

/// What another profile asks of a field is none of v1's: evidence of one profile is not of another.
#[test]
fn evidence_of_one_profile_is_none_of_another() {
    let scene = Scene::v1();
    let evidence = scene.payload();
    for (profile, check) in [(Profile::Raw, "nitro-nonce"), (Profile::NitroTpmOnly, "payload")] {
        let mut other = Scene { profile, top: "danger-accept-asserted = true", ..Scene::v1() };
        other.aws = "danger-accept-no-tee = true\ndanger-accept-no-document = true\n".to_owned();
        other.policy = "[backend.aws.raw]\n".to_owned();
        let verifier = other.verifier().unwrap();
        assert_eq!(conformance::named::failed_check(other.judge_by(&verifier, &evidence)), check);
        // Nor the other way round.
        let sent = other.payload();
        let refused = conformance::named::failed_check(scene.judge_by(&scene.verifier().unwrap(), &sent));
        assert_eq!(refused, if profile == Profile::Raw { "nitro-nonce" } else { "report-present" });
    }
}
