//! OCSP: real responses, forged ones, requests.

use std::{collections::BTreeMap, fs, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use const_oid::db::{
    rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE},
    rfc5912::ID_KP_OCSP_SIGNING,
    rfc6960::ID_PKIX_OCSP_NOCHECK,
};
use lab::{
    intel::Hierarchy,
    keys::{EcKey, P256Key},
    ocsp::{Answer, CertIdHash, OcspSpec, RESPONDER_NAME, ResponderId, Status, responder_spec, unsuccessful},
    time::utc_day,
    x509::{CertSpec, SignatureAlgorithm, basic_constraints, ext_key_usage, extension, key_usage},
};
use x509_cert::ext::{Extension, pkix::KeyUsages};

use super::*;

const ISSUER: &str = "Intel SGX Root CA";
const SUBJECT: &str = "Intel SGX TCB Signing";

/// Some extension that nobody knows.
fn unknown_extension(critical: bool) -> Extension {
    extension("1.3.6.1.4.1.1.1".parse().unwrap(), critical, &[5, 0])
}

/// When the lab's response is made.
fn now() -> u64 {
    utc_day(2026, 6, 1)
}

/// The lab's authority, a certificate that it issued, and a responder that speaks for it.
struct Lab {
    hierarchy: Hierarchy,
    issuer: Certificate,
    subject: Certificate,
    responder_key: P256Key,
}

impl Lab {
    fn new() -> Self {
        let hierarchy = Hierarchy::new();
        Self {
            issuer: Certificate::parse(hierarchy.root()).unwrap(),
            subject: Certificate::parse(hierarchy.tcb_signing()).unwrap(),
            responder_key: P256Key::from_label(RESPONDER_NAME),
            hierarchy,
        }
    }

    fn answer(&self) -> Answer {
        Answer::good(&self.hierarchy.tcb_signing_spec(), &self.hierarchy.root_spec(), now())
    }

    fn responder(&self) -> CertSpec {
        responder_spec(&self.hierarchy.root_spec(), &self.responder_key.spki())
    }

    /// A sound response of the responder's.
    fn response(&self) -> OcspSpec {
        self.response_of(&self.responder())
    }

    /// The same with this certificate of the responder's key, signed by the authority.
    fn response_of(&self, responder: &CertSpec) -> OcspSpec {
        let certificates = vec![responder.sign(self.hierarchy.root_key())];
        OcspSpec { certificates, ..OcspSpec::new(self.answer(), responder) }
    }

    fn verify(&self, der: &[u8]) -> Result<OcspResponse, OcspError> {
        OcspResponse::verify(der, &self.subject, &self.issuer, &[ECDSA_P256_SHA256])
    }

    /// The verdict on the sound response after one edit, signed by the responder's key.
    fn edited(&self, edit: impl FnOnce(&mut OcspSpec)) -> Result<OcspResponse, OcspError> {
        let mut response = self.response();
        edit(&mut response);
        self.verify(&response.sign(&self.responder_key))
    }

    /// The verdict on the sound response after one edit of the responder's certificate.
    fn of_responder(&self, edit: impl FnOnce(&mut CertSpec)) -> Result<OcspResponse, OcspError> {
        let mut responder = self.responder();
        edit(&mut responder);
        self.verify(&self.response_of(&responder).sign(&self.responder_key))
    }
}

fn refused(reason: ResponderError) -> Result<OcspResponse, OcspError> {
    Err(OcspError::Responder { responder: RESPONDER_NAME.to_owned(), issuer: ISSUER.to_owned(), reason })
}

fn no_answer() -> Result<OcspResponse, OcspError> {
    Err(OcspError::NoAnswer { subject: SUBJECT.to_owned(), issuer: ISSUER.to_owned() })
}

/// The certificates in the signature of a RIM.
fn certificates_of_rim(xml: &str) -> Vec<Certificate> {
    let elements = xml.split("<ds:X509Certificate>").skip(1);
    let texts = elements.map(|rest| rest.split('<').next().unwrap().split_whitespace().collect::<String>());
    texts.map(|text| Certificate::parse(&BASE64_STANDARD.decode(text).unwrap()).unwrap()).collect()
}

#[test]
fn real_responses_verify_under_their_issuers_alone() {
    let Some(root) = lab::vectors::root("real_responses_verify_under_their_issuers_alone") else { return };
    let folder = root.join("nvidia/h100-550.90.07-full");
    let chain = Certificate::parse_der_or_pem(&fs::read(folder.join("cert_chain.pem")).unwrap()).unwrap();
    let mut certificates = BTreeMap::new();
    let rims = ["driver_rim.xml", "vbios_rim.xml"].map(|rim| fs::read_to_string(folder.join(rim)).unwrap());
    // Both RIMs have the same authorities.
    for certificate in chain.into_iter().chain(rims.iter().flat_map(|rim| certificates_of_rim(rim))) {
        certificates.insert(certificate.der().to_vec(), certificate);
    }
    let algorithms = [ECDSA_P384_SHA384];
    // As openssl prints them: 2025-08-21T06:47:08Z, and so on.
    let device = utc_day(2025, 8, 21) + 6 * 3600 + 47 * 60;
    let rim = utc_day(2025, 10, 24) + 11 * 3600 + 32 * 60;
    for (file, subject, this_update) in [
        ("ocsp_gpu_certificate_l2.der", "NVIDIA GH100 Identity", device + 8),
        ("ocsp_gpu_certificate_l3.der", "NVIDIA GH100 Provisioner ICA 1", device + 7),
        ("ocsp_gpu_certificate_l4.der", "GH100 A01 GSP BROM", device + 7),
        ("ocsp_gpu_rim_l2.der", "NVIDIA Reference Value GH100 CA", rim + 21),
        ("ocsp_gpu_driver_rim_l3.der", "NVIDIA Reference Value L3 GH100 002", rim + 21),
        ("ocsp_gpu_driver_rim_l4.der", "HCC RIM L4 Signer", rim + 21),
        ("ocsp_gpu_vbios_l4.der", "HCC RIM L4 Signer", rim + 22),
    ] {
        let der = fs::read(folder.join(file)).unwrap();
        OcspResponse::well_formed(&der).unwrap();
        let mut concerned = Vec::new();
        for subject in certificates.values() {
            for issuer in certificates.values() {
                let verdict = OcspResponse::verify(&der, subject, issuer, &algorithms);
                if OcspResponse::concerns(&der, subject, issuer).unwrap() {
                    concerned.push(subject.subject());
                    let response = verdict.unwrap();
                    assert_eq!(response.status(), CertificateStatus::Good);
                    let window = Window { not_before: this_update, not_after: this_update + 86_400 };
                    assert_eq!(response.window(), window);
                    assert_eq!(response.produced_at(), Moment(this_update));
                    assert_eq!(subject.issuer(), issuer.subject());
                } else {
                    assert!(matches!(verdict, Err(OcspError::NoAnswer { .. })));
                }
            }
        }
        assert_eq!(concerned, [subject], "{file}");
    }
}

#[test]
fn a_forged_response_is_its_issuers_word() {
    let lab = Lab::new();
    let sound = lab.response().sign(&lab.responder_key);
    OcspResponse::well_formed(&sound).unwrap();
    assert_eq!(OcspResponse::concerns(&sound, &lab.subject, &lab.issuer), Ok(true));
    let response = lab.verify(&sound).unwrap();
    assert_eq!(response.status(), CertificateStatus::Good);
    assert_eq!(response.window(), Window { not_before: now(), not_after: now() + 86_400 });
    assert_eq!(response.produced_at(), Moment(now()));

    // By any of three hashes, and by no other.
    for hash in [CertIdHash::Sha1, CertIdHash::Sha256, CertIdHash::Sha384] {
        assert_eq!(lab.edited(|response| response.answers[0].hash = hash), Ok(response.clone()));
    }
    assert_eq!(lab.edited(|response| response.answers[0].hash = CertIdHash::Sha512), no_answer());
    // Its own dates are not judged here.
    let begin = lab.responder().not_before;
    let old = lab.edited(|response| {
        (response.answers[0].this_update, response.answers[0].next_update) = (begin, Some(begin + 2));
        response.produced_at = 3;
    });
    let old = old.unwrap();
    let window = Window { not_before: begin, not_after: begin + 2 };
    assert_eq!((old.window(), old.produced_at()), (window, Moment(3)));
    // What is not critical is not judged, and v1 may be spelled out.
    lab.edited(|response| response.extensions = vec![unknown_extension(false)]).unwrap();
    lab.edited(|response| response.answers[0].extensions = vec![unknown_extension(false)]).unwrap();
    lab.edited(|response| response.version = Some(0)).unwrap();
    // By the issuer's own key, named in either form, without a certificate.
    let root = lab.hierarchy.root_spec();
    let mut direct = OcspSpec::new(lab.answer(), &root);
    assert_eq!(lab.verify(&direct.sign(lab.hierarchy.root_key())), Ok(response.clone()));
    direct.responder = ResponderId::Name(root.subject);
    assert_eq!(lab.verify(&direct.sign(lab.hierarchy.root_key())), Ok(response.clone()));
    // The responder by its name, among other certificates.
    let named = lab.edited(|response| {
        response.responder = ResponderId::Name(lab.responder().subject);
        response.certificates.insert(0, lab.hierarchy.tcb_signing().to_vec());
    });
    assert_eq!(named, Ok(response));
}

#[test]
fn a_status_is_what_was_said() {
    let lab = Lab::new();
    let status = |said| lab.edited(|response| response.answers[0].status = said).map(|it| it.status());
    assert_eq!(status(Status::Unknown), Ok(CertificateStatus::Unknown));
    let revoked = |reason| CertificateStatus::Revoked { time: Moment(now() - 1), reason };
    assert_eq!(status(Status::Revoked(now() - 1, None)), Ok(revoked(None)));
    for (code, reason) in [
        (0, RevocationReason::Unspecified),
        (1, RevocationReason::KeyCompromise),
        (2, RevocationReason::CaCompromise),
        (3, RevocationReason::AffiliationChanged),
        (4, RevocationReason::Superseded),
        (5, RevocationReason::CessationOfOperation),
        (6, RevocationReason::CertificateHold),
        (8, RevocationReason::RemoveFromCrl),
        (9, RevocationReason::PrivilegeWithdrawn),
        (10, RevocationReason::AaCompromise),
    ] {
        assert_eq!(status(Status::Revoked(now() - 1, Some(code))), Ok(revoked(Some(reason))));
    }
    assert!(matches!(status(Status::Revoked(now(), Some(7))), Err(OcspError::Malformed(_))));
    assert_eq!(
        revoked(Some(RevocationReason::KeyCompromise)).to_string(),
        "revoked since 2026-05-31T23:59:59Z (key compromise)"
    );
}

#[test]
fn an_answer_is_for_one_certificate_of_one_issuer() {
    let lab = Lab::new();
    assert_eq!(lab.edited(|response| response.answers[0].serial = vec![7]), no_answer());
    let other = lab.hierarchy.pck_ca_spec(lab::intel::PckCa::Platform);
    assert_eq!(lab.edited(|response| response.answers[0].issuer_spki = other.spki.clone()), no_answer());
    assert_eq!(lab.edited(|response| response.answers[0].issuer_name = other.subject.clone()), no_answer());
    assert_eq!(lab.edited(|response| response.answers.clear()), no_answer());

    // Among others, in any order; but not twice, by whatever hash.
    let neighbour = Answer { serial: vec![7], status: Status::Unknown, ..lab.answer() };
    let among = lab.edited(|response| response.answers.insert(0, neighbour.clone()));
    assert_eq!(among.unwrap().status(), CertificateStatus::Good);
    let again = Answer { hash: CertIdHash::Sha1, status: Status::Unknown, ..lab.answer() };
    let twice = Err(OcspError::Duplicate(SUBJECT.to_owned()));
    assert_eq!(lab.edited(|response| response.answers.push(again)), twice);
    assert_eq!(lab.edited(|response| response.answers.push(lab.answer())), twice);
    let many =
        |count: usize| lab.edited(|response| response.answers.extend(vec![neighbour.clone(); count - 1]));
    assert!(many(8).is_ok());
    assert_eq!(many(9), Err(OcspError::TooManyAnswers { found: 9, limit: 8 }));

    // A certificate of another issuer that has the same serial number.
    let mut stranger = lab.hierarchy.tcb_signing_spec();
    stranger.issuer = other.subject;
    let stranger = Certificate::parse(&stranger.sign(lab.hierarchy.root_key())).unwrap();
    let sound = lab.response().sign(&lab.responder_key);
    assert_eq!(OcspResponse::concerns(&sound, &stranger, &lab.issuer), Ok(false));
    // The same certificate, and another issuer.
    let platform = Certificate::parse(lab.hierarchy.pck_ca(lab::intel::PckCa::Platform)).unwrap();
    assert_eq!(OcspResponse::concerns(&sound, &lab.subject, &platform), Ok(false));
    assert!(matches!(
        OcspResponse::verify(&sound, &lab.subject, &platform, &[ECDSA_P256_SHA256]),
        Err(OcspError::NoAnswer { .. })
    ));

    // A serial number whose highest bit is set.
    let mut high = lab.hierarchy.tcb_signing_spec();
    high.serial = vec![0xb4; 16];
    let subject = Certificate::parse(&high.sign(lab.hierarchy.root_key())).unwrap();
    let mut response = lab.response();
    response.answers[0].serial = high.serial;
    assert!(OcspResponse::concerns(&response.sign(&lab.responder_key), &subject, &lab.issuer).unwrap());
}

#[test]
fn what_would_change_the_meaning_is_refused() {
    let lab = Lab::new();
    let critical = || vec![unknown_extension(true)];
    let refused = Err(OcspError::CriticalExtension("1.3.6.1.4.1.1.1".to_owned()));
    assert_eq!(lab.edited(|response| response.extensions = critical()), refused);
    assert_eq!(lab.edited(|response| response.answers[0].extensions = critical()), refused);
    let neighbour = Answer { serial: vec![7], extensions: critical(), ..lab.answer() };
    assert_eq!(lab.edited(|response| response.answers.push(neighbour)), refused);
    assert_eq!(
        lab.edited(|response| response.answers[0].next_update = None),
        Err(OcspError::NoNextUpdate(SUBJECT.to_owned()))
    );
    assert_eq!(lab.edited(|response| response.version = Some(1)), Err(OcspError::Version(1)));
    let other = ID_KP_OCSP_SIGNING;
    assert_eq!(
        lab.edited(|response| response.response_type = other),
        Err(OcspError::NotBasic("1.3.6.1.5.5.7.3.9".to_owned()))
    );
}

#[test]
fn a_responder_that_gives_no_response_is_quoted() {
    let lab = Lab::new();
    for (code, status, text) in [
        (1, ResponderStatus::MalformedRequest, "malformed request"),
        (2, ResponderStatus::InternalError, "internal error"),
        (3, ResponderStatus::TryLater, "try later"),
        (5, ResponderStatus::SigRequired, "signature required"),
        (6, ResponderStatus::Unauthorized, "unauthorized"),
    ] {
        let unsuccessful = unsuccessful(code);
        assert_eq!(OcspResponse::well_formed(&unsuccessful), Err(OcspError::Unsuccessful(status)));
        assert_eq!(lab.verify(&unsuccessful), Err(OcspError::Unsuccessful(status)));
        // Whatever it says beside that.
        assert_eq!(
            lab.edited(|response| response.response_status = code),
            Err(OcspError::Unsuccessful(status))
        );
        assert_eq!(OcspError::Unsuccessful(status).to_string(), format!("ocsp responder answered {text}"));
    }
    assert!(matches!(lab.verify(&unsuccessful(4)), Err(OcspError::Malformed(_))));
    assert!(matches!(lab.verify(&unsuccessful(0)), Err(OcspError::Malformed(_))));
}

#[test]
fn only_the_issuer_and_its_responder_sign() {
    let lab = Lab::new();
    let bad = |signer: &str| Err(OcspError::Signature(signer.to_owned()));
    let stranger = P256Key::from_label("stranger");
    assert_eq!(lab.verify(&lab.response().sign(&stranger)), bad(RESPONDER_NAME));
    let direct = OcspSpec::new(lab.answer(), &lab.hierarchy.root_spec());
    assert_eq!(lab.verify(&direct.sign(&stranger)), bad(ISSUER));
    assert_eq!(lab.verify(&direct.sign(&lab.responder_key)), bad(ISSUER));
    // An algorithm that the caller does not allow, or that is not the key's.
    let algorithm = SignatureAlgorithm::EcdsaSha384;
    assert_eq!(lab.edited(|response| response.algorithm = algorithm), bad(RESPONDER_NAME));

    // A signer of whom there is no certificate.
    let unknown = |certificates| Err(OcspError::UnknownSigner { issuer: ISSUER.to_owned(), certificates });
    assert_eq!(lab.edited(|response| response.certificates.clear()), unknown(0));
    assert_eq!(lab.edited(|response| response.responder = ResponderId::Key([7; 20])), unknown(1));
    let name = lab.hierarchy.tcb_signing_spec().subject;
    assert_eq!(lab.edited(|response| response.responder = ResponderId::Name(name)), unknown(1));

    // The certificates that come along are few, and certificates.
    let more = |count: usize| {
        lab.edited(|response| {
            response.certificates.extend(vec![lab.hierarchy.tcb_signing().to_vec(); count - 1]);
        })
    };
    assert!(more(4).is_ok());
    assert_eq!(more(5), Err(OcspError::TooManyCertificates { found: 5, limit: 4 }));
    assert!(matches!(
        lab.edited(|response| response.certificates.push(vec![5, 0])),
        Err(OcspError::Certificate(CertificateError::Malformed(_)))
    ));
}

#[test]
fn a_responder_is_certified_by_the_issuer_for_this_alone() {
    let lab = Lab::new();
    // What does no harm: NVIDIA's certificates differ in this.
    for usual in [
        |responder: &mut CertSpec| responder.set_extension(ext_key_usage(&[ID_KP_OCSP_SIGNING])),
        |responder: &mut CertSpec| responder.remove_extension(ID_CE_BASIC_CONSTRAINTS),
        |responder: &mut CertSpec| responder.remove_extension(ID_CE_KEY_USAGE),
        |responder: &mut CertSpec| responder.set_extension(basic_constraints(false, None)),
        |responder: &mut CertSpec| responder.extensions.push(unknown_extension(false)),
        |responder: &mut CertSpec| {
            responder.extensions.push(extension(ID_PKIX_OCSP_NOCHECK, false, &[5, 0]));
        },
        |responder: &mut CertSpec| (responder.not_before, responder.not_after) = (now(), now()),
    ] {
        assert_eq!(lab.of_responder(usual).unwrap().status(), CertificateStatus::Good);
    }

    // Purposes.
    let no_purpose = refused(ResponderError::ExtendedKeyUsage);
    assert_eq!(lab.of_responder(|it| it.remove_extension(ID_CE_EXT_KEY_USAGE)), no_purpose);
    assert_eq!(lab.of_responder(|it| it.set_extension(ext_key_usage(&[ID_PKIX_OCSP_NOCHECK]))), no_purpose);
    let any = "2.5.29.37.0".parse().unwrap();
    assert_eq!(lab.of_responder(|it| it.set_extension(ext_key_usage(&[any]))), no_purpose);
    assert_eq!(
        lab.of_responder(|it| it.set_extension(extension(ID_CE_EXT_KEY_USAGE, false, &[5, 0]))),
        no_purpose
    );
    let no_signer = refused(ResponderError::KeyUsage);
    assert_eq!(lab.of_responder(|it| it.set_extension(key_usage(KeyUsages::NonRepudiation))), no_signer);
    assert_eq!(lab.of_responder(|it| it.set_extension(extension(ID_CE_KEY_USAGE, true, &[5, 0]))), no_signer);
    let authority = refused(ResponderError::Authority);
    assert_eq!(lab.of_responder(|it| it.set_extension(basic_constraints(true, None))), authority);
    let unreadable = || extension(ID_CE_BASIC_CONSTRAINTS, true, &[5, 0]);
    assert_eq!(lab.of_responder(|it| it.set_extension(unreadable())), authority);
    assert_eq!(
        lab.of_responder(|it| it.extensions.push(unknown_extension(true))),
        refused(ResponderError::CriticalExtension("1.3.6.1.4.1.1.1".to_owned()))
    );

    // A response lasts no longer than its responder's certificate, and does not begin before it.
    let window = |edit: fn(&mut CertSpec)| lab.of_responder(edit).unwrap().window();
    assert_eq!(window(|it| it.not_after = now() + 60), Window { not_before: now(), not_after: now() + 60 });
    let end = now() + 86_400;
    assert_eq!(window(|it| it.not_before = now() + 60), Window { not_before: now() + 60, not_after: end });
    assert!(!window(|it| it.not_after = now() - 1).contains(now()));

    // Issuers: another name, another key, the same authority one step further up.
    let other = lab.hierarchy.pck_ca_spec(lab::intel::PckCa::Platform);
    assert_eq!(
        lab.of_responder(|it| it.issuer = other.subject.clone()),
        refused(ResponderError::WrongIssuer("Intel SGX PCK Platform CA".to_owned()))
    );
    let signed_by = |key: &dyn Fn(&CertSpec) -> Vec<u8>| {
        let mut response = lab.response();
        response.certificates = vec![key(&lab.responder())];
        lab.verify(&response.sign(&lab.responder_key))
    };
    let stranger = P256Key::from_label("stranger");
    assert_eq!(signed_by(&|it| it.sign(&stranger)), refused(ResponderError::Signature));
    assert_eq!(signed_by(&|it| it.sign(&lab.responder_key)), refused(ResponderError::Signature));
    let platform_key = lab.hierarchy.pck_ca_key(lab::intel::PckCa::Platform);
    let below = responder_spec(&other, &lab.responder_key.spki()).sign(platform_key);
    assert_eq!(
        lab.edited(|response| response.certificates =
            vec![below, lab.hierarchy.pck_ca(lab::intel::PckCa::Platform).to_vec()]),
        refused(ResponderError::WrongIssuer("Intel SGX PCK Platform CA".to_owned()))
    );
}

#[test]
fn a_responder_may_have_a_key_of_another_kind() {
    let lab = Lab::new();
    let key = EcKey::from_label(RESPONDER_NAME);
    let responder = responder_spec(&lab.hierarchy.root_spec(), &key.spki());
    let mut response = lab.response_of(&responder);
    response.algorithm = SignatureAlgorithm::EcdsaSha384;
    let der = response.sign(&key);
    assert_eq!(lab.verify(&der), Err(OcspError::Signature(RESPONDER_NAME.to_owned())));
    let algorithms = [ECDSA_P256_SHA256, ECDSA_P384_SHA384];
    OcspResponse::verify(&der, &lab.subject, &lab.issuer, &algorithms).unwrap();
}

#[test]
fn damaged_responses_are_errors() {
    let lab = Lab::new();
    let sound = lab.response();
    let der = sound.sign(&lab.responder_key);
    for length in 0..der.len() {
        assert!(matches!(lab.verify(&der[..length]), Err(OcspError::Malformed(_))), "{length}");
        assert!(OcspResponse::concerns(&der[..length], &lab.subject, &lab.issuer).is_err());
    }
    assert!(matches!(lab.verify(&[&der[..], &[0]].concat()), Err(OcspError::Malformed(_))));
    // What is signed and the signature over it: no byte of them is another.
    let tbs = sound.tbs();
    let start = der.windows(tbs.len()).position(|window| window == tbs).unwrap();
    let certificate = &sound.certificates[0];
    let end = der.windows(certificate.len()).position(|window| window == certificate).unwrap();
    for position in start..end {
        let mut flipped = der.clone();
        flipped[position] ^= 1;
        assert!(lab.verify(&flipped).is_err(), "{position}");
    }
    // Something after each of the parts.
    let trailing = [&tbs[..], &[5, 0]].concat();
    assert!(matches!(lab.verify(&sound.around(&trailing, &lab.responder_key)), Err(OcspError::Malformed(_))));
    assert!(matches!(lab.edited(|response| response.trailing = vec![5, 0]), Err(OcspError::Malformed(_))));
    assert_eq!(
        lab.verify(&vec![0x30; MAX_OCSP_RESPONSE + 1]),
        Err(OcspError::TooLarge { found: MAX_OCSP_RESPONSE + 1, limit: MAX_OCSP_RESPONSE })
    );
    let mut flipped = der;
    let last = flipped.windows(certificate.len()).position(|window| window == certificate).unwrap();
    flipped[last + certificate.len() - 1] ^= 1;
    assert_eq!(lab.verify(&flipped), refused(ResponderError::Signature));
}

#[test]
fn a_request_names_one_certificate() {
    let lab = Lab::new();
    let request = ocsp_request(&lab.subject, &lab.issuer);
    let [name, key] = [lab.issuer.subject_der(), lab.issuer.public_key()]
        .map(|bytes| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes));
    // SEQUENCE { SEQUENCE { SEQUENCE OF { SEQUENCE { CertID }}}}, with id-sha256 and NULL.
    let [serial_length, outer] = [lab.subject.serial().len(), 93 + lab.subject.serial().len()]
        .map(|length| u8::try_from(length).unwrap());
    let expected = [
        &[0x30, outer, 0x30, outer - 2, 0x30, outer - 4, 0x30, outer - 6, 0x30, outer - 8][..],
        &[0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0],
        &[4, 32],
        name.as_ref(),
        &[4, 32],
        key.as_ref(),
        &[2, serial_length],
        lab.subject.serial(),
    ];
    assert_eq!(request, expected.concat());

    // Base64 of these bytes is "+/+/AA==".
    assert_eq!(ocsp_get_path(&[0xfb, 0xff, 0xbf, 0]), "%2B%2F%2B%2FAA%3D%3D");
    let path = ocsp_get_path(&request);
    assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%'));
}

#[test]
fn openssl_asks_and_hears_the_same() {
    let test = "openssl_asks_and_hears_the_same";
    if Command::new("openssl").arg("version").output().is_err() {
        return lab::vectors::skipped(test, "no openssl");
    }
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let issuer = file("issuer.pem", lab.issuer.pem().as_bytes());
    let subject = file("subject.pem", lab.subject.pem().as_bytes());
    let ocsp = || {
        let mut command = Command::new("openssl");
        command.args(["ocsp", "-sha256", "-no_nonce", "-issuer"]).arg(&issuer).arg("-cert").arg(&subject);
        command
    };
    let request = folder.path().join("request.der");
    assert!(ocsp().arg("-reqout").arg(&request).status().unwrap().success());
    assert_eq!(fs::read(&request).unwrap(), ocsp_request(&lab.subject, &lab.issuer));

    // What the lab forges, too: openssl finds the answer by the hash that it asks with, and has its own clock for the answer's dates.
    let mut spec = lab.response();
    spec.answers[0].hash = CertIdHash::Sha256;
    (spec.answers[0].this_update, spec.answers[0].next_update) = (1, Some(utc_day(2048, 1, 1)));
    let response = file("response.der", &spec.sign(&lab.responder_key));
    let heard = ocsp()
        .arg("-CAfile")
        .arg(&issuer)
        .args(["-attime", &now().to_string(), "-respin"])
        .arg(&response)
        .output()
        .unwrap();
    let text = [heard.stdout, heard.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("Response verify OK") && text.contains("subject.pem: good\n"), "{text}");
}
