//! An OCSP response as it is, which nobody signed, and its signed part alone, which the lab signs: as the issuer, as a responder that
//! the issuer certified, and as one that it did not.
#![no_main]

use std::sync::LazyLock;

use evidence_x509::{
    Certificate, CertificateStatus, ECDSA_P256_SHA256, OcspError, OcspResponse, ocsp_request,
};
use fuzz_targets::{intel, now};
use lab::{
    intel::PckCa,
    keys::P256Key,
    ocsp::{Answer, OcspSpec, RESPONDER_NAME, responder_spec},
};
use libfuzzer_sys::fuzz_target;

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

struct Lab {
    subject: Certificate,
    issuer: Certificate,
    /// An authority that did not issue the subject.
    other: Certificate,
    responder_key: P256Key,
    /// With the certificate of the responder, by the issuer.
    delegated: OcspSpec,
    /// With that certificate, by nobody.
    pretended: OcspSpec,
}

impl Lab {
    fn new() -> Self {
        let hierarchy = &intel::LAB.guest.hierarchy;
        let read = |der: &[u8]| Certificate::parse(der).expect("sound");
        let responder_key = P256Key::from_label(RESPONDER_NAME);
        let root = hierarchy.root_spec();
        let responder = responder_spec(&root, &responder_key.spki());
        let response =
            OcspSpec::new(Answer::good(&hierarchy.tcb_signing_spec(), &root, now().as_secs()), &responder);
        let with = |certificate| OcspSpec { certificates: vec![certificate], ..response.clone() };
        Self {
            subject: read(hierarchy.tcb_signing()),
            issuer: read(hierarchy.root()),
            other: read(hierarchy.pck_ca(PckCa::Platform)),
            delegated: with(responder.sign(hierarchy.root_key())),
            pretended: with(responder.sign(&responder_key)),
            responder_key,
        }
    }

    fn verify(&self, data: &[u8], issuer: &Certificate) -> Result<OcspResponse, OcspError> {
        OcspResponse::verify(data, &self.subject, issuer, &[ECDSA_P256_SHA256])
    }
}

fuzz_target!(|data: &[u8]| {
    LAB.verify(data, &LAB.issuer).expect_err("no key of the lab's signed this");
    let concerns = OcspResponse::concerns(data, &LAB.subject, &LAB.issuer);
    assert_eq!(concerns.map(|_| ()), OcspResponse::well_formed(data));

    let pretended = LAB.pretended.around(data, &LAB.responder_key);
    LAB.verify(&pretended, &LAB.issuer).expect_err("the issuer did not certify this responder");
    let by_responder = LAB.delegated.around(data, &LAB.responder_key);
    let by_issuer = LAB.delegated.around(data, intel::LAB.guest.hierarchy.root_key());
    let signed = [by_responder, by_issuer].map(|response| {
        let verdict = LAB.verify(&response, &LAB.issuer);
        if let Ok(verified) = &verdict {
            assert_eq!(OcspResponse::concerns(&response, &LAB.subject, &LAB.issuer), Ok(true));
            LAB.verify(&response, &LAB.other).expect_err("it did not issue the subject");
            assert_eq!(verified.status() == CertificateStatus::Good, verified.status().to_string() == "good");
            let _ = (verified.window().to_string(), verified.produced_at().to_string());
        }
        verdict.is_ok()
    });
    assert_ne!(signed, [true, true], "a response has one signer");
    assert!(!ocsp_request(&LAB.subject, &LAB.issuer).is_empty());
});
