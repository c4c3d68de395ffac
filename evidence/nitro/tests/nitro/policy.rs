//! What the relying party expects of a sound document.

use std::time::Duration;

use evidence_nitro::{Error, Expected, VerifyDocument};
use evidence_x509::Moment;
use lab::aws::Instance;

use crate::{anchors, at, input};

#[test]
fn a_document_ages() {
    let (document, anchors) = (Instance::new().sign(), anchors());
    let now = Instance::now();
    let verdict = |seconds: u64, skew: u64| {
        let max_skew = Duration::from_secs(skew);
        let input = VerifyDocument { at: at(seconds), max_skew, ..input(&document, &anchors) };
        input.verify().map(|_| ()).map_err(|failed| (failed.check.name(), failed.error))
    };
    // It is made within a second, and asked about at its beginning.
    verdict(now, 0).unwrap();
    verdict(now + 300, 0).unwrap();
    let stale = Error::Stale { made: Moment(now), at: Moment(now + 301), limit: 300 };
    assert_eq!(verdict(now + 301, 0), Err(("nitro-age", stale)));
    verdict(now - 60, 60).unwrap();
    let future = Error::FromFuture { made: Moment(now), at: Moment(now - 61), limit: 60 };
    assert_eq!(verdict(now - 61, 60), Err(("nitro-age", future)));
    assert_eq!(verdict(now - 1, 0).unwrap_err().0, "nitro-age");
    assert_eq!(verdict(0, 60).unwrap_err().0, "nitro-age");
    assert_eq!(verdict(u64::MAX / 1000, 60).unwrap_err().0, "nitro-age");

    // The signer's certificate ends before the age does: it was valid when it signed.
    let day = Duration::from_secs(86_400);
    let old = VerifyDocument { at: at(now + 86_400), max_age: day, ..input(&document, &anchors) };
    old.verify().unwrap();
}

#[test]
fn what_the_guest_had_signed_is_what_is_expected() {
    let mut instance = Instance::new();
    instance.document.nonce = Some(b"nonce".to_vec());
    instance.document.user_data = Some(b"data".to_vec());
    instance.document.public_key = Some(b"key".to_vec());
    let (document, anchors) = (instance.sign(), anchors());
    let input = VerifyDocument {
        nonce: Expected::Exactly(b"nonce"),
        user_data: Expected::Exactly(b"data"),
        public_key: Expected::Exactly(b"key"),
        ..input(&document, &anchors)
    };
    let verified = input.verify().unwrap();
    assert_eq!(verified.ledger().gaps().count(), 0);
    assert_eq!(verified.nonce(), Some(&b"nonce"[..]));
    assert_eq!(verified.user_data(), Some(&b"data"[..]));
    assert_eq!(verified.public_key(), Some(&b"key"[..]));

    let others =
        [Expected::Exactly(b"noncf"), Expected::Exactly(b"nonc"), Expected::Exactly(b""), Expected::Absent];
    for other in others {
        let failed = |input: VerifyDocument<'_>| {
            let failed = input.verify().unwrap_err();
            (failed.check.name(), failed.error)
        };
        assert_eq!(failed(VerifyDocument { nonce: other, ..input }), ("nitro-nonce", Error::Nonce));
        let user_data = ("nitro-user-data", Error::UserData);
        assert_eq!(failed(VerifyDocument { user_data: other, ..input }), user_data);
        let public_key = ("nitro-public-key", Error::PublicKey);
        assert_eq!(failed(VerifyDocument { public_key: other, ..input }), public_key);
    }

    let anything = VerifyDocument { nonce: Expected::Anything, ..input }.verify().unwrap();
    let gaps: Vec<_> = anything.ledger().gaps().map(|(check, _)| check.name()).collect();
    assert_eq!(gaps, ["nitro-nonce"]);
}

/// Nothing signed is not the same as nothing.
#[test]
fn absent_is_not_empty() {
    let anchors = anchors();
    let mut instance = Instance::new();
    let null = instance.sign();
    instance.document.nonce = Some(Vec::new());
    let empty = instance.sign();
    let holds =
        |document: &[u8], nonce| VerifyDocument { nonce, ..input(document, &anchors) }.verify().is_ok();
    assert!(holds(&null, Expected::Absent) && !holds(&null, Expected::Exactly(b"")));
    assert!(!holds(&empty, Expected::Absent) && holds(&empty, Expected::Exactly(b"")));
}

/// A shorter member is padded with zeros, and nothing else is.
#[test]
fn the_beginning_of_what_is_expected_is_all_of_it_but_zeros() {
    let anchors = anchors();
    let mut expected = [0; 64];
    expected[..5].copy_from_slice(b"nonce");
    let holds = |nonce: Option<&[u8]>, expected: &[u8; 64]| {
        let mut instance = Instance::new();
        instance.document.nonce = nonce.map(<[u8]>::to_vec);
        let document = instance.sign();
        let nonce = Expected::BeginningOf(expected);
        VerifyDocument { nonce, ..input(&document, &anchors) }.verify().is_ok()
    };
    for accepted in [&b"nonce"[..], b"nonce\0", &expected] {
        assert!(holds(Some(accepted), &expected), "{accepted:?}");
    }
    for refused in [&b"nonc"[..], b"", b"noncf", &[&expected[..], &[0]].concat()] {
        assert!(!holds(Some(refused), &expected), "{refused:?}");
    }
    assert!(!holds(None, &expected) && !holds(None, &[0; 64]) && !holds(Some(b""), &[0; 64]));
}
