//! Keys as TPMs and certificates describe them.

use evidence_tpm::{Error, Hierarchy, MAX_PUBLIC, Public, PublicKey};
use lab::{
    keys::{P256Key, RsaKey},
    tpm::{ak_public, alg, qualified_name},
};

use crate::{P256, P384, ecc_public};

const ATTRIBUTES: u32 = 0x0005_0072;

fn modulus() -> Vec<u8> {
    RsaKey::from_pkcs8(include_bytes!("../../../../lab/keys/azure_ak.pk8")).modulus()
}

#[test]
fn a_key_has_its_names() {
    let bytes = ak_public(ATTRIBUTES, &modulus());
    let public = Public::parse(&bytes).unwrap();
    assert_eq!(public.key, PublicKey::rsa(&modulus(), 65_537).unwrap());
    assert_eq!(public.key.modulus(), Some(&modulus()[..]));
    assert_eq!(public.attributes, ATTRIBUTES);
    assert_eq!(public.name()[..2], alg::SHA256.to_be_bytes());
    assert_eq!(public.qualified_name(Hierarchy::Endorsement), qualified_name(&bytes));
    assert_eq!(Public::rsassa_sha256(ATTRIBUTES, &modulus()), Ok(public));
}

/// TPMA_OBJECT, bit for bit: what an attestation key needs, and that it does not decrypt.
#[test]
fn an_attestation_key_signs_what_the_tpm_made_and_never_leaves_it() {
    let is_one = |attributes| Public::parse(&ak_public(attributes, &modulus())).unwrap().is_attestation_key();
    for bit in 0..32 {
        let needed = [1, 4, 5, 16, 17, 18].contains(&bit);
        assert_eq!(is_one(ATTRIBUTES ^ 1 << bit), !needed, "{bit}");
    }
}

#[test]
fn keys_on_which_nothing_may_rest() {
    let weak = |modulus: &[u8], exponent| {
        assert_eq!(PublicKey::rsa(modulus, exponent), Err(Error::WeakKey { bytes: modulus.len(), exponent }));
    };
    for exponent in [0, 1, 3, 17, 65_536, 65_538] {
        weak(&modulus(), exponent);
    }
    weak(&modulus()[1..], 65_537);
    weak(&[], 65_537);
    weak(&[&[0], &modulus()[..]].concat(), 65_537);
    weak(&[0xFF; 1025], 65_537);
    let mut small = modulus();
    small[0] = 0x7F;
    weak(&small, 65_537);
}

#[test]
fn a_public_area_is_exactly_one() {
    let bytes = ak_public(ATTRIBUTES, &modulus());
    for length in 0..bytes.len() {
        assert!(matches!(Public::parse(&bytes[..length]), Err(Error::Public(_))), "{length}");
    }
    assert!(matches!(Public::parse(&[&bytes[..], &[0]].concat()), Err(Error::Public(_))));
    let too_large = Error::TooLarge { what: "TPMT_PUBLIC", found: MAX_PUBLIC + 1, limit: MAX_PUBLIC };
    assert_eq!(Public::parse(&[0; MAX_PUBLIC + 1]), Err(too_large));
    // type, nameAlg SHA-1, symmetric AES, scheme ECDSA of an RSA key, hash SHA-1 of the scheme, keyBits of another length.
    for (at, other) in [(1, 0x08), (3, 0x04), (11, 0x06), (13, 0x18), (15, 0x04), (16, 0x0C)] {
        let mut bytes = bytes.clone();
        bytes[at] = other;
        assert!(matches!(Public::parse(&bytes), Err(Error::Public(_))), "{at}");
    }
    // The exponent, which a TPM writes as zero if it is 65537.
    let mut exponent = bytes;
    exponent[18..22].copy_from_slice(&3_u32.to_be_bytes());
    assert_eq!(Public::parse(&exponent), Err(Error::WeakKey { bytes: 256, exponent: 3 }));
}

#[test]
fn a_point_is_on_a_curve_that_is_known() {
    let point = P256Key::from_label("keys").public_point().to_vec();
    let (x, y) = (&point[1..33], &point[33..]);
    let bytes = ecc_public(P256, alg::SHA256, x, y);
    assert_eq!(Public::parse(&bytes).unwrap().key.modulus(), None);
    for length in 0..bytes.len() {
        assert!(matches!(Public::parse(&bytes[..length]), Err(Error::Public(_))), "{length}");
    }
    let refused = |bytes: &[u8]| assert!(matches!(Public::parse(bytes), Err(Error::Public(_))));
    // P-521, SM2.
    refused(&ecc_public(0x0005, alg::SHA256, x, y));
    refused(&ecc_public(0x0020, alg::SHA256, x, y));
    refused(&ecc_public(P256, alg::SHA256, &[&[0], x].concat(), y));
    refused(&ecc_public(P256, alg::SHA256, x, &[&[0], y].concat()));
    // KDF1_SP800_56A in the place of no key derivation.
    let mut derived = bytes;
    derived[18..20].copy_from_slice(&0x0020_u16.to_be_bytes());
    refused(&derived);
    // Of another curve, and of none.
    assert!(Public::parse(&ecc_public(P384, alg::SHA384, x, y)).is_ok(), "padded; it verifies nothing");
}
