//! AWS: forged guests in every profile and of every half, and real ones.

use std::{fs, ops::Range, path::Path, sync::LazyLock};

use backend_api::{
    Authority, Challenge, DeviceEvent, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType,
    Registration, TrustAnchors,
};
use backend_aws::{AwsEvidence, Profile, REGISTRATION, media_type};
use conformance::{Case, Flip, Forgery, Given, Loose, Subject, Validity};
use evidence_x509::Certificate;
use lab::{
    aws::{Guest, Instance},
    events::measure_devices,
    time::utc_day,
};
use serde_json::{Value, json};

use crate::{
    aws_forgeries::forgeries,
    aws_payload::{assembled, payload},
    vectors::vectors,
};

/// The first 8 bytes are their own: nothing that repeats could hide an exchange of parts.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C)
}

/// The registers of an image that a relying party lists.
const LISTED: [u8; 5] = [2, 4, 7, 9, 11];

pub(crate) struct Aws;

impl Subject for Aws {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let mut cases = vec![whole_guest(), dstack(), both(), report_alone(), document_alone()];
            if let Some(folder) = vectors("aws") {
                cases.push(real_report(&folder));
                cases.push(real_document(&folder));
            }
            cases
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        let guest = Guest::new();
        vec![
            Evidence::new(MediaType::new("application/cbor"), guest.document_for(None, None)),
            Evidence::new(
                MediaType::new("application/vnd.amd.sev-snp.attestation-report"),
                guest.report_for(&[0; 64]),
            ),
            Evidence::new(MediaType::new("application/vnd.dstack.aws-snp.v2+cbor"), vec![0xA0]),
        ]
    }
}

/// A case of this guest, of which the relying party knows launch and image.
pub(crate) fn case_of(name: &str, guest: &Guest, profile: Profile, evidence: &AwsEvidence) -> Case {
    let validity = match &evidence.document {
        // A document alone ends all the rest.
        Some(_) => Validity::new(Instance::now() - 60, Instance::now() + 300),
        // The certificate of the VLEK and the revocation list begin and end together.
        None => Validity::new(utc_day(2026, 1, 1), utc_day(2027, 1, 1)),
    };
    let bytes = Evidence::new(media_type(profile), evidence.encode());
    let mut case = Case::new(name, bytes, Challenge::new(challenge()), lab_anchors(guest), validity);
    case.policy = json!({});
    if evidence.report.is_some() {
        case.endorsements = endorsements(guest);
        let measurement = hex::encode(guest.report.measurement);
        case.policy["launch"]["measurements"] =
            json!([{ "measurement": measurement, "firmware": "lab", "vcpus": 2 }]);
        case.claims = vec![
            ("/tee", json!("sev-snp")),
            ("/tee-variant", json!("aws-snp")),
            ("/measurement", json!(measurement)),
            ("/details/csp-id", json!("CN=cc-us-east-2.amazonaws.com")),
        ];
    } else {
        case.claims = vec![("/tee", json!("none")), ("/tee-variant", json!("dstack-aws-nitro-tpm"))];
    }
    if evidence.document.is_some() {
        case.policy["launch"]["images"] = json!([image(|pcr| hex::encode(guest.pcr(pcr)))]);
        case.claims.push(("/details/module-id", json!(guest.instance.document.module_id)));
        case.claims.push(("/details/pcrs/14", json!(hex::encode(guest.pcr(14)))));
    }
    if let Some(log) = &evidence.boot_log {
        case.loose.push(Loose {
            range: position(&case, log),
            flip: Flip::Ignored,
            why: "the digests replay to the registers; what the events say of themselves is not read",
        });
    }
    case
}

fn image(value: impl Fn(u8) -> String) -> Value {
    let pcrs: serde_json::Map<String, Value> =
        LISTED.into_iter().map(|pcr| (pcr.to_string(), json!([value(pcr)]))).collect();
    json!({ "os-image-hash": "1a".repeat(32), "pcrs": pcrs })
}

/// What AMD says of the lab's machines.
pub(crate) fn endorsements(guest: &Guest) -> Vec<Given> {
    let given = |(kind, bytes)| {
        let endorsement = Endorsement::new(kind, bytes);
        match kind {
            EndorsementKind::Certificate => Given::needed_or(endorsement, ErrorKind::UntrustedIssuer),
            _ => Given::needed(endorsement),
        }
    };
    guest.endorsements().into_iter().map(given).collect()
}

/// Everything that a guest sends in our own profile.
fn whole_guest() -> Case {
    let mut guest = Guest::new();
    measure_devices(&mut guest.events, b"devices");
    let mut case = case_of("SEV-SNP and NitroTPM", &guest, Profile::V1, &payload(&guest, &challenge()));
    case.identity = identity(&guest);
    // SHA-256 of the instance's id (Python's hashlib).
    let device = hex::decode("3fd877f97c0275a59f1e4cb0443964c2eda7910ed8c559a8d7f3cc3141ee1198").unwrap();
    case.identity.push((Field::DeviceId, device));
    case.device_event = Some(DeviceEvent::new(b"devices".to_vec(), "PCR14", Authority::ProviderVtpm));
    case
}

fn identity(guest: &Guest) -> Vec<(Field, Vec<u8>)> {
    let payload = |name: &str| guest.events.iter().find(|event| event.name == name).unwrap().payload.clone();
    vec![
        (Field::OsImageHash, vec![0x1A; 32]),
        (Field::AppId, payload("app-id")),
        (Field::ComposeHash, payload("compose-hash")),
    ]
}

/// What dstack sends on EC2.
fn dstack() -> Case {
    let guest = Guest::new();
    let mut evidence = bare(&guest);
    evidence.report = None;
    evidence.certificates.clear();
    let mut case = case_of("a NitroTPM alone, as dstack sends it", &guest, Profile::NitroTpmOnly, &evidence);
    case.policy["danger-accept-no-tee"] = json!(true);
    case.identity = identity(&guest);
    case
}

/// Report and document of a tool that has the bare challenge in both.
fn bare(guest: &Guest) -> AwsEvidence {
    let report = guest.report_for(&challenge());
    let document = guest.document_for(None, Some(&challenge()));
    assembled(guest, guest.parts(report, document))
}

fn both() -> Case {
    let guest = Guest::new();
    let mut evidence = bare(&guest);
    evidence.boot_log = None;
    let mut case = case_of("both halves of another tool", &guest, Profile::Raw, &evidence);
    case.policy["raw"] = json!({});
    case
}

fn report_alone() -> Case {
    let guest = Guest::new();
    let evidence = AwsEvidence { document: None, boot_log: None, runtime_events: Vec::new(), ..bare(&guest) };
    let mut case = case_of("a report alone, of another tool", &guest, Profile::Raw, &evidence);
    case.policy["raw"] = json!({});
    case.policy["danger-accept-no-document"] = json!(true);
    case
}

fn document_alone() -> Case {
    let mut guest = Guest::new();
    guest.events.clear();
    let document = guest.document_for(Some(&challenge()[..32]), Some(b"of another tool"));
    let evidence = AwsEvidence { document: Some(document.into()), ..AwsEvidence::default() };
    let mut case = case_of("a document alone, of another tool", &guest, Profile::Raw, &evidence);
    let mut nonce = [0; 64];
    nonce[..32].copy_from_slice(&challenge()[..32]);
    case.challenge = Challenge::new(nonce);
    case.policy["raw"] = json!({ "challenge": "nonce", "user-data": hex::encode("of another tool") });
    case.policy["danger-accept-no-tee"] = json!(true);
    case
}

/// A report of a guest of AWS's, under AMD's own roots, at a time for which no revocation list of AMD is known.
fn real_report(root: &Path) -> Case {
    let folder = root.join("aws/vlek-v5-useast2-2026-geoar");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let vlek = read("vlek.der");
    let window = Certificate::parse(&vlek).unwrap().window();
    let evidence = AwsEvidence {
        report: Some(read("report.bin").into()),
        certificates: vec![vlek.into()],
        ..AwsEvidence::default()
    };
    let report = evidence_snp::Report::parse(evidence.report.as_ref().unwrap()).unwrap();
    let mut case = Case::new(
        "a real report of AWS's",
        Evidence::new(media_type(Profile::Raw), evidence.encode()),
        Challenge::new(report.report_data),
        (REGISTRATION.backend.descriptor().trust_anchors)(),
        Validity::new(window.not_before, window.not_after),
    );
    let asvk = fs::read(root.join("roots/amd/asvk_milan.pem")).unwrap();
    let asvk = Certificate::parse_der_or_pem(&asvk).unwrap()[0].der().to_vec();
    let asvk = Endorsement::new(EndorsementKind::Certificate, asvk);
    case.endorsements = vec![Given::needed_or(asvk, ErrorKind::UntrustedIssuer)];
    case.policy = json!({
        "raw": {}, "danger-accept-no-document": true, "regions": ["us-east-2"],
        "report": { "danger-accept-unknown-revocation": true },
    });
    case.reference_values.measurements.insert(report.measurement.to_vec());
    case.claims = vec![("/tee", json!("sev-snp")), ("/product", json!("Milan"))];
    case
}

/// A document of an instance of AWS's, under AWS's own root.
fn real_document(root: &Path) -> Case {
    let folder = root.join("aws/nitrotpm-vaportpm");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let meta: Value = serde_json::from_slice(&read("meta.json")).unwrap();
    let expected = &meta["expected"];
    let evidence = AwsEvidence { document: Some(read("document.cbor").into()), ..AwsEvidence::default() };
    let made = evidence_nitro::Document::parse(evidence.document.as_ref().unwrap()).unwrap().timestamp / 1000;
    let mut nonce = [0; 64];
    hex::decode_to_slice(expected["nonce"].as_str().unwrap(), &mut nonce[..32]).unwrap();
    let mut case = Case::new(
        "a real document of AWS's",
        Evidence::new(media_type(Profile::Raw), evidence.encode()),
        Challenge::new(nonce),
        (REGISTRATION.backend.descriptor().trust_anchors)(),
        Validity::new(made - 60, made + 300),
    );
    let mut image = image(|pcr| expected["nitrotpm_pcrs"][pcr.to_string()].as_str().unwrap().to_owned());
    image["pcrs"]["8"] = json!([expected["nitrotpm_pcrs"]["8"]]);
    case.policy = json!({
        "raw": { "challenge": "nonce", "public-key": expected["public_key"] },
        "danger-accept-no-tee": true, "launch": { "images": [image] },
    });
    case.claims = vec![
        ("/tee", json!("none")),
        ("/details/module-id", expected["module_id"].clone()),
        ("/details/region", json!("us-east-1")),
    ];
    case
}

/// Where `part` stands in the Evidence.
fn position(case: &Case, part: &[u8]) -> Range<usize> {
    let start = case.evidence.bytes().windows(part.len()).position(|bytes| bytes == part).unwrap();
    start..start + part.len()
}

pub(crate) fn lab_anchors(guest: &Guest) -> TrustAnchors {
    guest.pins().into_iter().collect()
}
