//! The payload: what a guest sends.

use backend_api::cbor;
use evidence_event_log::runtime::LoggedEvent;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{Error, hcl::MAX_HCL_REPORT};

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 3 << 20;

/// The largest certificate of an attestation key that is read, in bytes: the vTPM's index has 4096.
pub const MAX_AK_CERTIFICATE: usize = 4096;

/// The most certificates of a payload.
pub const MAX_CERTIFICATES: usize = 16;

/// The most values of registers: a TPM has 24 registers, and one bank is quoted.
const MAX_PCRS: usize = 24;

/// The Evidence of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`AzureEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AzureEvidence {
    /// The report of the paravisor, as the vTPM keeps it: at most 4096 bytes.
    pub hcl_report: ByteBuf,
    /// The TDX quote of the TD report in it, without padding: TDX alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub td_quote: Option<ByteBuf>,
    /// TPMS_ATTEST: the vTPM's quote.
    pub quote: ByteBuf,
    /// TPMT_SIGNATURE of the quote.
    pub signature: ByteBuf,
    /// The values of the quoted registers, ascending: at most 24.
    #[serde(deserialize_with = "cbor::at_most::<MAX_PCRS, _, _>")]
    pub pcrs: Vec<ByteBuf>,
    /// The certificate of the attestation key, as the vTPM keeps it: DER, perhaps with zeros behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ak_certificate: Option<ByteBuf>,
    /// Certificates that came along, DER: of the processor's key, of authorities. At most [`MAX_CERTIFICATES`].
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
}

impl AzureEvidence {
    /// A report of the paravisor and a quote of its vTPM: TPMS_ATTEST, TPMT_SIGNATURE, values of the quoted registers.
    pub fn new(hcl_report: Vec<u8>, quote: Vec<u8>, signature: Vec<u8>, pcrs: Vec<Vec<u8>>) -> Self {
        Self {
            hcl_report: hcl_report.into(),
            td_quote: None,
            quote: quote.into(),
            signature: signature.into(),
            pcrs: pcrs.into_iter().map(ByteBuf::from).collect(),
            ak_certificate: None,
            certificates: Vec::new(),
            boot_log: None,
            runtime_events: Vec::new(),
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
    /// [`Error::Payload`], [`Error::TooLarge`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let evidence: Self = cbor::decode(bytes, MAX_PAYLOAD)?;
        let ak_certificate = evidence.ak_certificate.as_ref().map_or(0, |der| der.len());
        let sizes = [
            ("report of the paravisor", evidence.hcl_report.len(), MAX_HCL_REPORT),
            ("certificate of the attestation key", ak_certificate, MAX_AK_CERTIFICATE),
        ];
        match sizes.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, found, limit)) => Err(Error::TooLarge { what, found, limit }),
            None => Ok(evidence),
        }
    }
}
