//! Every scheme that is accepted, signed by a software TPM: keys of its own making, over several banks under one digest.

use evidence_tpm::{Attest, Bank, BoundAk, HashAlgorithm, Hierarchy, Public, Selection};
use lab::{swtpm::Swtpm, tpm::alg, vectors::skipped};

use crate::{ECDSA, P256, P384, Quote, RSAPSS, RSASSA, ecc_public};

/// A template of an RSA key (TPMT_PUBLIC, part 2, §12.2.4) of an attestation key.
fn rsa(scheme: u16, hash: u16, bits: u16) -> Vec<u8> {
    let words = [0x0001, alg::SHA256, 0x0005, 0x0072, 0, 0x0010, scheme, hash, bits, 0, 0, 0];
    words.into_iter().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn each_scheme_of_a_software_tpm_verifies() {
    let test = "each_scheme_of_a_software_tpm_verifies";
    if !Swtpm::is_installed() {
        return skipped(test, "no swtpm");
    }
    let swtpm = Swtpm::start().unwrap();
    let mut wire = swtpm.wire().unwrap();
    let banks = [
        (alg::SHA1, HashAlgorithm::Sha1),
        (alg::SHA256, HashAlgorithm::Sha256),
        (alg::SHA384, HashAlgorithm::Sha384),
    ];
    let mut pcrs = Vec::new();
    for (bank, _) in banks {
        for pcr in 0..24 {
            pcrs.push(wire.pcr_read(bank, pcr).unwrap().unwrap());
        }
    }
    let keys = [
        ("RSASSA, SHA-256", RSASSA, Bank::Sha256, rsa(RSASSA, alg::SHA256, 2048)),
        ("RSASSA, SHA-384", RSASSA, Bank::Sha384, rsa(RSASSA, alg::SHA384, 2048)),
        ("RSASSA, SHA-512, 3072 bits", RSASSA, Bank::Sha512, rsa(RSASSA, alg::SHA512, 3072)),
        ("RSAPSS, SHA-256", RSAPSS, Bank::Sha256, rsa(RSAPSS, alg::SHA256, 2048)),
        ("ECDSA, P-256", ECDSA, Bank::Sha256, ecc_public(P256, alg::SHA256, &[], &[])),
        ("ECDSA, P-384", ECDSA, Bank::Sha384, ecc_public(P384, alg::SHA384, &[], &[])),
    ];
    for (name, scheme, hash, template) in keys {
        let (handle, public) = wire.create_primary(&template).unwrap();
        let public = Public::parse(&public).unwrap();
        let (attest, signature) = wire.quote(handle, b"challenge", &banks.map(|(bank, _)| bank)).unwrap();
        assert_eq!(
            signature[..4],
            [scheme.to_be_bytes(), hash.algorithm().id().to_be_bytes()].concat(),
            "{name}"
        );
        assert_eq!(
            Attest::parse(&attest).unwrap().qualified_signer,
            public.qualified_name(Hierarchy::Endorsement),
            "{name}"
        );
        let selections = banks.map(|(_, algorithm)| Selection::new(algorithm, 0..24)).to_vec();
        let ak = BoundAk::assertion(public.key.clone());
        let quote = Quote {
            attest,
            signature,
            pcrs: pcrs.clone(),
            ak,
            extra_data: b"challenge".to_vec(),
            selections,
        };
        let verified = quote.verify().unwrap_or_else(|failed| panic!("{name}: {failed:?}"));
        assert_eq!(verified.pcrs().iter().count(), 3 * 24, "{name}");
        assert_eq!(verified.qualified_signer(), public.qualified_name(Hierarchy::Endorsement));
        assert_ne!(verified.qualified_signer(), public.qualified_name(Hierarchy::Owner));

        // Another key, another scheme, another hash, another number, fewer banks, banks in another order.
        let (other_handle, other_public) = wire.create_primary(&rsa(RSASSA, alg::SHA256, 3072)).unwrap();
        let mut other = quote.clone();
        other.ak = BoundAk::assertion(Public::parse(&other_public).unwrap().key);
        assert_eq!(other.failed_check(), "tpm-quote-signature", "{name}");
        wire.flush(other_handle).unwrap();
        if scheme != ECDSA {
            other = quote.clone();
            other.signature[1] = u8::try_from(RSASSA ^ RSAPSS ^ scheme).unwrap();
            assert_eq!(other.failed_check(), "tpm-quote-signature", "{name}");
        }
        for hash in [alg::SHA256, alg::SHA384, alg::SHA512] {
            other = quote.clone();
            other.signature[2..4].copy_from_slice(&hash.to_be_bytes());
            assert_eq!(other.verify().is_ok(), quote.signature == other.signature, "{name}: {hash:#x}");
        }
        other = quote.clone();
        *other.signature.last_mut().unwrap() ^= 1;
        assert_eq!(other.failed_check(), "tpm-quote-signature", "{name}");
        other = quote.clone();
        other.selections.pop();
        assert_eq!(other.failed_check(), "tpm-selection", "{name}");
        other = quote.clone();
        other.selections.reverse();
        assert_eq!(other.failed_check(), "tpm-selection", "{name}");
        other = quote.clone();
        other.pcrs.rotate_left(24);
        assert_eq!(other.failed_check(), "pcr-values", "{name}");
        wire.flush(handle).unwrap();
    }
}
