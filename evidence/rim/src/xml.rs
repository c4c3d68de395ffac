//! The elements of a manifest: well-formed XML 1.0 with namespaces, less what canonical forms differ on.
//!
//! Prefixes stay as they were written, and so does the order of attributes: a canonical form has the one, and sorts the other.

use std::borrow::Cow;

use quick_xml::{Reader, events::Event};

use crate::Error;

/// The largest manifest, in bytes. Real ones have 17,000 to 22,000.
pub const MAX_RIM: usize = 256 * 1024;

/// The deepest element. Real manifests have seven levels.
pub(crate) const MAX_DEPTH: usize = 16;

/// The most elements. Real manifests have near 85.
pub(crate) const MAX_ELEMENTS: usize = 4096;

/// The most attributes of one element, declarations of namespaces included. Real ones have up to 14.
pub(crate) const MAX_ATTRIBUTES: usize = 64;

/// The most namespaces that are declared around an element and by it: a canonical form compares them at each element. Real manifests
/// have up to five.
pub(crate) const MAX_NAMESPACES: usize = 32;

/// White space (XML 1.0 §2.3, S).
pub(crate) const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The namespace of the prefix `xml`, and that of `xmlns` (Namespaces in XML 1.0 §3): bound to nothing else.
const RESERVED: [&str; 2] = ["http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"];

/// An element: its name as it was written, and the namespace that this stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// Empty for none.
    pub(crate) prefix: &'a str,
    pub(crate) local: &'a str,
    /// Empty for none.
    pub(crate) namespace: Cow<'a, str>,
    /// Prefix and URI, as they were written. The default namespace has no prefix.
    pub(crate) declarations: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) children: Vec<Node<'a>>,
}

/// An attribute that declares no namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Empty for none.
    pub(crate) prefix: &'a str,
    pub(crate) local: &'a str,
    /// Empty for none: the default namespace is not that of attributes.
    pub(crate) namespace: Cow<'a, str>,
    /// Normalised (XML 1.0 §3.3.3).
    pub(crate) value: Cow<'a, str>,
}

/// What stands in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Element(Element<'a>),
    /// Line ends and references are those of the parsed text (XML 1.0 §2.11 and §4.4).
    Text(String),
}

impl<'a> Element<'a> {
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Whether it is `local` in `namespace`, whatever the prefix.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    /// Whether there is no text but white space beside the elements in it.
    pub(crate) fn has_no_text(&self) -> bool {
        self.children.iter().all(|child| match child {
            Node::Element(_) => true,
            Node::Text(text) => text.trim_matches(SPACE).is_empty(),
        })
    }

    fn push_text(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }
}

/// Reads exactly one document of at most [`MAX_RIM`] bytes.
///
/// Refused are, beside what is not well-formed: document types, processing instructions, CDATA sections, references to entities other
/// than the five that are predefined, attributes of `xml:`, a byte order mark, another encoding than UTF-8, names that are not ASCII, and
/// anything but white space behind the root. Comments are left out.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element<'_>, Error> {
    limited("bytes of a manifest", bytes.len(), MAX_RIM)?;
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Xml("bytes that are no UTF-8"))?;
    if text.starts_with('\u{FEFF}') {
        return Err(Error::Xml("a byte order mark"));
    }
    if !text.chars().all(is_character) {
        return Err(Error::Xml("a character that XML does not have"));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder::default();
    let mut start = 0;
    loop {
        let event = reader.read_event().map_err(|_| Error::Xml("markup that is not well-formed"))?;
        let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        // What the event was read from.
        let raw = text.get(start..end).ok_or(Error::Xml("markup that is not well-formed"))?;
        match event {
            Event::Start(_) => builder.open(inside(raw, "<", ">")?)?,
            Event::Empty(_) => {
                builder.open(inside(raw, "<", "/>")?)?;
                builder.close()?;
            }
            Event::End(_) => builder.close()?,
            Event::Text(_) => builder.text(raw)?,
            Event::GeneralRef(_) => {
                let character = reference(inside(raw, "&", ";")?)?;
                builder.character(character)?;
            }
            Event::Comment(_) => builder.comment()?,
            Event::Decl(_) if start == 0 => declaration(inside(raw, "<?", "?>")?)?,
            Event::Decl(_) => return Err(Error::Xml("an XML declaration that is not at the start")),
            Event::DocType(_) => return Err(Error::Xml("a document type")),
            Event::PI(_) => return Err(Error::Xml("a processing instruction")),
            Event::CData(_) => return Err(Error::Xml("a CDATA section")),
            Event::Eof => return builder.finish(),
        }
        start = end;
    }
}

/// What was read so far: the elements that are open, outermost first, and the namespaces that are in scope.
#[derive(Default)]
struct Builder<'a> {
    open: Vec<(Element<'a>, usize)>,
    scope: Vec<(&'a str, Cow<'a, str>)>,
    root: Option<Element<'a>>,
    elements: usize,
}

impl<'a> Builder<'a> {
    fn open(&mut self, tag: &'a str) -> Result<(), Error> {
        if self.root.is_some() {
            return Err(Error::Xml("something behind the root element"));
        }
        self.elements = self.elements.saturating_add(1);
        limited("elements of a manifest", self.elements, MAX_ELEMENTS)?;
        limited("levels of elements", self.open.len().saturating_add(1), MAX_DEPTH)?;
        let outer = self.scope.len();
        let (name, attributes) = split_tag(tag)?;
        let mut declarations: Vec<(&'a str, Cow<'a, str>)> = Vec::new();
        let mut others = Vec::new();
        for (name, raw) in attributes {
            let (prefix, local) = split_name(name)?;
            let value = attribute_value(raw)?;
            if prefix.is_empty() && local == "xmlns" || prefix == "xmlns" {
                let of = if prefix.is_empty() { "" } else { local };
                declarable(of, &value)?;
                if declarations.iter().any(|(before, _)| *before == of) {
                    return Err(Error::Xml("a namespace that is declared twice"));
                }
                declarations.push((of, value));
            } else {
                others.push((prefix, local, value));
            }
        }
        self.scope.extend(declarations.iter().cloned());
        limited("namespaces in scope", self.scope.len(), MAX_NAMESPACES)?;
        let mut attributes: Vec<Attribute<'a>> = Vec::with_capacity(others.len());
        for (prefix, local, value) in others {
            let namespace = if prefix.is_empty() { Cow::Borrowed("") } else { self.bound(prefix)? };
            if attributes.iter().any(|before| before.local == local && before.namespace == namespace) {
                return Err(Error::Xml("an attribute that stands there twice"));
            }
            attributes.push(Attribute { prefix, local, namespace, value });
        }
        let (prefix, local) = split_name(name)?;
        let namespace = self.bound(prefix)?;
        let element = Element { prefix, local, namespace, declarations, attributes, children: Vec::new() };
        self.open.push((element, outer));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let (element, outer) = self.open.pop().ok_or(Error::Xml("an end without a start"))?;
        self.scope.truncate(outer);
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, raw: &str) -> Result<(), Error> {
        if raw.contains("]]>") {
            return Err(Error::Xml("the end of a CDATA section in text"));
        }
        match self.open.last_mut() {
            Some((element, _)) if raw.contains('\r') => {
                element.push_text(&raw.replace("\r\n", "\n").replace('\r', "\n"));
            }
            Some((element, _)) => element.push_text(raw),
            None if raw.trim_matches(SPACE).is_empty() => {}
            None => return Err(Error::Xml("text outside of the root element")),
        }
        Ok(())
    }

    fn character(&mut self, character: char) -> Result<(), Error> {
        let (element, _) = self.open.last_mut().ok_or(Error::Xml("text outside of the root element"))?;
        element.push_text(character.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn comment(&self) -> Result<(), Error> {
        match &self.root {
            Some(_) => Err(Error::Xml("something behind the root element")),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Element<'a>, Error> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(Error::Xml("no root element that ends")),
        }
    }

    /// The namespace that `prefix` stands for.
    fn bound(&self, prefix: &str) -> Result<Cow<'a, str>, Error> {
        let found = self.scope.iter().rev().find(|(bound, _)| *bound == prefix).map(|(_, uri)| uri.clone());
        match found {
            Some(uri) => Ok(uri),
            None if prefix.is_empty() => Ok(Cow::Borrowed("")),
            None if prefix == "xml" => Err(Error::Xml("a name of the prefix xml")),
            None => Err(Error::Xml("a prefix that is bound to no namespace")),
        }
    }
}

fn inside<'a>(raw: &'a str, start: &str, end: &str) -> Result<&'a str, Error> {
    let inside = raw.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    inside.ok_or(Error::Xml("markup that is not well-formed"))
}

/// Char (XML 1.0 §2.2).
const fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A name, and names and values of attributes, as they were written.
type Tag<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// The parts of a tag (XML 1.0 §3.1, STag).
fn split_tag(tag: &str) -> Result<Tag<'_>, Error> {
    const MALFORMED: Error = Error::Xml("a tag that is not well-formed");
    let (name, mut rest) = tag.split_at(tag.find(SPACE).unwrap_or(tag.len()));
    let mut attributes = Vec::new();
    loop {
        let next = rest.trim_start_matches(SPACE);
        if next.is_empty() {
            return Ok((name, attributes));
        }
        if next.len() == rest.len() {
            return Err(Error::Xml("attributes without white space between them"));
        }
        limited("attributes of an element", attributes.len().saturating_add(1), MAX_ATTRIBUTES)?;
        let (name, value) = next.split_once('=').ok_or(MALFORMED)?;
        let value = value.trim_start_matches(SPACE);
        let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote)).ok_or(MALFORMED)?;
        let (value, after) =
            value.strip_prefix(quote).and_then(|value| value.split_once(quote)).ok_or(MALFORMED)?;
        attributes.push((name.trim_end_matches(SPACE), value));
        rest = after;
    }
}

/// Prefix and local part (Namespaces in XML 1.0 §4, QName), of ASCII letters, digits, `_`, `-` and `.` alone.
fn split_name(name: &str) -> Result<(&str, &str), Error> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c))
    };
    match name.split_once(':') {
        None if is_name(name) => Ok(("", name)),
        Some((prefix, local)) if is_name(prefix) && is_name(local) => Ok((prefix, local)),
        _ => Err(Error::Xml("a name that is none, or not of ASCII")),
    }
}

/// What a prefix may be bound to (Namespaces in XML 1.0 §2.2 and §3). Canonical XML refuses relative URIs (C14N 1.1 §1.3).
fn declarable(prefix: &str, uri: &str) -> Result<(), Error> {
    if ["xml", "xmlns"].contains(&prefix) || RESERVED.contains(&uri) {
        return Err(Error::Xml("a namespace that is reserved"));
    }
    let may_be_undone = prefix.is_empty() && uri.is_empty();
    if !may_be_undone && !uri.contains(':') {
        return Err(Error::Xml("a namespace that is no absolute URI"));
    }
    Ok(())
}

/// The value of an attribute: references replaced, and white space that was written as such a space each (XML 1.0 §2.11 and §3.3.3,
/// without a document type).
fn attribute_value(raw: &str) -> Result<Cow<'_, str>, Error> {
    if !raw.contains(['<', '&', '\t', '\n', '\r']) {
        return Ok(Cow::Borrowed(raw));
    }
    let raw = raw.replace("\r\n", "\n");
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw.as_str();
    while let Some(at) = rest.find(['<', '&', '\t', '\n', '\r']) {
        let (before, special) = rest.split_at(at);
        value.push_str(before);
        rest = if let Some(after) = special.strip_prefix(['\t', '\n', '\r']) {
            value.push(' ');
            after
        } else if let Some((name, after)) = special.strip_prefix('&').and_then(|rest| rest.split_once(';')) {
            value.push(reference(name)?);
            after
        } else {
            return Err(Error::Xml("markup in the value of an attribute"));
        };
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// What a reference stands for (XML 1.0 §4.1 and §4.6).
fn reference(name: &str) -> Result<char, Error> {
    let number = |digits: &str, radix: u32| {
        let are_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        let number = are_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten();
        number.and_then(char::from_u32).filter(|c| is_character(*c))
    };
    let character = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix("#x") {
            Some(digits) => number(digits, 16),
            None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
        },
    };
    character.ok_or(Error::Xml("a reference to an entity, or to no character"))
}

/// The XML declaration (XML 1.0 §2.8): of version 1.0, in UTF-8.
fn declaration(content: &str) -> Result<(), Error> {
    let (_, attributes) = split_tag(content)?;
    let [("version", "1.0"), rest @ ..] = attributes.as_slice() else {
        return Err(Error::Xml("an XML declaration of another version"));
    };
    match rest {
        [] | [("standalone", "yes" | "no")] => Ok(()),
        [("encoding", name)] | [("encoding", name), ("standalone", "yes" | "no")]
            if name.eq_ignore_ascii_case("UTF-8") =>
        {
            Ok(())
        }
        _ => Err(Error::Xml("an XML declaration of another encoding")),
    }
}

pub(crate) fn limited(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) }
}
