//! A manifest, read.

use aws_lc_rs::digest::{SHA256, digest};
use evidence_x509::Certificate;

use crate::{
    Edition, Error, GoldenValues, c14n,
    document::Content,
    dsig::{CERTIFICATES, Signed},
    xml,
};

/// Bytes of an uncompressed point on P-384 (SEC 1, §2.3.3).
const POINT: usize = 97;

/// A manifest that was read, and of which nothing is verified: to ask for what its verification needs, and to look at.
///
/// Golden values to compare with are those of a [`crate::VerifiedRim`].
#[derive(Debug, Clone)]
pub struct Rim {
    pub(crate) content: Content,
    pub(crate) certificates: [Certificate; CERTIFICATES],
    pub(crate) sha256: [u8; 32],
}

impl Rim {
    /// Reads exactly one manifest of at most [`crate::MAX_RIM`] bytes.
    ///
    /// # Errors
    ///
    /// As those of the checks `rim-format`, `rim-certificates` and `rim-content` of [`crate::VerifyRim`].
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        let root = xml::parse(document)?;
        let signed = Signed::find(&root)?;
        let certificates = certificates(&signed)?;
        Ok(Self { content: Content::read(&root)?, certificates, sha256: sha256(document) })
    }

    /// What it says that it is of.
    pub const fn edition(&self) -> Edition {
        self.content.edition
    }

    /// The chip that it says that it is of.
    pub fn product(&self) -> &str {
        &self.content.product
    }

    /// The version of the driver or firmware that it says that it is of.
    pub fn colloquial_version(&self) -> &str {
        &self.content.colloquial_version
    }

    /// The certificates that it brings, signer first, which nobody vouches for: to ask about their revocation.
    pub const fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The golden values that it claims.
    pub const fn claimed(&self) -> &GoldenValues {
        &self.content.golden
    }
}

/// The certificates of a manifest, each on P-384.
pub(crate) fn certificates(signed: &Signed<'_, '_>) -> Result<[Certificate; CERTIFICATES], Error> {
    let [signer, lower, upper, root] = &signed.certificates;
    let read = |der: &[u8]| {
        let certificate = Certificate::parse(der).map_err(Error::Certificate)?;
        let point = certificate.public_key();
        if point.len() != POINT || point.first() != Some(&4) {
            return Err(Error::CertificateKey {
                subject: certificate.subject().to_owned(),
                found: point.len(),
            });
        }
        Ok(certificate)
    };
    Ok([read(signer)?, read(lower)?, read(upper)?, read(root)?])
}

/// Whether a manifest is what the first certificate in it signed: **whose certificate that is, nobody asks**. For comparing this
/// implementation of XML Signature with others; a verdict is [`crate::VerifyRim::verify`]'s.
///
/// # Errors
///
/// As those of the checks `rim-format`, `rim-certificates`, `rim-digest` and `rim-signature` of [`crate::VerifyRim`].
pub fn danger_verify_signature_alone(document: &[u8]) -> Result<(), Error> {
    let root = xml::parse(document)?;
    let signed = Signed::find(&root)?;
    let [signer, ..] = &certificates(&signed)?;
    match (signed.has_digest(), signed.is_signed_by(signer)) {
        (false, _) => Err(Error::Digest),
        (_, false) => Err(Error::Signature),
        (true, true) => Ok(()),
    }
}

/// The canonical form of a whole document (Canonical XML 1.1, without comments), its signature included.
///
/// # Errors
///
/// [`Error::Xml`] and [`Error::TooLarge`], of what is not read.
pub fn canonical_form(document: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(c14n::canonical(&xml::parse(document)?, [], None))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
