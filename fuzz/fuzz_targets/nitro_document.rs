//! An attestation document of a NitroTPM: read, refused under AWS's root, and, with the payload signed by the lab, taken through every
//! check.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use evidence_nitro::{
    Anchors, Document, Expected, MAX_CABUNDLE, MAX_CERTIFICATE, MAX_DOCUMENT, MAX_MEMBER, UnixTime,
    VerifyDocument, nitro_anchors,
};
use fuzz_targets::lies_in;
use lab::aws::{DocumentSpec, Hierarchy, Instance};
use libfuzzer_sys::fuzz_target;

static LAB: LazyLock<Anchors> = LazyLock::new(|| Hierarchy::new().pins().into_iter().collect());
static AWS: LazyLock<Anchors> = LazyLock::new(nitro_anchors);
static SOUND: LazyLock<Instance> = LazyLock::new(Instance::new);
/// The fields of a sound document, with its certificates.
static FILLED: LazyLock<DocumentSpec> = LazyLock::new(|| SOUND.filled());

fuzz_target!(|data: &[u8]| {
    let parsed = Document::parse(data);
    let input = VerifyDocument {
        document: data,
        anchors: &AWS,
        at: UnixTime::since_unix_epoch(Duration::from_secs(Instance::now())),
        max_age: Duration::from_secs(300),
        max_skew: Duration::from_secs(60),
        nonce: Expected::Anything,
        user_data: Expected::Anything,
        public_key: Expected::Anything,
    };
    let refused = input.verify().expect_err("AWS did not make this").error;
    match &parsed {
        Err(error) => assert_eq!(error, &refused),
        Ok(document) => read(document, data),
    }
    // The payload stands alone too: the input is one, or a document that has one.
    let payload = parsed.as_ref().map_or(data, |document| document.payload);
    let signed = FILLED.seal(payload, &SOUND.tpm);
    signed_by_the_lab(&VerifyDocument { document: &signed, anchors: &LAB, ..input });

    // The lab's certificates, and of the input what the guest chose and the registers.
    let Ok(document) = Document::parse(&signed) else { return };
    let spec = DocumentSpec {
        pcrs: document.pcrs.iter().map(|(pcr, value)| (pcr.into(), value.to_vec())).collect(),
        public_key: document.public_key.map(<[u8]>::to_vec),
        user_data: document.user_data.map(<[u8]>::to_vec),
        nonce: document.nonce.map(<[u8]>::to_vec),
        ..FILLED.clone()
    };
    let sound = spec.sign(&SOUND.tpm);
    // Four authorities and three members at their largest are smaller than a document may be.
    let verified = VerifyDocument { document: &sound, anchors: &LAB, ..input }.verify();
    let verified = verified.expect("a sound document is verified");
    assert_eq!(verified.pcrs(), &document.pcrs);
    assert_eq!(verified.nonce(), document.nonce);
});

fn read(document: &Document<'_>, data: &[u8]) {
    assert!(data.len() <= MAX_DOCUMENT && document.cabundle.len() <= MAX_CABUNDLE);
    let certificates = document.cabundle.iter().chain([&document.certificate]);
    for certificate in certificates {
        assert!((1..=MAX_CERTIFICATE).contains(&certificate.len()) && lies_in(certificate, data));
    }
    for member in [document.public_key, document.user_data, document.nonce].into_iter().flatten() {
        assert!(member.len() <= MAX_MEMBER && lies_in(member, data));
    }
    assert!(document.pcrs.iter().all(|(pcr, _)| pcr < 32) && document.pcrs.iter().count() > 0);
    assert!(document.timestamp > 0 && lies_in(document.payload, data));
}

/// What is accepted is of the lab's instance, whoever wrote the payload.
fn signed_by_the_lab(input: &VerifyDocument<'_>) {
    let Ok(verified) = input.verify() else { return };
    assert_eq!(verified.module_id().to_string(), Instance::MODULE_ID);
    assert_eq!(verified.region(), Instance::REGION);
    let made = verified.timestamp() / 1000;
    assert!((Instance::now() - 300..=Instance::now() + 60).contains(&made));
    let document = Document::parse(input.document).expect("what is verified is read");
    assert_eq!(verified.pcrs(), &document.pcrs);
    assert_eq!(verified.user_data(), document.user_data);
}
