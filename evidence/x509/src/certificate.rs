//! One certificate, read once.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::{
    ObjectIdentifier,
    db::{
        rfc4519::COMMON_NAME,
        rfc5280::{ID_CE_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER},
    },
};
use der::{Decode, Encode, pem::LineEnding};
use x509_cert::{
    ext::pkix::{AuthorityKeyIdentifier, KeyUsage, SubjectKeyIdentifier},
    name::Name,
    time::Time,
};

use crate::CertificateError;

/// The largest certificate that is read, in bytes. AMD's are below 2 KiB, NVIDIA's and Azure's below 3 KiB.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

/// The most bytes of a common name. RFC 5280 has 64; Azure writes names that may be longer.
const MAX_COMMON_NAME: usize = 128;

/// The most extensions of a certificate: three times what vendors write.
const MAX_EXTENSIONS: usize = 64;

/// The largest PEM text that is read, in bytes.
pub const MAX_PEM: usize = 256 * 1024;

/// A stretch of time with both ends included, in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first second.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
}

impl Window {
    /// Whether `at` lies in it.
    pub const fn contains(&self, at: u64) -> bool {
        self.not_before <= at && at <= self.not_after
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", Moment(self.not_before), Moment(self.not_after))
    }
}

/// Seconds since 1970-01-01T00:00:00Z, shown as RFC 3339 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// 9999-12-31T23:59:59Z, the last moment that RFC 3339 can express.
        const LAST: u64 = 253_402_300_799;
        match UNIX_EPOCH.checked_add(Duration::from_secs(self.0)) {
            Some(time) if self.0 <= LAST => humantime::format_rfc3339_seconds(time).fmt(f),
            _ => write!(f, "{} s after 1970", self.0),
        }
    }
}

/// One X.509 certificate (RFC 5280 §4.1): the bytes that were received and the fields that are used.
///
/// Parsing says nothing about trust: see [`crate::verify_path`].
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    serial: Vec<u8>,
    window: Window,
    public_key: Vec<u8>,
    spki_sha256: [u8; 32],
    extensions: Vec<(ObjectIdentifier, Vec<u8>)>,
    critical: Vec<ObjectIdentifier>,
}

impl Certificate {
    /// Reads exactly one DER certificate of at most [`MAX_CERTIFICATE`] bytes.
    ///
    /// # Errors
    ///
    /// [`CertificateError`]: too large, malformed, trailing bytes, a repeated extension.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge { found: der.len(), limit: MAX_CERTIFICATE });
        }
        let malformed = |error: der::Error| CertificateError::Malformed(error.to_string());
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let tbs = parsed.tbs_certificate();
        let mut extensions: Vec<(ObjectIdentifier, Vec<u8>)> = Vec::new();
        let mut critical = Vec::new();
        for extension in tbs.extensions().into_iter().flatten() {
            if extensions.len() == MAX_EXTENSIONS {
                return Err(CertificateError::TooManyExtensions { limit: MAX_EXTENSIONS });
            }
            if extensions.iter().any(|(oid, _)| *oid == extension.extn_id) {
                return Err(CertificateError::DuplicateExtension(extension.extn_id.to_string()));
            }
            extensions.push((extension.extn_id, extension.extn_value.as_bytes().to_vec()));
            if extension.critical {
                critical.push(extension.extn_id);
            }
        }
        let spki = tbs.subject_public_key_info();
        let spki_der = spki.to_der().map_err(malformed)?;
        let public_key = spki
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| CertificateError::Malformed("public key is not whole bytes".to_owned()))?
            .to_vec();
        Ok(Self {
            der: der.to_vec(),
            subject: common_name(tbs.subject()).unwrap_or_default(),
            issuer: common_name(tbs.issuer()).unwrap_or_default(),
            subject_der: tbs.subject().to_der().map_err(malformed)?,
            issuer_der: tbs.issuer().to_der().map_err(malformed)?,
            serial: tbs.serial_number().as_bytes().to_vec(),
            window: Window {
                not_before: seconds(tbs.validity().not_before),
                not_after: seconds(tbs.validity().not_after),
            },
            public_key,
            spki_sha256: sha256(&spki_der),
            extensions,
            critical,
        })
    }

    /// Reads DER (one certificate) or PEM (one or more, nothing else).
    ///
    /// # Errors
    ///
    /// As [`Certificate::parse`], and for PEM text that holds no certificate or something besides.
    pub fn parse_der_or_pem(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if !bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Ok(vec![Self::parse(bytes)?]);
        }
        if bytes.len() > MAX_PEM {
            return Err(CertificateError::TooLarge { found: bytes.len(), limit: MAX_PEM });
        }
        let mut certificates = Vec::new();
        let mut rest = bytes.trim_ascii();
        while !rest.is_empty() {
            let (block, after) = split_pem_block(rest)?;
            let (label, der) = der::pem::decode_vec(block)
                .map_err(|error| CertificateError::MalformedPem(error.to_string()))?;
            if label != "CERTIFICATE" {
                return Err(CertificateError::MalformedPem(format!("found {label}")));
            }
            certificates.push(Self::parse(&der)?);
            rest = after.trim_ascii_start();
        }
        Ok(certificates)
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM text (RFC 7468 §5).
    pub fn pem(&self) -> String {
        // Base64 of at most MAX_CERTIFICATE bytes under a constant label does not fail.
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// The subject's common name; empty if the subject has not exactly one, or it is no line of at most 128 bytes.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's common name; empty as for the subject.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number as DER has it: big-endian and as short as can be, with a zero byte first where the highest bit would be set.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// When it is valid.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The value of the subjectPublicKey BIT STRING: for an elliptic-curve key the SEC1 point, for RSA the DER
    /// RSAPublicKey.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub const fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    /// The value of the extension `oid` (the contents of its OCTET STRING); `None` if the certificate has none.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        self.extensions.iter().find(|(id, _)| *id == oid).map(|(_, value)| value.as_slice())
    }

    /// What it says, by name, for people to look at.
    pub fn described(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("subject", self.subject.clone()),
            ("issuer", self.issuer.clone()),
            ("serial", hex::encode(&self.serial)),
            ("not-before", Moment(self.window.not_before).to_string()),
            ("not-after", Moment(self.window.not_after).to_string()),
            ("spki-sha256", hex::encode(self.spki_sha256)),
        ])
    }

    /// Whether keyUsage says that the key signs data (digitalSignature) and no certificates (RFC 5280 §4.2.1.3). A certificate
    /// without the extension does not say so.
    pub fn is_for_signing_data(&self) -> bool {
        self.key_usage().is_some_and(|usage| usage.digital_signature() && !usage.key_cert_sign())
    }

    /// Whether keyUsage says that the key signs certificates (keyCertSign), which `rustls-webpki` does not ask. A certificate without
    /// the extension does not say so.
    pub fn is_for_signing_certificates(&self) -> bool {
        self.key_usage().is_some_and(|usage| usage.key_cert_sign())
    }

    /// Whether something with this authorityKeyIdentifier can be of the key of this certificate: to choose among issuers of one name
    /// (RFC 5280 §4.2.1.1). True where either names no key.
    pub fn may_be_named_by(&self, authority_key_identifier: Option<&[u8]>) -> bool {
        let named = authority_key_identifier
            .and_then(|der| AuthorityKeyIdentifier::from_der(der).ok()?.key_identifier);
        let own = self.extension(ID_CE_SUBJECT_KEY_IDENTIFIER);
        let own = own.and_then(|der| SubjectKeyIdentifier::from_der(der).ok());
        named.zip(own).is_none_or(|(named, own)| named == own.0)
    }

    fn key_usage(&self) -> Option<KeyUsage> {
        self.extension(ID_CE_KEY_USAGE).and_then(|usage| KeyUsage::from_der(usage).ok())
    }

    /// The subject as a DER Name.
    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// The issuer as a DER Name.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The extensions that are critical: whoever does not know one of them may not use the certificate (RFC 5280 §4.2).
    pub(crate) fn critical_extensions(&self) -> &[ObjectIdentifier] {
        &self.critical
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} issued by {})", self.subject, self.issuer)
    }
}

/// The one common name of `name`; `None` if there is none, more than one, or it is no line of text of at most
/// [`MAX_COMMON_NAME`] bytes: what a certificate says of itself stands in errors before anyone vouches for it.
pub(crate) fn common_name(name: &Name) -> Option<String> {
    let mut names = name.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let value = &names.next()?.value;
    if names.next().is_some() {
        return None;
    }
    let text = std::str::from_utf8(value.value()).ok()?;
    let is_line = text.len() <= MAX_COMMON_NAME && !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned())
}

pub(crate) fn seconds(time: Time) -> u64 {
    time.to_unix_duration().as_secs()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Splits PEM text after its first block.
fn split_pem_block(text: &[u8]) -> Result<(&[u8], &[u8]), CertificateError> {
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let at = text
        .windows(END.len())
        .position(|window| window == END)
        .and_then(|start| start.checked_add(END.len()))
        .ok_or_else(|| CertificateError::MalformedPem("no end of a certificate".to_owned()))?;
    text.split_at_checked(at).ok_or_else(|| CertificateError::MalformedPem("truncated".to_owned()))
}
