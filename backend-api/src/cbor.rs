//! CBOR in its one encoding, for envelopes and for the payloads of backends.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};

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

/// Reads a list of at most `N` entries, and stops at the next: an entry of one byte may take many in memory. For
/// `#[serde(deserialize_with = "cbor::at_most::<N, _, _>")]`.
///
/// # Errors
///
/// The deserializer's, or that there are more entries.
pub fn at_most<'de, const N: usize, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct AtMost<const N: usize, T>(PhantomData<T>);

    impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for AtMost<N, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N} entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == N {
                    return Err(A::Error::custom(format_args!("expected a list of at most {N} entries")));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(AtMost::<N, T>(PhantomData))
}
