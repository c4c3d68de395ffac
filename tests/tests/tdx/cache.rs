//! A platform that was verified before gives the verdict that it would give anew.

use backend_api::{Challenge, Endorsements};
use backend_tdx::ID;
use conformance::named::failed_check;
use lab::intel::{SignedDocument, TcbInfo, tcb::rfc3339};

use crate::{
    real::ANY_STATUS,
    scene::{Bundle, Scene, block_on, envelope, june_2026, verifier},
};

const DAY: u64 = 86_400;

/// What stays the same from one verification to the next: nothing is signed again.
struct Fixed {
    scene: Scene,
    payload: Vec<u8>,
    endorsements: Endorsements,
}

impl Fixed {
    /// A guest, and what Intel says of its platform twice: up to date, and in a later evaluation, which is current for some time
    /// only, out of date.
    fn with_later(change: fn(&mut TcbInfo)) -> Self {
        let scene = Scene::new();
        let mut bundle = Bundle::of(&scene.guest);
        let mut later = scene.guest.collateral.tcb_info.clone();
        later.tcb_evaluation_data_number += 1;
        later.set_status("OutOfDate", &[]);
        change(&mut later);
        let key = scene.guest.hierarchy.tcb_signing_key();
        bundle.documents.push(SignedDocument::tcb_info(&later, key).json().into_bytes());
        Self { payload: scene.payload_with(scene.quote()), endorsements: bundle.endorsements(), scene }
    }

    fn status_at(&self, at: u64) -> String {
        let verifier = verifier(ANY_STATUS, self.endorsements.clone(), at).unwrap();
        let verifier =
            verifier.danger_replace_trust_anchors(ID, self.scene.guest.pins().into_iter().collect()).unwrap();
        let result =
            block_on(verifier.verify(&envelope(&self.payload), &Challenge::new(self.scene.challenge)));
        result.unwrap().cpu.claims.tcb_status
    }
}

#[test]
fn a_document_that_becomes_current_takes_its_place() {
    let fixed = Fixed::with_later(|later| later.issue_date = rfc3339(june_2026() + DAY));
    for (at, status) in [
        (june_2026(), "UpToDate"),
        (june_2026() + DAY - 1, "UpToDate"),
        (june_2026() + DAY, "OutOfDate"),
        (june_2026(), "UpToDate"),
    ] {
        assert_eq!(fixed.status_at(at), status, "{}", rfc3339(at));
    }
}

#[test]
fn a_document_that_has_ended_had_its_place() {
    let fixed = Fixed::with_later(|later| later.next_update = rfc3339(june_2026()));
    for (at, status) in [
        (june_2026() + 1, "UpToDate"),
        (june_2026(), "OutOfDate"),
        (june_2026() - 1, "OutOfDate"),
        (june_2026() + 1, "UpToDate"),
    ] {
        assert_eq!(fixed.status_at(at), status, "{}", rfc3339(at));
    }
}

/// The cache knows the platform, not the quote.
#[test]
fn a_known_platform_vouches_for_no_other_quote() {
    let scene = Scene::new();
    let (quote, verifier) = (scene.quote(), scene.verifier().unwrap());
    assert!(scene.judge_by(&verifier, &scene.payload_with(quote.clone())).is_ok());
    // REPORTDATA, the last field of the TD report; the attestation key's signature follows after its length.
    let signed = evidence_tdx::Quote::parse(&quote).unwrap().signed_bytes().len();
    for (at, check) in [(signed - 1, "quote-signature"), (signed + 4, "quote-signature")] {
        let mut changed = quote.clone();
        changed[at] ^= 1;
        assert_eq!(failed_check(scene.judge_by(&verifier, &scene.payload_with(changed))), check, "byte {at}");
    }
    let mut other = scene.clone();
    other.challenge[63] ^= 1;
    assert_eq!(failed_check(other.judge_by(&verifier, &scene.payload_with(quote))), "report-data");
}
