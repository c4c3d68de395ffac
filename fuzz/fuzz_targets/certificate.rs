//! Certificates, DER or PEM, and what they say of a chip or of a platform.
#![no_main]

use evidence_snp::VekCertificate;
use evidence_tdx::{Quote, needed};
use evidence_x509::Certificate;
use fuzz_targets::intel::LAB;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(certificates) = Certificate::parse_der_or_pem(data) else { return };
    for certificate in certificates {
        assert_eq!(Certificate::parse(certificate.der()).as_ref(), Ok(&certificate));
        let _ = VekCertificate::kind_of(&certificate);
        let _ = VekCertificate::parse(&certificate);
        // A PCK certificate is read where a quote carries it.
        let quote = LAB.certify(LAB.signed_part(), LAB.qe_report(), certificate.pem().as_bytes());
        let _ = Quote::parse(&quote).map(|quote| needed(&quote).is_ok());
    }
});
