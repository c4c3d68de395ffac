//! The cases that fail the named checks, and what else hold around them.

use backend_api::{AttestationBackend, Authority, Endorsements, Evidence, Field, Lane, Outcome};
use backend_aws::{Aws, AwsEvidence, Profile, media_type, v1_nonce, v1_report_data};
use conformance::named::{each_fails_its_check, failed_check};
use lab::{aws::Instance, events::Event};
use registry::AttestationResult;

use crate::{
    cases::{
        self,
        binding::{boot_loader_in_pcr14, commands_in_pcr8, configured, nothing_extended, reference_value},
        halves::{document_only, listed_regions, raw},
    },
    scene::{OS_IMAGE_HASH, Scene},
};

/// What a scene is, and what makes it.
type Variant = (&'static str, fn() -> Scene);

/// Accepted scenes. The cases' bases are accepted too.
const ACCEPTED: &[Variant] = &[
    ("everything", Scene::v1),
    ("no boot log", || Scene { edit: |evidence| evidence.boot_log = None, ..Scene::v1() }),
    ("what dstack sends", document_only),
    ("listed regions", listed_regions),
    ("a listed configuration", configured),
    ("commands of a boot loader", commands_in_pcr8),
    ("a reference value", reference_value),
    ("a report alone", report_only),
    ("a document alone, of another tool", || {
        let mut scene = Scene { edit: |evidence| evidence.report = None, ..raw() };
        cases::aws(&mut scene, "danger-accept-no-tee = true");
        scene
    }),
    ("a document as old as the policy takes", || Scene { at: Scene::v1().at + 300, ..Scene::v1() }),
    ("a clock that is behind", || Scene { at: Scene::v1().at - 60, ..Scene::v1() }),
    ("events of the second version", || {
        let mut scene = Scene::v1();
        scene.guest.events.iter_mut().for_each(|event| event.version = 2);
        scene
    }),
    ("a report of version 3", || {
        let mut scene = Scene::v1();
        scene.guest.report.version = 3;
        (scene.guest.report.launch_mit_vector, scene.guest.report.current_mit_vector) = (None, None);
        scene
    }),
];

/// What another tool made of the report, and a relying party that does without a document.
fn report_only() -> Scene {
    let mut scene = Scene { edit: |evidence| evidence.document = None, image: None, ..raw() };
    cases::aws(&mut scene, "danger-accept-no-document = true");
    scene
}

#[test]
fn each_case_fails_its_check_and_differs_from_an_accepted_scene() {
    each_fails_its_check(cases::all(), |scene| failed_check(scene.judge()));
}

#[test]
fn variants_are_accepted() {
    for (what, make) in ACCEPTED {
        if let Err(error) = make().judge() {
            panic!("{what}: {error}");
        }
    }
}

fn judged(scene: &Scene) -> AttestationResult {
    scene.judge().unwrap()
}

fn graph(scene: &Scene) -> Vec<(String, String, Authority)> {
    let result = judged(scene);
    let links = result.cpu.graph.links().iter();
    links.map(|link| (link.from.to_string(), link.to.to_string(), link.authority)).collect()
}

fn expected(links: &[(&str, &str, Authority)]) -> Vec<(String, String, Authority)> {
    links.iter().map(|(from, to, word)| ((*from).to_owned(), (*to).to_owned(), *word)).collect()
}

/// Every link, in order: what the processor says is the TEE's word, and all that was booted AWS's alone.
#[test]
fn the_graph_says_who_vouches() {
    use Authority::{Provider, ProviderVtpm, TeeHardware};
    let document = [
        ("aws.nitro-enclaves", "document", Provider),
        ("document", "instance", Provider),
        ("document", "report", ProviderVtpm),
        ("document", "challenge", ProviderVtpm),
    ];
    let report = [
        ("ARK-Milan", "VLEK", TeeHardware),
        ("VLEK", "report", TeeHardware),
        ("report", "instance", TeeHardware),
        ("report", "challenge", TeeHardware),
        ("VLEK", "region", TeeHardware),
        ("document", "region", Provider),
        ("report", "reference value", TeeHardware),
    ];
    let boot = [
        ("document", "boot log", ProviderVtpm),
        ("document", "image", ProviderVtpm),
        ("document", "runtime events", ProviderVtpm),
    ];
    assert_eq!(graph(&Scene::v1()), expected(&[&document[..], &report, &boot].concat()));
    let alone = [document[0], document[1], document[3]];
    assert_eq!(graph(&document_only()), expected(&[&alone[..], &boot].concat()));
}

/// What rests on the relying party's word alone says so, and passes only where the policy takes that.
#[test]
fn the_profile_raw_is_asserted() {
    let asserted: Vec<_> =
        graph(&raw()).into_iter().filter(|(_, _, word)| *word == Authority::Asserted).collect();
    let word = Authority::Asserted;
    assert_eq!(asserted, expected(&[("document", "challenge", word), ("report", "challenge", word)]));
    assert_eq!(failed_check(Scene { top: "", ..raw() }.judge()), "asserted-links");
}

fn bound(result: &AttestationResult, field: Field) -> (Vec<u8>, Lane) {
    let (_, bound) = result.cpu.identity.iter().find(|(found, _)| *found == field).unwrap();
    (bound.value.clone(), bound.lane)
}

#[test]
fn the_whole_identity_is_bound() {
    let result = judged(&Scene::v1());
    let events = Scene::v1().guest.events;
    let payload = |name: &str| events.iter().find(|event| event.name == name).unwrap().payload.clone();
    // SHA-256 of the id of the instance, which the report names: Python's hashlib.
    let device_id = hex::decode("3fd877f97c0275a59f1e4cb0443964c2eda7910ed8c559a8d7f3cc3141ee1198").unwrap();
    for (field, value, lane) in [
        (Field::OsImageHash, OS_IMAGE_HASH.to_vec(), Lane::BootRegisters),
        (Field::DeviceId, device_id, Lane::Report),
        (Field::AppId, payload("app-id"), Lane::RuntimeRegister),
        (Field::ComposeHash, payload("compose-hash"), Lane::RuntimeRegister),
        (Field::InstanceId, payload("instance-id"), Lane::RuntimeRegister),
        (Field::KeyProvider, payload("key-provider"), Lane::RuntimeRegister),
    ] {
        assert_eq!(bound(&result, field), (value, lane), "{}", field.name());
    }
    let claims = result.cpu.claims;
    assert_eq!((claims.tee, claims.tee_variant), ("sev-snp", "aws-snp"));
    assert_eq!(claims.details["instance"], Instance::ID);
    assert_eq!(claims.details["region"], Instance::REGION);
    assert_eq!(
        result.cpu.notes["launch"],
        "firmware \"lab\", 2 vCPUs, as the policy says of the measurement"
    );
    assert!(result.cpu.notes["vtpm"].contains("outside of the TEE"));
    // Where nothing but AWS names the instance, it is no device.
    for scene in [document_only(), raw(), report_only()] {
        let result = judged(&scene);
        assert_eq!(result.cpu.identity.get(Field::DeviceId), None);
        assert_eq!(result.cpu.claims.device_id, "");
    }
}

/// After `system-ready` the application extends what it likes: the identity does not change with it.
#[test]
fn what_the_application_extends_changes_no_identity() {
    let before = judged(&Scene::v1());
    let mut scene = Scene::v1();
    scene.guest.events.push(Event::new("app-id", &[0xEE; 20]));
    assert_eq!(before.cpu.identity, judged(&scene).cpu.identity);
}

/// What was not asked for, and what the danger was, shows.
#[test]
fn what_is_not_performed_shows() {
    let why = |scene: &Scene, name: &str| {
        let result = judged(scene);
        let entry = result.cpu.ledger.entries().iter().find(|entry| entry.check.name() == name).cloned();
        match entry.unwrap().outcome {
            Outcome::NotPerformed(why) => why.into_owned(),
            Outcome::Passed => "passed".to_owned(),
        }
    };
    let alone = document_only();
    assert!(why(&alone, "report-present").starts_with("danger-accept-no-tee"));
    assert!(why(&alone, "document-region").contains("no report"));
    assert!(why(&alone, "measurement-listed").starts_with("no TEE"));
    assert!(judged(&alone).cpu.notes["tee"].starts_with("none"));
    assert_eq!(judged(&alone).cpu.claims.tee, "none");
    let report = report_only();
    for check in ["document-present", "nitro-signature", "document-region"] {
        assert!(why(&report, check).starts_with("danger-accept-no-document"), "{check}");
    }
    for check in ["boot-registers", "configuration", "runtime-replay", "application-events"] {
        assert!(why(&report, check).starts_with("there is no document"), "{check}");
    }
    assert!(judged(&report).cpu.notes["boot"].starts_with("unknown"));
    assert!(why(&Scene::v1(), "csp-id").contains("lists no allowed values"));
    assert_eq!(why(&listed_regions(), "csp-id"), "passed");
    assert_eq!(why(&Scene::v1(), "id-key"), "passed");
    assert_eq!(why(&Scene::v1(), "configuration"), "passed");
    assert_eq!(why(&commands_in_pcr8(), "configuration"), "the image accounts for PCR8");
    assert!(why(&boot_loader_in_pcr14(), "runtime-replay").starts_with("the image lists the register"));
    assert!(why(&nothing_extended(), "launch-events").contains("no event"));
}

/// What cannot be meant is no policy.
#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let zeros = "00".repeat(48);
    let image =
        |pcrs: &str| format!("[[backend.aws.launch.images]]\n[backend.aws.launch.images.pcrs]\n{pcrs}\n");
    let pcrs = |pcrs: &[u8]| pcrs.iter().map(|pcr| format!("{pcr} = [\"{zeros}\"]\n")).collect::<String>();
    let all = pcrs(&[2, 4, 7, 9, 11]);
    for (policy, reason) in [
        ("[backend.aws.launch]\nimages = []\n".to_owned(), "the list images is empty"),
        (
            "[backend.aws.launch]\nmeasurements = []\n".to_owned(),
            "launch.measurements or launch.config is empty",
        ),
        ("[backend.aws.launch]\nconfig = []\n".to_owned(), "launch.measurements or launch.config is empty"),
        (image(&pcrs(&[2, 4, 9, 11])), "does not list pcr 7"),
        (image(&format!("{all}\n8 = [\"{}\"]", "00".repeat(32))), "not 48 bytes"),
        (
            format!("[backend.aws.launch]\nconfig = [\"{zeros}\"]\n{}", image(&pcrs(&[2, 4, 7, 8, 9, 11]))),
            "both say what PCR8 is",
        ),
        ("[backend.aws.report]\ncsp-ids = [\"x\"]\n".to_owned(), "csp-ids is what regions says"),
        ("[backend.aws.report]\nid-keys = []\n".to_owned(), "id-keys"),
        (format!("[backend.aws.report]\nid-keys = [\"{zeros}\"]\n"), "zeros mean that there is no key"),
        ("[backend.aws.raw]\nnonce = \"\"\n".to_owned(), "1 to 1024 bytes"),
        ("[backend.aws.raw]\nnonce = \"0\"\n".to_owned(), "1 to 1024 bytes"),
        (format!("[backend.aws.raw]\nuser-data = \"{}\"\n", "00".repeat(1025)), "1 to 1024 bytes"),
        ("[backend.aws.raw]\nuser-data = \"00\"\n".to_owned(), "names bytes of the member"),
        (
            "[backend.aws.raw]\nchallenge = \"nonce\"\nnonce = \"00\"\n".to_owned(),
            "names bytes of the member",
        ),
        ("[backend.aws.document]\nmax-age = -1\n".to_owned(), "expected u64"),
        ("[backend.aws.launch]\nmeasurements = [[]]\n".to_owned(), "are tables"),
        ("regions = []\n".to_owned(), "regions lists names"),
        ("regions = [\"us-east-2.example\"]\n".to_owned(), "regions lists names"),
        ("accept-no-tee = true\n".to_owned(), "unknown field"),
        ("launch = []\n".to_owned(), "are tables"),
    ] {
        let scene = Scene { image: None, measurement: None, policy: policy.clone(), ..Scene::v1() };
        let error = scene.verifier().unwrap_err();
        assert_eq!(error.kind(), backend_api::ErrorKind::InvalidConfig, "{policy}");
        assert!(error.to_string().contains(reason), "{policy}: {error}");
    }
}

/// AMD is asked for what is above a VLEK, and never for the VLEK.
#[test]
fn what_amd_has_is_asked_for() {
    let asked = |evidence: &AwsEvidence, profile| -> Vec<String> {
        let evidence = Evidence::new(media_type(profile), evidence.encode());
        let requests = Aws::default().endorsements_for(&evidence, &Endorsements::new()).unwrap();
        requests.into_iter().map(|request| request.location).collect()
    };
    let milan = ["cert_chain", "crl"].map(|what| format!("https://kdsintf.amd.com/vlek/v1/Milan/{what}"));
    let scene = Scene::v1();
    assert_eq!(asked(&scene.payload(), Profile::V1), milan);
    let mut evidence = scene.payload();
    evidence.certificates.push(scene.guest.hierarchy.asvk().to_vec().into());
    assert_eq!(asked(&evidence, Profile::V1), milan[1..]);
    assert_eq!(asked(&document_only().payload(), Profile::NitroTpmOnly), [""; 0]);
}

/// The formulas of the profile v1, with values that were computed elsewhere (Python's hashlib).
#[test]
fn what_a_v1_report_and_document_commit_to() {
    let challenge = std::array::from_fn(|at| u8::try_from(at).unwrap());
    assert_eq!(
        hex::encode(v1_report_data("i-01cfb383223e42522", &challenge)),
        "e41d7f969a57de5d502ca0ce86bfcbcc5833cb991d3f619c3497480821480d9f9ced5253397c55180512a5697543070a63550eb38fb8d21cceed15432cfcab4a"
    );
    assert_eq!(
        hex::encode(v1_nonce(&[7; 1184])),
        "130e9ed45953f07bcf164aee2c790032e598cae3628a959cae6d20eb4f8d17c06d0ec837f2354d3926084317db1db0c5"
    );
}
