//! A certificate of an attestation key as a TPM keeps it: cut, read, refused under Azure's roots, and, signed by the lab, taken through
//! every check.
#![no_main]

use std::sync::LazyLock;

use evidence_tpm::{AkCache, Anchors, Pin, PublicKey, VerifyAkCertificate, without_padding};
use evidence_x509::{Certificate, Purpose, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384};
use fuzz_targets::{azure::SNP, now};
use libfuzzer_sys::fuzz_target;

/// sha256WithRSAEncryption (RFC 4055, §5), with NULL.
const SHA256_WITH_RSA: [u8; 15] =
    [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00];

static LAB: LazyLock<Anchors> = LazyLock::new(|| {
    let pins = SNP.anchors.0.iter();
    Anchors::new(pins.map(|it| Pin { subject: it.subject.clone(), spki_sha256: it.spki_sha256 }))
});

static AZURE: LazyLock<Anchors> = LazyLock::new(|| {
    let anchors = (backend_azure::REGISTRATION.backend.descriptor().trust_anchors)();
    Anchors::new(anchors.0.into_iter().map(|it| Pin { subject: it.subject, spki_sha256: it.spki_sha256 }))
});

fuzz_target!(|data: &[u8]| {
    let Ok(certificate) = without_padding(data) else { return };
    let padding = data.strip_prefix(certificate).expect("padding follows the certificate");
    assert!(padding.iter().all(|byte| *byte == 0));
    assert_eq!(without_padding(certificate), Ok(certificate));
    let Ok(parsed) = Certificate::parse(certificate) else { return };
    let key = PublicKey::of_certificate(&parsed);
    verify(data, &parsed, key.is_ok());
    let Some(signed) = signed(certificate) else { return };
    if let Ok(parsed) = Certificate::parse(&signed) {
        verify(&signed, &parsed, key.is_ok());
    }
});

/// As it is: only what the lab signed has a path to the lab's root, and nothing to Azure's.
fn verify(data: &[u8], certificate: &Certificate, has_key: bool) {
    let (ca, root) = (SNP.guest.hierarchy.ca(), SNP.guest.hierarchy.root());
    let lists = SNP.guest.hierarchy.crls();
    let lists: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
    let input = VerifyAkCertificate {
        certificate: data,
        candidates: &[ca, root],
        revocation_lists: &lists,
        anchors: &LAB,
        purpose: Purpose::TpmAttestationKey,
        algorithms: &[RSA_PKCS1_SHA256, RSA_PKCS1_SHA384],
        at: now(),
    };
    VerifyAkCertificate { anchors: &AZURE, ..input }
        .verify(&AkCache::default())
        .expect_err("Azure did not make this");
    let Ok(verified) = input.verify(&AkCache::default()) else { return };
    assert_eq!(verified.certificate(), certificate);
    assert!(has_key && certificate.window().contains(now().as_secs()) && certificate.is_for_signing_data());
    assert!([SNP.guest.hierarchy.ca(), root].iter().any(|issuer| {
        Certificate::parse(issuer).is_ok_and(|issuer| issuer.subject() == certificate.issuer())
    }));
}

/// The certificate with the signature of the lab's authority over what it says.
fn signed(certificate: &[u8]) -> Option<Vec<u8>> {
    let to_be_signed = element(content(certificate)?)?;
    let signature = SNP.guest.hierarchy.ca_key().sign_pkcs1_sha256(to_be_signed);
    let bits = tagged(0x03, &[&[0][..], &signature].concat());
    Some(tagged(0x30, &[to_be_signed, &SHA256_WITH_RSA, &bits].concat()))
}

/// The header's length and the content's, of a DER element.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1..)? {
        [length @ 0..=0x7F, ..] => Some((2, length.into())),
        [0x81, length, ..] => Some((3, length.into())),
        [0x82, high, low, ..] => Some((4, u16::from_be_bytes([high, low]).into())),
        _ => None,
    }
}

fn content(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(lengths(bytes)?.0..)
}

/// The first element, with its header.
fn element(bytes: &[u8]) -> Option<&[u8]> {
    let (header, content) = lengths(bytes)?;
    bytes.get(..header + content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a certificate is short").to_be_bytes();
    let header = match length {
        [0, short @ 0..=0x7F] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}
