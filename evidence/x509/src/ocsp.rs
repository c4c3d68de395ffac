//! OCSP: what an issuer, or whoever it delegates to, says of one certificate (RFC 6960).

mod message;

use std::fmt;

use const_oid::db::{
    rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE},
    rfc5912::ID_KP_OCSP_SIGNING,
};
use der::{Decode, asn1::GeneralizedTime};
use pki_types::SignatureVerificationAlgorithm;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use crate::{Certificate, Moment, OcspError, ResponderError, Window, signed::Signed};
use message::{Answer, Basic, CertStatus};

pub use message::{ResponderStatus, RevocationReason, ocsp_get_path, ocsp_request};

/// The largest response that is read, in bytes. NVIDIA's are near 1 KiB.
pub const MAX_OCSP_RESPONSE: usize = 16 * 1024;

/// What is said of a certificate (RFC 6960 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Not revoked.
    Good,
    /// Revoked, for good or (certificateHold) for a while.
    Revoked {
        /// Since when.
        time: Moment,
        /// Why, where that is said.
        reason: Option<RevocationReason>,
    },
    /// The responder does not know the certificate: that is not good.
    Unknown,
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Revoked { time, reason: Some(reason) } => write!(f, "revoked since {time} ({reason})"),
            Self::Revoked { time, reason: None } => write!(f, "revoked since {time}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The one answer for a certificate in an OCSP response whose signature was verified under the key of the certificate's issuer, or
/// of a responder that this issuer certified.
///
/// That it exists says nothing good of the certificate: ask [`OcspResponse::status`]. Whether it is current is the caller's question:
/// ask [`OcspResponse::window`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspResponse {
    status: CertificateStatus,
    window: Window,
    produced_at: Moment,
}

/// A response that was read once, and of which nothing is verified: to choose among responses, and to verify the one that is chosen.
#[derive(Debug)]
pub struct OcspMessage<'a>(Basic<'a>);

impl<'a> OcspMessage<'a> {
    /// Reads a DER response.
    ///
    /// # Errors
    ///
    /// As [`OcspResponse::well_formed`].
    pub fn parse(der: &'a [u8]) -> Result<Self, OcspError> {
        Basic::parse(der).map(Self)
    }

    /// Whether it has an answer for `subject` as issued by `issuer`.
    pub fn concerns(&self, subject: &Certificate, issuer: &Certificate) -> bool {
        self.0.answers().iter().any(|answer| answer.id.is_of(subject, issuer))
    }

    /// Verifies it, as [`OcspResponse::verify`].
    ///
    /// # Errors
    ///
    /// As [`OcspResponse::verify`].
    pub fn verify(
        &self,
        subject: &Certificate,
        issuer: &Certificate,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<OcspResponse, OcspError> {
        verify(&self.0, subject, issuer, algorithms)
    }
}

impl OcspResponse {
    /// Whether these bytes are a response with answers at all, whoever signed it and whatever it speaks of.
    ///
    /// # Errors
    ///
    /// [`OcspError`]: too large, malformed, unsuccessful, not basic, not v1, too many answers or certificates, an unreadable certificate.
    pub fn well_formed(der: &[u8]) -> Result<(), OcspError> {
        Basic::parse(der).map(|_| ())
    }

    /// Whether a response has an answer for `subject` as issued by `issuer`, before anything was verified: to choose among responses.
    ///
    /// # Errors
    ///
    /// As [`OcspResponse::well_formed`].
    pub fn concerns(der: &[u8], subject: &Certificate, issuer: &Certificate) -> Result<bool, OcspError> {
        Ok(OcspMessage::parse(der)?.concerns(subject, issuer))
    }

    /// Reads a DER response and verifies that it is `issuer`'s word on `subject`; for which time, [`window`](Self::window) says. That `issuer`
    /// issued `subject` is [`crate::verify_path`]'s to verify.
    ///
    /// # Errors
    ///
    /// [`OcspError`]: as [`OcspResponse::well_formed`], and no answer or two, a critical extension, no nextUpdate, a signer that may not
    /// sign for `issuer`, bad signature.
    pub fn verify(
        der: &[u8],
        subject: &Certificate,
        issuer: &Certificate,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<Self, OcspError> {
        OcspMessage::parse(der)?.verify(subject, issuer, algorithms)
    }

    /// What is said of the certificate.
    pub const fn status(&self) -> CertificateStatus {
        self.status
    }

    /// When it may be relied on: from thisUpdate to nextUpdate, as far as the certificate of a delegated responder is valid then. Empty
    /// where these do not meet.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// When the response was signed, by the signer's clock.
    pub const fn produced_at(&self) -> Moment {
        self.produced_at
    }
}

fn verify(
    basic: &Basic<'_>,
    subject: &Certificate,
    issuer: &Certificate,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
) -> Result<OcspResponse, OcspError> {
    // 1. One answer for the certificate (RFC 6960 §3.2, item 1).
    let answer = the_answer(basic, subject, issuer)?;

    // 2. Nothing that would change what it means (RFC 5280 §4.2).
    let of_answers = basic.answers().iter().flat_map(|answer| &answer.extensions);
    let mut extensions = basic.data.extensions.iter().chain(of_answers).flatten();
    if let Some(critical) = extensions.find(|extension| extension.critical) {
        return Err(OcspError::CriticalExtension(critical.extn_id.to_string()));
    }

    // 3. Signed by who may sign it (RFC 6960 §3.2, items 2 to 4, and §4.2.2.2).
    let signer = signer(basic, issuer, algorithms)?;
    if !basic.signed.verifies(signer.public_key(), algorithms) {
        return Err(OcspError::Signature(signer.subject().to_owned()));
    }

    // 4. With an end (§3.2, item 6): without one, an old answer is as good as a new one.
    let Some(next_update) = answer.next_update else {
        return Err(OcspError::NoNextUpdate(subject.subject().to_owned()));
    };
    let status = match &answer.status {
        CertStatus::Good(_) => CertificateStatus::Good,
        CertStatus::Unknown(_) => CertificateStatus::Unknown,
        CertStatus::Revoked(info) => {
            CertificateStatus::Revoked { time: Moment(seconds(info.time)), reason: info.reason }
        }
    };
    let mut window = Window { not_before: seconds(answer.this_update), not_after: seconds(next_update) };
    // An issuer's own word lasts as long as whatever vouches for the issuer.
    if !std::ptr::eq(signer, issuer) {
        let signer = signer.window();
        window.not_before = window.not_before.max(signer.not_before);
        window.not_after = window.not_after.min(signer.not_after);
    }
    let produced_at = Moment(seconds(basic.data.produced_at));
    Ok(OcspResponse { status, window, produced_at })
}

fn the_answer<'b>(
    basic: &'b Basic<'_>,
    subject: &Certificate,
    issuer: &Certificate,
) -> Result<&'b Answer, OcspError> {
    let mut answers = basic.answers().iter().filter(|answer| answer.id.is_of(subject, issuer));
    let answer = answers.next().ok_or_else(|| OcspError::NoAnswer {
        subject: subject.subject().to_owned(),
        issuer: issuer.subject().to_owned(),
    })?;
    match answers.next() {
        Some(_) => Err(OcspError::Duplicate(subject.subject().to_owned())),
        None => Ok(answer),
    }
}

/// Who signed, by the ResponderID: the issuer itself, or else the first certificate of that name or key that came with the response,
/// if it may.
fn signer<'b>(
    basic: &'b Basic<'_>,
    issuer: &'b Certificate,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
) -> Result<&'b Certificate, OcspError> {
    let id = &basic.data.responder;
    if id.names(issuer) {
        return Ok(issuer);
    }
    let responder = basic.certificates.iter().find(|certificate| id.names(certificate)).ok_or_else(|| {
        OcspError::UnknownSigner {
            issuer: issuer.subject().to_owned(),
            certificates: basic.certificates.len(),
        }
    })?;
    may_sign_for(responder, issuer, algorithms).map_err(|reason| OcspError::Responder {
        responder: responder.subject().to_owned(),
        issuer: issuer.subject().to_owned(),
        reason,
    })?;
    Ok(responder)
}

/// A delegated responder: certified by the issuer itself, for this and for nothing above it (RFC 6960 §4.2.2.2).
///
/// That its own certificate may be revoked is not asked: NVIDIA's say id-pkix-ocsp-nocheck (§4.2.2.2.1), some of them in the extended
/// key usage, where it has no meaning, and live for three years.
fn may_sign_for(
    responder: &Certificate,
    issuer: &Certificate,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
) -> Result<(), ResponderError> {
    if responder.issuer_der() != issuer.subject_der() {
        return Err(ResponderError::WrongIssuer(responder.issuer().to_owned()));
    }
    if !Signed::parse(responder.der()).is_ok_and(|signed| signed.verifies(issuer.public_key(), algorithms)) {
        return Err(ResponderError::Signature);
    }
    const KNOWN: [const_oid::ObjectIdentifier; 3] =
        [ID_CE_KEY_USAGE, ID_CE_EXT_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS];
    if let Some(unknown) = responder.critical_extensions().iter().find(|oid| !KNOWN.contains(oid)) {
        return Err(ResponderError::CriticalExtension(unknown.to_string()));
    }
    // An extension that does not parse says nothing that is asked for.
    let constraints = responder.extension(ID_CE_BASIC_CONSTRAINTS).map(BasicConstraints::from_der);
    if !constraints.is_none_or(|constraints| constraints.is_ok_and(|constraints| !constraints.ca)) {
        return Err(ResponderError::Authority);
    }
    let usage = responder.extension(ID_CE_KEY_USAGE).map(KeyUsage::from_der);
    if !usage.is_none_or(|usage| usage.is_ok_and(|usage| usage.digital_signature())) {
        return Err(ResponderError::KeyUsage);
    }
    let purposes = responder.extension(ID_CE_EXT_KEY_USAGE).map(ExtendedKeyUsage::from_der);
    if !purposes.is_some_and(|purposes| purposes.is_ok_and(|them| them.0.contains(&ID_KP_OCSP_SIGNING))) {
        return Err(ResponderError::ExtendedKeyUsage);
    }
    Ok(())
}

fn seconds(time: GeneralizedTime) -> u64 {
    time.to_unix_duration().as_secs()
}
