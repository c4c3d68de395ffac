//! What verification needs from Google beyond evidence, and where that is.
//!
//! Google's authorities of attestation keys are of its Certificate Authority Service: each publishes its certificate, and its
//! revocation list if it has one, in a folder of its own in Cloud Storage. Certificates name these addresses: that of the issuer's
//! certificate in authorityInfoAccess (RFC 5280 §4.2.2.1), that of the issuer's list in cRLDistributionPoints (§4.2.1.13). Those of
//! attestation keys name no list: only authorities are revoked.

use std::collections::BTreeSet;

use const_oid::db::{
    rfc5280::{ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_DISTRIBUTION_POINTS, ID_PE_AUTHORITY_INFO_ACCESS},
    rfc5912::ID_AD_CA_ISSUERS,
};
use der::Decode;
use evidence_x509::Certificate;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, CrlDistributionPoints,
    name::{DistributionPointName, GeneralName},
};

use crate::Launch;

/// The bucket of launch endorsements (google/gce-tcb-verifier, `verify` and `extract`).
const ENDORSEMENTS: &str = "https://storage.googleapis.com/gce_tcb_integrity/ovmf_x64_csm";

/// The root of launch endorsements.
const ENDORSEMENT_ROOT: &str = "https://pki.goog/cloud_integrity/GCE-cc-tcb-root_1.crt";

/// The most authorities between an attestation key and its root.
const MAX_AUTHORITIES: usize = 4;

/// The most things that are asked for: certificates and lists of all these authorities.
const MAX_ITEMS: usize = 16;

/// Something that Google publishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// A certificate, a document, or a revocation list.
    pub kind: ItemKind,
    /// What it is, for people: one line.
    pub what: String,
    /// Its address.
    pub url: String,
}

/// The form of an [`Item`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// One DER certificate.
    Certificate,
    /// One launch endorsement.
    Document,
    /// One DER revocation list.
    RevocationList,
}

/// What the verification of the attestation key of `leaf` needs beyond `candidates`: the certificate of each issuer that is not
/// among them, and the revocation lists that the certificates at hand name.
///
/// Nothing is verified: certificates come from evidence. Addresses that are not of the form of Google's are passed over. When more
/// authorities are known, more may be needed.
pub fn ak_items(leaf: &Certificate, candidates: &[Certificate]) -> Vec<Item> {
    let mut items = BTreeSet::new();
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut level = vec![leaf];
    for _ in 0..=MAX_AUTHORITIES {
        let mut above = Vec::new();
        for certificate in level {
            if !seen.insert(certificate.der()) {
                continue;
            }
            let issuers: Vec<&Certificate> =
                candidates.iter().filter(|candidate| issued(candidate, certificate)).collect();
            let issuer = certificate.issuer();
            let lists = crl_urls(certificate).into_iter().map(|url| (ItemKind::RevocationList, url));
            let needed = issuer_urls(certificate).into_iter().map(|url| (ItemKind::Certificate, url));
            let needed = needed.filter(|_| issuers.is_empty());
            for (kind, url) in lists.chain(needed).filter(|(_, url)| is_google_s(url)) {
                let what = match kind {
                    ItemKind::RevocationList => format!("revocation list of {issuer}"),
                    _ => format!("certificate of {issuer}"),
                };
                if items.len() < MAX_ITEMS {
                    items.insert(Item { kind, what, url });
                }
            }
            above.extend(issuers);
        }
        level = above;
    }
    items.into_iter().collect()
}

/// What says that Google endorses `launch`: the endorsement of firmware that is measured so, and the root's certificate (which
/// the endorsement itself may bring).
pub fn endorsement_items(launch: &Launch) -> [Item; 2] {
    let (folder, measurement) = match launch {
        Launch::Snp { measurement, .. } | Launch::SnpSvsm { measurement } => ("sevsnp", measurement),
        Launch::Tdx { mrtd } => ("tdx", mrtd),
    };
    let measurement = hex::encode(measurement);
    [
        Item {
            kind: ItemKind::Document,
            what: "launch endorsement of Google's firmware".to_owned(),
            url: format!("{ENDORSEMENTS}/{folder}/{measurement}.binarypb"),
        },
        Item {
            kind: ItemKind::Certificate,
            what: "certificate of GCE-cc-tcb-root".to_owned(),
            url: ENDORSEMENT_ROOT.to_owned(),
        },
    ]
}

/// Whether `issuer` says that it issued `certificate`: all of Google's intermediates have one name, so their keys tell them apart.
fn issued(issuer: &Certificate, certificate: &Certificate) -> bool {
    let key = certificate.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER);
    issuer.may_be_named_by(key) && issuer.subject() == certificate.issuer()
}

fn issuer_urls(certificate: &Certificate) -> Vec<String> {
    let access = certificate.extension(ID_PE_AUTHORITY_INFO_ACCESS);
    let access = access.and_then(|der| AuthorityInfoAccessSyntax::from_der(der).ok());
    let access = access.into_iter().flat_map(|access| access.0);
    let access = access.filter(|access| access.access_method == ID_AD_CA_ISSUERS);
    access.filter_map(|access| uri(access.access_location)).collect()
}

fn crl_urls(certificate: &Certificate) -> Vec<String> {
    let points = certificate.extension(ID_CE_CRL_DISTRIBUTION_POINTS);
    let points = points.and_then(|der| CrlDistributionPoints::from_der(der).ok());
    let points = points.into_iter().flat_map(|points| points.0);
    let names = points.filter_map(|point| match point.distribution_point? {
        DistributionPointName::FullName(names) => Some(names),
        DistributionPointName::NameRelativeToCRLIssuer(_) => None,
    });
    names.flatten().filter_map(uri).collect()
}

fn uri(name: GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    }
}

/// `http://privateca-content-{id}.storage.googleapis.com/{folder}/ca.crt` or `…/crl.crl`, also with https: an address that evidence
/// names leads nowhere else.
fn is_google_s(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest = rest.and_then(|rest| rest.strip_prefix("privateca-content-"));
    let parts = rest.and_then(|rest| rest.split_once(".storage.googleapis.com/"));
    let parts = parts.and_then(|(id, path)| Some((id, path.split_once('/')?)));
    parts.is_some_and(|(id, (folder, file))| {
        let plain = |text: &str| {
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-';
            (1..=64).contains(&text.len()) && text.bytes().all(digit)
        };
        plain(id) && plain(folder) && ["ca.crt", "crl.crl"].contains(&file)
    })
}
