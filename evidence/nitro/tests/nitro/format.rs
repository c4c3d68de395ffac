//! Documents in every form that CBOR has for them, and in forms that they do not have. Each is signed by the right key.

use evidence_nitro::{Document, Error, MAX_CABUNDLE, MAX_CERTIFICATE, MAX_DOCUMENT, MAX_MEMBER, checks};
use lab::{
    aws::{DocumentSpec, Instance, Lengths, cbor},
    keys::EcKey,
};

use crate::{failed, verify};

#[test]
fn a_document_is_verified() {
    let verified = verify(&Instance::new().sign()).unwrap();
    assert_eq!(verified.module_id().to_string(), Instance::MODULE_ID);
    assert_eq!(verified.module_id().instance(), Instance::ID);
    assert_eq!(verified.region(), Instance::REGION);
    assert_eq!(verified.timestamp(), Instance::now() * 1000 + 437);
    assert_eq!(verified.pcrs().iter().count(), 24);
    assert_eq!(verified.pcrs().get(4), Some(&[4; 48]));
    assert_eq!(verified.pcrs().get(24), None);
    assert_eq!((verified.nonce(), verified.user_data(), verified.public_key()), (None, None, None));
    let declared: Vec<_> = checks::ALL.iter().map(|info| info.check).collect();
    let made: Vec<_> = verified.ledger().entries().iter().map(|entry| entry.check).collect();
    assert_eq!(made, declared);
}

#[test]
fn every_encoding_of_a_document_is_read() {
    for payload in [Lengths::Definite, Lengths::Indefinite] {
        for others in [Lengths::Definite, Lengths::Indefinite] {
            for tag in [None, Some(18)] {
                for unprotected in [vec![0xA0], vec![0xBF, 0xFF]] {
                    let mut instance = Instance::new();
                    instance.document.payload = payload;
                    instance.document.others = others;
                    instance.document.tag = tag;
                    instance.document.unprotected = unprotected;
                    verify(&instance.sign()).unwrap();
                }
            }
        }
    }
}

/// Members that the guest need not fill may be null, or not be there.
#[test]
fn what_the_guest_had_signed_may_be_missing() {
    let mut instance = Instance::new();
    instance.document.omitted = vec!["public_key", "user_data", "nonce"];
    verify(&instance.sign()).unwrap();
    instance.document.omitted.clear();
    instance.document.nonce = Some(Vec::new());
    assert_eq!(verify(&instance.sign()).unwrap().nonce(), Some(&[][..]));
}

#[test]
fn a_document_of_a_nitro_enclave_is_none() {
    let enclave = |instance: &mut Instance| instance.document.registers = "pcrs".to_owned();
    assert_eq!(failed(enclave), ("nitro-document-type", Error::WrongType));
    let mut instance = Instance::new();
    enclave(&mut instance);
    assert_eq!(Document::parse(&instance.sign()), Err(Error::WrongType));
    // Both is neither.
    let both = |instance: &mut Instance| {
        instance.document.more =
            vec![(cbor::text("pcrs"), cbor::map(&[(vec![0], cbor::bytes(&[0; 48]))], Lengths::Definite))];
    };
    assert_eq!(failed(both), ("nitro-document-format", Error::Duplicate("pcrs")));
}

fn refused(edit: impl FnOnce(&mut DocumentSpec), error: Error) {
    assert_eq!(failed(|instance| edit(&mut instance.document)), ("nitro-document-format", error));
}

#[test]
fn each_member_stands_there_once() {
    for name in ["module_id", "digest", "timestamp", "nitrotpm_pcrs", "certificate", "cabundle"] {
        refused(|spec| spec.omitted = vec![name], Error::Missing(name));
    }
    let spec = Instance::new().filled();
    for (name, value) in spec.members() {
        let known = String::from_utf8(name[1..].to_vec()).unwrap();
        let known = if known == "nitrotpm_pcrs" { "pcrs" } else { &known };
        let (check, error) = failed(|instance| instance.document.more = vec![(name.clone(), value)]);
        assert_eq!(check, "nitro-document-format");
        assert!(matches!(error, Error::Duplicate(name) if name == known), "{error}");
    }
    refused(
        |spec| spec.more = vec![(cbor::text("new\n"), vec![0xF6])],
        Error::UnknownMember("new\\n".to_owned()),
    );
    refused(
        |spec| spec.more = vec![(cbor::unsigned(1), vec![0xF6])],
        Error::Document("a member whose name is no text"),
    );
}

#[test]
fn each_member_is_of_its_kind() {
    refused(|spec| spec.digest = "SHA256".to_owned(), Error::Digest("SHA256".to_owned()));
    refused(|spec| spec.timestamp = 0, Error::Document("a timestamp that is no number above zero"));
    refused(|spec| spec.pcrs.clear(), Error::Document("no registers"));
    refused(|spec| spec.pcrs[0].0 = 32, Error::Document("a register above 31"));
    refused(|spec| spec.pcrs[0].0 = 256, Error::Document("a register above 31"));
    refused(|spec| spec.pcrs[0].0 = 4, Error::Duplicate("a register"));
    for length in [0, 32, 47, 49, 64] {
        refused(|spec| spec.pcrs[0].1 = vec![0; length], Error::Document("a register without 48 bytes"));
    }
    // Null, an array, a text and a number in each member's place.
    let kinds = [
        ("module_id", 0b0010),
        ("digest", 0b0010),
        ("timestamp", 0b0001),
        ("nitrotpm_pcrs", 0),
        ("certificate", 0),
    ];
    let kinds = kinds.into_iter().chain([
        ("cabundle", 0),
        ("public_key", 0b1000),
        ("user_data", 0b1000),
        ("nonce", 0b1000),
    ]);
    let values = [vec![0xF6], cbor::array(&[], Lengths::Definite), cbor::text("SHA384"), cbor::unsigned(1)];
    for (name, allowed) in kinds {
        for (at, value) in values.iter().enumerate() {
            if allowed >> (3 - at) & 1 == 1 {
                continue;
            }
            let (check, error) = failed(|instance| {
                instance.document.omitted = vec![name];
                instance.document.more = vec![(cbor::text(name), value.clone())];
            });
            assert_eq!(check, "nitro-document-format", "{name} {at}");
            assert!(matches!(error, Error::Document(_)), "{name} {at}: {error}");
        }
    }
}

#[test]
fn the_message_is_exactly_one() {
    let header = Error::Document("another protected header than {1: -35}");
    // ES256; a second parameter; ES384 in a longer form; none.
    for protected in [&[0xA1, 1, 0x26][..], &[0xA2, 1, 0x38, 0x22, 3, 0], &[0xA1, 1, 0x39, 0, 0x22], &[]] {
        refused(|spec| spec.protected = protected.to_vec(), header.clone());
    }
    let header = Error::Document("an unprotected header that is no empty map");
    for unprotected in [&[0xA1, 4, 0x41, 0][..], &[0xBF, 4, 0x41, 0, 0xFF], &[0xF6], &[0x80], &[0x40]] {
        refused(|spec| spec.unprotected = unprotected.to_vec(), header.clone());
    }
    for tag in [17, 19, 61] {
        refused(|spec| spec.tag = Some(tag), Error::Document("no array"));
    }
    let spec = Instance::new().filled();
    let key = EcKey::from_label("aws nitro tpm");
    let parsed = |bytes: &[u8]| Document::parse(bytes).map(|_| ()).unwrap_err();
    assert_eq!(
        parsed(&spec.seal(&[&spec.payload()[..], &[0]].concat(), &key)),
        Error::Document("a payload with something behind its map")
    );
    assert_eq!(parsed(&spec.seal(&[0x80], &key)), Error::Document("a payload that is no map"));
    assert_eq!(
        parsed(&[&spec.sign(&key)[..], &[0]].concat()),
        Error::Document("something behind the signature")
    );
    for length in [0, 95, 97, 104] {
        let message = spec.message(&spec.payload(), &vec![1; length]);
        assert_eq!(parsed(&message), Error::Document("no signature of 96 bytes"));
    }
    // An array of three, of five, and one without its break.
    let signed = spec.sign(&key);
    assert_eq!(parsed(&[&[0x83], &signed[1..]].concat()), Error::Document("an array of less than four"));
    assert_eq!(
        parsed(&[&[0x85], &signed[1..], &[0xF6]].concat()),
        Error::Document("something behind the signature")
    );
    assert_eq!(parsed(&[&[0x9F], &signed[1..]].concat()), Error::Document("something behind the signature"));
    // A payload in pieces, and none.
    let (before, after) = (&[0x84, 0x44, 0xA1, 1, 0x38, 0x22, 0xA0][..], cbor::bytes(&[1; 96]));
    for payload in [[&[0x5F][..], &cbor::bytes(&spec.payload()), &[0xFF]].concat(), vec![0xF6]] {
        assert_eq!(parsed(&[before, &payload, &after].concat()), Error::Document("no payload of bytes"));
    }
}

#[test]
fn every_limit_is_kept() {
    let too_large = |what, found, limit| Error::TooLarge { what, found, limit };
    let bytes = vec![0; MAX_DOCUMENT + 1];
    assert_eq!(
        Document::parse(&bytes),
        Err(too_large("bytes of a document", MAX_DOCUMENT + 1, MAX_DOCUMENT))
    );
    let set: [fn(&mut DocumentSpec, Vec<u8>); 3] = [
        |spec, bytes| spec.public_key = Some(bytes),
        |spec, bytes| spec.user_data = Some(bytes),
        |spec, bytes| spec.nonce = Some(bytes),
    ];
    for set in set {
        let mut instance = Instance::new();
        set(&mut instance.document, vec![7; MAX_MEMBER]);
        verify(&instance.sign()).unwrap();
        refused(
            |spec| set(spec, vec![7; MAX_MEMBER + 1]),
            too_large("bytes of a member", MAX_MEMBER + 1, MAX_MEMBER),
        );
    }
    let mut spec = Instance::new().filled();
    let parsed = |spec: &DocumentSpec| Document::parse(&spec.message(&spec.payload(), &[1; 96])).map(|_| ());
    spec.certificate = vec![0; MAX_CERTIFICATE];
    spec.cabundle = vec![vec![0; MAX_CERTIFICATE]; MAX_CABUNDLE];
    parsed(&spec).unwrap();
    spec.cabundle.push(vec![0]);
    assert_eq!(parsed(&spec), Err(too_large("certificates in cabundle", MAX_CABUNDLE + 1, MAX_CABUNDLE)));
    spec.cabundle = vec![vec![0; MAX_CERTIFICATE + 1]];
    let certificate = too_large("bytes of a certificate", MAX_CERTIFICATE + 1, MAX_CERTIFICATE);
    assert_eq!(parsed(&spec), Err(certificate.clone()));
    spec.cabundle = vec![vec![]];
    assert_eq!(parsed(&spec), Err(Error::Document("a certificate that is no bytes")));
    spec.cabundle.clear();
    assert_eq!(parsed(&spec), Err(Error::Document("a cabundle that is no array of certificates")));
    spec.cabundle = vec![vec![0]];
    spec.certificate = vec![0; MAX_CERTIFICATE + 1];
    assert_eq!(parsed(&spec), Err(certificate));
}

/// In each encoding: nothing that ends early is a document, and no byte of one can be another.
#[test]
fn every_beginning_and_every_flipped_byte_is_refused() {
    for (payload, others) in [
        (Lengths::Definite, Lengths::Definite),
        (Lengths::Indefinite, Lengths::Definite),
        (Lengths::Indefinite, Lengths::Indefinite),
    ] {
        let mut instance = Instance::new();
        instance.document.payload = payload;
        instance.document.others = others;
        let document = instance.sign();
        for length in 0..document.len() {
            assert!(matches!(Document::parse(&document[..length]), Err(Error::Document(_))), "{length}");
        }
    }
    let mut document = Instance::new().sign();
    for byte in 0..document.len() {
        document[byte] ^= 1;
        assert!(verify(&document).is_err(), "{byte}");
        document[byte] ^= 1;
    }
    verify(&document).unwrap();
}
