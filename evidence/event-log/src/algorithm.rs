//! Hash algorithms of a log, and those of them that a register may be compared in.

use std::fmt;

use crate::hash;

/// A hash algorithm that a log may declare (TCG Algorithm Registry, TPM_ALG_ID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-1: read past, never replayed.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SM3: read past, never replayed.
    Sm3,
}

impl HashAlgorithm {
    /// Every algorithm that a log may declare.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sm3];

    /// The algorithm's TPM_ALG_ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
            Self::Sm3 => 0x0012,
        }
    }

    /// Bytes of a digest.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sm3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.id() == id)
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sm3 => "SM3",
        })
    }
}

/// The registers of one hash algorithm. There is no bank of SHA-1: nothing may rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bank {
    /// SHA-256.
    Sha256,
    /// SHA-384: also TDX's RTMRs.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Bank {
    /// The bank's algorithm.
    #[must_use]
    pub const fn algorithm(self) -> HashAlgorithm {
        match self {
            Self::Sha256 => HashAlgorithm::Sha256,
            Self::Sha384 => HashAlgorithm::Sha384,
            Self::Sha512 => HashAlgorithm::Sha512,
        }
    }

    /// The hash of `parts`, one after the other.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        hash::of(self, parts).as_ref().to_vec()
    }

    /// The value of a register before the first event: zeros.
    #[must_use]
    pub fn initial(self) -> Vec<u8> {
        vec![0; self.algorithm().size()]
    }

    /// The value after one extension: `H(value ‖ digest)`.
    #[must_use]
    pub fn extended(self, value: &[u8], digest: &[u8]) -> Vec<u8> {
        self.hash(&[value, digest])
    }
}
