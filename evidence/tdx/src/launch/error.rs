//! Why a launch can not be measured.

use thiserror::Error;

use super::{HIGH_MEMORY_SPLIT, LOW_MEMORY, MAX_WITNESS_RANGES};

/// Why a launch can not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// On a machine of this size the kernel is measured with another header than the image's digest is of.
    #[error("memory of {LOW_MEMORY:#x} or at least {HIGH_MEMORY_SPLIT:#x} bytes expected, found {found:#x}")]
    MemorySize {
        /// The size in bytes.
        found: u64,
    },
    /// No firmware with such events is known.
    #[error("firmware variant \"pre202505\" expected, found {found:?}")]
    Variant {
        /// The name.
        found: String,
    },
    /// The witness ends within a number, or before its last range.
    #[error("another number expected in the td hob witness, found its end")]
    WitnessTruncated,
    /// A number of the witness is written with more bytes than it needs.
    #[error("shortest form of a number expected at byte {offset} of the td hob witness, found a longer one")]
    WitnessNotMinimal {
        /// Where the number begins.
        offset: usize,
    },
    /// A page of the witness does not lie in the memory that every machine has.
    #[error("pages below {LOW_MEMORY:#x} expected in the td hob witness, found another at byte {offset}")]
    WitnessPage {
        /// Where the number begins.
        offset: usize,
    },
    /// More ranges than a firmware has sections.
    #[error("at most {MAX_WITNESS_RANGES} ranges expected in the td hob witness, found {found}")]
    WitnessRanges {
        /// The number.
        found: u32,
    },
    /// A range is empty, or begins before the end of the one before it.
    #[error("ranges in ascending order without overlap expected in the td hob witness, found {start:#x}")]
    WitnessOrder {
        /// Address of the range.
        start: u64,
    },
    /// Bytes after the last range.
    #[error("end of the td hob witness expected, found {left} more bytes")]
    WitnessTrailing {
        /// The bytes left.
        left: usize,
    },
    /// Text that the firmware would not widen to UTF-16 as it stands.
    #[error("command line of ascii without nul expected, found another character at byte {offset}")]
    Cmdline {
        /// Where it is.
        offset: usize,
    },
}
