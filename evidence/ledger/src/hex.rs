//! Byte strings of a fixed length, in the hex of policies.

use serde::Deserialize;

/// Exactly `N` bytes, written as lower- or upper-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; N];
        ::hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom(format_args!("expected {N} bytes of hex")))?;
        Ok(Self(bytes))
    }
}
