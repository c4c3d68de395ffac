//! Evidence of the example platform, sound and with one defect.

use backend_api::{
    BindInput, Challenge, Endorsement, EndorsementKind, ErrorKind, Evidence, Limits, MediaType, Registration,
    Role, TrustAnchor, TrustAnchors, VerifyInput,
};
use conformance::{Case, Cpu, Forgery, Given, Subject, Validity};
use serde_json::json;

use crate::platform::{ROOT, key, public, signed, spki_sha256};

const CHIP: [u8; 16] = *b"chip of the test";
const CERTIFICATE_VALIDITY: [u64; 2] = [1_000, 2_000];
const LIST_VALIDITY: [u64; 2] = [900, 2_100];
const MEASUREMENT: [u8; 48] = [0x3C; 48];

/// A backend of the example platform.
pub(crate) struct Subjected(pub(crate) &'static Registration);

impl Subject for Subjected {
    fn registration(&self) -> &'static Registration {
        self.0
    }

    fn golden(&self) -> Vec<Case> {
        vec![self.case("sound", 1)]
    }

    fn negative(&self) -> Vec<Forgery> {
        let of = |case: Case, check, kind| Forgery::new(case, check, kind);
        let replaced = |index: usize, endorsement| {
            let mut case = self.case("with another endorsement", 1);
            case.endorsements[index].endorsement = endorsement;
            case
        };
        vec![
            of(self.case("under another root", 9), "root-pinned", ErrorKind::UntrustedIssuer),
            of(replaced(0, certificate(&key(9))), "certificate", ErrorKind::MissingEndorsements),
            of(replaced(1, list(&[CHIP])), "not-revoked", ErrorKind::Revoked),
        ]
    }

    fn foreign(&self) -> Vec<Evidence> {
        vec![Evidence::new(MediaType::new("application/json"), br#"{"evidence":""}"#.to_vec())]
    }
}

impl Subjected {
    /// Evidence under the root key `root`; the relying party trusts root key 1.
    fn case(&self, name: &str, root: u8) -> Case {
        let challenge: [u8; 64] =
            std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(29) ^ 0x71);
        let fields = [b"EXE1", public(&key(root)), &CHIP, &challenge, &MEASUREMENT].concat();
        let evidence =
            Evidence::new(self.backend().descriptor().kinds[0].media_type.clone(), signed(&key(2), &fields));
        let spki_sha256 = spki_sha256(public(&key(1)));
        let anchors = TrustAnchors(vec![TrustAnchor { subject: ROOT.into(), spki_sha256 }]);
        let [not_before, not_after] = CERTIFICATE_VALIDITY;
        let validity = Validity::new(not_before, not_after);
        let mut case = Case::new(name, evidence, Challenge::new(challenge), anchors, validity);
        case.endorsements = vec![
            Given::needed(certificate(&key(root))),
            Given::needed(list_by(root, &[])),
            Given::redundant(other_certificate(root), "it is another chip's"),
        ];
        case.claims = vec![("/tee", json!("example")), ("/measurement", json!("3c".repeat(48)))];
        case.reference_values.measurements.insert(MEASUREMENT.to_vec());
        if self.backend().descriptor().role == Role::Device {
            case.cpu = Some(verified_cpu());
        }
        case
    }
}

/// The CPU beside which devices are judged: a sound backend's.
fn verified_cpu() -> Cpu {
    let backend = crate::sound::REGISTRATION.backend;
    let case = Subjected(&crate::sound::REGISTRATION).case("CPU", 1);
    let endorsements = case.endorsements.iter().map(|given| given.endorsement.clone()).collect();
    let policy = backend.policy(&case.policy).unwrap();
    let limits = Limits::default();
    let Case { evidence, challenge, trust_anchors, at, reference_values, .. } = &case;
    let input = VerifyInput::new(evidence, challenge, &endorsements, trust_anchors, &policy, *at, &limits);
    let verified = backend.verify(&input.unwrap()).unwrap();
    let binding = backend.bind_runtime(&verified, &BindInput::new(reference_values, &policy)).unwrap();
    Cpu { verified, binding }
}

fn certificate(root: &aws_lc_rs::signature::Ed25519KeyPair) -> Endorsement {
    certificate_of(root, &CHIP)
}

fn other_certificate(root: u8) -> Endorsement {
    certificate_of(&key(root), b"another test one")
}

fn certificate_of(root: &aws_lc_rs::signature::Ed25519KeyPair, chip: &[u8; 16]) -> Endorsement {
    let [first, last] = CERTIFICATE_VALIDITY.map(u64::to_be_bytes);
    let body = [b"EXC1", &chip[..], public(&key(2)), &first, &last].concat();
    Endorsement::new(EndorsementKind::Certificate, signed(root, &body))
}

fn list(revoked: &[[u8; 16]]) -> Endorsement {
    list_by(1, revoked)
}

fn list_by(root: u8, revoked: &[[u8; 16]]) -> Endorsement {
    let [first, last] = LIST_VALIDITY.map(u64::to_be_bytes);
    let body = [b"EXR1", &first[..], &last, &revoked.concat()].concat();
    Endorsement::new(EndorsementKind::RevocationList, signed(&key(root), &body))
}
