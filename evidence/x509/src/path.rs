//! From a leaf to a pinned root.

use pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{Certificate, Moment, PathError, Window, signed::Signed};

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

/// Verifies the path `leaf <- intermediates <- root` at the time `at`.
///
/// `root` is trusted because the caller matched it with a pin; this function checks that it verifies under its own key, and
/// (by `rustls-webpki`, RFC 5280 §6) signatures, dates, name chaining, basic constraints and key usage below it. The root's
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
            // Attestation keys carry no extended key usage; `client_auth` requires one only where the extension exists.
            end_entity.verify_for_usage(
                algorithms,
                &[anchor],
                &intermediate_ders,
                at,
                KeyUsage::client_auth(),
                None,
                None,
            )?;
            Ok(())
        })
        .map_err(untrusted)
}
