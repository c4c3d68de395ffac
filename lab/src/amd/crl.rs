//! The CRL of a product line.

use super::hierarchy::{Hierarchy, amd_name};
use crate::time::utc_day;
use crate::x509::{CrlSpec, PssEncoding, SignatureAlgorithm, authority_key_identifier, crl_number};

/// The CRL of a product line before it is signed (RFC 5280 §5, in the form of AMD's own): of 2026-01-01 and good for a
/// year, with nothing revoked. [`CrlSpec::sign`] it with [`Hierarchy::ark_key`].
///
/// AMD's CRL is issued by the ARK and so speaks of the ASK and the ASVK alone: VEKs share the serial number 0.
#[must_use]
pub fn crl_spec(hierarchy: &Hierarchy) -> CrlSpec {
    CrlSpec {
        issuer: amd_name(&hierarchy.ark_name()),
        this_update: utc_day(2026, 1, 1),
        next_update: Some(utc_day(2027, 1, 1)),
        revoked: Vec::new(),
        extensions: vec![authority_key_identifier(hierarchy.ark_key().key_identifier()), crl_number(4)],
        entry_extensions: Vec::new(),
        algorithm: SignatureAlgorithm::RsaPssSha384(PssEncoding::Default),
        outer_algorithm: None,
    }
}
