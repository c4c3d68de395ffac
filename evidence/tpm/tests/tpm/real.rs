//! Quotes of clouds' TPMs: signed by Google's and Amazon's vTPMs.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use evidence_tpm::{
    AkCache, Anchors, Attest, Bank, BoundAk, HashAlgorithm, Hierarchy, Pin, Public, Selection, UnixTime,
    VerifyAkCertificate,
};
use evidence_x509::{Certificate, Purpose, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512};
use serde_json::Value;

use crate::{ECDSA, P256, Quote, ecc_public, signature};

/// The numbers of a DER-encoded Ecdsa-Sig-Value, as they stand there: perhaps with a zero before them.
fn numbers(der: &[u8]) -> [&[u8]; 2] {
    let r = &der[4..4 + usize::from(der[3])];
    [r.strip_prefix(&[0]).unwrap_or(r), {
        let s = &der[6 + r.len()..];
        s.strip_prefix(&[0]).unwrap_or(s)
    }]
}

/// A quote that `lockboot/vaportpm` captured, over all registers of one bank, by a key on P-256.
fn captured(folder: &Path, bank: Bank, name: &str) -> Quote {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let fixture: Value = serde_json::from_slice(&read("fixture.json")).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let key = &fixture["ak_pubkeys"]["ecc_p256"];
    let public = Public::parse(&ecc_public(P256, 0x000B, &bytes(&key["x"]), &bytes(&key["y"]))).unwrap();
    Quote {
        attest: read("quote.msg"),
        signature: signature(ECDSA, 0x000B, &numbers(&read("quote.sig.der"))),
        pcrs: (0..24).map(|pcr| bytes(&fixture["pcrs"][name][pcr.to_string()])).collect(),
        ak: BoundAk::assertion(public.key),
        extra_data: bytes(&fixture["nonce"]),
        selections: vec![Selection::new(bank.algorithm(), 0..24)],
    }
}

#[test]
fn a_quote_over_sha384_has_a_digest_of_sha256() {
    let Some(root) = lab::vectors::root("a_quote_over_sha384_has_a_digest_of_sha256") else { return };
    let quote = captured(&root.join("aws/nitrotpm-vaportpm"), Bank::Sha384, "sha384");
    let verified = quote.verify().unwrap();
    assert_eq!(verified.pcrs().iter().count(), 24);
    assert_eq!(verified.pcrs().get(Bank::Sha384, 4).unwrap(), quote.pcrs[4]);
    // The values of another bank's registers do not stand for those that were quoted.
    assert_eq!(verified.pcrs().get(Bank::Sha256, 4), None);

    let mut other = quote.clone();
    other.pcrs.swap(4, 9);
    assert_eq!(other.failed_check(), "pcr-digest");
    other = quote.clone();
    other.selections = vec![Selection::new(HashAlgorithm::Sha256, 0..24)];
    assert_eq!(other.failed_check(), "tpm-selection");
    for byte in 0..quote.attest.len() {
        other = quote.clone();
        other.attest[byte] ^= 1;
        assert!(matches!(other.failed_check(), "tpm-quote-format" | "tpm-quote-signature"), "{byte}");
    }
}

#[test]
fn google_vouches_for_a_key_and_the_key_for_a_quote() {
    let test = "google_vouches_for_a_key_and_the_key_for_a_quote";
    let Some(root) = lab::vectors::root(test) else { return };
    let folder = root.join("gcp/vtpm-snp-host-vaportpm");
    let mut quote = captured(&folder, Bank::Sha256, "sha256");
    quote.verify().unwrap();

    let chain = fs::read(folder.join("ak_chain.pem")).unwrap();
    let chain = Certificate::parse_der_or_pem(&chain).unwrap();
    let [ak, intermediate, google] = &chain[..] else { panic!("three certificates") };
    // The pin that the catalogue of evidence states of Google's root.
    let pinned = fs::read(root.join("roots/gce/GCE_EK_AK_CA_Root_2022.pem")).unwrap();
    assert_eq!(Certificate::parse_der_or_pem(&pinned).unwrap(), std::slice::from_ref(google));
    let pin = Pin { subject: google.subject().to_owned().into(), spki_sha256: google.spki_sha256() };
    let anchors = Anchors::new([pin]);
    let candidates = [intermediate.der(), google.der()];
    let certificate = VerifyAkCertificate {
        certificate: ak.der(),
        candidates: &candidates,
        revocation_lists: &[],
        anchors: &anchors,
        purpose: Purpose::TpmEndorsementKeyIfStated,
        algorithms: &[RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512],
        at: UnixTime::since_unix_epoch(Duration::from_secs(1_770_015_600)),
    };
    let cache = AkCache::default();
    let verified = certificate.verify(&cache).unwrap();
    // What is known of a certificate under some circumstances is not known of it under others.
    cache.keep(&verified);
    assert_eq!(cache.entry_count(), 1);
    assert_eq!(BoundAk::certified(&verified), quote.ak);
    quote.ak = BoundAk::certified(&verified);
    quote.verify().unwrap();

    let failed = |certificate: VerifyAkCertificate<'_>| certificate.verify(&cache).unwrap_err().check.name();
    let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(86_400 * days));
    let without = |certificate| VerifyAkCertificate { candidates: &candidates[1..], ..certificate };
    assert_eq!(failed(without(certificate)), "ak-certificate-path");
    assert_eq!(
        failed(VerifyAkCertificate { anchors: &Anchors::new([]), ..certificate }),
        "ak-certificate-path"
    );
    assert_eq!(failed(VerifyAkCertificate { at: day(20_000), ..certificate }), "ak-certificate-validity");
    let purpose = Purpose::Unstated;
    assert_eq!(failed(VerifyAkCertificate { purpose, ..certificate }), "ak-certificate-path");
    let purpose = Purpose::TpmAttestationKey;
    assert_eq!(failed(VerifyAkCertificate { purpose, ..certificate }), "ak-certificate-path");
    assert_eq!(
        failed(VerifyAkCertificate { certificate: google.der(), ..certificate }),
        "ak-certificate-usage"
    );
    let algorithms = &[RSA_PKCS1_SHA384];
    assert_eq!(failed(VerifyAkCertificate { algorithms, ..certificate }), "ak-certificate-path");
}

/// The fields of a message in Protocol Buffers' encoding that have bytes, or are numbers.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8], u64)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = message.split_first().unwrap();
            *message = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let number = varint(&mut message);
        let length = if tag & 7 == 2 { usize::try_from(number).unwrap() } else { 0 };
        let (bytes, rest) = message.split_at(length);
        message = rest;
        found.push((tag >> 3, bytes, number));
    }
    found
}

/// An attestation of go-tpm-tools: the key's TPMT_PUBLIC (1), quotes (2), each of TPMS_ATTEST (1), TPMT_SIGNATURE (2) and registers
/// (3) by their bank (1) and number (2). This machine's TPM has three banks, and quotes them one by one.
#[test]
fn one_key_quotes_three_banks() {
    let test = "one_key_quotes_three_banks";
    let Some(root) = lab::vectors::root(test) else { return };
    for folder in ["gcp/vtpm-gce-cos-85-nonce9009", "gcp/vtpm-gce-cos-85-no-nonce"] {
        let attestation = fs::read(root.join(folder).join("attestation.pb")).unwrap();
        let attestation = fields(&attestation);
        let public = Public::parse(attestation[0].1).unwrap();
        assert!(public.is_attestation_key());
        let qualified = public.qualified_name(Hierarchy::Endorsement);
        let quotes: Vec<_> = attestation.iter().filter(|(number, ..)| *number == 2).collect();
        let mut banks = Vec::new();
        for (_, quote, _) in quotes {
            let quote = fields(quote);
            let registers = fields(quote[2].1);
            let algorithm =
                HashAlgorithm::ALL.into_iter().find(|of| u64::from(of.id()) == registers[0].2).unwrap();
            let mut pcrs = BTreeMap::new();
            for (_, register, _) in &registers[1..] {
                let register = fields(register);
                let (index, value) = match &register[..] {
                    [(1, _, index), (2, value, _)] => (*index, *value),
                    [(2, value, _)] => (0, *value),
                    _ => panic!("a register and its value"),
                };
                pcrs.insert(index, value.to_vec());
            }
            let attest = Attest::parse(quote[0].1).unwrap();
            assert_eq!(attest.qualified_signer, qualified);
            let quote = Quote {
                attest: quote[0].1.to_vec(),
                signature: quote[1].1.to_vec(),
                pcrs: pcrs.into_values().collect(),
                ak: BoundAk::assertion(public.key.clone()),
                extra_data: if folder.ends_with("9009") { vec![0x90, 0x09] } else { vec![] },
                selections: vec![Selection::new(algorithm, 0..24)],
            };
            quote.verify().unwrap();
            let mut other = quote.clone();
            other.extra_data = vec![0x90, 0x0A];
            assert_eq!(other.failed_check(), "tpm-extra-data");
            banks.push(algorithm);
        }
        assert_eq!(banks, [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384], "{folder}");
    }
}
