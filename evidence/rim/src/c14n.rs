//! Inclusive Canonical XML 1.1, without comments (<https://www.w3.org/TR/2008/REC-xml-c14n11-20080502/>).
//!
//! What the recommendation says of attributes of `xml:`, of processing instructions, of entities and of document types has nothing to
//! say here: the reader refuses them.

use std::collections::BTreeMap;

use crate::xml::{Element, Node};

/// The canonical form of `apex` and what is in it, less the element `left_out`.
///
/// `inherited` are the namespaces that the ancestors of `apex` declare, outermost first. None of those is put out, so `apex` shows
/// every namespace that is in scope (§2.3, Namespace Axis): used or not, which is what "inclusive" means.
pub(crate) fn canonical<'t, 'a>(
    apex: &'t Element<'a>,
    inherited: impl IntoIterator<Item = (&'t str, &'t str)>,
    left_out: Option<&'t Element<'a>>,
) -> Vec<u8> {
    let scope = inherited.into_iter().collect();
    let mut writer = Writer { out: String::new(), scope, rendered: Vec::new(), left_out };
    writer.element(apex);
    writer.out.into_bytes()
}

struct Writer<'t, 'a> {
    out: String,
    /// Prefix and URI of what is declared around, outermost first: the last one counts.
    scope: Vec<(&'t str, &'t str)>,
    /// The same of what elements that were put out show.
    rendered: Vec<(&'t str, &'t str)>,
    left_out: Option<&'t Element<'a>>,
}

impl<'t, 'a> Writer<'t, 'a> {
    /// §2.3, Element Nodes.
    fn element(&mut self, element: &'t Element<'a>) {
        let (scope, rendered) = (self.scope.len(), self.rendered.len());
        self.scope.extend(element.declarations.iter().map(|(prefix, uri)| (*prefix, uri.as_ref())));
        self.out.push('<');
        self.name(element.prefix, element.local);
        for (prefix, uri) in self.namespaces() {
            self.out.push_str(" xmlns");
            if !prefix.is_empty() {
                self.out.push(':');
            }
            self.out.push_str(prefix);
            self.value(uri);
            self.rendered.push((prefix, uri));
        }
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_by_key(|attribute| (&attribute.namespace, attribute.local));
        for attribute in attributes {
            self.out.push(' ');
            self.name(attribute.prefix, attribute.local);
            self.value(&attribute.value);
        }
        self.out.push('>');
        for child in &element.children {
            match child {
                Node::Element(child) if self.left_out.is_some_and(|other| std::ptr::eq(child, other)) => {}
                Node::Element(child) => self.element(child),
                Node::Text(text) => self.text(text),
            }
        }
        self.out.push_str("</");
        self.name(element.prefix, element.local);
        self.out.push('>');
        self.scope.truncate(scope);
        self.rendered.truncate(rendered);
    }

    /// What is in scope and not yet shown by an element around it, by prefix. The default namespace comes first; where it is none,
    /// that is shown if another stands around it (§2.3, Namespace Nodes).
    fn namespaces(&self) -> BTreeMap<&'t str, &'t str> {
        let mut namespaces: BTreeMap<_, _> = self.scope.iter().copied().collect();
        namespaces.retain(|prefix, uri| {
            let shown = self.rendered.iter().rev().find(|(shown, _)| shown == prefix);
            shown.map_or("", |(_, shown)| *shown) != *uri
        });
        namespaces
    }

    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    /// §2.3, Attribute Nodes.
    fn value(&mut self, value: &str) {
        self.out.push_str("=\"");
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    /// §2.3, Text Nodes.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                _ => self.out.push(c),
            }
        }
    }
}
