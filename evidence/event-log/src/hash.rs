//! SHA-2 over the concatenation of byte strings.

use aws_lc_rs::digest::{Algorithm, Context, Digest, SHA256, SHA384, SHA512};

use crate::Bank;

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    fixed(&SHA256, parts)
}

pub(crate) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    fixed(&SHA384, parts)
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    fixed(&SHA512, parts)
}

pub(crate) fn hashes_to(bank: Bank, data: &[u8], digest: &[u8]) -> bool {
    of(bank, &[data]).as_ref() == digest
}

pub(crate) fn of(bank: Bank, parts: &[&[u8]]) -> Digest {
    let algorithm = match bank {
        Bank::Sha256 => &SHA256,
        Bank::Sha384 => &SHA384,
        Bank::Sha512 => &SHA512,
    };
    hash(algorithm, parts)
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

/// `N` is the output length of `algorithm`: the three callers above are the only ones.
fn fixed<const N: usize>(algorithm: &'static Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut output = [0; N];
    output.copy_from_slice(hash(algorithm, parts).as_ref());
    output
}
