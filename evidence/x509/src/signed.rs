//! The outer shape that certificates, revocation lists and OCSP responses share: tbs, algorithm, signature.

use der::{
    Decode, Reader, SliceReader, Tag, Tagged,
    asn1::{AnyRef, BitStringRef},
};
use pki_types::SignatureVerificationAlgorithm;

/// The three parts of a signed structure (RFC 5280 §4.1.1), as the bytes that were received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// The signed bytes: tag, length and value.
    tbs: &'a [u8],
    /// The value of the AlgorithmIdentifier, without tag and length.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(bytes)?;
        let signed = outer.sequence(Self::decode)?;
        outer.finish()?;
        Ok(signed)
    }

    /// The three parts where they stand in a SEQUENCE, in which something may follow.
    pub(crate) fn decode(inner: &mut SliceReader<'a>) -> der::Result<Self> {
        let tbs = inner.tlv_bytes()?;
        let algorithm = AnyRef::decode(inner)?;
        algorithm.tag().assert_eq(Tag::Sequence)?;
        let signature =
            BitStringRef::decode(inner)?.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
        Ok(Self { tbs, algorithm: algorithm.value(), signature })
    }

    /// The signed bytes.
    pub(crate) const fn tbs(&self) -> &'a [u8] {
        self.tbs
    }

    /// Whether the signature verifies under `key` (the value of the subjectPublicKey BIT STRING) by the one algorithm
    /// of `algorithms` whose identifier stands in the structure.
    pub(crate) fn verifies(
        &self,
        key: &[u8],
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> bool {
        algorithms
            .iter()
            .find(|candidate| candidate.signature_alg_id().as_ref() == self.algorithm)
            .is_some_and(|algorithm| algorithm.verify_signature(key, self.tbs, self.signature).is_ok())
    }
}
