//! Why a quote, a certificate or a boot was refused.

use evidence_event_log::HashAlgorithm;
use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, PathError, RevocationListError};

/// Why a quote, the certificate of an attestation key or a boot was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A register's events are not those that are expected.
    #[error("PCR{pcr} was extended with other events than the relying party lists, or in another order")]
    BootEvents {
        /// The register.
        pcr: u8,
    },
    /// A list with a partition table, and no log that tells it.
    #[error("the events that are expected of PCR{0} can only be told from a boot log, and there is none")]
    BootLogNeeded(u8),
    /// A register holds what nobody expects.
    #[error("PCR{pcr} holds {found}, which the relying party does not list")]
    BootRegister {
        /// The register.
        pcr: u8,
        /// Its value, hex.
        found: String,
    },
    /// The boot log does not replay to a register.
    #[error("the boot log replays to PCR{pcr} {replayed}, the quote says {quoted}")]
    BootReplay {
        /// The register.
        pcr: u8,
        /// From the log, hex.
        replayed: String,
        /// In the quote, hex.
        quoted: String,
    },
    /// The certificate of the attestation key cannot be read.
    #[error(transparent)]
    Certificate(CertificateError),
    /// A certificate of a key that verifies no quotes.
    #[error("certificate is of another key than rsa with 2048 to 8192 bits, P-256 or P-384")]
    CertificateKey,
    /// The quote commits to something else.
    #[error("extraData of the quote is not what was expected")]
    ExtraData,
    /// The boot log has no digests of the quoted bank.
    #[error("boot log has no digests of {0}, which the quoted bank has")]
    NoBootDigests(HashAlgorithm),
    /// The structure is none that a TPM made.
    #[error("quote begins with {0:#010x}, expected TPM_GENERATED_VALUE (0xff544347)")]
    NotGenerated(u32),
    /// The structure is something else than a quote.
    #[error("attestation is of the type {0:#06x}, expected a quote (0x8018)")]
    NotAQuote(u16),
    /// A key that is not for signing data alone.
    #[error(
        "certificate {0} is not for signing data alone: expected keyUsage digitalSignature and no keyCertSign"
    )]
    NotForSigning(String),
    /// A register that was not quoted.
    #[error("PCR{0} is not quoted")]
    NotQuoted(u8),
    /// The certificate leads to no pinned root.
    #[error(transparent)]
    Path(PathError),
    /// More or fewer values than registers were quoted.
    #[error("{found} values of registers, expected one for each of the {expected} that are quoted")]
    PcrCount {
        /// How many are quoted.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The values are not those that were quoted.
    #[error("values of the registers do not hash to the quote's pcrDigest")]
    PcrDigest,
    /// A value that no register of the bank can have.
    #[error("value of PCR{pcr} has {found} bytes, expected {expected}")]
    PcrLength {
        /// The register.
        pcr: u8,
        /// By its bank.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A TPMT_PUBLIC that is not in its format, or of no signing key.
    #[error("expected a TPMT_PUBLIC of a signing key, and in it {0}")]
    Public(&'static str),
    /// A TPMS_ATTEST that is not in its format.
    #[error("expected a TPMS_ATTEST of a quote, and in it {0}")]
    Quote(&'static str),
    /// The signature is not the key's.
    #[error("quote does not verify under the attestation key")]
    QuoteSignature,
    /// A revocation list cannot be used.
    #[error(transparent)]
    RevocationList(RevocationListError),
    /// A certificate is revoked.
    #[error("certificate {0} is revoked")]
    Revoked(String),
    /// Other registers are quoted than are expected.
    #[error("quote selects {found}, expected {expected}")]
    Selection {
        /// Expected.
        expected: String,
        /// In the signed bytes.
        found: String,
    },
    /// A TPMT_SIGNATURE that is not in its format.
    #[error("expected one TPMT_SIGNATURE: scheme, hash and numbers, and nothing behind them")]
    Signature,
    /// A hash on which nothing may rest.
    #[error("signature is over the hash {0:#06x}, expected SHA-256, SHA-384 or SHA-512")]
    SignatureHash(u16),
    /// A scheme that is not known.
    #[error("signature has the scheme {0:#06x}, expected RSASSA, RSAPSS or ECDSA")]
    SignatureScheme(u16),
    /// Larger than the limit.
    #[error("{what} of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A bank of a hash that is not known.
    #[error("quote selects a bank of the hash {0:#06x}, expected SHA-1, SHA-256, SHA-384, SHA-512 or SM3")]
    UnknownBank(u16),
    /// An RSA key on which nothing may rest.
    #[error(
        "rsa key has a modulus of {bytes} bytes and the exponent {exponent}, expected 256 to 1024 without leading zero bits, and an odd exponent of at least 65537"
    )]
    WeakKey {
        /// Bytes of the modulus.
        bytes: usize,
        /// The exponent.
        exponent: u32,
    },
}

impl Error {
    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BootEvents { .. } | Self::BootLogNeeded(_) | Self::BootRegister { .. } => {
                ErrorKind::PolicyViolation
            }
            Self::BootReplay { .. } => ErrorKind::EventLogMismatch,
            Self::ExtraData => ErrorKind::ChallengeMismatch,
            Self::NotForSigning(_) => ErrorKind::UntrustedIssuer,
            Self::Path(PathError::OutsideValidity { window, at, .. }) => {
                if at.0 < window.not_before {
                    ErrorKind::NotYetValid
                } else {
                    ErrorKind::Expired
                }
            }
            Self::Path(PathError::NoPinnedRoot { .. }) => ErrorKind::MissingEndorsements,
            Self::Path(_) => ErrorKind::UntrustedIssuer,
            Self::PcrDigest => ErrorKind::InconsistentEvidence,
            Self::QuoteSignature => ErrorKind::BadSignature,
            Self::RevocationList(_) => ErrorKind::InvalidEndorsements,
            Self::Revoked(_) => ErrorKind::Revoked,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::NoBootDigests(_)
            | Self::NotAQuote(_)
            | Self::NotQuoted(_)
            | Self::Selection { .. }
            | Self::SignatureHash(_)
            | Self::SignatureScheme(_)
            | Self::UnknownBank(_)
            | Self::WeakKey { .. } => ErrorKind::UnsupportedEvidence,
            Self::Certificate(_)
            | Self::CertificateKey
            | Self::NotGenerated(_)
            | Self::PcrCount { .. }
            | Self::PcrLength { .. }
            | Self::Public(_)
            | Self::Quote(_)
            | Self::Signature => ErrorKind::MalformedEvidence,
        }
    }
}
