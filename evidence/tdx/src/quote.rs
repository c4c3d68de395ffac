//! The quote: header, TD report, and the chain of signatures that ends in it.
//!
//! Source: Intel TDX DCAP Quoting Library API, appendix A.3 (version 4) and A.4 (version 5). Integers are little-endian.

use std::fmt;

use crate::{Error, TdAttributes, Xfam};

/// The largest quote that is read, in bytes: five times the size of those that platforms hand out.
pub const MAX_QUOTE: usize = 32 * 1024;

/// Bytes of the header.
const HEADER_LEN: usize = 48;

/// Certification data that holds a QE report and what certifies it.
const QE_REPORT_CERTIFICATION: u16 = 6;

/// Certification data that is a chain of PCK certificates in PEM.
const PCK_CERTIFICATE_CHAIN: u16 = 5;

/// Bytes of the authentication data that Intel's quoting enclave makes.
const QE_AUTHENTICATION_LEN: usize = 32;

/// Which form of TD report a quote carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BodyKind {
    /// TD report of TDX 1.0: 584 bytes. Every quote of version 4, and body type 2 of version 5.
    Td10,
    /// TD report of TDX 1.5: 648 bytes. Body type 3 of version 5.
    Td15,
    /// TD report of TDX 1.5 with its extension: 885 bytes. Body type 4 of version 5.
    Td15Extended,
}

impl BodyKind {
    const fn from_type(body_type: u16) -> Option<Self> {
        match body_type {
            2 => Some(Self::Td10),
            3 => Some(Self::Td15),
            4 => Some(Self::Td15Extended),
            _ => None,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Td10 => 584,
            Self::Td15 => 648,
            Self::Td15Extended => 885,
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Td10 => "TD 1.0",
            Self::Td15 => "TD 1.5",
            Self::Td15Extended => "TD 1.5ex",
        }
    }
}

/// Bytes 0 to 47 of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 0: 4 or 5.
    pub version: u16,
    /// 2: 2 is ECDSA with P-256.
    pub attestation_key_type: u16,
    /// 4: 0x81 is TDX.
    pub tee_type: u32,
    /// 12: who made the quoting enclave.
    pub qe_vendor_id: [u8; 16],
    /// 28: the first 16 bytes name the platform to its quoting enclave.
    pub user_data: [u8; 20],
}

/// What the TDX module says of a TD. Nothing in it is verified.
///
/// Source: Intel TDX Module ABI, TDREPORT_STRUCT and TDINFO_STRUCT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TdReport {
    /// Its form.
    pub kind: BodyKind,
    /// TEE_TCB_SVN: security versions of the TDX module and what loads it, when the TD was launched.
    pub tee_tcb_svn: [u8; 16],
    /// MRSEAM: SHA-384 of the TDX module.
    pub mr_seam: [u8; 48],
    /// MRSIGNERSEAM: who signed the TDX module; zero is Intel.
    pub mr_signer_seam: [u8; 48],
    /// SEAMATTRIBUTES.
    pub seam_attributes: [u8; 8],
    /// ATTRIBUTES of the TD.
    pub td_attributes: TdAttributes,
    /// XFAM: extended processor features that the TD may use.
    pub xfam: Xfam,
    /// MRTD: the initial contents of the TD, SHA-384.
    pub mr_td: [u8; 48],
    /// MRCONFIGID: 48 bytes from the host, at launch.
    pub mr_config_id: [u8; 48],
    /// MROWNER: 48 bytes from the host, at launch.
    pub mr_owner: [u8; 48],
    /// MROWNERCONFIG: 48 bytes from the host, at launch.
    pub mr_owner_config: [u8; 48],
    /// RTMR0 to RTMR3: what the guest extended, SHA-384.
    pub rtmrs: [[u8; 48]; 4],
    /// REPORTDATA: 64 bytes from the guest.
    pub report_data: [u8; 64],
    /// TEE_TCB_SVN2: the security versions now. TD 1.5.
    pub tee_tcb_svn2: Option<[u8; 16]>,
    /// MRSERVICETD: hash of the service TDs that are bound to this one; zero is none. TD 1.5.
    pub mr_service_td: Option<[u8; 48]>,
    /// Hash of the service TDs that are bound now, where MRSERVICETD is of those at the launch. TD 1.5ex.
    pub current_service_td: Option<[u8; 48]>,
}

/// The report of the quoting enclave: an SGX REPORT body, 384 bytes. Nothing in it is verified.
///
/// Source: Intel SDM volume 3D, REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QeReport {
    /// 16: MISCSELECT.
    pub misc_select: u32,
    /// 48: ATTRIBUTES.
    pub attributes: [u8; 16],
    /// 64: MRENCLAVE.
    pub mr_enclave: [u8; 32],
    /// 128: MRSIGNER.
    pub mr_signer: [u8; 32],
    /// 256: ISVPRODID.
    pub isv_prod_id: u16,
    /// 258: ISVSVN.
    pub isv_svn: u16,
    /// 320: 64 bytes; the first 32 commit to the attestation key.
    pub report_data: [u8; 64],
}

/// A TDX quote as received: nothing in it is verified.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote<'a> {
    /// The header.
    pub header: Header,
    /// The TD report.
    pub report: TdReport,
    /// The report of the enclave that made the attestation key.
    pub qe_report: QeReport,
    signed: &'a [u8],
    signature: [u8; 64],
    attestation_key: [u8; 64],
    qe_report_bytes: &'a [u8],
    qe_report_signature: [u8; 64],
    qe_authentication: &'a [u8],
    certification: &'a [u8],
    pck_chain: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Reads exactly one quote of version 4 or 5 about a TD, with nothing after it.
    ///
    /// # Errors
    ///
    /// [`Error`]: too large, too short, bytes left over, a version, TEE or body that is not known, certification data of
    /// another kind than a PEM chain.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (quote, rest) = Self::parse_prefix(bytes)?;
        if !rest.is_empty() {
            return Err(Error::TrailingBytes { found: rest.len() });
        }
        Ok(quote)
    }

    /// Cuts the zeros that some platforms hand out after a quote. Anything else after it stays, for [`Quote::parse`] to refuse.
    ///
    /// # Errors
    ///
    /// As [`Quote::parse`].
    pub fn trim_padding(bytes: &[u8]) -> Result<&[u8], Error> {
        let (_, rest) = Quote::parse_prefix(bytes)?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Error::TrailingBytes { found: rest.len() });
        }
        Ok(bytes.strip_suffix(rest).unwrap_or(bytes))
    }

    fn parse_prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        if bytes.len() > MAX_QUOTE {
            return Err(Error::QuoteTooLarge { found: bytes.len(), limit: MAX_QUOTE });
        }
        let mut reader = Reader { part: "header", rest: bytes };
        let header = reader.header()?;
        let (kind, preamble) = match header.version {
            4 => (BodyKind::Td10, 0),
            5 => {
                reader.part = "body descriptor";
                let body_type = reader.u16()?;
                let size = reader.u32()?;
                let kind = BodyKind::from_type(body_type).ok_or(Error::BodyType(body_type))?;
                if u32::try_from(kind.len()) != Ok(size) {
                    return Err(Error::BodySize { kind, expected: kind.len(), found: size });
                }
                (kind, 6)
            }
            found => return Err(Error::QuoteVersion(found)),
        };
        reader.part = "TD report";
        let report = reader.td_report(kind)?;
        let signed_len =
            [HEADER_LEN, preamble, kind.len()].iter().fold(0, |sum: usize, part| sum.saturating_add(*part));
        let signed = bytes.get(..signed_len).ok_or(Error::Truncated("TD report"))?;

        reader.part = "signature data";
        let mut data = reader.block32()?;
        let rest = reader.rest;
        let signature = data.array()?;
        let attestation_key = data.array()?;
        data.expect_kind(QE_REPORT_CERTIFICATION)?;
        let mut certification = data.block32()?;
        data.finish()?;
        let certification_bytes = certification.rest;

        certification.part = "QE report";
        let qe_report_bytes = certification.take(384)?;
        let qe_report = Reader { part: "QE report", rest: qe_report_bytes }.qe_report()?;
        let qe_report_signature = certification.array()?;
        let authentication_len = usize::from(certification.u16()?);
        if authentication_len != QE_AUTHENTICATION_LEN {
            return Err(Error::QeAuthentication { found: authentication_len });
        }
        let qe_authentication = certification.take(authentication_len)?;
        certification.expect_kind(PCK_CERTIFICATE_CHAIN)?;
        let pck_chain = certification.block32()?.rest;
        certification.finish()?;

        let quote = Self {
            header,
            report,
            qe_report,
            signed,
            signature,
            attestation_key,
            qe_report_bytes,
            qe_report_signature,
            qe_authentication,
            certification: certification_bytes,
            pck_chain,
        };
        Ok((quote, rest))
    }

    /// The bytes that the attestation key signs: header, body descriptor (version 5) and TD report.
    pub const fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// The attestation key's signature: `r || s`, 32 bytes each, big-endian.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The attestation key: X and Y of a P-256 point, 32 bytes each, big-endian.
    pub const fn attestation_key(&self) -> &[u8; 64] {
        &self.attestation_key
    }

    /// The 384 bytes of the QE report, which the PCK signs.
    pub const fn qe_report_bytes(&self) -> &'a [u8] {
        self.qe_report_bytes
    }

    /// The PCK's signature over the QE report: `r || s`, 32 bytes each, big-endian.
    pub const fn qe_report_signature(&self) -> &[u8; 64] {
        &self.qe_report_signature
    }

    /// What the quoting enclave hashes with the attestation key: 32 bytes.
    pub const fn qe_authentication(&self) -> &'a [u8] {
        self.qe_authentication
    }

    /// Everything that certifies the attestation key: QE report, its signature, authentication data, PCK chain.
    pub const fn certification(&self) -> &'a [u8] {
        self.certification
    }

    /// The PCK certificate and its issuers: PEM text, which some platforms end with a NUL.
    pub fn pck_chain(&self) -> &'a [u8] {
        self.pck_chain.strip_suffix(b"\0").unwrap_or(self.pck_chain)
    }
}

impl fmt::Debug for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quote(version {}, {})", self.header.version, self.report.kind.name())
    }
}

/// Takes field after field off the front.
struct Reader<'a> {
    part: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(Error::Truncated(self.part))?;
        self.rest = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Truncated(self.part))?;
        self.rest = rest;
        Ok(*field)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length of 32 bits and as many bytes.
    fn block32(&mut self) -> Result<Self, Error> {
        let len = usize::try_from(self.u32()?).map_err(|_| Error::Truncated(self.part))?;
        Ok(Self { part: self.part, rest: self.take(len)? })
    }

    fn expect_kind(&mut self, expected: u16) -> Result<(), Error> {
        let found = self.u16()?;
        if found == expected { Ok(()) } else { Err(Error::CertificationData { expected, found }) }
    }

    fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::TrailingBytes { found: self.rest.len() }) }
    }

    fn header(&mut self) -> Result<Header, Error> {
        let version = self.u16()?;
        let attestation_key_type = self.u16()?;
        let tee_type = self.u32()?;
        // QE SVN and PCE SVN: the quoting enclave leaves them zero in version 4 and later, and the QE report has them.
        self.take(4)?;
        Ok(Header {
            version,
            attestation_key_type,
            tee_type,
            qe_vendor_id: self.array()?,
            user_data: self.array()?,
        })
    }

    fn td_report(&mut self, kind: BodyKind) -> Result<TdReport, Error> {
        Ok(TdReport {
            kind,
            tee_tcb_svn: self.array()?,
            mr_seam: self.array()?,
            mr_signer_seam: self.array()?,
            seam_attributes: self.array()?,
            td_attributes: TdAttributes(u64::from_le_bytes(self.array()?)),
            xfam: Xfam(u64::from_le_bytes(self.array()?)),
            mr_td: self.array()?,
            mr_config_id: self.array()?,
            mr_owner: self.array()?,
            mr_owner_config: self.array()?,
            rtmrs: [self.array()?, self.array()?, self.array()?, self.array()?],
            report_data: self.array()?,
            tee_tcb_svn2: if kind >= BodyKind::Td15 { Some(self.array()?) } else { None },
            mr_service_td: if kind >= BodyKind::Td15 { Some(self.array()?) } else { None },
            current_service_td: if kind >= BodyKind::Td15Extended {
                Some(self.current_service_td()?)
            } else {
                None
            },
        })
    }

    /// The fields that TD 1.5ex adds (`sgx_report2_body_v1_5_ex_t` in Intel's `sgx_quote_5.h`): of these, CUR_SERVTD_HASH.
    fn current_service_td(&mut self) -> Result<[u8; 48], Error> {
        // VMID, TD_ID, DEV_INFO, and hash, attributes, CPUSVN, TEE_TCB_SVN and FMSPC of the launch.
        self.take(1 + 32 + 48 + 48 + 8 + 16 + 16 + 12)?;
        let hash = self.array()?;
        // CUR_SERVTD_ATTR.
        self.take(8)?;
        Ok(hash)
    }

    fn qe_report(&mut self) -> Result<QeReport, Error> {
        // CPUSVN; the PCK certificate has it.
        self.take(16)?;
        let misc_select = self.u32()?;
        self.take(28)?;
        let attributes = self.array()?;
        let mr_enclave = self.array()?;
        self.take(32)?;
        let mr_signer = self.array()?;
        self.take(96)?;
        let isv_prod_id = self.u16()?;
        let isv_svn = self.u16()?;
        self.take(60)?;
        let report_data = self.array()?;
        Ok(QeReport { misc_select, attributes, mr_enclave, mr_signer, isv_prod_id, isv_svn, report_data })
    }
}
