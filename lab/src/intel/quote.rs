//! TDX quotes, versions 4 and 5 (`sgx_quote_4.h` and `sgx_quote_5.h` of Intel's DCAP). All integers are
//! little-endian.

#![expect(
    clippy::expect_used,
    reason = "the lab writes bounded values, so a failure is a mistake in the lab or the test"
)]

use super::Patches;
use super::body::{BodyType, TdBody};
use super::pck::Pck;
use crate::keys::{P256Key, sha256};

/// Bytes of a quote's header.
pub const HEADER_BYTES: usize = 48;
/// Bytes of the body type and body size that follow the header from version 5 on.
pub const BODY_HEADER_BYTES: usize = 6;
/// Bytes of an enclave's report.
pub const QE_REPORT_BYTES: usize = 384;
/// Bytes of a signature, and of a public key without its leading 04.
const P256_BYTES: usize = 64;

/// TEE type of TDX.
pub const TEE_TYPE_TDX: u32 = 0x81;
/// Attestation key type: ECDSA P-256 with SHA-256.
pub const KEY_TYPE_ECDSA_P256: u16 = 2;
/// QE vendor ID: Intel.
pub const QE_VENDOR_INTEL: [u8; 16] = *b"\x93\x9a\x72\x33\xf7\x9c\x4c\xa9\x94\x0a\x0d\xb3\x95\x7f\x06\x07";
/// Certification data type: the PCK certificate chain, PEM.
pub const CERT_PCK_CHAIN: u16 = 5;
/// Certification data type: a QE report with its own certification data.
pub const CERT_QE_REPORT: u16 = 6;
/// MRSIGNER of Intel's TD Quoting Enclave.
pub const TD_QE_MR_SIGNER: [u8; 32] = *b"\xdc\x9e\x2a\x7c\x6f\x94\x8f\x17\x47\x4e\x34\xa7\xfc\x43\xed\x03\
\x0f\x7c\x15\x63\xf1\xba\xbd\xdf\x63\x40\xc8\x2e\x0e\x54\xa8\xc5";

/// Every pair of version and body type that Intel's TD Quoting Enclave makes.
pub const FORMS: [(u16, BodyType); 4] =
    [(4, BodyType::Td10), (5, BodyType::Td10), (5, BodyType::Td15), (5, BodyType::Td15Ex)];

/// The report of the Quoting Enclave (`sgx_report_body_t`), which the PCK signs. Fields that no one reads are
/// zero.
#[derive(Debug, Clone)]
pub struct QeReport {
    /// CPUSVN at 0.
    pub cpu_svn: [u8; 16],
    /// MISCSELECT at 16.
    pub misc_select: u32,
    /// ATTRIBUTES at 48: flags and XFRM, 8 bytes each. Bit 1 is DEBUG.
    pub attributes: [u8; 16],
    /// MRENCLAVE at 64.
    pub mr_enclave: [u8; 32],
    /// MRSIGNER at 128.
    pub mr_signer: [u8; 32],
    /// ISVPRODID at 256.
    pub isv_prod_id: u16,
    /// ISVSVN at 258.
    pub isv_svn: u16,
    /// REPORTDATA at 320, where it shall not be SHA-256(attestation key ‖ QE authentication data) and zeros.
    pub report_data: Option<[u8; 64]>,
    /// Bytes written over the fields before the PCK signs them.
    pub patches: Patches,
}

impl Default for QeReport {
    /// Intel's TD Quoting Enclave, at an SVN that is up to date.
    fn default() -> Self {
        Self {
            cpu_svn: *b"\x04\x04\x19\x1b\x04\xff\x00\x06\0\0\0\0\0\0\0\0",
            misc_select: 0,
            attributes: *b"\x15\0\0\0\0\0\0\0\xe7\0\0\0\0\0\0\0",
            mr_enclave: [0xe5; 32],
            mr_signer: TD_QE_MR_SIGNER,
            isv_prod_id: 2,
            isv_svn: 7,
            report_data: None,
            patches: Vec::new(),
        }
    }
}

impl QeReport {
    /// The report with `patches`, 384 bytes. REPORTDATA is `binding` and 32 zero bytes, where the fields do
    /// not say otherwise.
    fn bytes(&self, binding: [u8; 32]) -> Vec<u8> {
        let bound = || {
            let mut report_data = [0; 64];
            report_data.iter_mut().zip(binding).for_each(|(byte, value)| *byte = value);
            report_data
        };
        let mut report = [
            &self.cpu_svn[..],
            &self.misc_select.to_le_bytes(),
            &[0; 28],
            &self.attributes,
            &self.mr_enclave,
            &[0; 32],
            &self.mr_signer,
            &[0; 96],
            &self.isv_prod_id.to_le_bytes(),
            &self.isv_svn.to_le_bytes(),
            &[0; 60],
            &self.report_data.unwrap_or_else(bound),
        ]
        .concat();
        patch(&mut report, &self.patches);
        report
    }
}

/// A quote to be signed: every field of the structure.
#[derive(Debug, Clone)]
pub struct QuoteSpec {
    /// Version at 0: 4 or 5. From 5 on, body type and body size stand before the body.
    pub version: u16,
    /// Attestation key type at 2.
    pub attestation_key_type: u16,
    /// TEE type at 4.
    pub tee_type: u32,
    /// QE SVN at 8: reserved and zero for TDX.
    pub qe_svn: u16,
    /// PCE SVN at 10: reserved and zero for TDX.
    pub pce_svn: u16,
    /// QE vendor ID at 12.
    pub qe_vendor_id: [u8; 16],
    /// User data at 28: the QE's identity of the platform, 16 bytes, and zeros.
    pub user_data: [u8; 20],
    /// Which body follows.
    pub body_type: BodyType,
    /// The report of the TD.
    pub body: TdBody,
    /// The label that fixes the attestation key.
    pub attestation_key_label: String,
    /// The label of the key that signs, where that is not the attestation key.
    pub signing_key_label: Option<String>,
    /// The report of the Quoting Enclave.
    pub qe_report: QeReport,
    /// QE authentication data: 32 bytes, 00 to 1f, on most platforms.
    pub qe_auth_data: Vec<u8>,
    /// Type of the quote's certification data: a QE report.
    pub certification_type: u16,
    /// Type of the QE report's certification data: the chain of the PCK certificate.
    pub cert_type: u16,
    /// The QE report's certification data, where it shall not be the PEM chain of the PCK certificate and a
    /// NUL.
    pub cert_data: Option<Vec<u8>>,
    /// Bytes written over header and body before they are signed.
    pub patches: Patches,
    /// Bytes that follow the QE report's certification data, and are counted in the length of the quote's.
    pub after_cert_data: Vec<u8>,
    /// Bytes that follow the quote's certification data, and are counted in the length of the signature data.
    pub after_certification_data: Vec<u8>,
    /// Bytes that follow the quote.
    pub after_quote: Vec<u8>,
    /// Bytes written over the quote after it was signed: see [`QuoteSpec::layout`].
    pub patches_after: Patches,
}

/// Where the parts of a quote begin. Version, types and identity of the QE are at the constant offsets of
/// [`QuoteSpec`]'s fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The TD report. From version 5 on, its type (2 bytes) and size (4 bytes) stand before it.
    pub body: usize,
    /// The length of all that follows, 4 bytes. What is before it is signed by the attestation key.
    pub signature_data_length: usize,
    /// The signature by the attestation key, 64 bytes.
    pub signature: usize,
    /// The attestation key, 64 bytes.
    pub attestation_key: usize,
    /// The type of the quote's certification data, 2 bytes, and its length, 4 bytes.
    pub certification_type: usize,
    /// The report of the QE, 384 bytes.
    pub qe_report: usize,
    /// The signature by the PCK, 64 bytes.
    pub qe_report_signature: usize,
    /// The length of the QE authentication data, 2 bytes, and the data.
    pub qe_auth_data_length: usize,
    /// The type of the QE report's certification data, 2 bytes, and its length, 4 bytes.
    pub cert_type: usize,
    /// The QE report's certification data.
    pub cert_data: usize,
}

impl QuoteSpec {
    /// A quote with the report [`TdBody::default`], in the form that Intel's TD Quoting Enclave gives it.
    #[must_use]
    pub fn new(version: u16, body_type: BodyType) -> Self {
        let mut user_data = [0; 20];
        user_data.iter_mut().zip(sha256(b"attestation lab: QE ID")).take(16).for_each(|(b, id)| *b = id);
        Self {
            version,
            attestation_key_type: KEY_TYPE_ECDSA_P256,
            tee_type: TEE_TYPE_TDX,
            qe_svn: 0,
            pce_svn: 0,
            qe_vendor_id: QE_VENDOR_INTEL,
            user_data,
            body_type,
            body: TdBody::default(),
            attestation_key_label: "attestation key".to_owned(),
            signing_key_label: None,
            qe_report: QeReport::default(),
            qe_auth_data: (0..32).collect(),
            certification_type: CERT_QE_REPORT,
            cert_type: CERT_PCK_CHAIN,
            cert_data: None,
            patches: Vec::new(),
            after_cert_data: Vec::new(),
            after_certification_data: Vec::new(),
            after_quote: Vec::new(),
            patches_after: Vec::new(),
        }
    }

    /// Header and body with `patches`: what the attestation key signs.
    ///
    /// # Panics
    ///
    /// If a patch does not lie inside of them.
    #[must_use]
    pub fn signed_part(&self) -> Vec<u8> {
        let mut part = [
            &self.version.to_le_bytes()[..],
            &self.attestation_key_type.to_le_bytes(),
            &self.tee_type.to_le_bytes(),
            &self.qe_svn.to_le_bytes(),
            &self.pce_svn.to_le_bytes(),
            &self.qe_vendor_id,
            &self.user_data,
        ]
        .concat();
        if self.version >= 5 {
            part.extend(self.body_type.number().to_le_bytes());
            part.extend(length32(self.body_type.size()));
        }
        part.extend(self.body.bytes(self.body_type));
        patch(&mut part, &self.patches);
        part
    }

    /// The quote, signed by the attestation key, with the QE's report signed by the PCK.
    ///
    /// # Panics
    ///
    /// If a patch does not lie inside of what it changes, or the QE authentication data is longer than 65,535
    /// bytes.
    #[must_use]
    pub fn sign(&self, pck: &Pck) -> Vec<u8> {
        let attestation_key = P256Key::from_label(&self.attestation_key_label);
        let signing_key =
            P256Key::from_label(self.signing_key_label.as_ref().unwrap_or(&self.attestation_key_label));
        let public_key = attestation_key.public_point().strip_prefix(&[4]).expect("an uncompressed point");

        let certification_data = self.certification_data(public_key, pck);
        let mut quote = self.signed_part();
        let signature_data = [
            &signing_key.sign(&quote)[..],
            public_key,
            &self.certification_type.to_le_bytes(),
            &length32(certification_data.len()),
            &certification_data,
            &self.after_certification_data,
        ]
        .concat();
        quote.extend(length32(signature_data.len()));
        quote.extend(signature_data);
        quote.extend(&self.after_quote);
        patch(&mut quote, &self.patches_after);
        quote
    }

    /// The QE's report, its signature, its authentication data, and who certifies the key that signed it.
    fn certification_data(&self, public_key: &[u8], pck: &Pck) -> Vec<u8> {
        let binding = sha256(&[public_key, &self.qe_auth_data].concat());
        let qe_report = self.qe_report.bytes(binding);
        let auth_length = u16::try_from(self.qe_auth_data.len()).expect("short QE authentication data");
        let cert_data = self.cert_data.clone().unwrap_or_else(|| terminated(pck.pem_chain()));
        [
            &qe_report[..],
            &pck.key.sign(&qe_report),
            &auth_length.to_le_bytes(),
            &self.qe_auth_data,
            &self.cert_type.to_le_bytes(),
            &length32(cert_data.len()),
            &cert_data,
            &self.after_cert_data,
        ]
        .concat()
    }

    /// Where the parts of the signed quote begin, for [`Self::patches_after`].
    #[must_use]
    pub fn layout(&self) -> Layout {
        let mut end: usize = 0;
        let mut part = |bytes| {
            let start = end;
            end = end.saturating_add(bytes);
            start
        };
        part(HEADER_BYTES);
        if self.version >= 5 {
            part(BODY_HEADER_BYTES);
        }
        Layout {
            body: part(self.body_type.size()),
            signature_data_length: part(4),
            signature: part(P256_BYTES),
            attestation_key: part(P256_BYTES),
            certification_type: part(2 + 4),
            qe_report: part(QE_REPORT_BYTES),
            qe_report_signature: part(P256_BYTES),
            qe_auth_data_length: part(self.qe_auth_data.len().saturating_add(2)),
            cert_type: part(2 + 4),
            cert_data: part(0),
        }
    }
}

/// A string with the NUL that Intel's library counts to the chain.
fn terminated(chain: String) -> Vec<u8> {
    let mut bytes = chain.into_bytes();
    bytes.push(0);
    bytes
}

fn length32(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a short value").to_le_bytes()
}

/// Writes each patch at its offset.
fn patch(bytes: &mut [u8], patches: &Patches) {
    for (offset, patch) in patches {
        let end = offset.checked_add(patch.len()).expect("a patch inside of the bytes");
        bytes.get_mut(*offset..end).expect("a patch inside of the bytes").copy_from_slice(patch);
    }
}
