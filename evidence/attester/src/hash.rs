//! How a register takes a digest.

use aws_lc_rs::digest::{Context, SHA256, SHA384, SHA512};
use evidence_event_log::Bank;

/// The hash of the parts, one after the other, in the bank's algorithm.
pub(crate) fn hash(bank: Bank, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(match bank {
        Bank::Sha256 => &SHA256,
        Bank::Sha384 => &SHA384,
        Bank::Sha512 => &SHA512,
    });
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// The value of a register before the first event.
pub(crate) fn initial(bank: Bank) -> Vec<u8> {
    vec![0; bank.algorithm().size()]
}

/// The value after one extension: `H(value ‖ digest)`.
pub(crate) fn extended(bank: Bank, value: &[u8], digest: &[u8]) -> Vec<u8> {
    hash(bank, &[value, digest])
}
