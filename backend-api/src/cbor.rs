//! CBOR in its one encoding, for envelopes and for the payloads of backends.

use serde::{Serialize, de::DeserializeOwned};

use crate::ErrorKind;

/// How deep a value nests at most.
const MAX_DEPTH: usize = 16;

/// Why bytes are not the CBOR of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborError {
    /// Not CBOR, or not of the type's shape.
    #[error("{0}")]
    Malformed(String),
    /// Other bytes would be written for the value that was read.
    #[error(
        "not in its one CBOR encoding (definite lengths, shortest forms, known order, nothing left over)"
    )]
    NotCanonical,
    /// Larger than the limit.
    #[error("{found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl CborError {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::Malformed(_) | Self::NotCanonical => ErrorKind::MalformedEvidence,
        }
    }
}

/// Writes a value as CBOR (RFC 8949): definite lengths and shortest forms.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and serde's derived types hold nothing that CBOR cannot express.
    let _ = ciborium::into_writer(value, &mut bytes);
    bytes
}

/// Reads at most `limit` bytes of CBOR, and only those that [`encode`] writes for the value that they hold: trailing bytes,
/// repeated or reordered keys, indefinite lengths and long forms are refused.
///
/// # Errors
///
/// [`CborError`].
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CborError> {
    use ciborium::de::Error;
    if bytes.len() > limit {
        return Err(CborError::TooLarge { found: bytes.len(), limit });
    }
    let value = ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).map_err(|error| {
        CborError::Malformed(match error {
            Error::Io(_) => "ends too early".to_owned(),
            Error::RecursionLimitExceeded => format!("nests deeper than {MAX_DEPTH}"),
            Error::Semantic(_, message) => message.replace(['\n', '\r'], " "),
            Error::Syntax(at) => format!("malformed CBOR at byte {at}"),
        })
    })?;
    if encode(&value) != bytes {
        return Err(CborError::NotCanonical);
    }
    Ok(value)
}
