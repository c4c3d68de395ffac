//! Who vouches for an attestation key: its certificate.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use der::{Decode, Header, Reader as _, SliceReader, Tag};
use evidence_ledger::{Failed, Ledger};
use evidence_x509::{
    Anchors, Certificate, CertificateError, Purpose, RevocationList, SignatureVerificationAlgorithm,
    UnixTime, Window, find_path, verify_validity,
};
use moka::sync::Cache;

use crate::{Error, PublicKey, checks::certificate as checks};

/// Everything that the verdict on the certificate of an attestation key depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyAkCertificate<'a> {
    /// The certificate, as the TPM keeps it: DER, perhaps with zeros behind it.
    pub certificate: &'a [u8],
    /// Other certificates at hand, DER: intermediates and roots among them. What cannot be read is passed over.
    pub candidates: &'a [&'a [u8]],
    /// Revocation lists at hand, DER. Those of others than the path's issuers are passed over.
    pub revocation_lists: &'a [&'a [u8]],
    /// Whose roots are trusted.
    pub anchors: &'a Anchors,
    /// What the certificate must be for.
    pub purpose: Purpose,
    /// The signature algorithms of the vendor's certificates.
    pub algorithms: &'a [&'static dyn SignatureVerificationAlgorithm],
    /// The time at which the certificates must be valid.
    pub at: UnixTime,
}

/// Paths of certificates of attestation keys that were verified, bounded, by the certificate, the roots, the purpose, the algorithms and
/// the revocation lists. One counts where its certificates are at hand, whatever else is: who sends a certificate with others of all
/// kinds fills one place.
///
/// Clones share their entries.
#[derive(Debug, Clone)]
pub struct AkCache(Cache<[u8; 32], Arc<KnownPath>>);

impl Default for AkCache {
    /// Room for 4,096 certificates: a large fleet's attestation keys.
    fn default() -> Self {
        Self::new(4096)
    }
}

impl AkCache {
    /// Room for `certificates`, of a few KiB each.
    pub fn new(certificates: u64) -> Self {
        Self(Cache::new(certificates))
    }

    /// Keeps what was verified, once its key has signed a quote: certificates are public, and who has collected many could drive out
    /// those of guests.
    pub fn keep(&self, certificate: &VerifiedAkCertificate) {
        if let Some(key) = certificate.new {
            self.0.insert(key, Arc::clone(&certificate.path));
        }
    }

    /// How many are kept, about.
    pub fn entry_count(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

/// A certificate of an attestation key, for which a pinned root vouches.
///
/// There is no other way to one than [`VerifyAkCertificate::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedAkCertificate {
    path: Arc<KnownPath>,
    ledger: Ledger,
    /// Under which key it belongs into the cache, if it is not there.
    new: Option<[u8; 32]>,
}

/// A path that holds for a time, whenever that is asked.
#[derive(Debug)]
struct KnownPath {
    certificate: Certificate,
    key: PublicKey,
    /// The certificates above it, up to the root, DER.
    above: Vec<Vec<u8>>,
    /// When every certificate of the path is valid.
    window: Window,
    /// The issuers of the path, and for when each has a revocation list.
    issuers: Vec<(String, Vec<Window>)>,
    /// Whom of the path these lists name.
    revoked: Option<String>,
    ledger: Ledger,
}

impl VerifyAkCertificate<'_> {
    /// Verifies the certificate: its form, its dates, its purpose, its path to a pinned root, and that none of the path is
    /// revoked. A path that `cache` knows is not verified again, but for dates.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::certificate`]) and why.
    pub fn verify(&self, cache: &AkCache) -> Result<VerifiedAkCertificate, Failed<Error>> {
        let key = self.cache_key();
        let known = cache.0.get(&key).filter(|path| {
            let at_hand = path.above.iter().all(|der| self.candidates.contains(&der.as_slice()));
            at_hand && path.window.contains(self.at.as_secs())
        });
        let (path, new) = match known {
            Some(path) => (path, None),
            None => (Arc::new(self.path()?), Some(key)),
        };
        let mut ledger = path.ledger.clone();
        let unknown = path.issuers.iter().filter(|(_, lists)| !is_current(lists, self.at));
        let unknown: Vec<&str> = unknown.map(|(issuer, _)| issuer.as_str()).collect();
        if unknown.is_empty() || path.revoked.is_some() {
            let revoked = path.revoked.clone().map_or(Ok(()), |subject| Err(Error::Revoked(subject)));
            ledger.verify(checks::AK_CERTIFICATE_REVOCATION, revoked)?;
        } else {
            let reason = format!("no current revocation list of {} is at hand", unknown.join(", "));
            ledger.not_performed(checks::AK_CERTIFICATE_REVOCATION, reason);
        }
        Ok(VerifiedAkCertificate { path, ledger, new })
    }

    fn path(&self) -> Result<KnownPath, Failed<Error>> {
        let mut ledger = Ledger::with_capacity(checks::ALL.len());
        let parsed = self.certificate().and_then(|certificate| {
            let key = PublicKey::of_certificate(&certificate)?;
            Ok((certificate, key))
        });
        let (certificate, key) = ledger.record(checks::AK_CERTIFICATE_FORMAT, parsed)?;
        let validity = verify_validity(&[&certificate], self.at).map(|_| ()).map_err(Error::Path);
        ledger.verify(checks::AK_CERTIFICATE_VALIDITY, validity)?;
        ledger.require(checks::AK_CERTIFICATE_USAGE, certificate.is_for_signing_data(), || {
            Error::NotForSigning(certificate.subject().to_owned())
        })?;
        // Each once: who sends one certificate many times shall not make its path be tried as often.
        let candidates: BTreeSet<&[u8]> = self.candidates.iter().copied().collect();
        let candidates = candidates.into_iter().filter_map(|der| Certificate::parse(der).ok());
        let candidates: Vec<Certificate> = candidates.collect();
        let path = find_path(&certificate, &candidates, self.anchors, self.purpose, self.algorithms, self.at);
        let path = path.and_then(|path| {
            let all: Vec<&Certificate> =
                path.intermediates.iter().chain([&certificate, &path.root]).collect();
            Ok((verify_validity(&all, self.at)?, path))
        });
        let (window, path) = ledger.record(checks::AK_CERTIFICATE_PATH, path.map_err(Error::Path))?;
        let issuers = path.intermediates.iter().chain([&path.root]);
        let issued = std::iter::once(&certificate).chain(&path.intermediates);
        let (mut listed, mut revoked) = (Vec::new(), None);
        for (issued, issuer) in issued.zip(issuers) {
            let lists = self.lists(issuer);
            let lists = lists.map_err(|error| Failed { check: checks::AK_CERTIFICATE_REVOCATION, error })?;
            // A list that has ended and revokes it still does.
            if lists.iter().any(|list| list.revokes(issued.serial())) {
                revoked = Some(issued.subject().to_owned());
            }
            let windows = lists.iter().map(RevocationList::window).collect();
            listed.push((issuer.subject().to_owned(), windows));
        }
        let above = path.intermediates.iter().chain([&path.root]).map(|it| it.der().to_vec()).collect();
        Ok(KnownPath { certificate, key, above, window, issuers: listed, revoked, ledger })
    }

    fn certificate(&self) -> Result<Certificate, Error> {
        Certificate::parse(without_padding(self.certificate)?).map_err(Error::Certificate)
    }

    /// The revocation lists of `issuer`: one that it did not sign is refused.
    fn lists(&self, issuer: &Certificate) -> Result<Vec<RevocationList>, Error> {
        let claims = |der: &&&[u8]| RevocationList::claims_issuer(der, issuer).unwrap_or(false);
        let lists = self.revocation_lists.iter().filter(claims);
        let lists = lists.map(|der| RevocationList::verify(der, issuer, self.algorithms));
        lists.collect::<Result<_, _>>().map_err(Error::RevocationList)
    }

    /// SHA-256 over what is verified, the roots, what is asked of the path, and the revocation lists.
    fn cache_key(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&bytes.len().to_le_bytes());
            context.update(bytes);
        };
        part(self.anchors.digest());
        part(format!("{:?}", self.purpose).as_bytes());
        for algorithm in self.algorithms {
            part(algorithm.public_key_alg_id().as_ref());
            part(algorithm.signature_alg_id().as_ref());
        }
        part(without_padding(self.certificate).unwrap_or(self.certificate));
        self.revocation_lists.iter().for_each(|der| part(der));
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }
}

impl VerifiedAkCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.path.certificate
    }

    /// The attestation key.
    pub fn key(&self) -> &PublicKey {
        &self.path.key
    }

    /// The first issuer of an authority of the path that has no revocation list which is current at `at`: for vendors that revoke
    /// authorities, and not attestation keys. A root that issued the certificate itself counts as well.
    pub fn issuer_without_list(&self, at: UnixTime) -> Option<&str> {
        let (first, above) = self.path.issuers.split_first()?;
        let issuers = if above.is_empty() { std::slice::from_ref(first) } else { above };
        issuers.iter().find(|(_, lists)| !is_current(lists, at)).map(|(issuer, _)| issuer.as_str())
    }

    /// Every check of [`crate::checks::certificate`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn is_current(lists: &[Window], at: UnixTime) -> bool {
    lists.iter().any(|window| window.contains(at.as_secs()))
}

/// A certificate without what a TPM's index has behind it: as long as its outer SEQUENCE says, if only zeros follow.
///
/// # Errors
///
/// [`Error::Certificate`] for what does not begin with a SEQUENCE that fits, or does not end with zeros.
pub fn without_padding(bytes: &[u8]) -> Result<&[u8], Error> {
    let malformed = |problem: &str| Error::Certificate(CertificateError::Malformed(problem.to_owned()));
    let length = || {
        let mut reader = SliceReader::new(bytes)?;
        let header = Header::decode(&mut reader)?;
        header.tag().assert_eq(Tag::Sequence)?;
        let (begin, content) = (usize::try_from(reader.position())?, usize::try_from(header.length())?);
        Ok(begin.saturating_add(content))
    };
    let length = length().map_err(|error: der::Error| malformed(&error.to_string()))?;
    let (certificate, padding) =
        bytes.split_at_checked(length).ok_or_else(|| malformed("it ends before its sequence does"))?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(malformed("something else than zeros follows it"));
    }
    Ok(certificate)
}
