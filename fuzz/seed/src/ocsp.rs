//! What the lab's authorities say of a certificate.

use lab::{
    intel::Hierarchy,
    keys::P256Key,
    ocsp::{Answer, CertIdHash, OcspSpec, RESPONDER_NAME, ResponderId, Status, responder_spec, unsuccessful},
    time::utc_day,
    x509::{extension, reason_code},
};

use crate::Seeds;

/// What is signed, which the target signs, and whole responses by a key that nobody certified: none is accepted as it is.
pub fn responses() -> Seeds {
    let hierarchy = Hierarchy::new();
    let root = hierarchy.root_spec();
    let responder = responder_spec(&root, &P256Key::from_label(RESPONDER_NAME).spki());
    let good = Answer::good(&hierarchy.tcb_signing_spec(), &root, utc_day(2026, 6, 1));
    let delegated = OcspSpec {
        certificates: vec![responder.sign(hierarchy.root_key())],
        ..OcspSpec::new(good.clone(), &responder)
    };
    let named = OcspSpec { responder: ResponderId::Name(responder.subject.clone()), ..delegated.clone() };
    let direct = OcspSpec::new(good.clone(), &root);
    let revoked = Status::Revoked(utc_day(2026, 5, 1), Some(1));
    let of = |answer: Answer| OcspSpec { answers: vec![answer], ..delegated.clone() };
    let neighbour = Answer { serial: vec![7], ..good.clone() };
    let mut extended = of(Answer { extensions: vec![reason_code(1)], ..good.clone() });
    let nonce = "1.3.6.1.5.5.7.48.1.2".parse().expect("an object identifier");
    extended.extensions = vec![extension(nonce, false, &[4, 2, 7, 7])];
    let mut seeds = vec![("try-later".to_owned(), unsuccessful(3))];
    let stranger = P256Key::from_label("stranger");
    for (name, response) in [
        ("revoked", of(Answer { status: revoked, ..good.clone() })),
        ("unknown", of(Answer { status: Status::Unknown, ..good.clone() })),
        ("sha1", of(Answer { hash: CertIdHash::Sha1, ..good.clone() })),
        ("sha256", of(Answer { hash: CertIdHash::Sha256, ..good.clone() })),
        ("endless", of(Answer { next_update: None, ..good.clone() })),
        ("two", OcspSpec { answers: vec![neighbour, good], ..delegated.clone() }),
        ("extended", extended),
        ("good", delegated),
        ("named", named),
        ("direct", direct),
    ] {
        seeds.push((format!("{name}-data"), response.tbs()));
        seeds.push((name.to_owned(), response.sign(&stranger)));
    }
    seeds
}
