//! Certificates, DER or PEM, and what they say of a chip.
#![no_main]

use evidence_snp::VekCertificate;
use evidence_x509::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(certificates) = Certificate::parse_der_or_pem(data) else { return };
    for certificate in certificates {
        assert_eq!(Certificate::parse(certificate.der()).as_ref(), Ok(&certificate));
        let _ = VekCertificate::kind_of(&certificate);
        let _ = VekCertificate::parse(&certificate);
    }
});
