//! The payload: what a guest sends.

use backend_api::cbor;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Error;

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// The most certificates in a payload.
const MAX_CERTIFICATES: usize = 8;

/// The Evidence of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`SnpEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnpEvidence {
    /// The attestation report: 1184 bytes.
    pub report: ByteBuf,
    /// Certificates, DER: the VCEK, and ASK and ARK where the guest has them. At most 8.
    #[serde(deserialize_with = "cbor::at_most::<MAX_CERTIFICATES, _, _>")]
    pub certificates: Vec<ByteBuf>,
    /// The document to which HOST_DATA commits (`evidence_dstack::mr_config`), byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mr_config: Option<String>,
    /// What the guest says it was launched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchEvidence>,
}

/// What a guest says it was launched from: claims, until the measurement recomputes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaunchEvidence {
    /// Firmware, kernel, initrd and command line.
    pub source: LaunchSource,
    /// What was appended to the command line for this application: identity tokens and nothing else
    /// (`evidence_dstack::cmdline`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append: Option<String>,
    /// vCPUs: 1 to 512.
    pub vcpus: u32,
    /// Name of the vCPU type, such as `EPYC-v4`.
    pub vcpu_type: String,
    /// SEV_FEATURES of the guest: bit 0 is SNP itself.
    pub guest_features: u64,
}

/// Where the launch parameters come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LaunchSource {
    /// An image's own documents, which `os-image-hash` covers.
    Image(ImageDocuments),
    /// The parameters themselves; no image hash covers them.
    Parameters(Box<LaunchParameters>),
}

/// Two files of an operating system image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageDocuments {
    /// `sha256sum.txt`, whose SHA-256 is the `os-image-hash`.
    pub checksum_file: ByteBuf,
    /// `measurement.snp.cbor`, which the checksum file lists.
    pub measurement: ByteBuf,
}

/// What is measured of a launch, except for the vCPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaunchParameters {
    /// The firmware.
    pub firmware: FirmwareParameters,
    /// SHA-256 of the kernel: 32 bytes.
    pub kernel_hash: ByteBuf,
    /// SHA-256 of the initrd: 32 bytes.
    pub initrd_hash: ByteBuf,
    /// The kernel command line, without a trailing NUL.
    pub cmdline: String,
}

/// The measured firmware: its digest, and where its metadata lets the measurement continue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirmwareParameters {
    /// The launch digest after the firmware's pages: 48 bytes.
    pub digest: ByteBuf,
    /// Guest physical address of the table of kernel hashes.
    pub hashes_table_gpa: u32,
    /// Where the firmware starts application processors.
    pub reset_eip: u32,
    /// Metadata sections in their order: address, size in bytes, type.
    pub sections: Vec<(u32, u32, u32)>,
}

impl SnpEvidence {
    /// A report with its certificates.
    pub fn new(report: Vec<u8>, certificates: Vec<Vec<u8>>) -> Self {
        Self {
            report: ByteBuf::from(report),
            certificates: certificates.into_iter().map(ByteBuf::from).collect(),
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
