//! CBOR items, written so that a test can state each: RFC 8949.

/// How arrays and maps are written. Strings have their length always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// With their length before them.
    Definite,
    /// With a break behind them: as NitroTPM writes its payload.
    Indefinite,
}

/// The head of an item of the major type `major` (0 to 7) in its shortest form (§3, §4.2.1).
#[must_use]
pub fn head(major: u8, argument: u64) -> Vec<u8> {
    let first = major << 5;
    match argument {
        0..24 => vec![first | argument.to_be_bytes()[7]],
        24..0x100 => [&[first | 24][..], &argument.to_be_bytes()[7..]].concat(),
        0x100..0x1_0000 => [&[first | 25][..], &argument.to_be_bytes()[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[first | 26][..], &argument.to_be_bytes()[4..]].concat(),
        _ => [&[first | 27][..], &argument.to_be_bytes()].concat(),
    }
}

fn length(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

/// An unsigned number.
#[must_use]
pub fn unsigned(number: u64) -> Vec<u8> {
    head(0, number)
}

/// A byte string.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&head(2, length(bytes.len()))[..], bytes].concat()
}

/// A text string.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    [&head(3, length(text.len()))[..], text.as_bytes()].concat()
}

/// A byte string, or null.
#[must_use]
pub fn nullable(value: Option<&[u8]>) -> Vec<u8> {
    value.map_or_else(|| vec![0xF6], bytes)
}

/// An array of items that are encoded already.
#[must_use]
pub fn array(items: &[Vec<u8>], lengths: Lengths) -> Vec<u8> {
    around(4, items.len(), &items.concat(), lengths)
}

/// A map of names and values that are encoded already, in this order, duplicates included.
#[must_use]
pub fn map(pairs: &[(Vec<u8>, Vec<u8>)], lengths: Lengths) -> Vec<u8> {
    let content: Vec<u8> = pairs.iter().flat_map(|(name, value)| [&name[..], value].concat()).collect();
    around(5, pairs.len(), &content, lengths)
}

fn around(major: u8, items: usize, content: &[u8], lengths: Lengths) -> Vec<u8> {
    match lengths {
        Lengths::Definite => [&head(major, length(items))[..], content].concat(),
        Lengths::Indefinite => [&[major << 5 | 31][..], content, &[0xFF]].concat(),
    }
}
