//! A document that a NitroTPM of AWS's signed, and documents of Nitro Enclaves.

use std::{fs, path::Path, time::Duration};

use evidence_nitro::{Document, Error, Expected, VerifyDocument, nitro_anchors};
use evidence_x509::Certificate;
use serde_json::Value;

use crate::{anchors, at};

/// 2026-02-03T10:12:02Z, when the document says that it was made.
const MADE: u64 = 1_770_113_522;

struct Captured {
    document: Vec<u8>,
    expected: Value,
}

fn captured(root: &Path) -> Captured {
    let folder = root.join("aws/nitrotpm-vaportpm");
    let meta: Value = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
    Captured { document: fs::read(folder.join("document.cbor")).unwrap(), expected: meta["expected"].clone() }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_real_document_is_verified_when_it_was_made() {
    let Some(root) = lab::vectors::root("a_real_document_is_verified_when_it_was_made") else { return };
    let Captured { document, expected } = captured(&root);
    let (aws, lab) = (nitro_anchors(), anchors());
    let (nonce, public_key) = (bytes(&expected["nonce"]), bytes(&expected["public_key"]));
    let input = VerifyDocument {
        document: &document,
        anchors: &aws,
        at: at(MADE),
        max_age: Duration::from_secs(300),
        max_skew: Duration::ZERO,
        nonce: Expected::Exactly(&nonce),
        user_data: Expected::Absent,
        public_key: Expected::Exactly(&public_key),
    };
    let verified = input.verify().unwrap();
    assert_eq!(verified.ledger().gaps().count(), 0);
    assert_eq!(verified.module_id().to_string(), expected["module_id"].as_str().unwrap());
    assert_eq!(verified.region(), "us-east-1");
    assert_eq!(verified.timestamp(), MADE * 1000 + 437);
    assert_eq!(verified.pcrs().iter().count(), 24);
    for (pcr, value) in verified.pcrs().iter() {
        assert_eq!(value[..], bytes(&expected["nitrotpm_pcrs"][pcr.to_string()]), "{pcr}");
    }

    let failed = |input: VerifyDocument<'_>| input.verify().unwrap_err().check.name();
    assert_eq!(failed(VerifyDocument { anchors: &lab, ..input }), "nitro-root-pinned");
    assert_eq!(failed(VerifyDocument { at: at(MADE + 301), ..input }), "nitro-age");
    assert_eq!(failed(VerifyDocument { at: at(MADE - 1), ..input }), "nitro-age");
    assert_eq!(failed(VerifyDocument { nonce: Expected::Absent, ..input }), "nitro-nonce");
    assert_eq!(failed(VerifyDocument { user_data: Expected::Exactly(b""), ..input }), "nitro-user-data");
    assert_eq!(failed(VerifyDocument { public_key: Expected::Exactly(&nonce), ..input }), "nitro-public-key");
}

#[test]
fn no_byte_of_a_real_document_can_be_another() {
    let Some(root) = lab::vectors::root("no_byte_of_a_real_document_can_be_another") else { return };
    let Captured { mut document, .. } = captured(&root);
    let aws = nitro_anchors();
    let accepted = |document: &[u8]| {
        let input = VerifyDocument {
            document,
            anchors: &aws,
            at: at(MADE),
            max_age: Duration::from_secs(300),
            max_skew: Duration::ZERO,
            nonce: Expected::Anything,
            user_data: Expected::Anything,
            public_key: Expected::Anything,
        };
        input.verify().is_ok()
    };
    assert!(accepted(&document));
    // The tag changes nothing.
    assert!(accepted(&[&[0xD2], &document[..]].concat()));
    for length in 0..document.len() {
        assert!(!accepted(&document[..length]), "{length}");
    }
    for byte in 0..document.len() {
        document[byte] ^= 1;
        assert!(!accepted(&document), "{byte}");
        document[byte] ^= 1;
    }
}

#[test]
fn the_pinned_root_is_that_of_aws() {
    let Some(root) = lab::vectors::root("the_pinned_root_is_that_of_aws") else { return };
    let pem = fs::read(root.join("roots/aws/AWS_Nitro_Root_G1.pem")).unwrap();
    let certificate = Certificate::parse_der_or_pem(&pem).unwrap().remove(0);
    assert!(nitro_anchors().pins("aws.nitro-enclaves", &certificate));
    let document = captured(&root).document;
    assert_eq!(Document::parse(&document).unwrap().cabundle[0], certificate.der());
}

/// Sound documents under the same root, which say nothing of a NitroTPM.
#[test]
fn documents_of_real_enclaves_are_refused() {
    let Some(root) = lab::vectors::root("documents_of_real_enclaves_are_refused") else { return };
    let aws = nitro_anchors();
    for (folder, made) in [
        ("negative/nitro-enclave-doc-not-nitrotpm", 1_766_650_846),
        ("negative/nitro-enclave-doc2", 1_766_678_659),
    ] {
        let document = fs::read(root.join(folder).join("document.cbor")).unwrap();
        assert_eq!(Document::parse(&document), Err(Error::WrongType));
        let input = VerifyDocument {
            document: &document,
            anchors: &aws,
            at: at(made),
            max_age: Duration::from_secs(300),
            max_skew: Duration::ZERO,
            nonce: Expected::Anything,
            user_data: Expected::Anything,
            public_key: Expected::Anything,
        };
        let failed = input.verify().unwrap_err();
        assert_eq!(
            (failed.check.name(), failed.error),
            ("nitro-document-type", Error::WrongType),
            "{folder}"
        );
    }
}
