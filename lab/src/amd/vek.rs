//! VCEK and VLEK certificates: the keys that sign reports.

#![expect(
    clippy::expect_used,
    reason = "the lab encodes short strings, so a failure is a mistake in the lab"
)]

use const_oid::ObjectIdentifier;
use der::asn1::Ia5StringRef;
use x509_cert::ext::Extension;

use super::hierarchy::{Hierarchy, amd_name};
use super::{Product, Tcb};
use crate::keys::EcKey;
use crate::time::utc_day;
use crate::x509::{CertSpec, PssEncoding, SignatureAlgorithm, encode, extension};

/// The identifiers of AMD's certificate extensions (publication 57230).
pub mod oid {
    use const_oid::ObjectIdentifier;

    /// `structVersion`, INTEGER.
    pub const STRUCT_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.1");
    /// `productName1`, IA5String.
    pub const PRODUCT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
    /// `blSPL`, INTEGER.
    pub const BL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
    /// `teeSPL`, INTEGER.
    pub const TEE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
    /// `snpSPL`, INTEGER.
    pub const SNP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
    /// `spl4`, INTEGER. Not in certificates of Turin.
    pub const SPL4: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.4");
    /// `spl5`, INTEGER.
    pub const SPL5: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.5");
    /// `spl6`, INTEGER.
    pub const SPL6: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.6");
    /// `spl7`, INTEGER.
    pub const SPL7: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.7");
    /// `ucodeSPL`, INTEGER.
    pub const UCODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
    /// `fmcSPL`, INTEGER. Only in certificates of Turin.
    pub const FMC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
    /// `hwID`: raw bytes without a DER header. Only in VCEK certificates.
    pub const HWID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
    /// `cspID`, IA5String. Only in VLEK certificates.
    pub const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");
}

/// Which kind of key a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VekKind {
    /// Versioned Chip Endorsement Key: one chip's, issued by the ASK.
    Vcek,
    /// Versioned Loaded Endorsement Key: a cloud provider's, issued by the ASVK.
    Vlek,
}

/// A VCEK or VLEK certificate to be issued (publication 57230).
///
/// The extensions that the fields stand for come in the order in which AMD's own certificates of the product have
/// them.
#[derive(Debug, Clone)]
pub struct VekSpec {
    /// Names the issuer: ASK or ASVK.
    pub kind: VekKind,
    /// Sets the order of the extensions, and which of FMC and SPL4 there is.
    pub product: Product,
    /// `structVersion`: 0 for Milan and Genoa, 1 for Turin.
    pub struct_version: u8,
    /// `productName1`, such as `Milan-B0`, `Genoa` or `Turin`.
    pub product_name: String,
    /// The security versions for which the key was derived.
    pub tcb: Tcb,
    /// `hwID`: 64 bytes, on Turin 8 bytes, none in a VLEK certificate.
    pub hwid: Option<Vec<u8>>,
    /// `cspID`: none in a VCEK certificate.
    pub csp_id: Option<String>,
    /// `notBefore`, in seconds since the Unix epoch.
    pub not_before: u64,
    /// `notAfter`, in seconds since the Unix epoch.
    pub not_after: u64,
    /// The subject's common name: `SEV-VCEK` or `SEV-VLEK`.
    pub common_name: String,
    /// Extensions that follow AMD's.
    pub extra_extensions: Vec<Extension>,
    /// The identifiers of extensions to leave out.
    pub omit: Vec<ObjectIdentifier>,
    /// The identifier of an extension that comes a second time, after all others.
    pub duplicate: Option<ObjectIdentifier>,
    /// The form of the signature's parameters: without `trailerField` in newer certificates.
    pub pss_encoding: PssEncoding,
    /// The label that fixes the P-384 key.
    pub key_label: String,
}

/// An issued certificate and the key that it certifies.
#[derive(Debug, Clone)]
pub struct Vek {
    /// The certificate, DER-encoded.
    pub der: Vec<u8>,
    /// The key that signs reports.
    pub key: EcKey,
}

impl VekSpec {
    /// A VCEK as AMD issues it: of the chip [`chip_id`], valid from 2026-01-01 for seven years.
    #[must_use]
    pub fn vcek(product: Product) -> Self {
        let product_name = if product == Product::Milan { "Milan-B0" } else { product.name() };
        let hwid = chip_id(product);
        Self {
            kind: VekKind::Vcek,
            product_name: product_name.to_owned(),
            hwid: Some(if product == Product::Turin {
                hwid.iter().copied().take(8).collect()
            } else {
                hwid.to_vec()
            }),
            csp_id: None,
            not_after: utc_day(2033, 1, 1),
            common_name: "SEV-VCEK".to_owned(),
            key_label: format!("VCEK {}", product.name()),
            ..Self::vlek(product)
        }
    }

    /// A VLEK as AMD issues it: of the cloud provider `CN=lab.example`, valid from 2026-01-01 for one year.
    #[must_use]
    pub fn vlek(product: Product) -> Self {
        Self {
            kind: VekKind::Vlek,
            product,
            struct_version: u8::from(product == Product::Turin),
            product_name: product.name().to_owned(),
            tcb: Tcb::of(product),
            hwid: None,
            csp_id: Some("CN=lab.example".to_owned()),
            not_before: utc_day(2026, 1, 1),
            not_after: utc_day(2027, 1, 1),
            common_name: "SEV-VLEK".to_owned(),
            extra_extensions: Vec::new(),
            omit: Vec::new(),
            duplicate: None,
            pss_encoding: PssEncoding::Default,
            key_label: format!("VLEK {}", product.name()),
        }
    }

    /// The key that the certificate is for.
    #[must_use]
    pub fn key(&self) -> EcKey {
        EcKey::from_label(&self.key_label)
    }

    /// The certificate before it is signed, to change what this type has no field for (serial number 0, issuer, key).
    #[must_use]
    pub fn cert_spec(&self, hierarchy: &Hierarchy) -> CertSpec {
        let issuer = match self.kind {
            VekKind::Vcek => hierarchy.ask_name(),
            VekKind::Vlek => hierarchy.asvk_name(),
        };
        CertSpec {
            version: 2,
            serial: vec![0],
            issuer: amd_name(&issuer),
            not_before: self.not_before,
            not_after: self.not_after,
            subject: amd_name(&self.common_name),
            spki: self.key().spki(),
            extensions: self.extensions(),
            algorithm: SignatureAlgorithm::RsaPssSha384(self.pss_encoding),
            outer_algorithm: None,
        }
    }

    /// The certificate, issued by the ASK or the ASVK of `hierarchy`, with its key.
    #[must_use]
    pub fn issue(&self, hierarchy: &Hierarchy) -> Vek {
        let issuer_key = match self.kind {
            VekKind::Vcek => hierarchy.ask_key(),
            VekKind::Vlek => hierarchy.asvk_key(),
        };
        Vek { der: self.cert_spec(hierarchy).sign(issuer_key), key: self.key() }
    }

    /// The extensions (publication 57230), none of them critical.
    #[must_use]
    pub fn extensions(&self) -> Vec<Extension> {
        let Tcb { fmc, bl, tee, snp, spl4, spl5, spl6, spl7, ucode } = self.tcb;
        let mut extensions = vec![
            integer(oid::STRUCT_VERSION, self.struct_version),
            text(oid::PRODUCT_NAME, &self.product_name),
        ];
        if let Some(fmc) = fmc {
            extensions.push(integer(oid::FMC, fmc));
        }
        extensions.extend([integer(oid::BL, bl), integer(oid::TEE, tee)]);
        match self.product {
            Product::Milan | Product::Genoa => extensions.extend([
                integer(oid::SPL4, spl4),
                integer(oid::SPL5, spl5),
                integer(oid::SPL6, spl6),
                integer(oid::SPL7, spl7),
                integer(oid::SNP, snp),
            ]),
            Product::Turin => extensions.extend([
                integer(oid::SNP, snp),
                integer(oid::SPL5, spl5),
                integer(oid::SPL6, spl6),
                integer(oid::SPL7, spl7),
            ]),
        }
        extensions.push(integer(oid::UCODE, ucode));
        if let Some(hwid) = &self.hwid {
            extensions.push(extension(oid::HWID, false, hwid));
        }
        if let Some(csp_id) = &self.csp_id {
            extensions.push(text(oid::CSP_ID, csp_id));
        }
        extensions.extend(self.extra_extensions.iter().cloned());
        let again = extensions.iter().find(|present| Some(present.extn_id) == self.duplicate).cloned();
        extensions.retain(|present| !self.omit.contains(&present.extn_id));
        extensions.extend(again);
        extensions
    }
}

/// The CHIP_ID of the lab's one chip of each product: 64 bytes, of which Turin sets the first 8 and leaves the rest 0.
#[must_use]
pub fn chip_id(product: Product) -> [u8; 64] {
    let label = format!("attestation lab: chip {}", product.name());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, label.as_bytes());
    let mut id = [0; 64];
    let length = if product == Product::Turin { 8 } else { 64 };
    for (byte, value) in id.iter_mut().zip(hash.as_ref()).take(length) {
        *byte = *value;
    }
    id
}

/// An extension whose value is an INTEGER (two content bytes from 128 on).
#[must_use]
pub fn integer(oid: ObjectIdentifier, value: u8) -> Extension {
    extension(oid, false, &encode(&value))
}

/// An extension whose value is an IA5String.
///
/// # Panics
///
/// If `value` is not ASCII.
#[must_use]
pub fn text(oid: ObjectIdentifier, value: &str) -> Extension {
    extension(oid, false, &encode(&Ia5StringRef::new(value).expect("an ASCII string")))
}
