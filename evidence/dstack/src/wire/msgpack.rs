//! The part of MessagePack that V1 needs, in shortest form only.
//!
//! A general decoder would accept each value in several forms and buffer what comes before a map's `kind`.
//! This one reads exactly what dstack writes, in the order in which dstack writes it.
//!
//! Source: MessagePack specification (msgpack/msgpack, `spec.md`).

use super::cursor::Cursor;
use super::{WireError, count};

/// The markers of one family: a base with the length in its low bits, then one marker per width.
struct Family {
    name: &'static str,
    /// Marker whose low bits hold the length, and the largest such length.
    fixed: Option<(u8, u8)>,
    with_u8: Option<u8>,
    with_u16: u8,
    with_u32: u8,
}

const STRING: Family =
    Family { name: "string", fixed: Some((0xa0, 31)), with_u8: Some(0xd9), with_u16: 0xda, with_u32: 0xdb };
const BINARY: Family =
    Family { name: "binary", fixed: None, with_u8: Some(0xc4), with_u16: 0xc5, with_u32: 0xc6 };
const ARRAY: Family =
    Family { name: "array", fixed: Some((0x90, 15)), with_u8: None, with_u16: 0xdc, with_u32: 0xdd };
const MAP: Family =
    Family { name: "map", fixed: Some((0x80, 15)), with_u8: None, with_u16: 0xde, with_u32: 0xdf };
/// Positive fixint 0x00 to 0x7f, then the unsigned integers by width; 64 bits are added where read.
const UNSIGNED: Family = Family {
    name: "unsigned integer",
    fixed: Some((0, 0x7f)),
    with_u8: Some(0xcc),
    with_u16: 0xcd,
    with_u32: 0xce,
};
const UNSIGNED_64: u8 = 0xcf;

#[derive(Debug)]
pub(super) struct Reader<'a>(Cursor<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Cursor::new(bytes))
    }

    /// A map of at least `least` and at most `most` entries; returns how many.
    pub(super) fn map(&mut self, least: usize, most: usize) -> Result<usize, WireError> {
        let offset = self.0.offset();
        let found = self.length(&MAP)?;
        if !(least..=most).contains(&found) {
            return Err(WireError::MapLength { offset, expected: least, found });
        }
        Ok(found)
    }

    pub(super) fn key(&mut self, expected: &'static str) -> Result<(), WireError> {
        let offset = self.0.offset();
        if self.text()? == expected { Ok(()) } else { Err(WireError::Key { offset, expected }) }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.length(&STRING)?;
        self.0.text(length)
    }

    pub(super) fn string(&mut self) -> Result<String, WireError> {
        self.text().map(str::to_owned)
    }

    pub(super) fn binary(&mut self) -> Result<Vec<u8>, WireError> {
        let length = self.length(&BINARY)?;
        self.0.take(length).map(<[u8]>::to_vec)
    }

    /// Bytes as an array of integers: how serde writes a `Vec<u8>`.
    pub(super) fn byte_array(&mut self) -> Result<Vec<u8>, WireError> {
        let length = self.length(&ARRAY)?;
        let mut bytes = Vec::new();
        for _ in 0..length {
            let offset = self.0.offset();
            bytes.push(narrow(offset, u8::MAX, self.unsigned()?)?);
        }
        Ok(bytes)
    }

    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        element: impl Fn(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let length = count(what, limit, self.length(&ARRAY)?)?;
        (0..length).map(|_| element(self)).collect()
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        let offset = self.0.offset();
        narrow(offset, u32::MAX, self.unsigned()?)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, WireError> {
        let offset = self.0.offset();
        let marker = self.0.u8()?;
        if marker != UNSIGNED_64 {
            return self.number(&UNSIGNED, offset, marker).map(u64::from);
        }
        let value = self.0.array().map(u64::from_be_bytes)?;
        if u32::try_from(value).is_ok() { Err(WireError::NotMinimal { offset }) } else { Ok(value) }
    }

    pub(super) fn finish(self) -> Result<(), WireError> {
        self.0.finish()
    }

    fn length(&mut self, family: &Family) -> Result<usize, WireError> {
        let offset = self.0.offset();
        let marker = self.0.u8()?;
        let length = self.number(family, offset, marker)?;
        usize::try_from(length).map_err(|_| WireError::NotMinimal { offset })
    }

    /// The length or number that `marker` announces, refused in any but its shortest form.
    fn number(&mut self, family: &Family, offset: usize, marker: u8) -> Result<u32, WireError> {
        let largest_fixed = family.fixed.map(|(_, largest)| u32::from(largest));
        if let Some((base, largest)) = family.fixed
            && let Some(value) = marker.checked_sub(base)
            && value <= largest
        {
            return Ok(u32::from(value));
        }
        let (value, shorter) = if family.with_u8 == Some(marker) {
            (u32::from(self.0.u8()?), largest_fixed)
        } else if marker == family.with_u16 {
            let shorter = if family.with_u8.is_some() { Some(u32::from(u8::MAX)) } else { largest_fixed };
            (u32::from(u16::from_be_bytes(self.0.array()?)), shorter)
        } else if marker == family.with_u32 {
            (u32::from_be_bytes(self.0.array()?), Some(u32::from(u16::MAX)))
        } else {
            return Err(WireError::Marker { offset, expected: family.name, found: marker });
        };
        match shorter {
            Some(shorter) if value <= shorter => Err(WireError::NotMinimal { offset }),
            _ => Ok(value),
        }
    }
}

fn narrow<T: TryFrom<u64> + Into<u64>>(offset: usize, limit: T, found: u64) -> Result<T, WireError> {
    T::try_from(found).map_err(|_| WireError::Range { offset, limit: limit.into(), found })
}

#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn map(&mut self, entries: usize) {
        self.length(&MAP, entries);
    }

    pub(super) fn string(&mut self, text: &str) {
        self.length(&STRING, text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) {
        self.length(&BINARY, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn byte_array(&mut self, bytes: &[u8]) {
        self.length(&ARRAY, bytes.len());
        for byte in bytes {
            self.u32(u32::from(*byte));
        }
    }

    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        items: &[T],
        element: impl Fn(&mut Self, &T),
    ) -> Result<(), WireError> {
        self.length(&ARRAY, count(what, limit, items.len())?);
        items.iter().for_each(|item| element(self, item));
        Ok(())
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.number(&UNSIGNED, value);
    }

    fn length(&mut self, family: &Family, length: usize) {
        // A length of 2^32 or more gets a wrong form here, and then the size limit refuses the whole.
        self.number(family, u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn number(&mut self, family: &Family, value: u32) {
        if let Ok(short) = u8::try_from(value) {
            if let Some((base, largest)) = family.fixed
                && short <= largest
            {
                return self.0.push(base | short);
            }
            if let Some(marker) = family.with_u8 {
                return self.0.extend_from_slice(&[marker, short]);
            }
        }
        if let Ok(medium) = u16::try_from(value) {
            self.0.push(family.with_u16);
            return self.0.extend_from_slice(&medium.to_be_bytes());
        }
        self.0.push(family.with_u32);
        self.0.extend_from_slice(&value.to_be_bytes());
    }
}
