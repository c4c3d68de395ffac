//! From a leaf to a pinned root.

use pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{Anchors, Certificate, Moment, PathError, Window, signed::Signed};

/// Verifies that every certificate given is valid at the time `at`, and gives the time for which that holds.
///
/// # Errors
///
/// [`PathError::OutsideValidity`], naming the first that is not.
pub fn verify_validity(certificates: &[&Certificate], at: UnixTime) -> Result<Window, PathError> {
    let mut window = Window { not_before: 0, not_after: u64::MAX };
    for certificate in certificates {
        let valid = certificate.window();
        if !valid.contains(at.as_secs()) {
            return Err(PathError::OutsideValidity {
                subject: certificate.subject().to_owned(),
                window: valid,
                at: Moment(at.as_secs()),
            });
        }
        window.not_before = window.not_before.max(valid.not_before);
        window.not_after = window.not_after.min(valid.not_after);
    }
    Ok(window)
}

/// What a leaf's key may be used for: an extended key usage that a path must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Keys whose certificates state none: those of processors. A certificate that states others than clientAuth is refused.
    Unstated,
    /// tcg-kp-AIKCertificate, 2.23.133.8.3 (TCG EK Credential Profile, §3.2.16): stated by the leaf and by each CA between it and
    /// the root.
    TpmAttestationKey,
    /// tcg-kp-EKCertificate, 2.23.133.8.1, of whoever in the path states any: Google's authority of attestation keys says that of
    /// itself, and nothing of the keys.
    TpmEndorsementKeyIfStated,
}

impl Purpose {
    const fn key_usage(self) -> KeyUsage {
        match self {
            Self::Unstated => KeyUsage::client_auth(),
            Self::TpmAttestationKey => KeyUsage::required(&[0x67, 0x81, 0x05, 0x08, 0x03]),
            Self::TpmEndorsementKeyIfStated => KeyUsage::required_if_present(&[0x67, 0x81, 0x05, 0x08, 0x01]),
        }
    }
}

/// A path that holds: what stands between a leaf and a pinned root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Path {
    /// From the leaf's issuer upwards, without the root.
    pub intermediates: Vec<Certificate>,
    /// The pinned root.
    pub root: Certificate,
}

/// Finds a path `leaf <- intermediates <- root` among `candidates` at the time `at`, and verifies it as [`verify_path`]; the root
/// is one that `anchors` pin, and valid at that time.
///
/// # Errors
///
/// [`PathError`]: of the pinned root that was tried last, or that there is none.
pub fn find_path(
    leaf: &Certificate,
    candidates: &[Certificate],
    anchors: &Anchors,
    purpose: Purpose,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Path, PathError> {
    let intermediates: Vec<&Certificate> = candidates.iter().collect();
    let mut failed = PathError::NoPinnedRoot { leaf: leaf.subject().to_owned() };
    for root in candidates.iter().filter(|root| anchors.pins(root.subject(), root)) {
        let found = verify_validity(&[root], at).and_then(|_| {
            let path = built_path(leaf, &intermediates, root, purpose, algorithms, at)?;
            let of = |der: &Vec<u8>| candidates.iter().find(|candidate| candidate.der() == der).cloned();
            Ok(Path { intermediates: path.iter().filter_map(of).collect(), root: root.clone() })
        });
        match found {
            Ok(path) => return Ok(path),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Verifies the path `leaf <- intermediates <- root` at the time `at`.
///
/// `root` is trusted because the caller matched it with a pin; this function checks that it verifies under its own key, and
/// (by `rustls-webpki`, RFC 5280 §6) signatures, dates, name chaining, basic constraints and extended key usage below it. The root's
/// own dates are [`verify_validity`]'s. Only `algorithms` are accepted, by the exact bytes of their identifiers.
///
/// # Errors
///
/// [`PathError`], which names the certificate that does not hold.
pub fn verify_path(
    leaf: &Certificate,
    intermediates: &[&Certificate],
    root: &Certificate,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<(), PathError> {
    built_path(leaf, intermediates, root, Purpose::Unstated, algorithms, at).map(|_| ())
}

/// The DER of the intermediates that the path goes through, from the leaf's issuer upwards.
fn built_path(
    leaf: &Certificate,
    intermediates: &[&Certificate],
    root: &Certificate,
    purpose: Purpose,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Vec<Vec<u8>>, PathError> {
    // 1. The root signs itself, so that its names and dates are its own words.
    let root_signed =
        Signed::parse(root.der()).is_ok_and(|signed| signed.verifies(root.public_key(), algorithms));
    if !root_signed {
        return Err(PathError::RootSignature(root.subject().to_owned()));
    }

    // 2. Signatures, names and constraints along the path.
    let untrusted = |error: webpki::Error| PathError::Untrusted {
        leaf: leaf.subject().to_owned(),
        root: root.subject().to_owned(),
        reason: error.to_string(),
    };
    let leaf_der = CertificateDer::from(leaf.der());
    let root_der = CertificateDer::from(root.der());
    let intermediate_ders: Vec<_> = intermediates.iter().map(|ca| CertificateDer::from(ca.der())).collect();
    let anchor = anchor_from_trusted_cert(&root_der).map_err(untrusted)?;
    EndEntityCert::try_from(&leaf_der)
        .and_then(|end_entity| {
            let anchors = [anchor];
            let path = end_entity.verify_for_usage(
                algorithms,
                &anchors,
                &intermediate_ders,
                at,
                purpose.key_usage(),
                None,
                None,
            )?;
            Ok(path.intermediate_certificates().map(|certificate| certificate.der().to_vec()).collect())
        })
        .map_err(untrusted)
}
