//! The payload: what a guest sends.

use backend_api::cbor;
use evidence_event_log::runtime::LoggedEvent;
use evidence_gce::endorsement::MAX_ENDORSEMENT;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Error;

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 4 << 20;

/// The largest certificate of an attestation key that is read, in bytes.
pub const MAX_AK_CERTIFICATE: usize = 4096;

/// The most certificates of a payload.
pub const MAX_CERTIFICATES: usize = 16;

/// The largest report: a TD quote as the kernel hands it out, with the zeros behind it.
const MAX_REPORT: usize = 64 * 1024;

/// The most values of registers: a TPM has 24 registers, and one bank is quoted.
const MAX_PCRS: usize = 24;

/// The Evidence of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`GcpEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GcpEvidence {
    /// What the processor signed: ATTESTATION_REPORT of SEV-SNP, 1184 bytes, or the TD quote (in dstack's profile with the zeros behind
    /// it).
    pub report: ByteBuf,
    /// TPMS_ATTEST: the vTPM's quote.
    pub quote: ByteBuf,
    /// TPMT_SIGNATURE of the quote.
    pub signature: ByteBuf,
    /// The values of the quoted registers, ascending: at most 24.
    #[serde(deserialize_with = "cbor::at_most::<MAX_PCRS, _, _>")]
    pub pcrs: Vec<ByteBuf>,
    /// The certificate of the attestation key, as the vTPM keeps it: DER, perhaps with zeros behind it.
    pub ak_certificate: ByteBuf,
    /// Certificates that came along, DER: of the processor's key, of authorities. At most [`MAX_CERTIFICATES`].
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "cbor::at_most::<MAX_CERTIFICATES, _, _>"
    )]
    pub certificates: Vec<ByteBuf>,
    /// VMLaunchEndorsement of the firmware, if the host gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_endorsement: Option<ByteBuf>,
    /// The log of the boot in the vTPM's registers: TCG crypto-agile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_log: Option<ByteBuf>,
    /// The log of the boot in the TD's registers: the log area of CCEL. TDX alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cc_log: Option<ByteBuf>,
    /// What the guest extended into PCR14, and on TDX into RTMR3, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_events: Vec<LoggedEvent>,
}

impl GcpEvidence {
    /// A report, a quote of the vTPM (TPMS_ATTEST, TPMT_SIGNATURE, values of the quoted registers), and the certificate of its key.
    pub fn new(
        report: Vec<u8>,
        quote: Vec<u8>,
        signature: Vec<u8>,
        pcrs: Vec<Vec<u8>>,
        ak_certificate: Vec<u8>,
    ) -> Self {
        Self {
            report: report.into(),
            quote: quote.into(),
            signature: signature.into(),
            pcrs: pcrs.into_iter().map(ByteBuf::from).collect(),
            ak_certificate: ak_certificate.into(),
            certificates: Vec::new(),
            launch_endorsement: None,
            boot_log: None,
            cc_log: None,
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
        let endorsement = evidence.launch_endorsement.as_ref().map_or(0, |bytes| bytes.len());
        let sizes = [
            ("report", evidence.report.len(), MAX_REPORT),
            ("certificate of the attestation key", evidence.ak_certificate.len(), MAX_AK_CERTIFICATE),
            ("launch endorsement", endorsement, MAX_ENDORSEMENT),
        ];
        match sizes.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, found, limit)) => Err(Error::TooLarge { what, found, limit }),
            None => Ok(evidence),
        }
    }
}
