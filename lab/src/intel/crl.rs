//! The revocation lists of the root CA and of the PCK CAs.

use x509_cert::name::Name;

use super::PckCa;
use super::hierarchy::{Hierarchy, ROOT_NAME, intel_name};
use crate::keys::P256Key;
use crate::time::utc_day;
use crate::x509::{CrlSpec, SignatureAlgorithm, authority_key_identifier, crl_number, reason_code};

/// `reasonCode` of every entry of Intel's lists: `keyCompromise` (RFC 5280 §5.3.1).
const KEY_COMPROMISE: u8 = 1;

/// The CRL of the root CA before it is signed: of 2026-01-01 and good for a year, with nothing revoked.
/// [`CrlSpec::sign`] it with [`Hierarchy::root_key`]. It speaks of the PCK CAs and of the collateral's
/// certificate.
#[must_use]
pub fn root_crl_spec(hierarchy: &Hierarchy) -> CrlSpec {
    crl_spec(intel_name(ROOT_NAME), hierarchy.root_key())
}

/// The CRL of a PCK CA before it is signed, as [`root_crl_spec`]. [`CrlSpec::sign`] it with
/// [`Hierarchy::pck_ca_key`]. It speaks of PCK certificates.
#[must_use]
pub fn pck_crl_spec(hierarchy: &Hierarchy, ca: PckCa) -> CrlSpec {
    crl_spec(intel_name(ca.common_name()), hierarchy.pck_ca_key(ca))
}

fn crl_spec(issuer: Name, key: &P256Key) -> CrlSpec {
    CrlSpec {
        issuer,
        this_update: utc_day(2026, 1, 1),
        next_update: Some(utc_day(2027, 1, 1)),
        revoked: Vec::new(),
        entry_extensions: vec![reason_code(KEY_COMPROMISE)],
        extensions: vec![crl_number(1), authority_key_identifier(key.key_identifier())],
        algorithm: SignatureAlgorithm::EcdsaSha256,
        outer_algorithm: None,
    }
}
