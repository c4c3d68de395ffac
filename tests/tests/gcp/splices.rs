//! Evidence put together of two machines' halves: each is refused, by the check and with the error that says which halves do not belong
//! together.

use backend_gcp::{Error, GcpEvidence};
use evidence_gce::Error as GoogleError;
use evidence_snp::Error as ReportError;
use evidence_tpm::Error as QuoteError;
use lab::{
    amd,
    google::{Guest, InstanceSpec, guest},
    keys::P256Key,
};

use crate::{
    cases::{quote::dstack, report},
    payload::payload,
    scene::Scene,
};

/// Makes a change of a report before it is signed.
type Change = fn(&mut amd::ReportSpec);

/// Another guest of Google's, with an attestation key and an instance of its own.
fn another(mut guest: Guest) -> Guest {
    guest.ak = P256Key::from_label("google ak of another vm");
    let instance =
        InstanceSpec { instance_id: 77, instance_name: "other".to_owned(), ..InstanceSpec::default() };
    guest.ak_spec = guest.hierarchy.ak_spec(&instance);
    guest.ak_spec.spki = guest.ak.spki();
    guest
}

/// The vTPM's half of `from`, beside the processor's half of `evidence`.
fn with_vtpm_of(evidence: GcpEvidence, from: &GcpEvidence) -> GcpEvidence {
    GcpEvidence { report: evidence.report, ..from.clone() }
}

fn refused(scene: &Scene, evidence: &GcpEvidence) -> (String, Error) {
    let error = scene.judge_by(&scene.verifier().unwrap(), evidence).unwrap_err();
    (error.check().unwrap().name().to_owned(), error.detail::<Error>().unwrap().clone())
}

/// The report names the attestation key: that of one VM does not go with another's quote.
#[test]
fn the_report_of_one_vm_with_the_quote_of_another() {
    let scene = Scene::snp();
    let mine = scene.payload();
    let other = another(Guest::snp());
    let same = payload(&other, &scene.asked);
    let spliced = with_vtpm_of(mine.clone(), &same);
    let (check, error) = refused(&scene, &spliced);
    assert_eq!((check.as_str(), error), ("report-data", Error::Report(ReportError::ReportDataMismatch)));
    // The same where the other VM answered another challenge.
    let later = payload(&other, &[0xC5; 64]);
    let (check, _) = refused(&scene, &with_vtpm_of(mine, &later));
    assert_eq!(check, "report-data");
}

/// A VM can name another's attestation key in its own report. That key signed a quote over another report.
#[test]
fn a_report_that_names_the_key_of_another_vm() {
    let scene = Scene::snp();
    let honest = scene.payload();
    // An attacker's VM, whose report names the honest VM's key for the same challenge.
    let mut attacker = scene.clone();
    report(&mut attacker).report_id = [0x66; 32];
    let spliced = with_vtpm_of(attacker.payload(), &honest);
    let (check, error) = refused(&scene, &spliced);
    assert_eq!((check.as_str(), error), ("tpm-extra-data", Error::Tpm(QuoteError::ExtraData)));
    // The honest VM's quote for another challenge.
    let earlier = payload(&scene.guest, &[0xC5; 64]);
    let (check, error) = refused(&scene, &with_vtpm_of(attacker.payload(), &earlier));
    assert_eq!((check.as_str(), error), ("tpm-extra-data", Error::Tpm(QuoteError::ExtraData)));
    // In dstack's form the quote is over the TD quote alone.
    let scene = dstack();
    let mut attacker = scene.clone();
    attacker.guest.rtmr3_events = Some(Vec::new());
    let (check, error) = refused(&scene, &with_vtpm_of(attacker.payload(), &scene.payload()));
    assert_eq!((check.as_str(), error), ("tpm-extra-data", Error::Tpm(QuoteError::ExtraData)));
}

/// A VM without a TEE has a vTPM with as good a certificate. It says what the VM runs on.
#[test]
fn the_quote_of_a_vm_without_a_tee() {
    let mut scene = Scene::snp();
    scene.guest.boot = guest::boot(0);
    let (check, error) = refused(&scene, &scene.payload());
    assert_eq!(check, "vtpm-technology");
    assert_eq!(error, Error::OtherTechnology { expected: "SEV-SNP", found: "no technology" });
    scene.guest.boot = guest::boot(3);
    let (_, error) = refused(&scene, &scene.payload());
    assert_eq!(error, Error::OtherTechnology { expected: "SEV-SNP", found: "TDX" });
    let mut scene = Scene::tdx();
    scene.guest.boot = guest::boot(4);
    let (check, error) = refused(&scene, &scene.payload());
    assert_eq!(check, "vtpm-technology");
    assert_eq!(error, Error::OtherTechnology { expected: "TDX", found: "SEV-SNP" });
}

/// Amazon's key signs no report of Google's.
#[test]
fn a_vlek_is_refused() {
    let mut scene = Scene::snp();
    let guest::Tee::Snp(processor) = &mut scene.guest.tee else { panic!("a guest on SEV-SNP") };
    processor.vek_spec = amd::VekSpec::vlek(amd::Product::Milan);
    processor.issue_vek();
    processor.report.signer_info = amd::report::SIGNING_KEY_VLEK;
    let (check, error) = refused(&scene, &scene.payload());
    assert_eq!(check, "signing-key");
    assert!(matches!(error, Error::Report(ReportError::SigningKey { .. })), "{error}");
}

/// Google endorses each firmware for its own way of launching.
#[test]
fn an_endorsement_of_other_firmware() {
    let mut scene = Scene::snp();
    report(&mut scene).measurement = [9; 48];
    let (check, error) = refused(&scene, &scene.payload());
    assert_eq!(check, "gce-launch-endorsed");
    assert!(matches!(error, Error::Google(GoogleError::NotEndorsed { .. })), "{error}");
    report(&mut scene).measurement = [0x5A; 48];
    let (check, error) = refused(&scene, &scene.payload());
    assert_eq!((check.as_str(), error), ("gce-launch-endorsed", Error::Google(GoogleError::SvsmMeasurement)));
}

/// The guest's owner launched it with an ID block, or with HOST_DATA: Google does not.
#[test]
fn inputs_of_a_launch_that_google_does_not_give() {
    let cases: &[(&str, Change)] = &[
        ("host-data", |report| report.host_data = [1; 32]),
        ("id-key", |report| report.id_key_digest = [1; 48]),
        ("family-id", |report| report.family_id = [1; 16]),
        ("image-id", |report| report.image_id = [1; 16]),
        ("no-migration-agent", |report| report.report_id_ma = [1; 32]),
        ("vmpl", |report| report.vmpl = 1),
        ("no-debug", |report| report.policy |= 1 << 19),
    ];
    for (check, change) in cases {
        let mut scene = Scene::snp();
        change(report(&mut scene));
        assert_eq!(refused(&scene, &scene.payload()).0, *check);
    }
}
