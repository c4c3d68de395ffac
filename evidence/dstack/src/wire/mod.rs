//! dstack's attestation: platform evidence, runtime events and configuration in one envelope.
//!
//! | encoding | first byte | form |
//! |---|---|---|
//! | V0 | `0x00` | SCALE, variants by frozen discriminant |
//! | V1 | a MessagePack map | named maps, `version` = 1; the only one that carries pods and V2 events |
//! | JSON | `{` | the verifier's request: V0 or V1 in hex, or a raw TDX quote with its log |
//!
//! Both binary encodings are accepted only in the exact form that dstack writes, so that decoding and
//! encoding again gives the same bytes: minimal lengths, V1's keys in dstack's order. Inputs are at most
//! [`MAX_ATTESTATION`] bytes; counts are bounded too, because an empty element costs one byte on the wire and
//! much more in memory.
//!
//! Source: `dstack-attest/src/attestation.rs` (V0), `dstack-attest/src/v1.rs` (V1), `verifier/src/types.rs`.

mod cursor;
mod error;
mod msgpack;
mod request;
mod scale;
mod v0;
mod v1;

pub use error::{V0Loss, WireError};
pub use request::{MAX_REQUEST, QuoteRequest, Request};

use crate::events::{RuntimeEvent, TdxEvent};

/// The longest binary attestation, in bytes (dstack's own limit).
pub const MAX_ATTESTATION: usize = 10 * 1024 * 1024;
/// The most events in one log.
pub const MAX_EVENTS: usize = 4096;
/// The most certificates in one chain.
pub const MAX_CERTIFICATES: usize = 16;
/// The most PCR values in one quote.
pub const MAX_PCRS: usize = 64;

/// One attestation, in whichever encoding it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// What the platform signed.
    pub platform: Platform,
    /// The runtime events that the guest says it extended.
    pub runtime_events: Vec<RuntimeEvent>,
    /// The 64 bytes that the guest says the platform signed.
    pub report_data: [u8; 64],
    /// The VM's configuration as JSON text; [`crate::vm_config`] reads it.
    pub config: String,
    /// A pod's `app-data` payload, to which `report_data` commits; `None` outside pods.
    pub pod_payload: Option<String>,
}

/// What the platform signed, and what is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Intel TDX on bare metal.
    Tdx {
        /// TDX quote.
        quote: Vec<u8>,
        /// Firmware and runtime events.
        event_log: Vec<TdxEvent>,
    },
    /// Intel TDX with a vTPM on Google Cloud.
    GcpTdx {
        /// TDX quote.
        quote: Vec<u8>,
        /// Firmware and runtime events.
        event_log: Vec<TdxEvent>,
        /// The vTPM's quote, whose qualifying data is the SHA-256 of the TDX quote.
        tpm_quote: TpmQuote,
    },
    /// AWS Nitro Enclave.
    NitroEnclave {
        /// COSE_Sign1 attestation document.
        nsm_quote: Vec<u8>,
    },
    /// AMD SEV-SNP on bare metal.
    AmdSevSnp {
        /// Attestation report, 1184 bytes.
        report: Vec<u8>,
        /// ASK and VCEK (PEM or DER), or one GUID certificate table; may be empty.
        cert_chain: Vec<Vec<u8>>,
        /// The document that `HOST_DATA` commits to; [`crate::mr_config`] reads it.
        mr_config: String,
    },
    /// AWS EC2 with NitroTPM.
    AwsNitroTpm {
        /// COSE_Sign1 attestation document.
        attestation_doc: Vec<u8>,
    },
}

impl Platform {
    /// dstack's name of the platform, as in [`crate::boot_info::BootInfo::tee_variant`].
    #[must_use]
    pub fn tee_variant(&self) -> &'static str {
        match self {
            Self::Tdx { .. } => "dstack-tdx",
            Self::GcpTdx { .. } => "dstack-gcp-tdx",
            Self::NitroEnclave { .. } => "dstack-nitro-enclave",
            Self::AmdSevSnp { .. } => "dstack-amd-sev-snp",
            Self::AwsNitroTpm { .. } => "dstack-aws-nitro-tpm",
        }
    }
}

/// A TPM 2.0 quote with what is needed to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmQuote {
    /// TPMS_ATTEST.
    pub message: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// The PCR values that the quote's digest covers.
    pub pcr_values: Vec<PcrValue>,
    /// Attestation key certificate, DER.
    pub ak_cert: Vec<u8>,
    /// Where the guest says it ran.
    pub platform: HostPlatform,
    /// Boot events, for replay.
    pub event_log: Vec<TpmEvent>,
}

/// One PCR of a [`TpmQuote`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcrValue {
    /// PCR index.
    pub index: u32,
    /// Bank, such as `sha256`.
    pub algorithm: String,
    /// Value.
    pub value: Vec<u8>,
}

/// One boot event of a [`TpmQuote`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmEvent {
    /// PCR index.
    pub pcr_index: u32,
    /// SHA-256 digest that was extended.
    pub digest: Vec<u8>,
}

/// Where a guest says it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostPlatform {
    /// dstack's own hypervisor.
    Dstack,
    /// Google Cloud.
    Gcp,
    /// AWS Nitro Enclave.
    NitroEnclave,
    /// AWS EC2.
    AwsEc2,
}

/// How an attestation is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// SCALE behind a zero byte.
    V0,
    /// MessagePack.
    V1,
    /// The verifier's JSON request.
    Json,
}

impl Encoding {
    /// Tells the encodings apart by their first byte.
    ///
    /// # Errors
    ///
    /// [`WireError::Empty`] or [`WireError::UnknownEncoding`].
    pub fn sniff(bytes: &[u8]) -> Result<Self, WireError> {
        match bytes.first() {
            Some(0x00) => Ok(Self::V0),
            Some(0x80..=0x8f | 0xde | 0xdf) => Ok(Self::V1),
            Some(b'{') => Ok(Self::Json),
            Some(&first) => Err(WireError::UnknownEncoding { first }),
            None => Err(WireError::Empty),
        }
    }
}

impl Attestation {
    /// Decodes an attestation of any encoding.
    ///
    /// A raw JSON request decodes only with its `report_data`; [`Request::parse`] does without.
    ///
    /// # Errors
    ///
    /// [`WireError`] says what was expected where.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match Encoding::sniff(bytes)? {
            Encoding::V0 => v0::decode(within_limit(bytes)?),
            Encoding::V1 => v1::decode(within_limit(bytes)?),
            Encoding::Json => {
                let text =
                    std::str::from_utf8(bytes).map_err(|e| WireError::Utf8 { offset: e.valid_up_to() })?;
                Request::parse(text)?.into_attestation()
            }
        }
    }

    /// Encodes as V0.
    ///
    /// # Errors
    ///
    /// [`WireError::NotInV0`] for what V0 has no place for; [`WireError::TooLarge`] and
    /// [`WireError::TooMany`] for what no decoder would accept.
    pub fn encode_v0(&self) -> Result<Vec<u8>, WireError> {
        let bytes = v0::encode(self)?;
        within_limit(&bytes)?;
        Ok(bytes)
    }

    /// Encodes as V1.
    ///
    /// # Errors
    ///
    /// [`WireError::TooLarge`] and [`WireError::TooMany`] for what no decoder would accept.
    pub fn encode_v1(&self) -> Result<Vec<u8>, WireError> {
        let bytes = v1::encode(self)?;
        within_limit(&bytes)?;
        Ok(bytes)
    }
}

fn within_limit(bytes: &[u8]) -> Result<&[u8], WireError> {
    if bytes.len() > MAX_ATTESTATION {
        return Err(WireError::TooLarge { found: bytes.len() });
    }
    Ok(bytes)
}

/// `found`, if a list may have so many elements.
fn count(what: &'static str, limit: usize, found: usize) -> Result<usize, WireError> {
    if found > limit { Err(WireError::TooMany { what, limit, found }) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
