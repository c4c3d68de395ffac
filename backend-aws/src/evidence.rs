//! The payload: what a guest sends.

use backend_api::cbor;
use evidence_event_log::runtime::LoggedEvent;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Error;

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 3 << 20;

/// The most certificates of a payload.
pub const MAX_CERTIFICATES: usize = 16;

/// The Evidence of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`AwsEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AwsEvidence {
    /// The report of the processor: 1184 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ByteBuf>,
    /// The attestation document of the NitroTPM: COSE_Sign1, at most [`evidence_nitro::MAX_DOCUMENT`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<ByteBuf>,
    /// Certificates that came along, DER: of the VLEK, of authorities of AMD's. At most [`MAX_CERTIFICATES`].
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "cbor::at_most::<MAX_CERTIFICATES, _, _>"
    )]
    pub certificates: Vec<ByteBuf>,
    /// The log of the boot: TCG crypto-agile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_log: Option<ByteBuf>,
    /// What the guest extended into PCR14, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_events: Vec<LoggedEvent>,
    /// What the guest says is its NitroTPM's endorsement key: DER SubjectPublicKeyInfo of RSA with 2048 bits, 294 bytes. Nothing in the
    /// evidence vouches for it, `verify` does not look at it, and anyone can name any instance's; only the cross-check compares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ek_public: Option<ByteBuf>,
}

impl AwsEvidence {
    /// Writes the payload.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(cbor::decode(bytes, MAX_PAYLOAD)?)
    }
}
