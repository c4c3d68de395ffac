//! The payload: what a guest sends.

use backend_api::cbor;
use evidence_event_log::runtime::LoggedEvent;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Error;

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 3 << 20;

/// The Evidence of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`TdxEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TdxEvidence {
    /// The quote, without padding.
    pub quote: ByteBuf,
    /// What firmware and boot loader extended into RTMR0 to RTMR2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_log: Option<BootLog>,
    /// What the guest extended into RTMR3, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_events: Vec<LoggedEvent>,
    /// The document to which MRCONFIGID commits in its third form (`evidence_dstack::mr_config`), byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mr_config: Option<String>,
    /// What the guest says it was launched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchEvidence>,
}

/// The log of a boot, in the form in which there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BootLog {
    /// The log area of the ACPI table CCEL: a TCG crypto-agile log. Padding after it may stay.
    Ccel(ByteBuf),
    /// The digests of every event, in order: dstack's logs.
    Digests(Vec<BootEvent>),
    /// The digests of the ACPI tables alone, which a launch cannot be measured without: dstack's logs in certificates.
    Acpi(Vec<BootEvent>),
}

/// One event of a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BootEvent {
    /// 0 to 2: RTMR0 to RTMR2.
    pub rtmr: u8,
    /// The digest: SHA-384, 48 bytes.
    pub digest: ByteBuf,
    /// What dstack calls it; empty for most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What a guest says it was launched from: claims, until the registers recompute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaunchEvidence {
    /// `sha256sum.txt` of the image: its SHA-256 is `os-image-hash`.
    pub checksum_file: ByteBuf,
    /// `measurement.tdx.cbor` of the image.
    pub measurement: ByteBuf,
    /// Size of the guest's memory in bytes.
    pub memory_size: u64,
    /// Whether the VMM added the firmware's pages before it measured their contents (QEMU 8), or page by page.
    pub two_pass: bool,
}

impl TdxEvidence {
    /// A quote alone.
    pub fn new(quote: Vec<u8>) -> Self {
        Self {
            quote: ByteBuf::from(quote),
            boot_log: None,
            runtime_events: Vec::new(),
            mr_config: None,
            launch: None,
        }
    }

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

#[cfg(test)]
mod tests {
    use evidence_event_log::runtime;

    use super::*;
    use crate::boot;

    /// The largest of each part that is read: as many events as there may be, with the longest names of a launch, and as many bytes.
    #[test]
    fn what_a_guest_may_extend_fits() {
        let name = "n".repeat(64);
        let payload = runtime::MAX_LOG_LEN / runtime::MAX_EVENTS - name.len();
        let event = LoggedEvent { name, payload: vec![0xFF; payload].into(), version: 1 };
        let boot = BootEvent { rtmr: 2, digest: vec![0xFF; 48].into(), name: String::new() };
        let evidence = TdxEvidence {
            quote: vec![0; 32 << 10].into(),
            boot_log: Some(BootLog::Digests(vec![boot; boot::MAX_EVENTS])),
            runtime_events: vec![event; runtime::MAX_EVENTS],
            mr_config: Some("{".repeat(16 << 10)),
            launch: Some(LaunchEvidence {
                checksum_file: vec![0; 64 << 10].into(),
                measurement: vec![0; 64 << 10].into(),
                memory_size: u64::MAX,
                two_pass: true,
            }),
        };
        assert!(TdxEvidence::decode(&evidence.encode()).is_ok_and(|read| read == evidence));
    }
}
