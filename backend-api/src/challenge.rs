//! The relying party's challenge, and what a guest puts in its place.

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

/// What a [`Commitment`] begins with as a challenge.
const COMMITMENT: &[u8; 16] = b"dstack-devices-1";

/// What a CPU commits to in place of the relying party's challenge, because Evidence of devices stands beside its own: a digest of both,
/// 48 bytes.
///
/// As a challenge it has a form of its own, `"dstack-devices-1" || digest`, which [`CollectRequest::new`](crate::CollectRequest::new)
/// refuses: nobody who asks a guest for its CPU's Evidence may have it vouch for devices that the guest never saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment([u8; 48]);

impl Commitment {
    /// From the digest. A guest makes it only of Evidence that it collected itself.
    pub const fn new(digest: [u8; 48]) -> Self {
        Self(digest)
    }

    /// What the CPU's Evidence commits to.
    pub const fn challenge(&self) -> Challenge {
        let mut bytes = [0; 64];
        let (form, digest) = bytes.split_at_mut(COMMITMENT.len());
        form.copy_from_slice(COMMITMENT);
        digest.copy_from_slice(&self.0);
        Challenge(bytes)
    }

    /// Whether a challenge has the form of one.
    pub(crate) fn is_form_of(challenge: &Challenge) -> bool {
        challenge.0.starts_with(COMMITMENT)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_has_a_form_of_its_own() {
        let challenge = Commitment::new([7; 48]).challenge();
        assert_eq!(*challenge.as_bytes(), *[&b"dstack-devices-1"[..], &[7; 48]].concat());
        assert!(Commitment::is_form_of(&challenge));
        for other in [[7; 64], std::array::from_fn(|at| if at < 15 { COMMITMENT[at] } else { 0 })] {
            assert!(!Commitment::is_form_of(&Challenge::new(other)));
        }
    }
}
