//! The reader, and canonical forms: one rule of a recommendation each.

use proptest::prelude::*;

use crate::{
    Error,
    c14n::canonical,
    canonical_form,
    xml::{self, Element},
};

fn form(document: &str) -> String {
    String::from_utf8(canonical_form(document.as_bytes()).unwrap()).unwrap()
}

/// The canonical form of the first element in the root, whose namespaces it inherits.
fn subtree(document: &str) -> String {
    let root = xml::parse(document.as_bytes()).unwrap();
    let inherited = root.declarations.iter().map(|(prefix, uri)| (*prefix, uri.as_ref()));
    String::from_utf8(canonical(root.elements().next().unwrap(), inherited, None)).unwrap()
}

#[track_caller]
fn refused(document: &str) -> &'static str {
    match canonical_form(document.as_bytes()) {
        Err(Error::Xml(reason)) => reason,
        other => panic!("{document} gives {other:?}"),
    }
}

/// C14N 1.1 §1.1: what becomes of the markup.
#[test]
fn markup_has_one_form() {
    assert_eq!(form("<?xml version='1.0'?>\n<a  b = 'c'\n/>\n"), "<a b=\"c\"></a>");
    assert_eq!(form("<a><!-- b -->c<!-- d -->e</a >"), "<a>ce</a>");
    assert_eq!(form(" \n<!-- a --><a> \n </a>\r\n"), "<a> \n </a>");
    assert_eq!(form("<a>&#65;&#x42;&apos;&quot;</a>"), "<a>AB'\"</a>");
}

/// C14N 1.1 §2.3, Attribute Nodes: by namespace, then by local name; those without a namespace first.
#[test]
fn attributes_are_sorted_by_namespace_and_name() {
    assert_eq!(form("<a c='1' b='2' B='3' _='4'/>"), "<a B=\"3\" _=\"4\" b=\"2\" c=\"1\"></a>");
    let form = form("<e x:a='1' y:b='2' z='3' x:b='4' xmlns:x='urn:z' xmlns:y='urn:a'/>");
    let expected = "<e xmlns:x=\"urn:z\" xmlns:y=\"urn:a\" z=\"3\" y:b=\"2\" x:a=\"1\" x:b=\"4\"></e>";
    assert_eq!(form, expected);
}

/// C14N 1.1 §2.3, Namespace Nodes.
#[test]
fn namespaces_are_shown_once_and_by_prefix() {
    assert_eq!(
        form("<a:r xmlns:b='urn:b' xmlns='urn:d' xmlns:a='urn:a'><c/></a:r>"),
        "<a:r xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"><c></c></a:r>",
    );
    // Declared again as it is, and as another and back.
    assert_eq!(
        form("<r xmlns:a='urn:1'><s xmlns:a='urn:1'/><s xmlns:a='urn:2'><t xmlns:a='urn:1'/></s><u/></r>"),
        "<r xmlns:a=\"urn:1\"><s></s><s xmlns:a=\"urn:2\"><t xmlns:a=\"urn:1\"></t></s><u></u></r>",
    );
    // Two prefixes of one namespace stay as they are.
    assert_eq!(
        form("<r xmlns='urn:1' xmlns:a='urn:1'><a:s/><s/></r>"),
        "<r xmlns=\"urn:1\" xmlns:a=\"urn:1\"><a:s></a:s><s></s></r>",
    );
}

/// C14N 1.1 §2.3: `xmlns=""` only where a default namespace is shown around.
#[test]
fn no_default_namespace_is_shown_where_there_was_one() {
    assert_eq!(form("<a xmlns=''><b xmlns=''/></a>"), "<a><b></b></a>");
    assert_eq!(
        form("<a xmlns='urn:1'><b xmlns=''><c xmlns=''/><d xmlns='urn:1'/></b></a>"),
        "<a xmlns=\"urn:1\"><b xmlns=\"\"><c></c><d xmlns=\"urn:1\"></d></b></a>",
    );
}

/// C14N 1.1 §2.3, Text Nodes and Attribute Nodes.
#[test]
fn special_characters_are_escaped() {
    assert_eq!(
        form("<a>&lt;&gt;&amp;&quot;&#13;\t\n\u{e9}\u{1F600}</a>"),
        "<a>&lt;&gt;&amp;\"&#xD;\t\n\u{e9}\u{1F600}</a>",
    );
    assert_eq!(
        form("<a b='&lt;>&amp;&quot;&apos;&#9;&#10;&#13;'/>"),
        "<a b=\"&lt;>&amp;&quot;'&#x9;&#xA;&#xD;\"></a>",
    );
}

/// XML 1.0 §2.11 and §3.3.3.
#[test]
fn line_ends_and_values_are_normalised() {
    assert_eq!(form("<a>\r\n\r\r\n</a>"), "<a>\n\n\n</a>");
    assert_eq!(form("<a b='\r\n\t \r'/>"), "<a b=\"    \"></a>");
    assert_eq!(form("<a b='&#13;\n&#32;'/>"), "<a b=\"&#xD;  \"></a>");
}

/// C14N 1.1 §2.4: a subset of the document inherits what is in scope, used or not.
#[test]
fn a_subtree_shows_every_namespace_in_scope() {
    assert_eq!(
        subtree("<r xmlns='urn:1' xmlns:z='urn:z' xmlns:b='urn:b'><b:s xmlns:a='urn:a'><t/></b:s></r>"),
        "<b:s xmlns=\"urn:1\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" xmlns:z=\"urn:z\"><t></t></b:s>",
    );
    assert_eq!(subtree("<r xmlns='urn:1'><s xmlns=''/></r>"), "<s></s>");
    assert_eq!(subtree("<r xmlns:a='urn:1'><s xmlns:a='urn:2'/></r>"), "<s xmlns:a=\"urn:2\"></s>");
}

/// An element that is left out leaves the text around it.
#[test]
fn an_element_is_left_out_by_identity() {
    let root = xml::parse(b"<r xmlns:a='urn:1'> <a:s/>\n<a:s/> </r>").unwrap();
    let second = root.elements().nth(1);
    assert_eq!(canonical(&root, [], second), b"<r xmlns:a=\"urn:1\"> <a:s></a:s>\n </r>");
}

#[test]
fn what_forms_differ_on_is_refused() {
    for document in [
        "",
        " ",
        "a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>b",
        "b<a/>",
        "&#32;<a/>",
        "<a/><!-- -->",
        "<!DOCTYPE a><a/>",
        "<!doctype a><a/>",
        "<a><![CDATA[b]]></a>",
        "<a>]]></a>",
        "<?b?><a/>",
        "<a><?b c?></a>",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='latin1'?><a/>",
        "<?xml encoding='UTF-8' version='1.0'?><a/>",
        "<?xml?><a/>",
        "\u{FEFF}<a/>",
        "<a><!-- -- --></a>",
        "<a>&b;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#+65;</a>",
        "<a>&#;</a>",
        "<a>& b</a>",
        "<a b='&c;'/>",
        "<a b='&#1;'/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='c/>",
        "<a b='1'c='2'/>",
        "<a b='1' b='2'/>",
        "<a x:b='1' y:b='2' xmlns:x='urn:1' xmlns:y='urn:1'/>",
        "<a xmlns:b='urn:1' xmlns:b='urn:1'/>",
        "<x:a/>",
        "<a x:b='1'/>",
        "<a xml:lang='b'/>",
        "<xml:a/>",
        "<xmlns:a/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:b='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:xmlns='urn:1'/>",
        "<a xmlns:b=''/>",
        "<a xmlns:b='relative'/>",
        "<a xmlns='relative'/>",
        "<a:b:c xmlns:a='urn:1'/>",
        "<:a/>",
        "<a:/>",
        "<1/>",
        "<\u{e9}/>",
        "< a/>",
        "<a\u{b}/>",
        "<a>\u{FFFE}</a>",
        "<a/ >",
        "<a b='1'/ >",
    ] {
        refused(document);
    }
    assert_eq!(canonical_form(b"<a>\xFF</a>"), Err(Error::Xml("bytes that are no UTF-8")));
    // Prefixes end with the element that declares them.
    refused("<r><a xmlns:b='urn:1'/><b:c/></r>");
}

#[test]
fn limits_are_kept() {
    let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    let flat = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements - 1));
    let wide = |attributes: usize| {
        let attributes: String = (0..attributes).map(|number| format!(" a{number}=''")).collect();
        format!("<a{attributes}/>")
    };
    let long = |bytes: usize| format!("<a/>{}", " ".repeat(bytes - 4));
    let bound = |namespaces: usize| {
        let declarations: String =
            (2..namespaces).map(|number| format!(" xmlns:a{number}='urn:1'")).collect();
        format!("<a xmlns='urn:1'><b{declarations}><c xmlns='urn:2'/></b></a>")
    };
    for (document, too_large) in [
        (bound(xml::MAX_NAMESPACES), bound(xml::MAX_NAMESPACES + 1)),
        (nested(xml::MAX_DEPTH), nested(xml::MAX_DEPTH + 1)),
        (flat(xml::MAX_ELEMENTS), flat(xml::MAX_ELEMENTS + 1)),
        (wide(xml::MAX_ATTRIBUTES), wide(xml::MAX_ATTRIBUTES + 1)),
        (long(xml::MAX_RIM), long(xml::MAX_RIM + 1)),
    ] {
        canonical_form(document.as_bytes()).unwrap();
        assert!(matches!(canonical_form(too_large.as_bytes()), Err(Error::TooLarge { .. })));
    }
}

fn count(element: &Element<'_>) -> usize {
    element.elements().map(count).sum::<usize>().saturating_add(1)
}

proptest! {
    /// Whatever is read has a canonical form, which is its own.
    #[test]
    fn a_canonical_form_is_its_own(document in "(<(a|b:a|/a|/b:a)( (xmlns|xmlns:b|c|b:c)='(|urn:1|&#9;|\n)')*(/|)>|[&<>a \r\n]|&lt;|&#13;|<!-- -->){1,12}") {
        let wrapped = format!("<r xmlns:b='urn:2'>{document}</r>");
        if let Ok(form) = canonical_form(wrapped.as_bytes()) {
            prop_assert_eq!(&canonical_form(&form).unwrap(), &form);
            let (first, second) = (xml::parse(wrapped.as_bytes()).unwrap(), xml::parse(&form).unwrap());
            prop_assert_eq!(count(&first), count(&second));
        }
    }
}
