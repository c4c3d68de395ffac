//! The frame of TPM commands and responses: tag (2 bytes), size of the whole (4), code (4), the rest.

use std::io::{self, Read};

/// The longest command and the longest response, in bytes.
pub(super) const MAX_LEN: u32 = 4096;

/// Bytes of tag, size and code.
pub(super) const HEADER_LEN: u32 = 10;

/// A message with an authorization area.
pub(super) const WITH_SESSIONS: u16 = 0x8002;

/// TPM2_NV_Read (TPM 2.0 Library, part 2, table 12).
pub(super) const NV_READ: u32 = 0x14e;

/// One message, as many bytes as its header says; `None` where the other side has closed the connection
/// before it.
pub(super) fn read_message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    from.by_ref().take(u64::from(HEADER_LEN)).read_to_end(&mut message)?;
    if message.is_empty() {
        return Ok(None);
    }
    let size = Fields(&message).header().map(|(_tag, size, _code)| size);
    let size = size.ok_or(io::ErrorKind::UnexpectedEof)?;
    let rest = size.checked_sub(HEADER_LEN).filter(|_rest| size <= MAX_LEN);
    let rest = rest.ok_or_else(|| {
        let expected = format!("TPM message of {size} bytes, expected {HEADER_LEN} to {MAX_LEN}");
        io::Error::new(io::ErrorKind::InvalidData, expected)
    })?;
    from.by_ref().take(u64::from(rest)).read_to_end(&mut message)?;
    let whole = u32::try_from(message.len()).is_ok_and(|found| found == size);
    if whole { Ok(Some(message)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The NV index that a command reads from its first byte on, if it is a TPM2_NV_Read at offset 0. What is
/// malformed in any way is none.
#[must_use]
pub fn nv_read_at_start(command: &[u8]) -> Option<u32> {
    let mut fields = Fields(command);
    let (tag, size, code) = fields.header()?;
    let whole = usize::try_from(size).is_ok_and(|size| size == command.len());
    let _authorised_by = fields.u32()?;
    let index = fields.u32()?;
    let sessions = usize::try_from(fields.u32()?).ok()?;
    let _sessions = fields.take(sessions)?;
    let _size = fields.u16()?;
    let offset = fields.u16()?;
    let is_it = tag == WITH_SESSIONS && whole && code == NV_READ && offset == 0 && fields.0.is_empty();
    is_it.then_some(index)
}

/// What is left of a message to read.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Tag, size of the whole, code.
    pub(super) fn header(&mut self) -> Option<(u16, u32, u32)> {
        Some((self.u16()?, self.u32()?, self.u32()?))
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*taken))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*taken))
    }

    /// A TPM2B: its size (2 bytes), then so many bytes.
    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TPM2_NV_Read of 0x01400001, by the owner: 32 bytes from offset 0.
    fn nv_read() -> Vec<u8> {
        let hex = "8002 00000023 0000014e 40000001 01400001 00000009 40000009 0000 00 0000 0020 0000";
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    #[test]
    fn a_read_at_the_start_is_known() {
        let command = nv_read();
        assert_eq!(nv_read_at_start(&command), Some(0x0140_0001));
        // Each byte of tag, size, code, the size of the sessions and the offset.
        for at in (0..10).chain(18..22).chain(33..35) {
            let mut other = command.clone();
            other[at] ^= 1;
            assert_eq!(nv_read_at_start(&other), None, "byte {at}");
        }
        for len in 0..command.len() {
            assert_eq!(nv_read_at_start(&command[..len]), None, "{len} bytes");
        }
        assert_eq!(nv_read_at_start(&[command, vec![0]].concat()), None);
    }

    #[test]
    fn a_message_is_as_long_as_it_says() {
        let command = nv_read();
        let two = [command.clone(), command.clone()].concat();
        let mut from = &two[..];
        assert_eq!(read_message(&mut from).unwrap(), Some(command.clone()));
        assert_eq!(read_message(&mut from).unwrap(), Some(command.clone()));
        assert_eq!(read_message(&mut from).unwrap(), None);
        for len in 1..command.len() {
            let error = read_message(&mut &command[..len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{len} bytes");
        }
        for size in [0, HEADER_LEN - 1, MAX_LEN + 1, u32::MAX] {
            let mut other = command.clone();
            other[2..6].copy_from_slice(&size.to_be_bytes());
            let error = read_message(&mut &other[..]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{size} bytes");
        }
    }
}
