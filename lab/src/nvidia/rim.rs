//! Reference integrity manifests, element by element: written as NVIDIA writes them, and signed over a canonical form that the lab
//! writes itself, knowing what it wrote.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::rim_hierarchy::RimHierarchy;
use crate::keys::EcKey;

/// The namespace of SWID tags (ISO/IEC 19770-2:2015).
pub const SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
/// The namespace of digests.
pub const SHA384_NAMESPACE: &str = "http://www.w3.org/2001/04/xmlenc#sha384";
/// The namespace of TCG's attributes.
pub const TCG: &str =
    "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";
/// The namespace of signatures (XML Signature 1.1 §1.3).
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Canonical XML 1.1.
pub const C14N: &str = "http://www.w3.org/2006/12/xml-c14n11";
/// The enveloped signature transform.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// SHA-384.
pub const DIGEST_METHOD: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
/// ECDSA with SHA-384.
pub const SIGNATURE_METHOD: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";

/// Attributes in the order in which they are written: name with its prefix, and value.
pub type Attributes = Vec<(String, String)>;

/// A manifest before it is signed. Whatever it holds is signed soundly: that it is none of NVIDIA's is then the defect.
///
/// Values are written as they are, so they must need no escapes.
#[derive(Debug, Clone)]
pub struct RimSpec {
    /// The certificates that it brings.
    pub hierarchy: RimHierarchy,
    /// Whose key signs it, if not that of the hierarchy's signer.
    pub key: Option<EcKey>,
    /// Attributes of `SoftwareIdentity`.
    pub identity: Attributes,
    /// Attributes of `ns0:Entity`.
    pub entity: Attributes,
    /// Attributes of `ns0:Meta`.
    pub meta: Attributes,
    /// Attributes of `ns0:Payload`.
    pub payload: Attributes,
    /// Attributes of each `ns0:Resource`.
    pub resources: Vec<Attributes>,
    /// What stands behind the resources: in canonical form, as is what follows.
    pub in_payload: String,
    /// What stands between `ns0:Payload` and the signature.
    pub in_identity: String,
    /// `CanonicalizationMethod`.
    pub canonicalization: String,
    /// `SignatureMethod`.
    pub signature_method: String,
    /// The attributes of `Reference`.
    pub reference: Attributes,
    /// The algorithms of its transforms.
    pub transforms: Vec<String>,
    /// `DigestMethod`. For that of SHA-256 the digest is one.
    pub digest_method: String,
    /// What stands behind the reference in `SignedInfo`.
    pub in_signed_info: String,
    /// Whether SignedInfo is signed with the namespaces around it, as inclusive canonicalisation has them.
    pub inclusive: bool,
}

impl Default for RimSpec {
    fn default() -> Self {
        Self::new()
    }
}

impl RimSpec {
    /// A manifest of a driver with eight measurements, of which five are active and one has two digests.
    #[must_use]
    pub fn new() -> Self {
        let resource = |index: u8, is_active: bool, digests: &[[u8; 48]]| {
            let (index, alternatives) = (index.to_string(), digests.len().to_string());
            let active = if is_active { "True" } else { "False" };
            let mut attributes = list(&[
                ("type", "Measurement"),
                ("index", &index),
                ("active", active),
                ("alternatives", &alternatives),
            ]);
            let hashes = digests.iter().enumerate();
            attributes
                .extend(hashes.map(|(number, digest)| (format!("ns2:Hash{number}"), hex::encode(digest))));
            attributes.extend(list(&[("name", &format!("Measurement_{index}")), ("size", "48")]));
            attributes
        };
        let resources = (0..8).map(|index: u8| match index {
            0 | 1 | 6 => resource(index, false, &[[0; 48]]),
            4 => resource(index, true, &[[index; 48], [0; 48]]),
            _ => resource(index, true, &[[index; 48]]),
        });
        Self {
            hierarchy: RimHierarchy::new(),
            key: None,
            identity: list(&[
                ("corpus", "false"),
                ("name", "GH100"),
                ("patch", "false"),
                ("supplemental", "false"),
                ("tagId", &"5e".repeat(48)),
                ("version", "1.0"),
                ("tagVersion", "0"),
            ]),
            entity: list(&[("name", "NVIDIA Corporation"), ("role", "softwareCreator tagCreator")]),
            meta: list(&[
                ("colloquialVersion", "550.90.07"),
                ("edition", "GPU"),
                ("product", "GH100"),
                ("revision", "r1"),
                ("PayloadType", "direct"),
                ("ns1:BindingSpec", "RIMIM"),
                ("ns1:BindingSpecVersion", "1.01"),
                ("ns1:PlatformManufacturerId", "5703"),
                ("ns1:PlatformManufacturerStr", "NVIDIA Corporation"),
                ("ns1:PlatformModel", "GH100"),
                ("ns1:FirmwareManufacturer", "NVIDIA Corporation"),
                ("ns1:FirmwareManufacturerId", "5703"),
            ]),
            payload: Attributes::new(),
            resources: resources.collect(),
            in_payload: String::new(),
            in_identity: String::new(),
            canonicalization: C14N.to_owned(),
            signature_method: SIGNATURE_METHOD.to_owned(),
            reference: list(&[("URI", "")]),
            transforms: vec![ENVELOPED.to_owned(), C14N.to_owned()],
            digest_method: DIGEST_METHOD.to_owned(),
            in_signed_info: String::new(),
            inclusive: true,
        }
    }

    /// The manifest.
    #[must_use]
    pub fn sign(&self) -> String {
        let (canonical_head, tail) = self.document(true);
        let signed_document = [canonical_head.as_bytes(), tail.as_bytes()].concat();
        let algorithm = if self.digest_method.ends_with("sha256") { &SHA256 } else { &SHA384 };
        let reference_digest = BASE64_STANDARD.encode(digest(algorithm, &signed_document));
        let around = if self.inclusive {
            format!(r#" xmlns="{SWID}" xmlns:ds="{DSIG}" xmlns:ns0="{SWID}" xmlns:ns2="{SHA384_NAMESPACE}""#)
        } else {
            format!(r#" xmlns:ds="{DSIG}""#)
        };
        let to_be_signed = self.signed_info(&around, &reference_digest, true);
        let key = self.key.as_ref().unwrap_or(&self.hierarchy.signer);
        let value = BASE64_STANDARD.encode(key.sign(to_be_signed.as_bytes()));
        let signed_info = self.signed_info("", &reference_digest, false);
        let key_info = x509_data(&self.hierarchy.chain());
        let (head, tail) = self.document(false);
        format!(
            "{head}<ds:Signature xmlns:ds=\"{DSIG}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>\
             <ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>{tail}\n"
        )
    }

    /// The document before and behind its signature: as it is written, or in canonical form (Canonical XML 1.1 §2.3).
    fn document(&self, canonical: bool) -> (String, String) {
        let leaf = |name: &str, namespaces: &str, attributes: &Attributes| {
            let start = tag(name, namespaces, attributes, canonical);
            if canonical { format!("<{start}></{name}>") } else { format!("<{start}/>") }
        };
        let namespaces = format!(r#" xmlns="{SWID}" xmlns:ns0="{SWID}" xmlns:ns2="{SHA384_NAMESPACE}""#);
        let identity = tag("SoftwareIdentity", &namespaces, &self.identity, canonical);
        let entity = leaf("ns0:Entity", "", &self.entity);
        let meta = leaf("ns0:Meta", &format!(r#" xmlns:ns1="{TCG}""#), &self.meta);
        let namespaces = format!(r#" xmlns:SHA384="{SHA384_NAMESPACE}""#);
        let payload = tag("ns0:Payload", &namespaces, &self.payload, canonical);
        let resources = self.resources.iter().map(|attributes| leaf("ns0:Resource", "", attributes));
        let resources: String = resources.map(|resource| format!("\n        {resource}")).collect();
        let (in_payload, in_identity) = (&self.in_payload, &self.in_identity);
        let head = format!(
            "<{identity}>\n    {entity}\n    {meta}\n    <{payload}>{resources}{in_payload}\n    </ns0:Payload>\n\
             {in_identity}"
        );
        // The root's end tag is not part of what varies.
        (head, "</SoftwareIdentity>".to_owned())
    }

    fn signed_info(&self, namespaces: &str, reference_digest: &str, canonical: bool) -> String {
        let method = |name: &str, algorithm: &str| {
            let start = format!(r#"<ds:{name} Algorithm="{algorithm}""#);
            if canonical { format!("{start}></ds:{name}>") } else { format!("{start}/>") }
        };
        let transforms: String =
            self.transforms.iter().map(|algorithm| method("Transform", algorithm)).collect();
        let transforms = if transforms.is_empty() {
            transforms
        } else {
            format!("<ds:Transforms>{transforms}</ds:Transforms>")
        };
        let reference = tag("ds:Reference", "", &self.reference, canonical);
        format!(
            "<ds:SignedInfo{namespaces}>{}{}<{reference}>{transforms}{}<ds:DigestValue>{reference_digest}</ds:DigestValue>\
             </ds:Reference>{}</ds:SignedInfo>",
            method("CanonicalizationMethod", &self.canonicalization),
            method("SignatureMethod", &self.signature_method),
            method("DigestMethod", &self.digest_method),
            self.in_signed_info,
        )
    }
}

/// `X509Data` of these certificates, in lines of 64 characters.
#[must_use]
pub fn x509_data(certificates: &[Vec<u8>]) -> String {
    let certificates: String = certificates.iter().map(|der| x509_certificate(der)).collect();
    format!("<ds:X509Data>{certificates}</ds:X509Data>")
}

/// One certificate in it.
#[must_use]
pub fn x509_certificate(der: &[u8]) -> String {
    let mut text = String::new();
    for (position, character) in BASE64_STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    format!("<ds:X509Certificate>{text}\n</ds:X509Certificate>")
}

/// `KeyValue` of this key (XML Signature 1.1 §4.5.2.3), for which NVIDIA's manifests have no place.
#[must_use]
pub fn key_value(key: &EcKey) -> String {
    let point = BASE64_STANDARD.encode(key.public_point());
    format!(
        "<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11=\"http://www.w3.org/2009/xmldsig11#\">\
         <dsig11:NamedCurve URI=\"urn:oid:1.3.132.0.34\"/><dsig11:PublicKey>{point}</dsig11:PublicKey>\
         </dsig11:ECKeyValue></ds:KeyValue>"
    )
}

/// Gives the attribute `name` another value, or puts it last where there is none.
pub fn set(attributes: &mut Attributes, name: &str, value: &str) {
    match attributes.iter_mut().find(|(found, _)| found == name) {
        Some((_, found)) => value.clone_into(found),
        None => attributes.push((name.to_owned(), value.to_owned())),
    }
}

/// Takes the attribute `name` out.
pub fn remove(attributes: &mut Attributes, name: &str) {
    attributes.retain(|(found, _)| found != name);
}

fn list(attributes: &[(&str, &str)]) -> Attributes {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What stands in a start tag. In canonical form attributes are sorted by namespace and local name.
fn tag(name: &str, namespaces: &str, attributes: &Attributes, canonical: bool) -> String {
    let mut attributes: Vec<(&str, &str)> =
        attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if canonical {
        attributes.sort_by_key(|(name, _)| match name.split_once(':') {
            None => ("", *name),
            Some(("ns1", local)) => (TCG, local),
            Some(("ns0", local)) => (SWID, local),
            Some((_, local)) => (SHA384_NAMESPACE, local),
        });
    }
    let attributes: String = attributes.iter().map(|(name, value)| format!(r#" {name}="{value}""#)).collect();
    format!("{name}{namespaces}{attributes}")
}
