//! Manifests with one defect each, and sound ones that are written in another way.

#![expect(clippy::indexing_slicing, reason = "edits of a manifest that the lab made")]

mod certificates;
mod content;

use super::rim::{
    DSIG, RimSpec, SIGNATURE_METHOD, SWID, key_value, remove, set, x509_certificate, x509_data,
};
use super::rim_hierarchy::RimHierarchy;
use crate::keys::EcKey;

/// A manifest, and the check that refuses it; `None` if it is sound.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is wrong with it, or how it is written.
    pub name: &'static str,
    /// The check that fails.
    pub refused_by: Option<&'static str>,
    /// The manifest.
    pub document: String,
}

/// Every manifest that the lab forges, with the lab's root.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = sound();
    cases.extend(malformed());
    cases.extend(structures());
    cases.extend(certificates::cases());
    cases.extend(signatures());
    cases.extend(content::cases());
    cases
}

fn case(name: &'static str, check: &'static str, document: String) -> Case {
    Case { name, refused_by: Some(check), document }
}

fn made(name: &'static str, check: &'static str, edit: impl FnOnce(&mut RimSpec)) -> Case {
    let mut spec = RimSpec::new();
    edit(&mut spec);
    case(name, check, spec.sign())
}

/// The document with its first `from` made `to`, after it was signed.
///
/// # Panics
///
/// If `from` is not in it.
#[must_use]
pub fn edited(document: &str, from: &str, to: &str) -> String {
    assert!(document.contains(from), "{from} is in the document");
    document.replacen(from, to, 1)
}

/// The first element `name` of the signature, with what is in it.
fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let end = format!("</ds:{name}>");
    let from = document.find(&format!("<ds:{name}>")).and_then(|start| document.get(start..));
    let length = from.and_then(|from| from.find(&end)).map(|at| at.saturating_add(end.len()));
    from.zip(length).and_then(|(from, length)| from.get(..length)).unwrap_or_default()
}

/// The same thing in other words: what the canonical form is the same for.
fn sound() -> Vec<Case> {
    let document = RimSpec::new().sign();
    let sound = |name, document: String| Case { name, refused_by: None, document };
    let edit = |name, from: &str, to: &str| sound(name, edited(&document, from, to));
    vec![
        edit("an XML declaration", "<Software", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Software"),
        edit("a comment before the root", "<Software", "<!-- of a driver -->\n<Software"),
        edit("a comment in the payload", "\n    </ns0:Payload>", "<!-- - -->\n    </ns0:Payload>"),
        edit("a comment in SignedInfo", "<ds:SignedInfo>", "<ds:SignedInfo><!-- -->"),
        edit("quotes", r#"name="GH100""#, "name='GH100'"),
        edit("a character reference", r#"name="GH100""#, r#"name="G&#72;&#x31;00""#),
        edit("white space in a tag", r#" patch="false""#, "\n\t patch = \"false\" "),
        edit(
            "another order of attributes",
            r#"corpus="false" name="GH100""#,
            r#"name="GH100" corpus="false""#,
        ),
        edit("an end tag", r#"tagCreator"/>"#, r#"tagCreator"></ns0:Entity >"#),
        edit(
            "a namespace that is declared again",
            "<ns0:Payload ",
            &format!("<ns0:Payload xmlns:ns0=\"{SWID}\" "),
        ),
        sound("lines of Windows", document.replace('\n', "\r\n")),
        edit("white space in base64", "<ds:SignatureValue>", "<ds:SignatureValue>\n\t "),
    ]
}

/// What is no XML, or XML with what is not read: refused before anything in it is looked at.
#[must_use]
pub fn malformed() -> Vec<Case> {
    let sound = RimSpec::new().sign();
    let edit = |name, from: &str, to: &str| case(name, "rim-format", edited(&sound, from, to));
    let payload_end = "\n    </ns0:Payload>";
    vec![
        edit("a document type", "<Software", "<!DOCTYPE SoftwareIdentity>\n<Software"),
        edit("an entity", r#"name="GH100""#, r#"name="&gh;""#),
        edit("an entity in text", payload_end, &format!("&nbsp;{payload_end}")),
        edit("a processing instruction", payload_end, &format!("<?a b?>{payload_end}")),
        edit("a CDATA section", payload_end, &format!("<![CDATA[]]>{payload_end}")),
        edit("an attribute of xml", "<ns0:Payload ", "<ns0:Payload xml:space=\"preserve\" "),
        edit("an attribute twice", r#"patch="false""#, r#"patch="false" patch="false""#),
        edit("an unbound prefix", "<ns0:Entity ", "<ns9:Entity "),
        edit("an end of another element", "</ns0:Payload>", "</Payload>"),
        edit("text behind the root", "</SoftwareIdentity>", "</SoftwareIdentity>a"),
        edit("a second root", "</SoftwareIdentity>", "</SoftwareIdentity><a/>"),
        edit("a comment behind the root", "</SoftwareIdentity>", "</SoftwareIdentity><!-- -->"),
        edit("another encoding", "<Software", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Software"),
        edit("a byte order mark", "<Software", "\u{FEFF}<Software"),
        edit("text before the root", "<Software", "a<Software"),
        edit("a character that is none", r#"name="GH100""#, "name=\"GH100\u{1}\""),
        edit(
            "too many levels",
            payload_end,
            &format!("{}{}{payload_end}", "<a>".repeat(20), "</a>".repeat(20)),
        ),
        edit("too many elements", payload_end, &format!("{}{payload_end}", "<a/>".repeat(4200))),
        case("too many bytes", "rim-format", format!("{sound}{}", " ".repeat(256 * 1024))),
    ]
}

/// Signatures that XML Signature allows, and other elements than NVIDIA's in them. What is in KeyInfo is not signed.
fn structures() -> Vec<Case> {
    const CHECK: &str = "rim-format";
    let document = RimSpec::new().sign();
    let edit = |name, from: &str, to: &str| case(name, CHECK, edited(&document, from, to));
    let chain = RimHierarchy::new().chain();
    let nobody = EcKey::from_label("nobody");
    let (value, extra) = (key_value(&nobody), x509_certificate(&chain[0]));
    let resource =
        format!("<ns0:Payload>{}</ns0:Payload>", r#"<ns0:Resource type="Measurement" index="9"/>"#);
    let object = format!("<ds:Object>{resource}</ds:Object>");
    let start = document.find("<ds:Signature ").unwrap_or_default();
    let end = document.find("</SoftwareIdentity>").unwrap_or_default();
    let (head, signature, tail) = (&document[..start], &document[start..end], &document[end..]);
    let wrapped = format!("{head}<wrapper>{signature}</wrapper>{tail}");
    let moved = edited(&format!("{head}{tail}"), "    <ns0:Payload", &format!("{signature}    <ns0:Payload"));
    // The signed document in an element of another one, whose measurements are others.
    let evil = edited(head, &"02".repeat(48), &"66".repeat(48));
    let inner = format!("{head}{tail}");
    let wrapping = format!("{evil}<old>{}</old>{signature}{tail}", inner.trim_end());
    let around = format!("{evil}{}{tail}", document.trim_end());
    vec![
        edit("a KeyValue before X509Data", "<ds:X509Data>", &format!("{value}<ds:X509Data>")),
        edit("a KeyValue behind X509Data", "</ds:X509Data>", &format!("</ds:X509Data>{value}")),
        edit("a KeyName", "<ds:X509Data>", "<ds:KeyName>signer</ds:KeyName><ds:X509Data>"),
        edit("a RetrievalMethod", "<ds:X509Data>", "<ds:RetrievalMethod URI=\"#a\"/><ds:X509Data>"),
        edit("an extra certificate first", "<ds:X509Data>", &format!("<ds:X509Data>{extra}")),
        edit("an extra certificate last", "</ds:X509Data>", &format!("{extra}</ds:X509Data>")),
        edit("a certificate less", element(&document, "X509Certificate"), ""),
        edit("a subject name", "<ds:X509Data>", "<ds:X509Data><ds:X509SubjectName>CN=a</ds:X509SubjectName>"),
        edit("a second X509Data", "</ds:X509Data>", &format!("</ds:X509Data>{}", x509_data(&chain))),
        edit("no X509Data", element(&document, "X509Data"), ""),
        edit("an object with measurements", "</ds:KeyInfo>", &format!("</ds:KeyInfo>{object}")),
        edit("an object before SignedInfo", "<ds:SignedInfo>", &format!("{object}<ds:SignedInfo>")),
        edit("SignatureProperties", "</ds:KeyInfo>", "</ds:KeyInfo><ds:SignatureProperties/>"),
        edit("an Id of the signature", "<ds:Signature ", "<ds:Signature Id=\"a\" "),
        edit("an Id of SignedInfo", "<ds:SignedInfo>", "<ds:SignedInfo Id=\"a\">"),
        edit("an attribute of a value", "<ds:SignatureValue>", "<ds:SignatureValue Id=\"a\">"),
        edit("text in KeyInfo", "<ds:KeyInfo>", "<ds:KeyInfo>a"),
        edit(
            "a parameter of an algorithm",
            "<ds:SignatureMethod Algorithm=\"",
            "<ds:SignatureMethod Id=\"a\" Algorithm=\"",
        ),
        edit(
            "an element in an algorithm",
            &format!("{SIGNATURE_METHOD}\"/>"),
            &format!("{SIGNATURE_METHOD}\"><a/></ds:SignatureMethod>"),
        ),
        edit("base64 with another sign", "<ds:DigestValue>", "<ds:DigestValue>-"),
        edit(
            "a short signature",
            element(&document, "SignatureValue"),
            "<ds:SignatureValue>AAAA</ds:SignatureValue>",
        ),
        edit("a second signature", "</SoftwareIdentity>", &format!("{signature}</SoftwareIdentity>")),
        case("no signature", CHECK, format!("{head}{tail}")),
        case("a signature that is no child of the root", CHECK, wrapped),
        case("a signature that is not the last child", CHECK, moved),
        case("a signature as the root", CHECK, signature.to_owned()),
        made("a signature in the payload besides", CHECK, |spec| {
            spec.in_payload = format!("<ds:Signature xmlns:ds=\"{DSIG}\"></ds:Signature>");
        }),
        case("the signed document wrapped", "rim-digest", wrapping),
        case("the signed document around", CHECK, around),
        made("another canonicalisation of SignedInfo", CHECK, |spec| {
            "http://www.w3.org/2001/10/xml-exc-c14n#".clone_into(&mut spec.canonicalization);
            spec.inclusive = false;
        }),
        made("canonicalisation with comments", CHECK, |spec| spec.canonicalization.push_str("#WithComments")),
        made("canonicalisation of version 1.0", CHECK, |spec| {
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315".clone_into(&mut spec.canonicalization);
        }),
        made("a signature by SHA-256", CHECK, |spec| {
            spec.signature_method = SIGNATURE_METHOD.replace("sha384", "sha256");
        }),
        made("an HMAC", CHECK, |spec| {
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384".clone_into(&mut spec.signature_method);
        }),
        made("a digest of SHA-256", CHECK, |spec| {
            "http://www.w3.org/2001/04/xmlenc#sha256".clone_into(&mut spec.digest_method);
        }),
        made("a reference to an Id", CHECK, |spec| set(&mut spec.reference, "URI", "#a")),
        made("a reference without URI", CHECK, |spec| remove(&mut spec.reference, "URI")),
        made("a type of the reference", CHECK, |spec| set(&mut spec.reference, "Type", "http://a")),
        made("two references", CHECK, |spec| {
            spec.in_signed_info = r#"<ds:Reference URI="http://a"></ds:Reference>"#.to_owned();
        }),
        made("no enveloped transform", CHECK, |spec| drop(spec.transforms.remove(0))),
        made("no canonicalisation", CHECK, |spec| drop(spec.transforms.remove(1))),
        made("no transforms", CHECK, |spec| spec.transforms.clear()),
        made("transforms the other way round", CHECK, |spec| spec.transforms.reverse()),
        made("a third transform", CHECK, |spec| spec.transforms.push(spec.transforms[1].clone())),
        made("a transform by XPath", CHECK, |spec| {
            "http://www.w3.org/TR/1999/REC-xpath-19991116".clone_into(&mut spec.transforms[1]);
        }),
    ]
}

/// Signed by another, or not this.
fn signatures() -> Vec<Case> {
    let document = RimSpec::new().sign();
    let nobody = EcKey::from_label("nobody");
    let other = made("", "", |spec| set(&mut spec.meta, "colloquialVersion", "1")).document;
    let foreign = |spec: &mut RimSpec| spec.key = Some(nobody.clone());
    vec![
        made("signed by a foreign key", "rim-signature", foreign),
        made("SignedInfo without the namespaces around", "rim-signature", |spec| spec.inclusive = false),
        case(
            "the signature of another manifest",
            "rim-signature",
            edited(&document, element(&document, "SignatureValue"), element(&other, "SignatureValue")),
        ),
        case(
            "white space in the digest",
            "rim-signature",
            edited(&document, "<ds:DigestValue>", "<ds:DigestValue>\n"),
        ),
        case("an edited digest", "rim-digest", edited(&document, &"02".repeat(48), &"66".repeat(48))),
        case("an edited version", "rim-digest", edited(&document, "550.90.07", "550.90.08")),
        case("an edited index", "rim-digest", edited(&document, r#"index="2""#, r#"index="20""#)),
        case("a measurement that is switched off", "rim-digest", edited(&document, "True", "False")),
        case(
            "an added measurement",
            "rim-digest",
            edited(&document, "\n    </ns0:Payload>", "<ns0:Resource/>\n    </ns0:Payload>"),
        ),
        case("white space that is added", "rim-digest", edited(&document, "    <ns0:Meta", "     <ns0:Meta")),
        case("another prefix", "rim-digest", edited(&document, "<ns0:Entity ", "<Entity ")),
        case(
            "a namespace more",
            "rim-digest",
            edited(&document, "<ns0:Entity ", "<ns0:Entity xmlns:a=\"http://a\" "),
        ),
        case(
            "a line end in an attribute",
            "rim-digest",
            edited(&document, "NVIDIA Corporation", "NVIDIA&#10;Corporation"),
        ),
        case(
            "a namespace around the signature",
            "rim-signature",
            edited(&document, "<ds:Signature ", "<ds:Signature xmlns:a=\"http://a\" "),
        ),
    ]
}
