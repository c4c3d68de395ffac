//! Certificate revocation lists.

use const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER;
use der::{Decode, Encode};
use pki_types::SignatureVerificationAlgorithm;
use x509_cert::crl::CertificateList;

use crate::{
    Certificate, RevocationListError, Window,
    certificate::{common_name, seconds},
    signed::Signed,
};

/// The largest revocation list that is read, in bytes. AMD's have been below 1 KiB, Intel's are near 3 KiB.
pub const MAX_REVOCATION_LIST: usize = 1024 * 1024;

/// A certificate revocation list (RFC 5280 §5) whose signature was verified under its issuer's key.
///
/// It speaks of the certificates that this one issuer issued. Whether it is current is the caller's question: ask
/// [`RevocationList::window`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    window: Window,
    serials: Vec<Vec<u8>>,
}

impl RevocationList {
    /// Whether these bytes are a list at all, whoever issued it.
    ///
    /// # Errors
    ///
    /// [`RevocationListError::Malformed`] or [`RevocationListError::TooLarge`].
    pub fn well_formed(der: &[u8]) -> Result<(), RevocationListError> {
        parse(der).map(|_| ())
    }

    /// Whether a list says that `issuer` issued it, by its name and, where both name one, its key, before anything was verified: to choose
    /// among lists.
    ///
    /// # Errors
    ///
    /// [`RevocationListError::Malformed`] or [`RevocationListError::TooLarge`].
    pub fn claims_issuer(der: &[u8], issuer: &Certificate) -> Result<bool, RevocationListError> {
        let list = parse(der)?;
        let mut extensions = list.tbs_cert_list.crl_extensions.iter().flatten();
        let key = extensions.find(|extension| extension.extn_id == ID_CE_AUTHORITY_KEY_IDENTIFIER);
        let is_of_key = issuer.may_be_named_by(key.map(|extension| extension.extn_value.as_bytes()));
        Ok(is_of_key && name_der(&list)? == issuer.subject_der())
    }

    /// Reads a DER list and verifies that `issuer` signed it.
    ///
    /// # Errors
    ///
    /// [`RevocationListError`]: too large, malformed, another issuer, no nextUpdate, a critical extension, bad signature.
    pub fn verify(
        der: &[u8],
        issuer: &Certificate,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<Self, RevocationListError> {
        let list = parse(der)?;
        let malformed = |error: der::Error| RevocationListError::Malformed(error.to_string());
        let name = issuer.subject().to_owned();
        let tbs = &list.tbs_cert_list;
        if name_der(&list)? != issuer.subject_der() {
            return Err(RevocationListError::WrongIssuer {
                expected: name,
                found: common_name(&tbs.issuer).unwrap_or_default(),
            });
        }
        // A critical extension (delta or indirect lists, scopes) changes what absence from the list means.
        if let Some(critical) = tbs.crl_extensions.iter().flatten().find(|extension| extension.critical) {
            return Err(RevocationListError::CriticalExtension(critical.extn_id.to_string()));
        }
        if !Signed::parse(der).map_err(malformed)?.verifies(issuer.public_key(), algorithms) {
            return Err(RevocationListError::Signature(name));
        }
        let next_update = tbs.next_update.ok_or(RevocationListError::NoNextUpdate(name))?;
        Ok(Self {
            window: Window { not_before: seconds(tbs.this_update), not_after: seconds(next_update) },
            serials: tbs
                .revoked_certificates
                .iter()
                .flatten()
                .map(|revoked| revoked.serial_number.as_bytes().to_vec())
                .collect(),
        })
    }

    /// From thisUpdate to nextUpdate.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Whether the certificate with this serial number (as [`Certificate::serial`] gives it) is revoked.
    pub fn revokes(&self, serial: &[u8]) -> bool {
        self.serials.iter().any(|revoked| revoked == serial)
    }
}

fn parse(der: &[u8]) -> Result<CertificateList, RevocationListError> {
    if der.len() > MAX_REVOCATION_LIST {
        return Err(RevocationListError::TooLarge { found: der.len(), limit: MAX_REVOCATION_LIST });
    }
    CertificateList::from_der(der).map_err(|error| RevocationListError::Malformed(error.to_string()))
}

/// The issuer as a DER Name.
fn name_der(list: &CertificateList) -> Result<Vec<u8>, RevocationListError> {
    list.tbs_cert_list.issuer.to_der().map_err(|error| RevocationListError::Malformed(error.to_string()))
}
