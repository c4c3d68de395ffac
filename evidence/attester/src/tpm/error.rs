//! Why the TPM did not do it.

use evidence_event_log::Bank;
use evidence_ledger::ErrorKind;
use tss_esapi::Error;
use tss_esapi::constants::Tss2ResponseCode;

/// An answer that has the form of an answer and cannot be one.
pub(super) const UNEXPECTED: &str = "an answer to another question";

/// Why the TPM did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TpmError {
    /// A command failed: the TPM said no, or the connection to it is broken.
    #[error("{command} failed: {answer}")]
    Command {
        /// Its name in part 3 of the TPM 2.0 Library.
        command: &'static str,
        /// The response code in words, and in hex.
        answer: String,
    },
    /// A handle of another kind.
    #[error("{handle:#010x} is no {what}")]
    Handle {
        /// What was expected.
        what: &'static str,
        /// The handle.
        handle: u32,
    },
    /// There is no device.
    #[error("no tpm: neither {looked_for}")]
    Missing {
        /// Where it was looked for.
        looked_for: String,
    },
    /// No bank of SHA-2 has the PCR.
    #[error("no bank of SHA-2 has PCR {pcr}, found banks {}", hex(.found))]
    NoBank {
        /// The PCR.
        pcr: u8,
        /// The TPM_ALG_ID of each bank.
        found: Vec<u16>,
    },
    /// A NitroTPM says why it makes no document.
    #[error("NitroTPM makes no document: it answers {code}")]
    NoDocument {
        /// Its code, such as `InvalidOperation`.
        code: String,
    },
    /// There is no key at the handle.
    #[error("no key at {handle:#010x}")]
    NoKey {
        /// The handle.
        handle: u32,
    },
    /// The bank does not have the PCR.
    #[error("no PCR {pcr} in the bank of {}", .bank.algorithm())]
    NotAllocated {
        /// The bank.
        bank: Bank,
        /// The first one that it does not have.
        pcr: u8,
    },
    /// An index that neither its owner nor its own authorization may read.
    #[error("NV index {index:#010x} has attributes {attributes:#010x}, expected OWNERREAD or AUTHREAD")]
    NotReadable {
        /// The index.
        index: u32,
        /// TPMA_NV.
        attributes: u32,
    },
    /// The TPM cannot be reached.
    #[error("cannot open {name}: {answer}")]
    Open {
        /// The device, or in libtss2's words.
        name: String,
        /// The library's answer.
        answer: String,
    },
    /// Somebody else's index.
    #[error(
        "NV index {index:#010x} has {found_size} bytes and attributes {found_attributes:#010x}, \
         expected {expected_size} and {:#010x}",
        super::NV_ATTRIBUTES
    )]
    OtherIndex {
        /// The index.
        index: u32,
        /// Bytes of what was to be written.
        expected_size: usize,
        /// Bytes of the index.
        found_size: usize,
        /// TPMA_NV, without WRITTEN.
        found_attributes: u32,
    },
    /// Somebody extended PCRs during each quote.
    #[error("PCRs changed during each of {quotes} quotes")]
    PcrsChange {
        /// How many were made.
        quotes: u32,
    },
    /// Not a TPM in libtss2's words.
    #[error("{0:?} is no tpm, expected such as swtpm:host=127.0.0.1,port=2321 or device:/dev/tpmrm0")]
    Tcti(String),
    /// Something else than a template of a key.
    #[error("template of the attestation key is no TPMT_PUBLIC")]
    Template,
    /// An index that is larger than the caller reads.
    #[error("NV index {index:#010x} has {found} bytes, expected at most {limit}")]
    TooLarge {
        /// The index.
        index: u32,
        /// Its bytes.
        found: usize,
        /// The caller's limit.
        limit: usize,
    },
    /// More bytes than a command takes.
    #[error("{what} of {found} bytes, expected at most {most}")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// The most.
        most: usize,
    },
    /// A bank that the library cannot extend, so that it would stay clean.
    #[error("bank {algorithm:#06x} has PCR {pcr} and cannot be extended")]
    UnknownBank {
        /// Its TPM_ALG_ID.
        algorithm: u16,
        /// The PCR.
        pcr: u8,
    },
}

impl TpmError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Command { .. } | Self::NoDocument { .. } | Self::Open { .. } | Self::PcrsChange { .. } => {
                ErrorKind::DeviceUnavailable
            }
            Self::Handle { .. } | Self::Tcti(_) | Self::TooLong { .. } => ErrorKind::InvalidConfig,
            Self::Missing { .. }
            | Self::NoBank { .. }
            | Self::NoKey { .. }
            | Self::NotAllocated { .. }
            | Self::NotReadable { .. }
            | Self::OtherIndex { .. }
            | Self::Template
            | Self::UnknownBank { .. } => ErrorKind::Unsupported,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
        }
    }
}

/// For `map_err` of a command.
pub(super) fn failed(command: &'static str) -> impl Fn(Error) -> TpmError + Copy {
    move |error| TpmError::Command { command, answer: words(error) }
}

/// The library's words, and the response code in hex: it has no words for many of its own.
pub(super) fn words(error: Error) -> String {
    let code = match error {
        Error::Tss2Error(Tss2ResponseCode::FormatZero(code)) => code.to_string(),
        Error::Tss2Error(Tss2ResponseCode::FormatOne(code)) => code.to_string(),
        Error::Tss2Error(Tss2ResponseCode::Success) | Error::WrapperError(_) => return error.to_string(),
    };
    let hex = code.rsplit(' ').next().unwrap_or_default();
    format!("{error} ({hex})")
}

fn hex(algorithms: &[u16]) -> String {
    let hex: Vec<String> = algorithms.iter().map(|algorithm| format!("{algorithm:#06x}")).collect();
    if hex.is_empty() { "none".to_owned() } else { hex.join(", ") }
}
