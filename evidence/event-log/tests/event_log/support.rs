//! Logs made by hand, and bytes of real ones.

use std::fs;

use aws_lc_rs::digest;

/// TPM_ALG_ID and size of each algorithm.
pub(crate) const SHA1: (u16, usize) = (0x4, 20);
pub(crate) const SHA256: (u16, usize) = (0xB, 32);
pub(crate) const SHA384: (u16, usize) = (0xC, 48);

pub(crate) const EV_NO_ACTION: u32 = 3;
pub(crate) const EV_SEPARATOR: u32 = 4;

/// The file at `path` below the real evidence, or `None` where there is none.
pub(crate) fn vector(test: &str, path: &str) -> Option<Vec<u8>> {
    Some(fs::read(lab::vectors::root(test)?.join(path)).unwrap())
}

/// RTMR0 to RTMR3 of a TD quote of version 4: the TD report body begins at 48, RTMR0 at 328 of it.
pub(crate) fn quoted_rtmrs(quote: &[u8]) -> [[u8; 48]; 4] {
    [376, 424, 472, 520].map(|offset| quote[offset..offset + 48].try_into().unwrap())
}

/// The data of a header that declares `algorithms`.
pub(crate) fn spec_id(algorithms: &[(u16, usize)]) -> Vec<u8> {
    let mut data = b"Spec ID Event03\0".to_vec();
    data.extend([0, 0, 0, 0, 0, 2, 0, 2]);
    data.extend(u32::try_from(algorithms.len()).unwrap().to_le_bytes());
    for (id, size) in algorithms {
        data.extend(id.to_le_bytes());
        data.extend(u16::try_from(*size).unwrap().to_le_bytes());
    }
    data.push(0);
    data
}

/// A first event of any content.
pub(crate) fn first(register: u32, event_type: u32, digest: u8, data: &[u8]) -> Vec<u8> {
    let mut event = [register.to_le_bytes(), event_type.to_le_bytes()].concat();
    event.extend([digest; 20]);
    event.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    event.extend(data);
    event
}

/// A header that declares `algorithms`.
pub(crate) fn header(algorithms: &[(u16, usize)]) -> Vec<u8> {
    first(0, EV_NO_ACTION, 0, &spec_id(algorithms))
}

/// An event with any digests.
pub(crate) fn event(register: u32, event_type: u32, digests: &[(u16, &[u8])], data: &[u8]) -> Vec<u8> {
    let mut event =
        [register, event_type, u32::try_from(digests.len()).unwrap()].map(u32::to_le_bytes).concat();
    for (id, digest) in digests {
        event.extend(id.to_le_bytes());
        event.extend(*digest);
    }
    event.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    event.extend(data);
    event
}

/// An event of a SHA-256 log whose digest is the hash of its data.
pub(crate) fn hashed(register: u32, event_type: u32, data: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, data);
    event(register, event_type, &[(SHA256.0, digest.as_ref())], data)
}
