//! The part of SCALE that V0 needs: fixed-width integers, compact lengths, byte strings, lists.
//!
//! Source: Polkadot protocol specification, appendix A.2 (SCALE codec).

use super::cursor::Cursor;
use super::{WireError, count};

#[derive(Debug)]
pub(super) struct Reader<'a>(Cursor<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Cursor::new(bytes))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.0.u8()
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.0.array().map(u32::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.0.array()
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, WireError> {
        let length = self.compact()?;
        self.0.take(length).map(<[u8]>::to_vec)
    }

    pub(super) fn string(&mut self) -> Result<String, WireError> {
        let length = self.compact()?;
        self.0.text(length).map(str::to_owned)
    }

    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        element: impl Fn(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let length = count(what, limit, self.compact()?)?;
        (0..length).map(|_| element(self)).collect()
    }

    pub(super) fn finish(self) -> Result<(), WireError> {
        self.0.finish()
    }

    /// A compact length: the two lowest bits of the first byte say how many bytes it takes.
    fn compact(&mut self) -> Result<usize, WireError> {
        let offset = self.0.offset();
        let first = self.0.u8()?;
        let (value, smallest) = match first & 0b11 {
            0b00 => (u32::from(first), 0),
            0b01 => (u32::from(u16::from_le_bytes([first, self.0.u8()?])), 1 << 6),
            0b10 => {
                let [second, third, fourth] = self.0.array()?;
                (u32::from_le_bytes([first, second, third, fourth]), 1 << 14)
            }
            // The form for 2^30 and more, which no length inside the size limit needs.
            _ => return Err(WireError::NotMinimal { offset }),
        };
        let value = value >> 2;
        if value < smallest {
            return Err(WireError::NotMinimal { offset });
        }
        usize::try_from(value).map_err(|_| WireError::NotMinimal { offset })
    }
}

#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.compact(bytes.len());
        self.raw(bytes);
    }

    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        items: &[T],
        element: impl Fn(&mut Self, &T) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.compact(count(what, limit, items.len())?);
        items.iter().try_for_each(|item| element(self, item))
    }

    fn compact(&mut self, length: usize) {
        if let Ok(short) = u8::try_from(length)
            && short < 1 << 6
        {
            self.u8(short << 2);
        } else if let Ok(medium) = u16::try_from(length)
            && medium < 1 << 14
        {
            self.raw(&(medium << 2 | 0b01).to_le_bytes());
        } else {
            // A length of 2^30 or more gets a wrong form here, and then the size limit refuses the whole.
            let long = u32::try_from(length).unwrap_or(u32::MAX);
            self.u32(long << 2 | 0b10);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_lengths() {
        // Polkadot protocol specification, example of compact integers: 1, 42, 69, 65535.
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x00]),
            (1, &[0x04]),
            (42, &[0xa8]),
            (69, &[0x15, 0x01]),
            (16_383, &[0xfd, 0xff]),
            (65_535, &[0xfe, 0xff, 0x03, 0x00]),
        ];
        for (value, bytes) in cases {
            let mut writer = Writer::default();
            writer.compact(value);
            assert_eq!(writer.0, bytes);
            assert_eq!(Reader::new(bytes).compact(), Ok(value));
        }
    }

    #[test]
    fn compact_lengths_in_longer_forms_are_refused() {
        let forms: [&[u8]; 4] =
            [&[0xfd, 0x00], &[0xfe, 0xff, 0, 0], &[0x03, 0, 0, 0, 0x40], &[0x02, 0, 0, 0]];
        for bytes in forms {
            assert_eq!(Reader::new(bytes).compact(), Err(WireError::NotMinimal { offset: 0 }));
        }
    }
}
