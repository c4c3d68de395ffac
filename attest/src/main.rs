//! The command line of the attestation backends.
fn main() {}
