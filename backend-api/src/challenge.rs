//! The relying party's challenge.

use std::{fmt, str::FromStr};

use subtle::ConstantTimeEq;

use crate::{Error, ErrorKind};

/// The 64 bytes that a relying party expects Evidence to commit to.
///
/// Always all 64: nothing is padded and nothing is cut. Equality takes constant time, and neither `Debug` nor any error
/// shows the bytes.
#[derive(Clone, Copy)]
pub struct Challenge([u8; 64]);

impl Challenge {
    /// From the bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl PartialEq for Challenge {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Challenge {}

impl FromStr for Challenge {
    type Err = Error;

    /// From exactly 128 hex digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| {
            Error::new(
                ErrorKind::InvalidConfig,
                format_args!("challenge has {} characters, expected 128 hex digits (64 bytes)", text.len()),
            )
        })?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(64 bytes)")
    }
}
