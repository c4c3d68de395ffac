//! Why an attestation was refused.

use super::MAX_ATTESTATION;
use evidence_json::JsonError;

/// Why an attestation could not be decoded or encoded. Offsets are in bytes from the start of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// No bytes at all.
    #[error("attestation expected, found no bytes")]
    Empty,
    /// The first byte begins none of the encodings.
    #[error("attestation in scale, messagepack or json expected, found first byte {first:#04x}")]
    UnknownEncoding {
        /// The first byte.
        first: u8,
    },
    /// Longer than any attestation.
    #[error("attestation of at most {MAX_ATTESTATION} bytes expected, found {found}")]
    TooLarge {
        /// The length found.
        found: usize,
    },
    /// The input ends inside a value, or a length exceeds the input.
    #[error("{needed} bytes expected at offset {offset}, found {left}")]
    Truncated {
        /// Where the value starts.
        offset: usize,
        /// Its length.
        needed: usize,
        /// The bytes left.
        left: usize,
    },
    /// Bytes after the last value.
    #[error("end of attestation expected, found {left} more bytes")]
    Trailing {
        /// The bytes left.
        left: usize,
    },
    /// A length or number in a longer form than needed, or in a form for values above 2^30.
    #[error("length or number in its shortest form expected at offset {offset}, found another")]
    NotMinimal {
        /// Where it starts.
        offset: usize,
    },
    /// Text that is not UTF-8.
    #[error("utf-8 expected at offset {offset}, found other bytes")]
    Utf8 {
        /// Where the text stops being UTF-8.
        offset: usize,
    },
    /// A list with more elements than its bound.
    #[error("at most {limit} {what} expected, found {found}")]
    TooMany {
        /// What the list holds.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// The number found.
        found: usize,
    },
    /// A variant that dstack does not have (V0).
    #[error("known {what} expected, found discriminant {found}")]
    UnknownDiscriminant {
        /// Which enumeration.
        what: &'static str,
        /// The discriminant found.
        found: u8,
    },
    /// A value of another type (V1).
    #[error("messagepack {expected} expected at offset {offset}, found marker {found:#04x}")]
    Marker {
        /// Where the value starts.
        offset: usize,
        /// What was expected.
        expected: &'static str,
        /// The marker found.
        found: u8,
    },
    /// A map with more or fewer entries (V1).
    #[error("map of {expected} entries expected at offset {offset}, found {found}")]
    MapLength {
        /// Where the map starts.
        offset: usize,
        /// The number of entries expected (the smallest, where some are optional).
        expected: usize,
        /// The number of entries found.
        found: usize,
    },
    /// Another key than dstack writes in this place: unknown, duplicate or out of order (V1).
    #[error("key {expected:?} expected at offset {offset}, found another")]
    Key {
        /// Where the key starts.
        offset: usize,
        /// The key expected.
        expected: &'static str,
    },
    /// A `kind` or platform that dstack does not have (V1).
    #[error("known {what} expected, found {found:?}")]
    UnknownKind {
        /// Which enumeration.
        what: &'static str,
        /// The name found.
        found: String,
    },
    /// Another version of the envelope or of an event than expected (V1).
    #[error("known {what} version expected, found {found}")]
    Version {
        /// Of what.
        what: &'static str,
        /// The version found.
        found: u64,
    },
    /// A number above its type's range (V1).
    #[error("number of at most {limit} expected at offset {offset}, found {found}")]
    Range {
        /// Where the number starts.
        offset: usize,
        /// The largest number allowed.
        limit: u64,
        /// The number found.
        found: u64,
    },
    /// `report_data` of another length (V1).
    #[error("report_data of 64 bytes expected, found {found}")]
    ReportDataLength {
        /// The length found in bytes.
        found: usize,
    },
    /// V0 has no place for a part of this attestation.
    #[error("attestation without {loss} expected for encoding v0, found one")]
    NotInV0 {
        /// The part.
        loss: V0Loss,
    },
    /// The JSON request has another form.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A JSON request that is not exactly one of an attestation and a raw quote.
    #[error("either an attestation or a raw quote expected in the request, found both or neither")]
    RequestMode,
}

/// What V0 has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum V0Loss {
    /// A pod's payload.
    PodPayload,
    /// An event whose digest has form V2.
    EventV2,
    /// The preimage of an event.
    Preimage,
}

impl std::fmt::Display for V0Loss {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::PodPayload => "pod payload",
            Self::EventV2 => "v2 event",
            Self::Preimage => "event preimage",
        })
    }
}
