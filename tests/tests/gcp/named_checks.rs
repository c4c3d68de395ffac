//! The cases that fail the named checks, and what else holds around them.

use backend_api::{Authority, Field, Lane, Outcome};
use conformance::named::{each_fails_its_check, failed_check};
use registry::AttestationResult;

use crate::{
    cases::{
        self,
        binding::{both, events_in_rtmr3, listed, listed_cc_events, listed_events, machine_too},
        endorsement,
        quote::{dstack, raw, raw_named, tdx_by_pcrs},
        report,
    },
    scene::{OS_IMAGE_HASH, Scene},
};

/// What a scene is, and what makes it.
type Variant = (&'static str, fn() -> Scene);

/// Accepted scenes. The cases' bases are accepted too.
const ACCEPTED: &[Variant] = &[
    ("SEV-SNP on Milan", Scene::snp),
    ("SEV-SNP on Genoa", || Scene::of(lab::google::Guest::on_epyc(lab::amd::Product::Genoa))),
    ("SEV-SNP on Turin", || Scene::of(lab::google::Guest::on_epyc(lab::amd::Product::Turin))),
    ("TDX, known by the TD's registers", Scene::tdx),
    ("TDX, known by the vTPM's registers", tdx_by_pcrs),
    ("TDX, known by both", both),
    ("dstack's form", dstack),
    ("the profile raw", raw),
    ("the profile raw, each field named", raw_named),
    ("a guest policy that allows a migration agent, and none", || {
        let mut scene = Scene::snp();
        report(&mut scene).policy = 0x7_0000;
        scene
    }),
    ("a launch that the relying party lists itself", endorsement::listed),
    ("the launch endorsement beside the evidence, among other documents", || {
        let mut scene = Scene::tdx();
        scene.edit = |evidence| evidence.launch_endorsement = None;
        scene.edit_endorsements = |all| {
            let endorsement = lab::google::EndorsementSpec::default().sign();
            all.push((backend_api::EndorsementKind::Document, endorsement));
        };
        scene
    }),
    ("an endorsement that is cut off, and a sound one at hand", || {
        let mut scene = Scene::snp();
        scene.edit = |evidence| _ = evidence.launch_endorsement.as_mut().unwrap().pop();
        scene.edit_endorsements = |all| {
            let endorsement = lab::google::EndorsementSpec::default().sign();
            all.push((backend_api::EndorsementKind::Document, endorsement));
        };
        scene
    }),
    ("an empty list of another authority of the issuer's name", || {
        let mut scene = Scene::snp();
        scene.edit_endorsements = |all| {
            let hierarchy = lab::google::Hierarchy::new();
            let authority = lab::google::EndorsementAuthority::new();
            let sibling = authority.signer_key();
            let mut list = hierarchy.crl_spec(false);
            list.extensions.push(lab::x509::authority_key_identifier(sibling.key_identifier()));
            let list = list.sign(&lab::keys::Pkcs1::Sha256(sibling));
            all.push((backend_api::EndorsementKind::RevocationList, list));
        };
        scene
    }),
    ("what the machine gives, in RTMR0", machine_too),
    ("events in RTMR3 alone, where the image accounts for PCR14", events_in_rtmr3),
    ("no boot logs", || Scene {
        edit: |evidence| (evidence.boot_log, evidence.cc_log) = (None, None),
        ..Scene::tdx()
    }),
    ("PCR2 and PCR4 by their events", listed_events),
    ("RTMR1 by its events", listed_cc_events),
    ("events of the second version", || {
        let mut scene = Scene::tdx();
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

fn graph(scene: &Scene) -> Vec<(String, String, Authority)> {
    let result = judged(scene);
    let links = result.cpu.graph.links().iter();
    links.map(|link| (link.from.to_string(), link.to.to_string(), link.authority)).collect()
}

/// Every link, in order: what the processor says, what Google says of firmware and instance, what its vTPM says.
#[test]
fn the_graph_says_who_vouches() {
    use Authority::{Asserted, Provider, ProviderVtpm, TeeHardware};
    let snp = [("ARK-Milan", "VCEK", TeeHardware), ("VCEK", "report", TeeHardware)];
    let tdx = [
        ("Intel SGX Root CA", "PCK", TeeHardware),
        ("PCK", "quoting enclave", TeeHardware),
        ("quoting enclave", "report", TeeHardware),
    ];
    let v1 = [("report", "challenge", TeeHardware), ("report", "attestation key", TeeHardware)];
    let google = [
        ("GCE-cc-tcb-root", "firmware", Provider),
        ("report", "firmware", TeeHardware),
        ("EK/AK CA Root", "attestation key", Provider),
        ("attestation key", "instance", Provider),
        ("attestation key", "quote", ProviderVtpm),
    ];
    let to_report = [("quote", "report", ProviderVtpm)];
    let by_vtpm = [
        ("quote", "boot log", ProviderVtpm),
        ("quote", "image", ProviderVtpm),
        ("quote", "runtime events", ProviderVtpm),
    ];
    let by_td = [
        ("quote", "boot log", ProviderVtpm),
        ("report", "log of the TD's registers", TeeHardware),
        ("report", "image", TeeHardware),
        ("report", "runtime events", TeeHardware),
    ];
    let expected = |links: &[&[(&str, &str, Authority)]]| {
        let links = links.iter().flat_map(|links| links.iter());
        links.map(|(from, to, word)| ((*from).to_owned(), (*to).to_owned(), *word)).collect::<Vec<_>>()
    };
    assert_eq!(graph(&Scene::snp()), expected(&[&snp, &v1, &google, &to_report, &by_vtpm]));
    assert_eq!(graph(&Scene::tdx()), expected(&[&tdx, &v1, &google, &to_report, &by_td]));
    assert_eq!(graph(&dstack()), expected(&[&tdx, &v1[..1], &google, &to_report, &by_td]));
    let asserted = [("report", "challenge", Asserted)];
    let nonce = [("quote", "challenge", Asserted)];
    assert_eq!(graph(&raw()), expected(&[&snp, &asserted, &google, &nonce, &by_vtpm]));
    let reference = [("report", "reference value", TeeHardware)];
    assert_eq!(graph(&listed()), expected(&[&snp, &v1, &google, &to_report, &reference, &by_vtpm]));
    let boot = |scene| judged(&scene).cpu.notes["boot"].clone();
    assert!(boot(Scene::snp()).starts_with("Google's word"));
    assert!(boot(tdx_by_pcrs()).starts_with("Google's word"));
    assert!(boot(Scene::tdx()).starts_with("the processor's word"));
    let means = |scene: &Scene| {
        let result = judged(scene);
        let link = result.cpu.graph.links().iter().find(|link| link.to == "runtime events").unwrap();
        (link.from.to_string(), link.means.to_string())
    };
    assert_eq!(means(&Scene::snp()), ("quote".to_owned(), "PCR14".to_owned()));
    assert_eq!(means(&Scene::tdx()), ("report".to_owned(), "PCR14 and RTMR3".to_owned()));
    assert_eq!(means(&events_in_rtmr3()), ("report".to_owned(), "RTMR3".to_owned()));
}

/// What the host gave to a TD is told, unless the relying party lists it.
#[test]
fn notes_tell_what_nobody_looked_into() {
    let notes = |scene: Scene| judged(&scene).cpu.notes;
    assert!(notes(Scene::tdx())["rtmr0"].starts_with("unknown"));
    assert!(notes(tdx_by_pcrs())["rtmr0"].starts_with("unknown"));
    assert!(!notes(machine_too()).contains_key("rtmr0"));
    assert!(!notes(Scene::snp()).contains_key("rtmr0"));
    assert!(notes(Scene::snp()).contains_key("acpi") && notes(machine_too()).contains_key("acpi"));
}

/// Two VMs can answer with a half each in the profile raw: the chip of one is not the device of the other.
#[test]
fn no_device_is_bound_where_nothing_ties_the_halves() {
    let device = |scene: Scene| {
        let cpu = judged(&scene).cpu;
        (cpu.identity.get(Field::DeviceId).is_some(), cpu.notes.contains_key("device-id"))
    };
    assert_eq!(device(raw()), (false, true));
    assert_eq!(device(Scene::snp()), (true, false));
    assert_eq!(device(dstack()), (true, false));
    let Scene { guest, image, anchors, .. } = Scene::tdx();
    let mut by_td = Scene { guest, image, anchors, ..raw() };
    by_td.guest.selection = raw().guest.selection;
    assert_eq!(device(by_td), (true, false));
}

/// Google's endorsement is asked for unless one came along that can be read; its root's certificate always.
#[test]
fn what_is_asked_of_google() {
    use backend_api::AttestationBackend as _;
    let asked = |edit: fn(&mut backend_gcp::GcpEvidence)| {
        let scene = Scene { edit, ..Scene::snp() };
        let evidence = backend_api::Evidence::new(scene.own_media_type(), scene.payload().encode());
        let backend = backend_gcp::Gcp::default();
        let requests = backend.endorsements_for(&evidence, &backend_api::Endorsements::new()).unwrap();
        let of = |what: &str| requests.iter().any(|request| request.what.contains(what));
        (of("launch endorsement"), of("GCE-cc-tcb-root"))
    };
    assert_eq!(asked(|_| {}), (false, true));
    assert_eq!(asked(|evidence| evidence.launch_endorsement = None), (true, true));
    assert_eq!(asked(|evidence| evidence.launch_endorsement = Some(b"\0\0".to_vec().into())), (true, true));
}

#[test]
fn the_whole_identity_is_bound() {
    let scene = Scene::tdx();
    let result = judged(&scene);
    let bound = |field| result.cpu.identity.get(field).unwrap().to_vec();
    let payload =
        |name: &str| scene.guest.events.iter().find(|event| event.name == name).unwrap().payload.clone();
    assert_eq!(bound(Field::OsImageHash), OS_IMAGE_HASH);
    for (field, event) in
        [(Field::AppId, "app-id"), (Field::ComposeHash, "compose-hash"), (Field::InstanceId, "instance-id")]
    {
        assert_eq!(bound(field), payload(event));
    }
    let sha256 = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let key_provider = sha256(&payload("key-provider"));
    let system = [&OS_IMAGE_HASH[..], key_provider.as_ref()].concat();
    assert_eq!(bound(Field::MrSystem), sha256(&system).as_ref());
    let aggregated = [0, 2, 14].map(|pcr| scene.guest.pcr(pcr)).concat();
    assert_eq!(bound(Field::MrAggregated), sha256(&aggregated).as_ref());
    let lane = |of| result.cpu.identity.iter().find(|(field, _)| *field == of).unwrap().1.lane;
    assert_eq!(lane(Field::OsImageHash), Lane::BootRegisters);
    assert_eq!(lane(Field::AppId), Lane::RuntimeRegister);
    assert_eq!(lane(Field::DeviceId), Lane::Report);
    assert_eq!(result.boot_info.unwrap().tee_variant, "dstack-gcp-tdx");
}

#[test]
fn the_claims_name_instance_and_firmware() {
    let details = judged(&Scene::snp()).cpu.claims.details;
    assert_eq!(details["instance"]["zone"], "us-central1-f");
    assert_eq!(details["instance"]["project-id"], "lab-project");
    assert_eq!(details["launch-endorsement"]["svn"], 2);
    assert_eq!(details["vtpm-technology"], "SEV-SNP");
    assert_eq!(details["vtpm-firmware"], "GCE Virtual Firmware v2");
}

/// What is not performed says why.
#[test]
fn what_is_not_performed_shows() {
    let why = |scene: &Scene, check: &str| {
        let result = judged(scene);
        let entry = result.cpu.ledger.entries().iter().find(|entry| entry.check.name() == check).cloned();
        match entry.unwrap().outcome {
            Outcome::NotPerformed(reason) => reason.to_string(),
            _ => "passed".to_owned(),
        }
    };
    assert!(why(&endorsement::listed(), "gce-endorsement-signature").contains("lists what was launched"));
    assert!(why(&Scene::snp(), "ak-certificate-revocation").contains("EK/AK CA Intermediate"));
    assert_eq!(why(&Scene::snp(), "gce-authorities-current"), "passed");
    let mut archived = Scene::snp();
    cases::gcp(&mut archived, "instance.danger-accept-unknown-revocation = true");
    archived.edit_endorsements = |all| _ = all.remove(2);
    assert!(why(&archived, "gce-authorities-current").contains("danger-accept-unknown-revocation"));
    assert!(why(&Scene::snp(), "cc-log-replay").contains("no such log"));
    assert_eq!(why(&Scene::tdx(), "cc-log-replay"), "passed");
    assert_eq!(why(&Scene::snp(), "host-data"), "passed");
}

/// What cannot be meant is no policy.
#[test]
fn policies_that_cannot_be_meant_are_refused() {
    for (policy, reason) in [
        ("firmware-versions = []", "firmware-versions lists 1 and 2"),
        ("firmware-versions = [3]", "firmware-versions lists 1 and 2"),
        ("launch.measurements = []", "the list measurements is empty"),
        ("launch.images = []", "the list images is empty"),
        ("launch.images = [[]]", "tables"),
        ("instance.projects = []", "the list projects is empty"),
        ("instance.instances = [\"name\"]", "the id of an instance"),
        ("endorsement.reject-firmware = []", "the list reject-firmware is empty"),
        ("report.vmpl = 1", "vmpl is 0 alone"),
        ("report.csp-ids = [\"CN=cc-us-east-2.amazonaws.com\"]", "only a VCEK"),
        ("raw.pcrs = []", "raw.pcrs lists registers"),
        ("raw.pcrs = [24]", "raw.pcrs lists registers"),
        ("unknown = 1", "unknown field"),
    ] {
        let mut scene = Scene { image: None, ..Scene::snp() };
        scene.gcp = policy.to_owned();
        let error = scene.verifier().unwrap_err().to_string();
        assert!(error.contains(reason), "{policy}: {error}");
    }
    let rtmr = "00".repeat(48);
    for (image, reason) in [
        (format!("rtmr1 = [\"{rtmr}\"]"), "one of rtmr1 and rtmr2"),
        (format!("rtmr0 = [\"{rtmr}\"]"), "rtmr0 alone"),
        (format!("rtmr0 = []\nrtmr1 = [\"{rtmr}\"]\nrtmr2 = [\"{rtmr}\"]"), "has no value"),
        (format!("rtmr1 = [\"{rtmr}\"]\nrtmr2 = []"), "has no value"),
        (format!("rtmr1 = [\"{rtmr}\"]\nrtmr2 = [\"00\"]"), "data did not match"),
        ("pcrs.2 = []".to_owned(), "does not list pcr 4"),
    ] {
        let scene = Scene { image: Some(image.clone()), ..Scene::snp() };
        let error = scene.verifier().unwrap_err().to_string();
        assert!(error.contains(reason), "{image}: {error}");
    }
}
