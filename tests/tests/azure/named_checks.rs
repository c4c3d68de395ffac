//! The cases that fail the named checks, and what else hold around them.

use conformance::named::{each_fails_its_check, failed_check};
use std::collections::BTreeSet;

use backend_api::{
    AttestationBackend, Authority, Endorsement, EndorsementKind, Endorsements, Evidence, Field, Lane, Outcome,
};
use backend_azure::{Azure, Profile, Tee, media_type};
use lab::events::Event;
use registry::AttestationResult;

use crate::{
    cases::{
        self,
        ak::add_list,
        azure,
        binding::{boot_loader_in_pcr14, listed, nothing_extended, unendorsed_tdx},
        quote::{coco, raw},
    },
    scene::{OS_IMAGE_HASH, Scene},
};

/// What a scene is, and what makes it.
type Variant = (&'static str, fn() -> Scene);

/// Accepted scenes. The cases' bases are accepted too.
const ACCEPTED: &[Variant] = &[
    ("SEV-SNP on Milan", Scene::snp),
    ("SEV-SNP on Genoa", || Scene::of(lab::azure::Guest::on_epyc(lab::amd::Product::Genoa))),
    ("SEV-SNP on Turin", || Scene::of(lab::azure::Guest::on_epyc(lab::amd::Product::Turin))),
    ("TDX", Scene::tdx),
    ("a report of the paravisor with a header of version 2", || {
        let mut scene = Scene::snp();
        scene.guest.hcl.version = 2;
        scene
    }),
    ("no boot log", || Scene { edit: |evidence| evidence.boot_log = None, ..Scene::snp() }),
    ("no revocation lists of Azure's", || Scene {
        edit_endorsements: |all| _ = all.drain(1..3),
        ..Scene::snp()
    }),
    ("what cannot be read beside what the vendors say", || Scene {
        edit_endorsements: |all| all.insert(1, (EndorsementKind::Certificate, vec![0x30, 0])),
        ..Scene::snp()
    }),
    ("events of the second version", || {
        let mut scene = Scene::snp();
        scene.guest.events.iter_mut().for_each(|event| event.version = 2);
        scene
    }),
];

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

fn bound(result: &AttestationResult, field: Field) -> (Vec<u8>, Lane) {
    let (_, bound) = result.cpu.identity.iter().find(|(found, _)| *found == field).unwrap();
    (bound.value.clone(), bound.lane)
}

/// Every link, in order: everything but the certificate is the TEE's word, the vTPM's included.
#[test]
fn the_graph_says_who_vouches() {
    use Authority::{Provider, TeeHardware, TeeVtpm};
    let snp = [("ARK-Milan", "VCEK", TeeHardware), ("VCEK", "report", TeeHardware)];
    let tdx = [
        ("Intel SGX Root CA", "PCK", TeeHardware),
        ("PCK", "quoting enclave", TeeHardware),
        ("quoting enclave", "TD quote", TeeHardware),
        ("TD quote", "report", TeeHardware),
    ];
    let vtpm = [
        ("report", "runtime data", TeeHardware),
        ("runtime data", "attestation key", TeeHardware),
        ("Azure vTPM root", "attestation key", Provider),
        ("attestation key", "quote", TeeVtpm),
        ("quote", "challenge", TeeVtpm),
        ("runtime data", "challenge", TeeHardware),
        ("quote", "boot log", TeeVtpm),
        ("quote", "image", TeeVtpm),
        ("quote", "runtime events", TeeVtpm),
    ];
    let graph = |scene: &Scene| {
        let result = judged(scene);
        let links = result.cpu.graph.links().iter();
        links.map(|link| (link.from.to_string(), link.to.to_string(), link.authority)).collect::<Vec<_>>()
    };
    let expected = |links: &[&[(&str, &str, Authority)]]| {
        let links = links.iter().flat_map(|links| links.iter());
        links.map(|(from, to, word)| ((*from).to_owned(), (*to).to_owned(), *word)).collect::<Vec<_>>()
    };
    assert_eq!(graph(&Scene::snp()), expected(&[&snp, &vtpm]));
    assert_eq!(graph(&Scene::tdx()), expected(&[&tdx, &vtpm]));
    assert_eq!(graph(&coco()), expected(&[&snp, &vtpm]));
    let mut older = coco();
    older.guest.runtime_data.user_data = None;
    assert_eq!(graph(&older), expected(&[&snp, &vtpm[..5], &vtpm[6..]]));
    let reference = [("report", "reference value", TeeHardware)];
    assert_eq!(graph(&listed()), expected(&[&snp, &vtpm[..6], &reference, &vtpm[6..]]));
}

/// What rests on the relying party's word alone says so, and passes only where the policy takes that.
#[test]
fn the_profile_raw_is_asserted() {
    let result = judged(&raw());
    let asserted = result.cpu.graph.links().iter().filter(|link| link.authority == Authority::Asserted);
    let asserted: Vec<_> = asserted.map(|link| (link.from.as_ref(), link.to.as_ref())).collect();
    assert_eq!(asserted, [("quote", "challenge"), ("runtime data", "challenge")]);
}

#[test]
fn the_whole_identity_is_bound() {
    let result = judged(&Scene::snp());
    let events = Scene::snp().guest.events;
    let payload = |name: &str| events.iter().find(|event| event.name == name).unwrap().payload.clone();
    for (field, value, lane) in [
        (Field::OsImageHash, OS_IMAGE_HASH.to_vec(), Lane::BootRegisters),
        (Field::AppId, payload("app-id"), Lane::RuntimeRegister),
        (Field::ComposeHash, payload("compose-hash"), Lane::RuntimeRegister),
        (Field::InstanceId, payload("instance-id"), Lane::RuntimeRegister),
        (Field::KeyProvider, payload("key-provider"), Lane::RuntimeRegister),
    ] {
        assert_eq!(bound(&result, field), (value, lane), "{}", field.name());
    }
    assert_eq!(result.cpu.claims.tee_variant, "azure-snp");
    assert_eq!(judged(&Scene::tdx()).cpu.claims.tee_variant, "azure-tdx");
}

/// After `system-ready` the application extends what it likes: the identity does not change with it.
#[test]
fn what_the_application_extends_changes_no_identity() {
    let before = judged(&Scene::snp());
    let mut scene = Scene::snp();
    scene.guest.events.push(Event::new("app-id", &[0xEE; 20]));
    scene.guest.events.push(Event::new("Any Name: At All", b":"));
    let after = judged(&scene);
    assert_eq!(before.cpu.identity, after.cpu.identity);
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
    let no_lists = Scene { edit_endorsements: |all| _ = all.drain(1..3), ..Scene::snp() };
    assert_eq!(
        why(&no_lists, "ak-certificate-revocation"),
        "no current revocation list of Global Virtual TPM CA - 03, Azure Virtual TPM Root Certificate Authority 2023 is at hand"
    );
    let mut danger = Scene::snp();
    azure(&mut danger, "danger-accept-unendorsed-ak = true");
    assert_eq!(why(&danger, "ak-certificate"), "passed");
    danger.edit = |evidence| evidence.ak_certificate = None;
    for check in ["ak-certificate", "ak-certificate-path", "ak-certificate-key", "ak-certificate-subject"] {
        assert!(why(&danger, check).starts_with("danger-accept-unendorsed-ak"), "{check}");
    }
    assert!(why(&unendorsed_tdx(), "ak-certificate").starts_with("danger-accept-unendorsed-ak"));
    assert_eq!(why(&coco(), "user-data"), "passed");
    let mut without_user_data = coco();
    without_user_data.guest.runtime_data.user_data = None;
    assert!(why(&without_user_data, "user-data").contains("an older one"));
    // A list that has ended and revokes nothing says no more than none.
    let ended = Scene {
        edit_endorsements: |all| {
            all.drain(1..3);
            for of_root in [true, false] {
                add_list(all, of_root, |list| lab::x509::CrlSpec {
                    next_update: Some(list.this_update + 1),
                    ..list
                });
            }
        },
        ..Scene::snp()
    };
    assert!(why(&ended, "ak-certificate-revocation").starts_with("no current revocation list of"));
    // Any TD can name a key that Azure certified for another VM, where the quote does not commit to the TD's report.
    let mut loose = Scene { guest: coco().guest, ..Scene::tdx() };
    loose.guest = lab::azure::Guest { selection: loose.guest.selection, ..lab::azure::Guest::tdx() };
    loose.guest.events.clear();
    loose.media_type = Some(media_type(Tee::Tdx, Profile::Coco));
    loose.edits = coco().edits;
    (loose.asked, loose.challenge) = (coco().asked, coco().challenge);
    assert!(why(&loose, "paravisor-known").contains("whose TD that is"));
    // What may be another machine's identifies none.
    assert_eq!(judged(&loose).cpu.identity.get(Field::DeviceId), None);
    assert!(judged(&loose).cpu.notes["td"].contains("may be another's"));
    loose.policy = unendorsed_tdx().policy;
    assert_eq!(why(&loose, "paravisor-known"), "passed");
    assert!(judged(&loose).cpu.identity.get(Field::DeviceId).is_some());
    assert!(why(&boot_loader_in_pcr14(), "runtime-replay").contains("the image lists the register"));
    assert!(why(&nothing_extended(), "launch-events").contains("no event"));
    assert_eq!(why(&listed(), "measurement-listed"), "passed");
    assert!(why(&Scene::snp(), "measurement-listed").contains("lists no measurements"));
}

/// What cannot be meant is no policy.
#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let zeros = "00".repeat(32);
    let image =
        |pcrs: &str| format!("[[backend.azure.launch.images]]\n[backend.azure.launch.images.pcrs]\n{pcrs}\n");
    let pcrs = |pcrs: &[u8]| pcrs.iter().map(|pcr| format!("{pcr} = [\"{zeros}\"]\n")).collect::<String>();
    let required = pcrs(&[2, 4, 9, 11]);
    for (policy, reason) in [
        ("[backend.azure.launch]\nimages = []\n".to_owned(), "the list images is empty"),
        (image(&pcrs(&[4, 9, 11])), "does not list pcr 2"),
        (image(&pcrs(&[2, 9, 11])), "does not list pcr 4"),
        (image(&pcrs(&[2, 4, 11])), "does not list pcr 9"),
        (image(&pcrs(&[2, 4, 9])), "does not list pcr 11"),
        (image(&format!("{required}\n16 = [\"{zeros}\"]")), "no register of a boot"),
        (image(&format!("{required}\n10 = [\"{zeros}\"]")), "no register of a boot"),
        (image(&format!("{required}\n07 = [\"{zeros}\"]")), "no register of a boot"),
        (image(&format!("{required}\n24 = [\"{zeros}\"]")), "no register of a boot"),
        (image(&format!("{required}\n7 = []")), "a register of an image has no value"),
        (image(&format!("{required}\n7 = [\"{}\"]", "00".repeat(48))), "not 32 bytes"),
        (image(&format!("{required}\n7 = [\"00\"]")), "did not match any variant"),
        (image(&format!("{required}\n15 = {{ events = [\"gpt\"] }}")), "gpt where no log tells"),
        ("[backend.azure.report]\nvmpl = 1\n".to_owned(), "vmpl is 0 alone"),
        ("[backend.azure.report]\nid-keys = []\n".to_owned(), "id-keys"),
        ("[backend.azure.report]\ncsp-ids = [\"x\"]\n".to_owned(), "csp-ids is about a VLEK"),
        ("[backend.azure.td-quote]\nmodules = []\n".to_owned(), "modules is empty"),
        ("[backend.azure.raw]\npcrs = []\n".to_owned(), "raw.pcrs lists"),
        ("[backend.azure.raw]\npcrs = [24]\n".to_owned(), "raw.pcrs lists"),
        ("[backend.azure]\naccept-unendorsed-ak = true\n".to_owned(), "unknown field"),
        ("[backend.azure]\nlaunch = []\n".to_owned(), "are tables"),
    ] {
        let scene = Scene { image: None, policy: policy.replace("[backend.azure]\n", ""), ..Scene::snp() };
        let error = scene.verifier().unwrap_err();
        assert_eq!(error.kind(), backend_api::ErrorKind::InvalidConfig, "{policy}");
        assert!(error.to_string().contains(reason), "{policy}: {error}");
    }
}

/// A stranger's certificates of the names of Azure's authorities hide none of them: every list is asked for.
#[test]
fn authorities_of_one_name_are_all_followed() {
    let scene = Scene::snp();
    let mut evidence = scene.payload();
    let hierarchy = &scene.guest.hierarchy;
    let mut fake = hierarchy.ca_spec();
    fake.issuer = fake.subject.clone();
    evidence.certificates.insert(0, fake.sign(&lab::keys::P256Key::from_label("stranger")).into());
    let bytes = Evidence::new(media_type(Tee::Snp, Profile::V1), evidence.encode());
    let asked = |have: Endorsements| -> BTreeSet<String> {
        let requests = Azure::default().endorsements_for(&bytes, &have).unwrap();
        requests.into_iter().map(|request| request.what).filter(|what| what.contains("TPM")).collect()
    };
    let named = |what: &str, name: &str| format!("{what} of {name}");
    let (root, ca) = (lab::azure::hierarchy::ROOT_NAME, lab::azure::hierarchy::CA_NAME);
    assert_eq!(asked(Endorsements::new()), [named("certificate", root), named("revocation list", ca)].into());
    let root_certificate = Endorsement::new(EndorsementKind::Certificate, hierarchy.root().to_vec());
    assert_eq!(
        asked(Endorsements::from_iter([root_certificate])),
        [named("revocation list", root), named("revocation list", ca)].into()
    );
}

/// The formula of the profile v1, with a value that was computed elsewhere (Python's hashlib).
#[test]
fn extra_data_of_the_profile_v1() {
    let extra_data = backend_azure::v1_extra_data(
        &std::array::from_fn(|at| u8::try_from(at).unwrap()),
        b"report of a paravisor",
    );
    assert_eq!(hex::encode(extra_data), "dce38b95f1d8bbdf98e396c721f371dfebe510ce63645a02dff7d310f2a0b517");
}
