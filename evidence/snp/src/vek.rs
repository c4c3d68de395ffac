//! Certificates of the keys that sign reports: VCEK and VLEK.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Decode, asn1::Ia5StringRef};
use evidence_x509::Certificate;

use crate::{Error, Product, SigningKey};

/// AMD's extensions, all below 1.3.6.1.4.1.3704.1 (57230 rev. 1.00, VCEK certificate
/// extensions; those of a VLEK as AMD issues it).
mod oid {
    use const_oid::ObjectIdentifier;

    pub(super) const STRUCT_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.1");
    pub(super) const PRODUCT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
    pub(super) const BOOTLOADER_SPL: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
    pub(super) const TEE_SPL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
    pub(super) const SNP_SPL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
    pub(super) const SPL4: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.4");
    pub(super) const SPL5: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.5");
    pub(super) const SPL6: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.6");
    pub(super) const SPL7: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.7");
    pub(super) const MICROCODE_SPL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
    pub(super) const FMC_SPL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
    pub(super) const HWID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
    pub(super) const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");
}

/// The newest structVersion whose extensions are known (1 came with Turin).
const MAX_STRUCT_VERSION: u8 = 1;

/// Which endorsement key a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VekKind {
    /// Versioned chip endorsement key: one chip, one TCB version.
    Vcek,
    /// Versioned loaded endorsement key: a cloud provider's fleet, one TCB version.
    Vlek,
}

impl VekKind {
    /// The common name of its certificates' subjects.
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Vcek => "SEV-VCEK",
            Self::Vlek => "SEV-VLEK",
        }
    }

    /// The SIGNING_KEY value of reports that it signs.
    pub const fn signing_key(self) -> SigningKey {
        match self {
            Self::Vcek => SigningKey::Vcek,
            Self::Vlek => SigningKey::Vlek,
        }
    }
}

impl fmt::Display for VekKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
        })
    }
}

/// What a VCEK or VLEK certificate says of its key. Whether AMD says it is the chain's question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VekCertificate {
    /// VCEK or VLEK, by the subject's common name.
    pub kind: VekKind,
    /// The product, by the product name extension.
    pub product: Product,
    /// The TCB_VERSION from which the key was derived, in the product's layout.
    pub tcb: [u8; 8],
    /// The chip, on a VCEK: 64 bytes, on Turin 8.
    pub hwid: Option<Vec<u8>>,
    /// The cloud provider, on a VLEK: such as `CN=cc-us-east-2.amazonaws.com`.
    pub csp_id: Option<String>,
    /// The P-384 public key: an uncompressed SEC1 point of 97 bytes.
    pub public_key: Vec<u8>,
}

impl VekCertificate {
    /// The kind by which `certificate` is named; `None` if it is no VCEK and no VLEK.
    pub fn kind_of(certificate: &Certificate) -> Option<VekKind> {
        [VekKind::Vcek, VekKind::Vlek].into_iter().find(|kind| kind.common_name() == certificate.subject())
    }

    /// Reads AMD's extensions, all of those that the kind and the product must have and none that they must not.
    ///
    /// # Errors
    ///
    /// [`Error::NotAVek`], [`Error::VekExtension`], [`Error::VekStructVersion`], [`Error::VekProduct`].
    pub fn parse(certificate: &Certificate) -> Result<Self, Error> {
        let kind = Self::kind_of(certificate)
            .ok_or_else(|| Error::NotAVek { subject: certificate.subject().to_owned() })?;
        let extensions = Extensions(certificate);

        let version = extensions.integer(oid::STRUCT_VERSION)?;
        if version > MAX_STRUCT_VERSION {
            return Err(Error::VekStructVersion { found: version, known: MAX_STRUCT_VERSION });
        }
        let name = extensions.text(oid::PRODUCT_NAME)?;
        let product = Product::from_certificate(&name).ok_or(Error::VekProduct { found: name })?;

        let spl = |oid| extensions.integer(oid);
        let tcb = match product {
            Product::Milan | Product::Genoa => [
                spl(oid::BOOTLOADER_SPL)?,
                spl(oid::TEE_SPL)?,
                spl(oid::SPL4)?,
                spl(oid::SPL5)?,
                spl(oid::SPL6)?,
                spl(oid::SPL7)?,
                spl(oid::SNP_SPL)?,
                spl(oid::MICROCODE_SPL)?,
            ],
            Product::Turin => [
                spl(oid::FMC_SPL)?,
                spl(oid::BOOTLOADER_SPL)?,
                spl(oid::TEE_SPL)?,
                spl(oid::SNP_SPL)?,
                spl(oid::SPL5)?,
                spl(oid::SPL6)?,
                spl(oid::SPL7)?,
                spl(oid::MICROCODE_SPL)?,
            ],
        };
        let (hwid, csp_id) = match kind {
            VekKind::Vcek => {
                extensions.absent(oid::CSP_ID)?;
                (Some(extensions.hwid(product)?), None)
            }
            VekKind::Vlek => {
                extensions.absent(oid::HWID)?;
                (None, Some(extensions.text(oid::CSP_ID)?))
            }
        };
        Ok(Self { kind, product, tcb, hwid, csp_id, public_key: certificate.public_key().to_vec() })
    }

    /// Whether it is for the chip and the TCB version that a report names.
    pub(crate) fn is_for(&self, reported_tcb: &[u8; 8], chip_id: &[u8; 64]) -> bool {
        self.tcb == *reported_tcb && self.hwid.as_ref().is_none_or(|hwid| chip_id.starts_with(hwid))
    }
}

/// Access to extensions that must be there, in exactly the encoding that AMD writes.
struct Extensions<'a>(&'a Certificate);

impl<'a> Extensions<'a> {
    fn value(&self, oid: ObjectIdentifier) -> Result<&'a [u8], Error> {
        self.0.extension(oid).ok_or_else(|| invalid(oid, "is missing"))
    }

    /// A DER INTEGER from 0 to 255.
    fn integer(&self, oid: ObjectIdentifier) -> Result<u8, Error> {
        u8::from_der(self.value(oid)?).map_err(|_| invalid(oid, "is no integer from 0 to 255"))
    }

    /// A DER IA5String.
    fn text(&self, oid: ObjectIdentifier) -> Result<String, Error> {
        Ia5StringRef::from_der(self.value(oid)?)
            .map(|text| text.as_str().to_owned())
            .map_err(|_| invalid(oid, "is no IA5String"))
    }

    /// The hardware id: raw bytes, no DER.
    fn hwid(&self, product: Product) -> Result<Vec<u8>, Error> {
        let value = self.value(oid::HWID)?;
        if value.len() != product.hwid_len() {
            return Err(invalid(oid::HWID, "has not the length of the product's hardware id"));
        }
        Ok(value.to_vec())
    }

    fn absent(&self, oid: ObjectIdentifier) -> Result<(), Error> {
        match self.0.extension(oid) {
            None => Ok(()),
            Some(_) => Err(invalid(oid, "must not be there on a certificate of this kind")),
        }
    }
}

fn invalid(oid: ObjectIdentifier, problem: &'static str) -> Error {
    Error::VekExtension { oid: oid.to_string(), problem }
}
