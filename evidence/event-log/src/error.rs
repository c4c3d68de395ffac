//! Why a log was refused.

use crate::{EventType, HashAlgorithm, tcg};

/// Why a log was refused. Events count from 0, which is the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventLogError {
    /// More bytes than a log may have.
    #[error("at most {} bytes of event log expected, found {found}", tcg::MAX_LOG_LEN)]
    TooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// More events than a log may have.
    #[error("at most {} events expected, found more", tcg::MAX_EVENTS)]
    TooManyEvents,
    /// The bytes end inside an event.
    #[error("event {event} ends early")]
    Truncated {
        /// The event.
        event: usize,
    },
    /// The first event is no `Spec ID Event03`: a log of SHA-1 alone, or no log.
    #[error("a crypto-agile log expected (Spec ID Event03), found an event of type {found} without it")]
    NotCryptoAgile {
        /// The first event's type.
        found: EventType,
    },
    /// The first event's register is neither 0 nor, in a CCEL log, 1.
    #[error("the header's register is 0 or 1, found {found}")]
    HeaderRegister {
        /// The register found.
        found: u32,
    },
    /// The first event's digest is not zero.
    #[error("the header's digest is zero, found another")]
    HeaderDigest,
    /// Another length than the header's fields have.
    #[error("the header's fields take all of its {found} bytes, found otherwise")]
    HeaderLength {
        /// The length of the header's data in bytes.
        found: usize,
    },
    /// Neither client nor server.
    #[error("platform class 0 or 1 expected, found {found}")]
    PlatformClass {
        /// The class found.
        found: u32,
    },
    /// Another version of the specification.
    #[error("log version 2.0 expected, found {major}.{minor}")]
    Version {
        /// specVersionMajor.
        major: u8,
        /// specVersionMinor.
        minor: u8,
    },
    /// Neither 32 nor 64 bits.
    #[error("UINTN of 1 or 2 words expected, found {found}")]
    UintnSize {
        /// uintnSize: UINTN in units of 32 bits.
        found: u8,
    },
    /// No algorithm, or more than there are.
    #[error("1 to {} algorithms expected, found {found}", HashAlgorithm::ALL.len())]
    AlgorithmCount {
        /// The number found.
        found: u32,
    },
    /// An algorithm that this crate does not know.
    #[error("a known hash algorithm expected, found {found:#06x}")]
    UnknownAlgorithm {
        /// The TPM_ALG_ID found.
        found: u16,
    },
    /// An algorithm declared twice.
    #[error("each algorithm once expected, found {algorithm} twice")]
    AlgorithmTwice {
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// An algorithm declared with another size.
    #[error("{} bytes expected for {algorithm}, found {found}", algorithm.size())]
    AlgorithmSize {
        /// The algorithm.
        algorithm: HashAlgorithm,
        /// The size declared in bytes.
        found: u16,
    },
    /// An event extends a register that does not exist.
    #[error("event {event}: a register below {} expected, found {found}", tcg::REGISTERS)]
    Register {
        /// The event.
        event: usize,
        /// The register found.
        found: u32,
    },
    /// An event has more or fewer digests than the header declares.
    #[error("event {event}: {expected} digests expected, found {found}")]
    DigestCount {
        /// The event.
        event: usize,
        /// The number of declared algorithms.
        expected: usize,
        /// The number found.
        found: u32,
    },
    /// A digest of an algorithm that the header does not declare.
    #[error("event {event}: a digest of a declared algorithm expected, found {found:#06x}")]
    UndeclaredAlgorithm {
        /// The event.
        event: usize,
        /// The TPM_ALG_ID found.
        found: u16,
    },
    /// Two digests of one algorithm.
    #[error("event {event}: one digest for each algorithm expected, found {algorithm} twice")]
    DigestTwice {
        /// The event.
        event: usize,
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// More data than an event may have.
    #[error("event {event}: at most {} bytes of data expected, found {found}", tcg::MAX_DATA_LEN)]
    DataTooLarge {
        /// The event.
        event: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// A StartupLocality event of another form.
    #[error("event {event}: StartupLocality of PCR 0 with locality 0, 3 or 4 expected, found another")]
    StartupLocality {
        /// The event.
        event: usize,
    },
    /// A StartupLocality event that does not come before all that extends PCR 0, or comes twice.
    #[error("event {event}: StartupLocality once and before PCR 0 is extended expected, found it late")]
    StartupLocalityLate {
        /// The event.
        event: usize,
    },
    /// Something else than padding behind padding.
    #[error("padding of {padding:#04x} to the end expected, found another byte at {offset}")]
    BehindPadding {
        /// The padding.
        padding: u8,
        /// Where the other byte stands, from the log's start.
        offset: usize,
    },
    /// A log without the digests that the registers hold.
    #[error("digests of {algorithm} expected, found none")]
    NoDigests {
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// An event of a CCEL log extends something else than an RTMR.
    #[error("event {event}: measurement register 1 to 4 expected (RTMR0 to RTMR3), found {found}")]
    NotAnRtmr {
        /// The event.
        event: usize,
        /// The register found.
        found: u32,
    },
}
