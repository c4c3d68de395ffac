//! Whether certificates are revoked: by responses to status requests, and by lists.

use evidence_x509::{
    Certificate, CertificateStatus, Moment, OcspError, OcspMessage, RevocationList, UnixTime, Window,
};

use crate::{ALGORITHMS, DeviceCache, Error};

/// What is known of revocation, read once: endorsements of anybody's, of which nothing is verified.
#[derive(Debug, Default)]
pub struct Revocation<'a> {
    responses: Vec<(&'a [u8], OcspMessage<'a>)>,
    lists: Vec<&'a [u8]>,
    malformed: Option<Error>,
}

impl<'a> Revocation<'a> {
    /// Reads OCSP responses (RFC 6960) and revocation lists (RFC 5280 §5), DER. A responder that has no answer now says nothing. What cannot
    /// be read is an error of every verification.
    pub fn read(
        responses: impl IntoIterator<Item = &'a [u8]>,
        lists: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut read = Self { lists: lists.into_iter().collect(), ..Self::default() };
        for der in responses {
            match OcspMessage::parse(der) {
                Ok(message) => read.responses.push((der, message)),
                Err(OcspError::Unsuccessful(_)) => {}
                Err(error) => read.malformed = Some(Error::Ocsp(error)),
            }
        }
        read
    }

    /// Verifies what concerns the pairs of certificate and issuer, by the issuers' keys. What concerns none of them is passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Ocsp`], [`Error::RevocationList`]: one that cannot be read, or that claims an issuer who did not sign it.
    pub fn verify(
        &self,
        pairs: &[(&Certificate, &Certificate)],
        cache: &DeviceCache,
    ) -> Result<Statuses, Error> {
        if let Some(error) = &self.malformed {
            return Err(error.clone());
        }
        let mut statuses = Vec::with_capacity(pairs.len());
        for (certificate, issuer) in pairs {
            let mut said = Vec::new();
            for (der, message) in &self.responses {
                if message.concerns(certificate, issuer) {
                    let response = cache.status(der, message, certificate, issuer).map_err(Error::Ocsp)?;
                    said.push((response.status(), response.window()));
                }
            }
            for der in &self.lists {
                if RevocationList::claims_issuer(der, issuer).map_err(Error::RevocationList)? {
                    let list =
                        RevocationList::verify(der, issuer, ALGORITHMS).map_err(Error::RevocationList)?;
                    let status = match list.revokes(certificate.serial()) {
                        true => CertificateStatus::Revoked {
                            time: Moment(list.window().not_before),
                            reason: None,
                        },
                        false => CertificateStatus::Good,
                    };
                    said.push((status, list.window()));
                }
            }
            statuses.push(Said { subject: certificate.subject().to_owned(), said });
        }
        Ok(Statuses(statuses))
    }
}

/// What issuers say of one chain's certificates, after their signatures were verified.
#[derive(Debug)]
pub struct Statuses(Vec<Said>);

/// What is said of one certificate, and for which time.
#[derive(Debug)]
struct Said {
    subject: String,
    said: Vec<(CertificateStatus, Window)>,
}

impl Statuses {
    /// Whether nothing is said of any certificate, so that no signature was verified.
    pub fn are_empty(&self) -> bool {
        self.0.iter().all(|of| of.said.is_empty())
    }

    /// Whether it is said of each certificate that it is good or that it is revoked: else nothing can be said to hold of it.
    pub fn are_complete(&self) -> bool {
        let tells = |(status, _): &(CertificateStatus, Window)| *status != CertificateStatus::Unknown;
        self.0.iter().all(|of| of.said.iter().any(tells))
    }

    /// No response and no list, current or not, says that a certificate is revoked.
    ///
    /// # Errors
    ///
    /// [`Error::Revoked`].
    pub fn not_revoked(&self) -> Result<(), Error> {
        let is_revoked = |of: &&Said| {
            of.said.iter().any(|(status, _)| matches!(status, CertificateStatus::Revoked { .. }))
        };
        match self.0.iter().find(is_revoked) {
            Some(of) => Err(Error::Revoked(of.subject.clone())),
            None => Ok(()),
        }
    }

    /// Of each certificate something current says that it is good. Gives the time for which all of that holds.
    ///
    /// # Errors
    ///
    /// [`Error::StatusUnknown`] where nothing says so, [`Error::StatusStale`] where what says so is of another time.
    pub fn current(&self, at: UnixTime) -> Result<Window, Error> {
        let mut window = Window { not_before: 0, not_after: u64::MAX };
        for Said { subject, said } in &self.0 {
            let mut good = said.iter().filter(|(status, _)| *status == CertificateStatus::Good).peekable();
            if good.peek().is_none() {
                return Err(Error::StatusUnknown(subject.clone()));
            }
            // Of those that are current the one that holds for the longest.
            let current = good.filter(|(_, window)| window.contains(at.as_secs()));
            let (_, holds) = current
                .max_by_key(|(_, window)| window.not_after)
                .ok_or_else(|| Error::StatusStale { subject: subject.clone(), at: Moment(at.as_secs()) })?;
            window.not_before = window.not_before.max(holds.not_before);
            window.not_after = window.not_after.min(holds.not_after);
        }
        Ok(window)
    }
}
