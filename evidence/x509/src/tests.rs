mod ocsp;

use std::path::PathBuf;

use super::*;

/// AMD's certificates; `None` where they are not at hand.
fn roots(test: &str) -> Option<PathBuf> {
    Some(lab::vectors::root(test)?.join("roots/amd"))
}

fn amd(roots: &std::path::Path, name: &str) -> Certificate {
    Certificate::parse_der_or_pem(&std::fs::read(roots.join(name)).unwrap()).unwrap().remove(0)
}

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER];

/// 2023-06-01T00:00:00Z, inside the window of the Milan revocation list of 2023-05.
const JUNE_2023: u64 = 1_685_577_600;

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[test]
fn a_real_revocation_list_verifies_under_its_issuer_alone() {
    let Some(roots) = roots("a_real_revocation_list_verifies_under_its_issuer_alone") else { return };
    let der = std::fs::read(roots.join("crl_milan_2023-05-09.crl")).unwrap();
    let ark = amd(&roots, "ark_milan.pem");
    assert!(RevocationList::claims_issuer(&der, &ark).unwrap());
    assert!(!RevocationList::claims_issuer(&der, &amd(&roots, "ark_genoa.pem")).unwrap());

    let list = RevocationList::verify(&der, &ark, ALGORITHMS).unwrap();
    // 2023-05-09T15:45:07Z to 2024-05-09T23:00:00Z, as openssl prints them.
    assert_eq!(list.window(), Window { not_before: 1_683_647_107, not_after: 1_715_295_600 });
    assert!(!list.revokes(&[1, 0, 1]));

    assert!(matches!(
        RevocationList::verify(&der, &amd(&roots, "ark_genoa.pem"), ALGORITHMS),
        Err(RevocationListError::WrongIssuer { .. })
    ));
    let mut forged = der.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(
        RevocationList::verify(&forged, &ark, ALGORITHMS),
        Err(RevocationListError::Signature("ARK-Milan".to_owned()))
    );
    for length in 0..der.len() {
        assert!(RevocationList::verify(&der[..length], &ark, ALGORITHMS).is_err());
    }
}

#[test]
fn names_serials_and_pins_are_read_from_real_certificates() {
    let Some(roots) = roots("names_serials_and_pins_are_read_from_real_certificates") else { return };
    let ask = amd(&roots, "ask_milan.pem");
    assert_eq!((ask.subject(), ask.issuer(), ask.serial()), ("SEV-Milan", "ARK-Milan", &[1, 0, 1][..]));
    let pin = Pin { subject: "SEV-Milan".into(), spki_sha256: ask.spki_sha256() };
    assert!(pin.matches(&ask));
    assert!(!pin.matches(&amd(&roots, "ask_genoa.pem")));
    assert!(!Pin { subject: "SEV-Genoa".into(), ..pin }.matches(&ask));
}

#[test]
fn a_certificate_authority_is_no_leaf() {
    let Some(roots) = roots("a_certificate_authority_is_no_leaf") else { return };
    let (ark, ask) = (amd(&roots, "ark_milan.pem"), amd(&roots, "ask_milan.pem"));
    assert!(matches!(
        verify_path(&ask, &[], &ark, ALGORITHMS, at(JUNE_2023)),
        Err(PathError::Untrusted { reason, .. }) if reason == "CaUsedAsEndEntity"
    ));
}

#[test]
fn damaged_certificates_are_errors() {
    let Some(roots) = roots("damaged_certificates_are_errors") else { return };
    let der = amd(&roots, "ark_milan.pem").der().to_vec();
    for length in 0..der.len() {
        assert!(Certificate::parse(&der[..length]).is_err());
    }
    assert!(Certificate::parse(&[&der[..], &[0]].concat()).is_err());
    assert_eq!(
        Certificate::parse(&vec![0; MAX_CERTIFICATE + 1]),
        Err(CertificateError::TooLarge { found: MAX_CERTIFICATE + 1, limit: MAX_CERTIFICATE })
    );
    assert!(matches!(
        Certificate::parse_der_or_pem(b"-----BEGIN CERTIFICATE-----\nAAAA"),
        Err(CertificateError::MalformedPem(_))
    ));
}

#[test]
fn extensions_are_each_read_once_and_only_so_many() {
    let hierarchy = lab::intel::Hierarchy::new();
    let certificate = |arcs: std::ops::Range<u32>| {
        let mut spec = hierarchy.tcb_signing_spec();
        spec.extensions = arcs
            .map(|arc| lab::x509::extension(format!("1.3.6.1.4.1.1.{arc}").parse().unwrap(), false, &[5, 0]))
            .collect();
        spec
    };
    let parse = |spec: &lab::x509::CertSpec| Certificate::parse(&spec.sign(hierarchy.root_key()));
    assert!(parse(&certificate(0..64)).is_ok());
    assert_eq!(parse(&certificate(0..65)), Err(CertificateError::TooManyExtensions { limit: 64 }));
    let mut twice = certificate(0..2);
    twice.extensions[1] = twice.extensions[0].clone();
    assert_eq!(parse(&twice), Err(CertificateError::DuplicateExtension("1.3.6.1.4.1.1.0".to_owned())));
}
