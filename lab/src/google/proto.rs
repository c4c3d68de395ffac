//! Fields of messages in Protocol Buffers' encoding ("Encoding" in its documentation), written one by one: a test may write what no
//! library would.

/// A base-128 varint.
pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7F);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A field with a varint; nothing if it is zero, which is what readers take a missing one for.
pub(super) fn number(field: u32, value: u64) -> Vec<u8> {
    if value == 0 {
        return Vec::new();
    }
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes; nothing if there are none.
pub(super) fn bytes(field: u32, value: &[u8]) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { message(field, value) }
}

/// A field with a message, which may be empty.
pub(super) fn message(field: u32, value: &[u8]) -> Vec<u8> {
    let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
    [varint(u64::from(field) << 3 | 2), varint(length), value.to_vec()].concat()
}
