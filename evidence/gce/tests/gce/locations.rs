//! Addresses, of which certificates name only those that are of Google's form.

use evidence_gce::{Item, ItemKind, Launch, ak_items, endorsement_items};
use evidence_x509::Certificate;
use lab::{
    google::{
        Hierarchy, InstanceSpec,
        hierarchy::{CA_FOLDER, ROOT_FOLDER},
    },
    keys::Pkcs1,
    x509::{CertSpec, ca_issuers, crl_distribution_point},
};

fn leaf(edit: impl FnOnce(&mut CertSpec)) -> Certificate {
    let hierarchy = Hierarchy::new();
    let mut spec = hierarchy.ak_spec(&InstanceSpec::default());
    edit(&mut spec);
    Certificate::parse(&spec.sign(&Pkcs1::Sha256(hierarchy.ca_key()))).unwrap()
}

fn urls(leaf: &Certificate, candidates: &[&[u8]]) -> Vec<String> {
    let candidates: Vec<_> = candidates.iter().map(|der| Certificate::parse(der).unwrap()).collect();
    ak_items(leaf, &candidates).into_iter().map(|item| item.url).collect()
}

#[test]
fn what_is_needed_is_asked_for_and_no_more() {
    let hierarchy = Hierarchy::new();
    let (ca, root) = (hierarchy.ca(), hierarchy.root());
    let sound = leaf(|_| {});
    let ca_certificate = format!("{CA_FOLDER}/ca.crt");
    let [root_certificate, list] = ["ca.crt", "crl.crl"].map(|file| format!("{ROOT_FOLDER}/{file}"));
    assert_eq!(urls(&sound, &[]), [&*ca_certificate]);
    assert_eq!(urls(&sound, &[root]), [&*ca_certificate]);
    assert_eq!(urls(&sound, &[ca]), [&*root_certificate, &list]);
    assert_eq!(urls(&sound, &[root, ca]), [&*list]);
    // An authority that publishes a list of attestation keys.
    let listed = leaf(|spec| spec.extensions.push(crl_distribution_point(&format!("{CA_FOLDER}/crl.crl"))));
    assert_eq!(urls(&listed, &[root, ca]), [&*format!("{CA_FOLDER}/crl.crl"), &list]);
    let item = Item {
        kind: ItemKind::Certificate,
        what: "certificate of EK/AK CA Intermediate".to_owned(),
        url: ca_certificate,
    };
    assert_eq!(ak_items(&sound, &[]), [item]);
}

/// Certificates that each could have issued every other one.
#[test]
fn each_certificate_is_followed_once() {
    let hierarchy = Hierarchy::new();
    let many: Vec<Vec<u8>> = (1..=60)
        .map(|serial| {
            let mut spec = hierarchy.ca_spec();
            (spec.serial, spec.issuer) = (vec![serial], spec.subject.clone());
            spec.extensions.retain(|of| of.critical);
            let url = format!("http://privateca-content-{serial}.storage.googleapis.com/0/crl.crl");
            spec.extensions.push(crl_distribution_point(&url));
            spec.sign(&Pkcs1::Sha256(hierarchy.ca_key()))
        })
        .collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(urls(&leaf(|_| {}), &many).len(), 16, "and so many are asked for at most");
}

#[test]
fn evidence_does_not_say_where_to_go() {
    let good = "http://privateca-content-0a-1.storage.googleapis.com/0b/ca.crt";
    let with = |url: &str| urls(&leaf(|spec| spec.set_extension(ca_issuers(url))), &[]);
    assert_eq!(with(good), [good]);
    assert_eq!(with(&good.replace("http:", "https:")).len(), 1);
    for url in [
        "http://169.254.169.254/ca.crt",
        "http://example.com/privateca-content-0a.storage.googleapis.com/0b/ca.crt",
        "http://privateca-content-0a.example.com/.storage.googleapis.com/0b/ca.crt",
        "http://privateca-content-0a@example.com/.storage.googleapis.com/0b/ca.crt",
        "http://privateca-content-0a:80.storage.googleapis.com/0b/ca.crt",
        "http://privateca-content-.storage.googleapis.com/0b/ca.crt",
        "http://privateca-content-0a.storage.googleapis.com/0b/../ca.crt",
        "http://privateca-content-0a.storage.googleapis.com/0b/ca.crt?x",
        "http://privateca-content-0a.storage.googleapis.com//ca.crt",
        "http://privateca-content-0a.storage.googleapis.com/ca.crt",
        "http://privateca-content-0G.storage.googleapis.com/0b/ca.crt",
        "HTTP://privateca-content-0a.storage.googleapis.com/0b/ca.crt",
        "ldap://privateca-content-0a.storage.googleapis.com/0b/ca.crt",
        "file:///etc/passwd",
    ] {
        assert_eq!(with(url), [""; 0], "{url}");
    }
}

#[test]
fn endorsements_are_found_by_the_launch_measurement() {
    let (measurement, mrtd) = ([0xAB; 48], [0xCD; 48]);
    let bucket = "https://storage.googleapis.com/gce_tcb_integrity/ovmf_x64_csm";
    for (launch, path) in [
        (Launch::Snp { measurement, vcpus: None }, format!("sevsnp/{}", "ab".repeat(48))),
        (Launch::SnpSvsm { measurement }, format!("sevsnp/{}", "ab".repeat(48))),
        (Launch::Tdx { mrtd }, format!("tdx/{}", "cd".repeat(48))),
    ] {
        let [document, root] = endorsement_items(&launch);
        assert_eq!((document.kind, document.url), (ItemKind::Document, format!("{bucket}/{path}.binarypb")));
        let published = "https://pki.goog/cloud_integrity/GCE-cc-tcb-root_1.crt";
        assert_eq!((root.kind, &*root.url), (ItemKind::Certificate, published));
    }
}
