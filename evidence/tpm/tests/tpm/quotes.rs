//! Quotes that no TPM makes: whatever is signed, the form is exact.

use evidence_tpm::{
    Attest, BoundAk, Error, HashAlgorithm, MAX_ATTEST, MAX_SIGNATURE, PublicKey, Selection, Signature,
};
use lab::{
    keys::{EcKey, P256Key, RsaKey},
    tpm::{AttestSpec, SelectionSpec, alg, rsassa_sha256},
};

use crate::{ECDSA, P256, P384, Quote, RSAPSS, ecc_public, signature};

fn ak() -> RsaKey {
    RsaKey::from_pkcs8(include_bytes!("../../../../lab/keys/azure_ak.pk8"))
}

fn spec() -> AttestSpec {
    let mut spec =
        AttestSpec::new(vec![0, 0x0B], SelectionSpec::sha256(&[4, 14]), &[vec![4; 32], vec![14; 32]]);
    spec.extra_data = b"challenge".to_vec();
    spec
}

pub(crate) fn signed(spec: &AttestSpec) -> Quote {
    let attest = spec.bytes();
    Quote {
        signature: rsassa_sha256(&ak(), &attest),
        attest,
        pcrs: vec![vec![4; 32], vec![14; 32]],
        ak: BoundAk::assertion(PublicKey::rsa(&ak().modulus(), 65_537).unwrap()),
        extra_data: b"challenge".to_vec(),
        selections: vec![Selection::new(HashAlgorithm::Sha256, [4, 14])],
    }
}

#[test]
fn a_quote_is_verified() {
    let verified = signed(&spec()).verify().unwrap();
    assert_eq!(verified.clock_info().clock, 1_234_567);
    assert_eq!((verified.clock_info().reset_count, verified.clock_info().restart_count), (3, 0));
    assert!(verified.clock_info().safe);
    assert_eq!(verified.firmware_version(), 0x2020_0312_0012_0003);
    assert_eq!(verified.ledger().entries().len(), evidence_tpm::checks::quote::ALL.len());
}

/// Each is signed by the right key.
#[test]
fn what_is_signed_must_be_one_quote() {
    type Edit = fn(&mut AttestSpec);
    let edits: &[(Edit, &str)] = &[
        (|spec| spec.magic = 0xFF54_4346, "tpm-quote-format"),
        // TPM_ST_ATTEST_CERTIFY, TPM_ST_ATTEST_NV.
        (|spec| spec.kind = 0x8017, "tpm-quote-format"),
        (|spec| spec.kind = 0x8014, "tpm-quote-format"),
        (|spec| spec.clock_info.3 = 2, "tpm-quote-format"),
        (|spec| spec.after.push(0), "tpm-quote-format"),
        (|spec| spec.selections[0].size = 4, "tpm-quote-format"),
        (|spec| spec.selections[0].size = 2, "tpm-quote-format"),
        // SHA3-256.
        (|spec| spec.selections[0].algorithm = 0x0027, "tpm-quote-format"),
        (|spec| spec.selections = vec![SelectionSpec::sha256(&[]); 6], "tpm-quote-format"),
        (|spec| spec.selections.clear(), "tpm-selection"),
        (|spec| spec.selections.push(SelectionSpec::sha256(&[])), "tpm-selection"),
        (
            |spec| spec.selections = vec![SelectionSpec::sha256(&[4]), SelectionSpec::sha256(&[14])],
            "tpm-selection",
        ),
        (|spec| spec.selections[0].pcrs.push(16), "tpm-selection"),
        (|spec| spec.selections[0].pcrs[0] = 16, "tpm-selection"),
        (|spec| spec.selections[0].algorithm = alg::SHA384, "tpm-selection"),
        (|spec| spec.extra_data.push(0), "tpm-extra-data"),
        (|spec| spec.extra_data.clear(), "tpm-extra-data"),
        (|spec| spec.pcr_digest[31] ^= 1, "pcr-digest"),
        (|spec| spec.pcr_digest.clear(), "pcr-digest"),
        (|spec| spec.pcr_digest.truncate(31), "pcr-digest"),
    ];
    for (at, (edit, check)) in edits.iter().enumerate() {
        let mut spec = spec();
        edit(&mut spec);
        assert_eq!(signed(&spec).failed_check(), *check, "{at}");
    }
}

#[test]
fn values_are_those_of_the_quoted_registers_alone() {
    type Edit = fn(&mut Vec<Vec<u8>>);
    let edits: &[(Edit, &str)] = &[
        (|pcrs| pcrs.push(vec![15; 32]), "pcr-values"),
        (|pcrs| drop(pcrs.pop()), "pcr-values"),
        // The same bytes under the hash, divided otherwise.
        (
            |pcrs| {
                pcrs[1].insert(0, 4);
                pcrs[0].pop();
            },
            "pcr-values",
        ),
        (|pcrs| pcrs.swap(0, 1), "pcr-digest"),
        (|pcrs| pcrs[0][0] ^= 1, "pcr-digest"),
    ];
    for (at, (edit, check)) in edits.iter().enumerate() {
        let mut quote = signed(&spec());
        edit(&mut quote.pcrs);
        assert_eq!(quote.failed_check(), *check, "{at}");
    }
}

#[test]
fn every_beginning_and_every_continuation_is_refused() {
    let quote = signed(&spec());
    for length in 0..quote.attest.len() {
        assert!(matches!(Attest::parse(&quote.attest[..length]), Err(Error::Quote(_))), "{length}");
    }
    for length in 0..quote.signature.len() {
        assert_eq!(Signature::parse(&quote.signature[..length]), Err(Error::Signature), "{length}");
    }
    assert_eq!(Signature::parse(&[&quote.signature[..], &[0]].concat()), Err(Error::Signature));
    let too_large = |what, found, limit| Error::TooLarge { what, found, limit };
    let bytes = vec![0; MAX_ATTEST + 1];
    assert_eq!(Attest::parse(&bytes), Err(too_large("TPMS_ATTEST", MAX_ATTEST + 1, MAX_ATTEST)));
    assert_eq!(Signature::parse(&bytes), Err(too_large("TPMT_SIGNATURE", MAX_SIGNATURE + 1, MAX_SIGNATURE)));
}

#[test]
fn no_weak_hash_and_no_unknown_scheme() {
    let number = &[1; 256][..];
    assert_eq!(
        Signature::parse(&signature(0x0014, alg::SHA1, &[number])),
        Err(Error::SignatureHash(alg::SHA1))
    );
    // HMAC, ECDAA, SM2.
    for scheme in [0x0005, 0x001A, 0x001B] {
        assert_eq!(
            Signature::parse(&signature(scheme, alg::SHA256, &[number])),
            Err(Error::SignatureScheme(scheme))
        );
    }
}

/// RSAPSS with SHA-384 and a salt as long, which the lab's keys sign with.
#[test]
fn rsapss_with_sha384() {
    let mut quote = signed(&spec());
    let digest = evidence_tpm::Bank::Sha384.hash(&[&[4; 32], &[14; 32]]);
    let mut spec = spec();
    spec.pcr_digest = digest.to_vec();
    quote.attest = spec.bytes();
    quote.signature = signature(RSAPSS, alg::SHA384, &[&ak().sign(&quote.attest)]);
    quote.verify().unwrap();
    quote.signature[3] = 0x0B;
    assert_eq!(quote.failed_check(), "tpm-quote-signature");
}

/// A number of ECDSA may stand without its leading zeros, or with them, and not longer than the group's order.
#[test]
fn numbers_of_ecdsa() {
    let p256 = P256Key::from_label("quotes");
    let point = p256.public_point();
    let public =
        evidence_tpm::Public::parse(&ecc_public(P256, alg::SHA256, &point[1..33], &point[33..])).unwrap();
    let mut quote = signed(&spec());
    quote.ak = BoundAk::assertion(public.key);
    // One signature in 128 has a number with a leading zero.
    let (r, s) = (0..10_000)
        .map(|_| p256.sign(&quote.attest))
        .find_map(|numbers| (numbers[0] == 0).then(|| (numbers[..32].to_vec(), numbers[32..].to_vec())))
        .unwrap();
    quote.signature = signature(ECDSA, alg::SHA256, &[&r, &s]);
    quote.verify().unwrap();
    quote.signature = signature(ECDSA, alg::SHA256, &[&r[1..], &s]);
    quote.verify().unwrap();
    quote.signature = signature(ECDSA, alg::SHA256, &[&[&[0], &r[..]].concat(), &s]);
    assert_eq!(quote.failed_check(), "tpm-quote-signature");
    quote.signature = signature(ECDSA, alg::SHA256, &[&s, &r]);
    assert_eq!(quote.failed_check(), "tpm-quote-signature");
    for (r, s) in [(&[][..], &s[..]), (&r, &[]), (&[0; 32], &[0; 32])] {
        quote.signature = signature(ECDSA, alg::SHA256, &[r, s]);
        assert_eq!(quote.failed_check(), "tpm-quote-signature");
    }

    // A curve signs with the hash of its strength alone.
    let p384 = EcKey::from_label("quotes");
    let point = p384.public_point();
    let public =
        evidence_tpm::Public::parse(&ecc_public(P384, alg::SHA384, &point[1..49], &point[49..])).unwrap();
    quote.ak = BoundAk::assertion(public.key);
    let mut spec = spec();
    spec.pcr_digest = evidence_tpm::Bank::Sha384.hash(&[&[4; 32], &[14; 32]]).to_vec();
    quote.attest = spec.bytes();
    let numbers = p384.sign(&quote.attest);
    quote.signature = signature(ECDSA, alg::SHA384, &[&numbers[..48], &numbers[48..]]);
    quote.verify().unwrap();
    quote.signature[3] = 0x0B;
    assert_eq!(quote.failed_check(), "tpm-quote-signature");
}
