//! Evidence: bytes of a declared kind.

use std::fmt;

use crate::MediaType;

/// One Attester's Evidence as received: a media type and bytes. Nothing about it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    media_type: MediaType,
    bytes: Vec<u8>,
}

impl Evidence {
    /// Labels bytes with their kind.
    pub const fn new(media_type: MediaType, bytes: Vec<u8>) -> Self {
        Self { media_type, bytes }
    }

    /// The kind.
    pub const fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence({}, {} bytes)", self.media_type, self.bytes.len())
    }
}
