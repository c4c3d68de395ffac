//! CBOR items (RFC 8949), taken from the front of the bytes that are left.

use ciborium_ll::{Decoder, Header, simple};

/// The tag of COSE_Sign1 (RFC 9052, §2).
const COSE_SIGN1: u64 = 18;

/// The break behind an array or a map of indefinite length (RFC 8949, §3.2.1).
const BREAK: u8 = 0xFF;

/// Every method gives `None` for an item of another kind than its own, or one that does not fit. Strings are in one piece.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// How many items of an array or a map are left; `None` up to a break.
pub(crate) struct Items(Option<usize>);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_at_end(self) -> bool {
        self.rest.is_empty()
    }

    fn header(&mut self) -> Option<Header> {
        let mut decoder = Decoder::from(self.rest);
        let header = decoder.pull().ok()?;
        self.rest = self.rest.get(decoder.offset()..)?;
        Some(header)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// An unsigned number.
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        match self.header()? {
            Header::Positive(number) => Some(number),
            _ => None,
        }
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        self.nullable_bytes()?
    }

    /// A byte string, or null.
    pub(crate) fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.header()? {
            Header::Bytes(Some(length)) => self.take(length).map(Some),
            Header::Simple(simple::NULL) => Some(None),
            _ => None,
        }
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        match self.header()? {
            Header::Text(Some(length)) => std::str::from_utf8(self.take(length)?).ok(),
            _ => None,
        }
    }

    /// The beginning of an array.
    pub(crate) fn array(&mut self) -> Option<Items> {
        match self.header()? {
            Header::Array(length) => Some(Items(length)),
            _ => None,
        }
    }

    /// The beginning of an array that may have the tag of COSE_Sign1.
    pub(crate) fn sign1(&mut self) -> Option<Items> {
        let mut tagged = *self;
        if matches!(tagged.header()?, Header::Tag(COSE_SIGN1)) {
            *self = tagged;
        }
        self.array()
    }

    /// The beginning of a map.
    pub(crate) fn map(&mut self) -> Option<Items> {
        match self.header()? {
            Header::Map(length) => Some(Items(length)),
            _ => None,
        }
    }

    /// Whether another item of an array, or another pair of a map, follows. Takes the break behind the last.
    pub(crate) fn more(&mut self, items: &mut Items) -> Option<bool> {
        match &mut items.0 {
            Some(left) => {
                let more = left.checked_sub(1);
                *left = more.unwrap_or(0);
                Some(more.is_some())
            }
            None => {
                let (first, rest) = self.rest.split_first()?;
                if *first == BREAK {
                    self.rest = rest;
                }
                Some(*first != BREAK)
            }
        }
    }
}

/// What COSE signs of a message without data from outside (RFC 9052, §4.4): Sig_structure, in the shortest forms.
pub(crate) fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len().saturating_add(32));
    // An array of four: the context, a text of ten bytes; then three byte strings.
    bytes.extend(b"\x84\x6ASignature1");
    for string in [protected, &[], payload] {
        bytes.extend(head_of_bytes(string.len()));
        bytes.extend(string);
    }
    bytes
}

/// The head of a byte string in its shortest form (RFC 8949, §4.2.1).
fn head_of_bytes(length: usize) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..24), _) => vec![0x40 | length],
        (Ok(length), _) => vec![0x58, length],
        (_, Ok(length)) => [&[0x59][..], &length.to_be_bytes()].concat(),
        // Longer than any document that is read.
        _ => [&[0x5B][..], &u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_the_shortest() {
        for (length, head) in [
            (0, &[0x40][..]),
            (23, &[0x57]),
            (24, &[0x58, 24]),
            (255, &[0x58, 255]),
            (256, &[0x59, 1, 0]),
            (65_535, &[0x59, 255, 255]),
        ] {
            assert_eq!(head_of_bytes(length), head);
        }
    }

    #[test]
    fn only_one_kind_of_item_is_read_as_such() {
        // undefined, false, a string in pieces, a big number, a tagged string.
        for item in [&[0xF7][..], &[0xF4], &[0x5F, 0x41, 0, 0xFF], &[0xC2, 0x41, 1], &[0xC0, 0x41, 1]] {
            assert_eq!(Reader::new(item).nullable_bytes(), None, "{item:?}");
            assert_eq!(Reader::new(item).unsigned(), None, "{item:?}");
            assert_eq!(Reader::new(item).text(), None, "{item:?}");
        }
        assert_eq!(Reader::new(&[0xF6]).nullable_bytes(), Some(None));
        assert_eq!(Reader::new(&[0xF6]).bytes(), None);
        assert_eq!(Reader::new(&[0x62, 0xC3, 0x28]).text(), None, "no UTF-8");
        // A length that does not fit.
        assert_eq!(Reader::new(&[0x5B, 255, 255, 255, 255, 255, 255, 255, 255]).bytes(), None);
        for tagged in [&[0xD1, 0x80][..], &[0xD2, 0xD2, 0x80], &[0xA0]] {
            assert!(Reader::new(tagged).sign1().is_none(), "{tagged:?}");
        }
    }
}
