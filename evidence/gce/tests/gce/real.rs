//! What Google issued: a real attestation key, the authorities above it, and the form of its launch endorsements' certificates.

use std::{fs, path::Path, time::Duration};

use evidence_gce::{
    AK_PINS, AkCache, ENDORSEMENT_ALGORITHMS, ENDORSEMENT_PINS, Error, Instance, InstancePolicy, ItemKind,
    SecurityProperties, UnixTime, VerifyAk, ak_anchors, ak_items,
};
use evidence_ledger::ErrorKind;
use evidence_x509::{Certificate, verify_path};

use crate::day;

/// 2026-02-02T07:00:00Z, when the key was captured.
const CAPTURED: u64 = 1_770_015_600;

fn certificates(file: &Path) -> Vec<Certificate> {
    Certificate::parse_der_or_pem(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn google_names_the_instance_of_a_real_key() {
    let Some(root) = lab::vectors::root("google_names_the_instance_of_a_real_key") else { return };
    let chain = certificates(&root.join("gcp/vtpm-snp-host-vaportpm/ak_chain.pem"));
    let [ak, intermediate, google] = &chain[..] else { panic!("three certificates") };
    let candidates = [intermediate.der(), google.der()];
    let anchors = ak_anchors();
    // Google's list of that time is not at hand.
    let policy = InstancePolicy { danger_accept_unknown_revocation: true, ..InstancePolicy::default() };
    let verify = VerifyAk {
        certificate: ak.der(),
        candidates: &candidates,
        revocation_lists: &[],
        anchors: &anchors,
        policy: &policy,
        at: UnixTime::since_unix_epoch(Duration::from_secs(CAPTURED)),
    };
    let verified = verify.verify(&AkCache::default()).unwrap();
    let expected = Instance {
        zone: "us-central1-f".to_owned(),
        project_number: 0x36_3B54_378C,
        project_id: "lockboot".to_owned(),
        instance_id: 3_414_240_648_225_485_836,
        instance_name: "instance-20260202-065609".to_owned(),
        security: SecurityProperties {
            is_production: true,
            tpm_data_always_encrypted: true,
            ..SecurityProperties::default()
        },
    };
    assert_eq!(verified.instance(), &expected);
    // The catalogue states the subject: the instance's id.
    assert_eq!(ak.subject(), "3414240648225485836");
    assert_eq!(ak.subject(), expected.instance_id.to_string());

    // Half a minute before it was issued, and a day after it ends.
    for at in [UnixTime::since_unix_epoch(Duration::from_secs(1_770_015_400)), day(2056, 1, 27)] {
        let failed = VerifyAk { at, ..verify }.verify(&AkCache::default()).unwrap_err();
        assert_eq!(failed.check.name(), "ak-certificate-validity");
    }
    let listed: InstancePolicy = toml::from_str(
        "projects = ['lockboot']\nzones = ['us-central1-f']\ndanger-accept-unknown-revocation = true",
    )
    .unwrap();
    VerifyAk { policy: &listed, ..verify }.verify(&AkCache::default()).unwrap();
    let other: InstancePolicy =
        toml::from_str("projects = ['mine']\ndanger-accept-unknown-revocation = true").unwrap();
    let default = InstancePolicy::default();
    let failed = VerifyAk { policy: &default, ..verify }.verify(&AkCache::default()).unwrap_err();
    assert_eq!(failed.check.name(), "gce-authorities-current");
    let failed = VerifyAk { policy: &other, ..verify }.verify(&AkCache::default()).unwrap_err();
    assert_eq!((failed.check.name(), failed.error.kind()), ("gce-project", ErrorKind::PolicyViolation));
    let without = VerifyAk { candidates: &candidates[1..], ..verify };
    assert!(matches!(without.verify(&AkCache::default()).unwrap_err().error, Error::Ak(_)));

    for at in 0..ak.der().len() {
        let mut forged = ak.der().to_vec();
        forged[at] ^= 1;
        assert!(VerifyAk { certificate: &forged, ..verify }.verify(&AkCache::default()).is_err(), "{at}");
    }
}

#[test]
fn a_real_key_names_where_its_authority_publishes() {
    let Some(root) = lab::vectors::root("a_real_key_names_where_its_authority_publishes") else { return };
    let chain = certificates(&root.join("gcp/vtpm-snp-host-vaportpm/ak_chain.pem"));
    let urls = |candidates: &[Certificate]| {
        let items = ak_items(&chain[0], candidates);
        items.into_iter().map(|item| (item.kind, item.url)).collect::<Vec<_>>()
    };
    let ca = "http://privateca-content-65d53b14-0000-212a-a633-883d24f57bb8.storage.googleapis.com/0c3e79eb0898d02ebb0a";
    let above = "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade";
    assert_eq!(urls(&[]), [(ItemKind::Certificate, format!("{ca}/ca.crt"))]);
    // Another authority of the same name does not stand for the issuer.
    let other = certificates(&root.join("roots/gce/GCE_EK_AK_CA_Intermediate_2024a.pem"));
    assert_eq!(urls(&other), urls(&[]));
    let list = (ItemKind::RevocationList, format!("{above}/crl.crl"));
    let needed = [(ItemKind::Certificate, format!("{above}/ca.crt")), list.clone()];
    assert_eq!(urls(&chain[1..2]), needed);
    assert_eq!(urls(&chain[1..]), [list]);
}

#[test]
fn one_root_is_pinned_and_every_authority_names_its_addresses() {
    let test = "one_root_is_pinned_and_every_authority_names_its_addresses";
    let Some(root) = lab::vectors::root(test) else { return };
    let google = certificates(&root.join("roots/gce/GCE_EK_AK_CA_Root_2022.pem")).remove(0);
    assert!(AK_PINS[0].matches(&google));
    assert!(ak_anchors().pins("EK/AK CA Root", &google));
    let mut seen = 0;
    for file in fs::read_dir(root.join("roots/gce")).unwrap() {
        let certificate = certificates(&file.unwrap().path()).remove(0);
        assert_eq!(AK_PINS[0].matches(&certificate), certificate == google);
        if certificate.issuer() == "EK/AK CA Root" && certificate != google {
            assert_eq!(ak_items(&certificate, &[]).len(), 2, "its issuer, and the list of its issuer");
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}

/// The keys are published with Google's tool, and worth nothing; the certificates have the form of the real ones.
#[test]
fn certificates_as_google_s_tool_makes_them_are_read() {
    let test = "certificates_as_google_s_tool_makes_them_are_read";
    let Some(root) = lab::vectors::root(test) else { return };
    let folder = root.join("golden/gce-tcb-verifier-dev");
    let [google, signer] =
        ["root.crt", "primarySigningKey.crt"].map(|file| certificates(&folder.join(file)).remove(0));
    assert_eq!(google.subject(), ENDORSEMENT_PINS[0].subject);
    verify_path(&signer, &[], &google, &ENDORSEMENT_ALGORITHMS, day(2025, 1, 1)).unwrap();
    assert!(signer.is_for_signing_data());
    // It is not Google's root.
    assert!(!ENDORSEMENT_PINS[0].matches(&google));
}

#[test]
fn the_pin_of_endorsements_is_the_published_digest() {
    let digest = "e876bc6978bf4f3da445f98a0a82363c8c0bae5a1fc033c6df65846a6cb0f18c";
    assert_eq!(hex::encode(ENDORSEMENT_PINS[0].sha256), digest);
}
