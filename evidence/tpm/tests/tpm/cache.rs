//! A certificate that was verified before gives the verdict that it would give anew.

use std::time::Duration;

use evidence_ledger::Outcome;
use evidence_tpm::{AkCache, Anchors, UnixTime, VerifyAkCertificate};
use evidence_x509::{
    Purpose, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, SignatureVerificationAlgorithm,
};
use lab::{azure::Guest, keys::Pkcs1, time::utc_day};

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512];

const DAY: u64 = 86_400;

/// A certificate with all that its verdict depends on.
struct Input {
    certificate: Vec<u8>,
    candidates: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    anchors: Anchors,
    purpose: Purpose,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl Input {
    /// The lab's, in which the certificate of the authority ends 10 days and the lists end 5 days after [`june`].
    fn new() -> Self {
        let guest = Guest::snp();
        let hierarchy = &guest.hierarchy;
        let mut ca = hierarchy.ca_spec();
        ca.not_after = june() + 10 * DAY;
        let list = |of_root: bool| {
            let mut list = hierarchy.crl_spec(of_root);
            list.next_update = Some(june() + 5 * DAY);
            list.sign(&Pkcs1::Sha256(if of_root { hierarchy.root_key() } else { hierarchy.ca_key() }))
        };
        Self {
            certificate: guest.ak_certificate(),
            candidates: vec![hierarchy.root().to_vec(), ca.sign(&Pkcs1::Sha384(hierarchy.root_key()))],
            lists: vec![list(true), list(false)],
            anchors: hierarchy.pins().into_iter().collect(),
            purpose: Purpose::TpmAttestationKey,
            algorithms: ALGORITHMS,
        }
    }

    /// The verdict at a time: what became of the check of revocation, or the check that failed. Keeps what was verified.
    fn verdict(&self, cache: &AkCache, at: u64) -> &'static str {
        let verified = VerifyAkCertificate {
            certificate: &self.certificate,
            candidates: &slices(&self.candidates),
            revocation_lists: &slices(&self.lists),
            anchors: &self.anchors,
            purpose: self.purpose,
            algorithms: self.algorithms,
            at: UnixTime::since_unix_epoch(Duration::from_secs(at)),
        }
        .verify(cache);
        match verified {
            Err(failed) => failed.check.name(),
            Ok(verified) => {
                cache.keep(&verified);
                assert_eq!(verified.ledger().entries().len(), evidence_tpm::checks::certificate::ALL.len());
                match verified.ledger().entries().last().unwrap().outcome {
                    Outcome::Passed => "passed",
                    Outcome::NotPerformed(_) => "not performed",
                }
            }
        }
    }
}

fn slices(list: &[Vec<u8>]) -> Vec<&[u8]> {
    list.iter().map(Vec::as_slice).collect()
}

fn june() -> u64 {
    utc_day(2026, 6, 1)
}

/// Dates of lists and certificates are looked at each time.
#[test]
fn a_known_certificate_is_judged_by_its_dates() {
    let (input, cache) = (Input::new(), AkCache::default());
    for (at, verdict) in [
        (june(), "passed"),
        (june() + 5 * DAY, "passed"),
        (june() + 5 * DAY + 1, "not performed"),
        (june(), "passed"),
        (june() + 10 * DAY, "not performed"),
        (june() + 10 * DAY + 1, "ak-certificate-path"),
        (june(), "passed"),
        (utc_day(2020, 1, 1), "ak-certificate-validity"),
        (utc_day(2060, 1, 1), "ak-certificate-validity"),
        (june(), "passed"),
    ] {
        assert_eq!(input.verdict(&cache, at), verdict, "{at}");
        assert_eq!(input.verdict(&AkCache::default(), at), verdict, "{at}, anew");
    }
    assert_eq!(cache.entry_count(), 1);
}

/// What is known under some circumstances is not known under others.
#[test]
fn a_known_certificate_is_known_of_its_circumstances_alone() {
    let cache = AkCache::default();
    assert_eq!(Input::new().verdict(&cache, june()), "passed");
    let verdict = |edit: fn(&mut Input)| {
        let mut input = Input::new();
        edit(&mut input);
        input.verdict(&cache, june())
    };
    assert_eq!(verdict(|input| drop(input.lists.pop())), "not performed");
    assert_eq!(
        verdict(|input| {
            let guest = Guest::snp();
            let list = guest.hierarchy.crl_spec(false).revoke(&guest.ak_spec.serial);
            input.lists.push(list.sign(&Pkcs1::Sha256(guest.hierarchy.ca_key())));
        }),
        "ak-certificate-revocation"
    );
    assert_eq!(verdict(|input| drop(input.candidates.pop())), "ak-certificate-path");
    assert_eq!(verdict(|input| input.anchors = Anchors::new([])), "ak-certificate-path");
    assert_eq!(verdict(|input| input.purpose = Purpose::Unstated), "ak-certificate-path");
    assert_eq!(verdict(|input| input.algorithms = &ALGORITHMS[..1]), "ak-certificate-path");
    assert_eq!(verdict(|input| *input.certificate.last_mut().unwrap() = 1), "ak-certificate-format");
    assert_eq!(verdict(|_| {}), "passed");
}

/// Who has one certificate fills one place, with whatever else it is sent.
#[test]
fn what_surrounds_a_certificate_makes_no_other_of_it() {
    let cache = AkCache::default();
    for edit in [
        |_: &mut Input| {},
        |input: &mut Input| input.candidates.reverse(),
        |input: &mut Input| input.candidates.push(b"anything".to_vec()),
        |input: &mut Input| input.candidates.insert(0, input.certificate.clone()),
        |input: &mut Input| input.certificate.push(0),
    ] {
        let mut input = Input::new();
        edit(&mut input);
        assert_eq!(input.verdict(&cache, june()), "passed");
    }
    assert_eq!(cache.entry_count(), 1);
}

/// Only what was kept is known: nobody fills the cache without a key that Azure certified.
#[test]
fn what_is_not_kept_is_not_known() {
    let (input, cache) = (Input::new(), AkCache::default());
    let verified = VerifyAkCertificate {
        certificate: &input.certificate,
        candidates: &slices(&input.candidates),
        revocation_lists: &[],
        anchors: &input.anchors,
        purpose: input.purpose,
        algorithms: input.algorithms,
        at: UnixTime::since_unix_epoch(Duration::from_secs(june())),
    }
    .verify(&cache)
    .unwrap();
    assert_eq!(cache.entry_count(), 0);
    cache.keep(&verified);
    assert_eq!(cache.entry_count(), 1);
}
