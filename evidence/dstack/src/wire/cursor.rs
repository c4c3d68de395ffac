//! A position in an input: what the two binary codecs read through.

use super::WireError;

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next `needed` bytes. Nothing is allocated, so a hostile length costs nothing.
    pub(super) fn take(&mut self, needed: usize) -> Result<&'a [u8], WireError> {
        let truncated = WireError::Truncated { offset: self.offset, needed, left: self.rest.len() };
        let (taken, rest) = self.rest.split_at_checked(needed).ok_or(truncated)?;
        self.rest = rest;
        self.offset = self.offset.saturating_add(needed);
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn text(&mut self, length: usize) -> Result<&'a str, WireError> {
        let start = self.offset;
        std::str::from_utf8(self.take(length)?)
            .map_err(|error| WireError::Utf8 { offset: start.saturating_add(error.valid_up_to()) })
    }

    pub(super) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing { left }),
        }
    }
}
