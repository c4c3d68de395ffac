//! Who vouches for an attestation key: its certificate.

use std::collections::BTreeSet;

use der::{Decode, Header, Reader as _, SliceReader, Tag};
use evidence_ledger::{Failed, Ledger};
use evidence_x509::{
    Anchors, Certificate, CertificateError, Purpose, RevocationList, SignatureVerificationAlgorithm,
    UnixTime, find_path, verify_validity,
};

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

/// A certificate of an attestation key, for which a pinned root vouches.
///
/// There is no other way to one than [`VerifyAkCertificate::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedAkCertificate {
    certificate: Certificate,
    key: PublicKey,
    ledger: Ledger,
}

impl VerifyAkCertificate<'_> {
    /// Verifies the certificate: its form, its dates, its purpose, its path to a pinned root, and that none of the path is
    /// revoked.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::certificate`]) and why.
    pub fn verify(&self) -> Result<VerifiedAkCertificate, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());
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
        let path = ledger.record(checks::AK_CERTIFICATE_PATH, path.map_err(Error::Path))?;
        let issuers = path.intermediates.iter().chain([&path.root]);
        let issued = std::iter::once(&certificate).chain(&path.intermediates);
        let mut unknown = Vec::new();
        for (issued, issuer) in issued.zip(issuers) {
            match self.is_known_unrevoked(issued, issuer) {
                Ok(true) => {}
                Ok(false) => unknown.push(issuer.subject().to_owned()),
                Err(error) => ledger.verify(checks::AK_CERTIFICATE_REVOCATION, Err(error))?,
            }
        }
        if unknown.is_empty() {
            ledger.pass(checks::AK_CERTIFICATE_REVOCATION);
        } else {
            let reason = format!("no current revocation list of {} is at hand", unknown.join(", "));
            ledger.not_performed(checks::AK_CERTIFICATE_REVOCATION, reason);
        }
        Ok(VerifiedAkCertificate { certificate, key, ledger: std::mem::take(ledger) })
    }

    fn certificate(&self) -> Result<Certificate, Error> {
        Certificate::parse(without_padding(self.certificate)?).map_err(Error::Certificate)
    }

    /// Whether `issuer` says in a current list that `issued` is not revoked. A list that has ended and revokes it still does.
    fn is_known_unrevoked(&self, issued: &Certificate, issuer: &Certificate) -> Result<bool, Error> {
        let claims = |der: &&&[u8]| RevocationList::claims_issuer(der, issuer).unwrap_or(false);
        let mut known = false;
        for der in self.revocation_lists.iter().filter(claims) {
            let list = RevocationList::verify(der, issuer, self.algorithms).map_err(Error::RevocationList)?;
            if list.revokes(issued.serial()) {
                return Err(Error::Revoked(issued.subject().to_owned()));
            }
            known |= list.window().contains(self.at.as_secs());
        }
        Ok(known)
    }
}

impl VerifiedAkCertificate {
    /// The certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The attestation key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Every check of [`crate::checks::certificate`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
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
