//! The signature in a manifest: enveloped, over the whole document, in one set of algorithms (XML Signature Syntax and Processing 1.1,
//! <https://www.w3.org/TR/2013/REC-xmldsig-core1-20130411/>).
//!
//! The recommendation lets a document choose keys, algorithms, transforms and what is signed. Here it chooses nothing: every element of
//! the signature is known, stands where NVIDIA puts it, and has the only value that is accepted, or is refused.

use aws_lc_rs::{
    digest::{SHA384, digest},
    signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence_x509::Certificate;

use crate::{
    Error,
    c14n::canonical,
    error::shown,
    xml::{Element, Node, SPACE},
};

/// The namespace of signatures (§1.3).
const NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Canonical XML 1.1 without comments (§6.5.2): of SignedInfo, and the second transform.
const CANONICALIZATION: &str = "http://www.w3.org/2006/12/xml-c14n11";

/// The enveloped signature transform (§6.6.4): the first one.
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// SHA-384 (§6.2).
const DIGEST: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";

/// ECDSA with SHA-384 (§6.4.3); the key says that it is on P-384.
const SIGNATURE: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";

/// How many certificates a manifest brings: signer, two authorities, root.
pub(crate) const CERTIFICATES: usize = 4;

/// A document and the signature in it, none of it verified.
#[derive(Debug)]
pub(crate) struct Signed<'t, 'a> {
    root: &'t Element<'a>,
    signature: &'t Element<'a>,
    signed_info: &'t Element<'a>,
    digest: [u8; 48],
    /// `r ‖ s`, big-endian, 48 bytes each (§6.4.3).
    value: [u8; 96],
    /// What the X509Certificate hold, signer first.
    pub(crate) certificates: [Vec<u8>; CERTIFICATES],
}

impl<'t, 'a> Signed<'t, 'a> {
    /// Finds the one signature of a document.
    pub(crate) fn find(root: &'t Element<'a>) -> Result<Self, Error> {
        // 1. One signature, the last child of the root, and nothing else of signatures anywhere.
        let signature = root.elements().last().filter(|last| last.is(NAMESPACE, "Signature"));
        let signature =
            signature.ok_or(Error::Structure("a ds:Signature as the last element in the root"))?;
        if root.namespace == NAMESPACE || has_others(root, signature) {
            return Err(Error::Structure("one ds:Signature, and nothing of XML Signature beside it"));
        }

        // 2. Its members (§4.2), each known and once.
        let [signed_info, value, key_info] = members(
            signature,
            ["SignedInfo", "SignatureValue", "KeyInfo"],
            "SignedInfo, SignatureValue and KeyInfo in ds:Signature",
        )?;
        let [canonicalization, method, reference] = members(
            signed_info,
            ["CanonicalizationMethod", "SignatureMethod", "Reference"],
            "CanonicalizationMethod, SignatureMethod and one Reference in ds:SignedInfo",
        )?;
        is_algorithm("CanonicalizationMethod", canonicalization, CANONICALIZATION)?;
        is_algorithm("SignatureMethod", method, SIGNATURE)?;

        // 3. What is referred to (§4.4.3): the document that the signature stands in.
        let [transforms, digest_method, digest_value] = parts(
            reference,
            ["Transforms", "DigestMethod", "DigestValue"],
            "Transforms, DigestMethod and DigestValue in ds:Reference",
        )?;
        if attribute(reference, "URI") != Some("") {
            return Err(Error::Structure("a ds:Reference with URI=\"\" and no other attribute"));
        }
        let [enveloped, second] =
            members(transforms, ["Transform", "Transform"], "two Transform in ds:Transforms")?;
        is_algorithm("the first Transform", enveloped, ENVELOPED)?;
        is_algorithm("the second Transform", second, CANONICALIZATION)?;
        is_algorithm("DigestMethod", digest_method, DIGEST)?;

        // 4. The certificates (§4.5.4), and no other way to name a key.
        let [data] = members(key_info, ["X509Data"], "one X509Data in ds:KeyInfo")?;
        let [signer, lower, upper, top] = members(
            data,
            ["X509Certificate"; CERTIFICATES],
            "four X509Certificate, and nothing else, in ds:X509Data",
        )?;
        Ok(Self {
            root,
            signature,
            signed_info,
            digest: octets(digest_value, "48 bytes in ds:DigestValue")?,
            value: octets(value, "96 bytes in ds:SignatureValue")?,
            certificates: [decoded(signer)?, decoded(lower)?, decoded(upper)?, decoded(top)?],
        })
    }

    /// Whether the digest is that of the document without its signature (§3.2.1).
    pub(crate) fn has_digest(&self) -> bool {
        let document = canonical(self.root, [], Some(self.signature));
        digest(&SHA384, &document).as_ref() == self.digest
    }

    /// Whether the key of `signer` signed SignedInfo (§3.2.2).
    pub(crate) fn is_signed_by(&self, signer: &Certificate) -> bool {
        let around = self.root.declarations.iter().chain(&self.signature.declarations);
        let inherited = around.map(|(prefix, uri)| (*prefix, uri.as_ref()));
        let signed_info = canonical(self.signed_info, inherited, None);
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, signer.public_key())
            .verify(&signed_info, &self.value)
            .is_ok()
    }
}

/// Whether an element in `around`, outside of `signature`, is one of XML Signature.
fn has_others(around: &Element<'_>, signature: &Element<'_>) -> bool {
    let others = around.elements().filter(|child| !std::ptr::eq(*child, signature));
    others.into_iter().any(|child| child.namespace == NAMESPACE || has_others(child, signature))
}

/// The elements in `element`, which are exactly these, in this order. It has no text and no attributes.
fn members<'t, 'a, const N: usize>(
    element: &'t Element<'a>,
    names: [&str; N],
    expected: &'static str,
) -> Result<[&'t Element<'a>; N], Error> {
    if !element.attributes.is_empty() {
        return Err(Error::Structure(expected));
    }
    parts(element, names, expected)
}

/// The same of an element that may have attributes.
fn parts<'t, 'a, const N: usize>(
    element: &'t Element<'a>,
    names: [&str; N],
    expected: &'static str,
) -> Result<[&'t Element<'a>; N], Error> {
    let found: Vec<&Element<'a>> = element.elements().collect();
    let found: [_; N] = found.try_into().map_err(|_| Error::Structure(expected))?;
    let are_those = found.iter().zip(names).all(|(found, name)| found.is(NAMESPACE, name));
    if are_those && element.has_no_text() { Ok(found) } else { Err(Error::Structure(expected)) }
}

/// The value of the one attribute of `element`, which is `name`.
fn attribute<'t>(element: &'t Element<'_>, name: &str) -> Option<&'t str> {
    match element.attributes.as_slice() {
        [attribute] if attribute.namespace.is_empty() && attribute.local == name => Some(&attribute.value),
        _ => None,
    }
}

/// An algorithm has no parameters: neither elements nor text.
fn is_algorithm(of: &'static str, element: &Element<'_>, expected: &'static str) -> Result<(), Error> {
    match attribute(element, "Algorithm") {
        None => Err(Error::Structure("Algorithm, and no other attribute, where an algorithm is named")),
        Some(_) if !element.children.is_empty() => Err(Error::Structure("algorithms without parameters")),
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(Error::Algorithm { of, found: shown(found), expected }),
    }
}

/// Base64 (§4.3): white space is left out, and there is one encoding of anything.
fn decoded(element: &Element<'_>) -> Result<Vec<u8>, Error> {
    const EXPECTED: Error = Error::Structure("base64, and no attributes, in values of ds:Signature");
    if !element.attributes.is_empty() {
        return Err(EXPECTED);
    }
    let text = match element.children.as_slice() {
        [Node::Text(text)] => text.replace(SPACE, ""),
        _ => return Err(EXPECTED),
    };
    STANDARD.decode(text).map_err(|_| EXPECTED)
}

fn octets<const N: usize>(element: &Element<'_>, expected: &'static str) -> Result<[u8; N], Error> {
    decoded(element)?.try_into().map_err(|_| Error::Structure(expected))
}
