//! A key as a TPM describes it, and the names that are made of it.
#![no_main]

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use evidence_tpm::{Hierarchy, MAX_PUBLIC, Public};
use lab::tpm::ak_public;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(public) = Public::parse(data) else { return };
    assert!(data.len() <= MAX_PUBLIC);
    let name_hash = match data[2..4] {
        [0, 0x0B] => &SHA256,
        [0, 0x0C] => &SHA384,
        _ => &SHA512,
    };
    let named = |bytes: &[u8]| [&data[2..4], digest(name_hash, bytes).as_ref()].concat();
    assert_eq!(public.name(), named(data), "a name is the hash of all");
    for (hierarchy, handle) in
        [(Hierarchy::Endorsement, [0x40, 0, 0, 0x0B]), (Hierarchy::Owner, [0x40, 0, 0, 1])]
    {
        let qualified = named(&[&handle[..], &named(data)].concat());
        assert_eq!(public.qualified_name(hierarchy), qualified);
    }
    let attributes = u32::from_be_bytes(data[4..8].try_into().expect("4 bytes"));
    assert_eq!(public.attributes, attributes);
    // Made in the TPM, for ever there, restricted, for signatures and nothing else.
    assert_eq!(public.is_attestation_key(), attributes & 0x0007_0032 == 0x0005_0032);
    let Some(modulus) = public.key.modulus() else { return };
    assert!(data.ends_with(modulus), "a modulus lies at the end");
    let written = Public::rsassa_sha256(attributes, modulus).expect("a sound key");
    let is_template = modulus.len() == 256 && data == ak_public(attributes, modulus);
    assert_eq!(written.name() == public.name(), is_template || written == public);
});
