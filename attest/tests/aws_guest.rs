//! A guest of AWS's on a real software TPM: collected, verified, bound; and what happens when something fails.

#![cfg(feature = "attester")]
#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

use std::{fs, sync::Arc, time::Duration};

use backend_api::{
    AttestationBackend, Challenge, CollectRequest, Endorsement, Endorsements, Envelope, Error, ErrorKind,
    Evidence, Field, Guest, OfflineBundle, Presence, RuntimeEvent, TrustAnchors, UnixTime,
};
use backend_aws::{Aws, AwsEvidence, ID, Profile, media_type};
use lab::{
    amd::{Product, ReportSpec, VekSpec},
    aws::{Guest as LabGuest, Machine, machine::Behaviour},
    events::launch_events,
    keys::p256_spki,
    swtpm::Swtpm,
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};

const CHALLENGE: [u8; 64] = [0x5C; 64];

/// A machine that runs, and the guest on it.
struct Scene {
    machine: Machine,
    guest: Guest,
}

impl Scene {
    /// `None` where swtpm is not installed or FUSE cannot be mounted, which `test` then says.
    fn new(test: &str) -> Option<Self> {
        if !Swtpm::is_installed() {
            lab::vectors::skipped(test, "swtpm is not installed");
            return None;
        }
        let machine = match Machine::start(LabGuest::new()) {
            Ok(machine) => machine,
            Err(error) => {
                lab::vectors::skipped(test, &error.to_string());
                return None;
            }
        };
        let guest = Guest::at(machine.root()).with_tcti(machine.tcti());
        Some(Self { machine, guest })
    }

    fn extend(&self, name: &str, payload: &[u8]) -> backend_api::Result<backend_api::Extension> {
        let event = RuntimeEvent::new(name, payload.to_vec()).unwrap();
        block_on(Aws::default().extend_runtime(&self.guest, &event))
    }

    /// Extends what dstack's guest extends while it starts.
    fn launch(&self) {
        for event in launch_events(b"lab app compose", &p256_spki("kms root")) {
            self.extend(&event.name, &event.payload).unwrap();
        }
    }

    fn collect(&self) -> backend_api::Result<Evidence> {
        let request = CollectRequest::new(Challenge::new(CHALLENGE)).unwrap().within(Duration::from_secs(20));
        block_on(Aws::default().collect(&self.guest, &request))
    }

    /// What a relying party says that knows the lab's roots, the launch and the image that was booted.
    fn judge(&self, evidence: Evidence, section: &str) -> Result<AttestationResult, Error> {
        let guest = self.machine.guest();
        let all = guest.endorsements().into_iter();
        let all: Endorsements = all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
        let pcr = |pcr: u8| format!("{pcr} = [\"{}\"]\n", hex::encode(guest.boot.pcr_sha384(pcr.into())));
        let pcrs: String = [2, 4, 7, 9, 11].map(pcr).concat();
        let policy = format!(
            "version = 1\n[backend.aws]\n{section}\n[[backend.aws.launch.measurements]]\nmeasurement = \"{}\"\n\
             firmware = \"lab\"\nvcpus = 2\n[[backend.aws.launch.images]]\nos-image-hash = \"{}\"\n\
             [backend.aws.launch.images.pcrs]\n{pcrs}",
            hex::encode(guest.report.measurement),
            "1a".repeat(32)
        );
        let at = Duration::from_secs(lab::time::utc_day(2026, 6, 1));
        let accepted = Registry::linked()?.accept([ID.as_str()])?;
        let source = Arc::new(OfflineBundle::new(all));
        let verifier = Verifier::new(accepted, source, AppraisalPolicy::from_toml(&policy)?)?
            .with_clock(Clock::Fixed(UnixTime::since_unix_epoch(at)));
        let anchors: TrustAnchors = guest.pins().into_iter().collect();
        let verifier = verifier.danger_replace_trust_anchors(ID, anchors)?;
        block_on(verifier.verify_envelope(&Envelope::of_cpu(evidence), &Challenge::new(CHALLENGE)))
    }

    /// The same guest without SEV-SNP.
    fn without_tee(self) -> Self {
        fs::remove_file(self.machine.root().join("dev")).unwrap();
        self
    }

    /// Nothing is left in the TPM: no index, no session, no key.
    fn is_clean(&mut self) -> bool {
        let mut wire = self.machine.tpm().wire().unwrap();
        [0x0180_0000, 0x0200_0000, 0x8000_0000].iter().all(|first| wire.handles(*first).unwrap().is_empty())
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn what_was_extended_is_collected_verified_and_bound() {
    let test = "what_was_extended_is_collected_verified_and_bound";
    let Some(mut scene) = Scene::new(test) else { return };
    scene.launch();
    let evidence = scene.collect().unwrap();
    assert_eq!(*evidence.media_type(), media_type(Profile::V1));
    let decoded = AwsEvidence::decode(evidence.bytes()).unwrap();
    assert!(decoded.boot_log.is_some());
    assert_eq!(decoded.certificates.len(), 1);
    let again = AwsEvidence::decode(scene.collect().unwrap().bytes()).unwrap();
    assert_eq!(decoded.ek_public, again.ek_public, "the TPM has one");
    assert_eq!(decoded.ek_public.map(|spki| spki.len()), Some(294));
    let result = scene.judge(evidence, "").unwrap();
    assert_eq!(result.cpu.claims.tee_variant, "aws-snp");
    assert_eq!(result.cpu.claims.details["vmpl"], 0);
    let before = result.cpu.identity;
    for field in [Field::AppId, Field::OsImageHash, Field::DeviceId] {
        assert!(before.get(field).is_some(), "{}", field.name());
    }
    // After system-ready the register moves, and the identity does not.
    scene.extend("app-id", &[0xEE; 20]).unwrap();
    let after = scene.judge(scene.collect().unwrap(), "").unwrap();
    assert_eq!(after.cpu.identity, before);
    assert!(scene.is_clean());
    assert!(scene.machine.tree().entries().is_empty());
}

#[test]
fn a_guest_without_a_tee_collects_what_dstack_does() {
    let Some(scene) = Scene::new("a_guest_without_a_tee_collects_what_dstack_does") else { return };
    let mut scene = scene.without_tee();
    scene.launch();
    let evidence = scene.collect().unwrap();
    assert_eq!(*evidence.media_type(), media_type(Profile::NitroTpmOnly));
    let refused = scene.judge(evidence.clone(), "").unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "report-present");
    let result = scene.judge(evidence, "danger-accept-no-tee = true").unwrap();
    assert_eq!(result.cpu.claims.tee, "none");
    assert!(result.cpu.identity.get(Field::AppId).is_some());
    assert!(scene.is_clean());
}

/// Every bank is extended, so that none is left in which another log could be written.
#[test]
fn every_allocated_bank_is_extended() {
    let Some(mut scene) = Scene::new("every_allocated_bank_is_extended") else { return };
    scene.extend("system-preparing", b"").unwrap();
    let mut wire = scene.machine.tpm().wire().unwrap();
    for algorithm in [0x0004, 0x000B, 0x000C, 0x000D] {
        let value = wire.pcr_read(algorithm, 14).unwrap().unwrap();
        assert!(value.iter().any(|byte| *byte != 0), "{algorithm:#x}");
    }
}

#[test]
fn a_nitrotpm_that_makes_no_document_is_named() {
    let Some(mut scene) = Scene::new("a_nitrotpm_that_makes_no_document_is_named") else { return };
    scene.launch();
    for (behaviour, kind, reason) in [
        (
            Behaviour { error: Some("InvalidOperation"), ..Behaviour::default() },
            ErrorKind::DeviceUnavailable,
            "it answers InvalidOperation",
        ),
        (
            Behaviour { truncated: true, ..Behaviour::default() },
            ErrorKind::DeviceUnavailable,
            "an answer to another question",
        ),
        (
            Behaviour { other_registers: true, ..Behaviour::default() },
            ErrorKind::EventLogMismatch,
            "PCR14 of the document",
        ),
        (
            Behaviour { other_instance: true, ..Behaviour::default() },
            ErrorKind::InconsistentEvidence,
            "expected one",
        ),
        // The TPM itself checks what the session authorizes: TPM_RC_AUTH_FAIL.
        (
            Behaviour { changed_request: true, ..Behaviour::default() },
            ErrorKind::DeviceUnavailable,
            "TPM2_NV_Write failed: response code 0x0000098e",
        ),
    ] {
        scene.machine.behave(behaviour);
        let error = scene.collect().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
        assert!(scene.is_clean(), "{reason}");
    }
    scene.machine.behave(Behaviour::default());
    scene.judge(scene.collect().unwrap(), "").unwrap();
}

/// On a dedicated host reports are under the key of a chip.
#[test]
fn a_report_under_the_key_of_a_chip_is_named() {
    let Some(scene) = Scene::new("a_report_under_the_key_of_a_chip_is_named") else { return };
    scene.machine.change(|guest| {
        guest.vek_spec = VekSpec::vcek(Product::Milan);
        guest.report = ReportSpec::new(Product::Milan, 5);
    });
    let error = scene.collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedEvidence);
    assert!(error.to_string().contains("expected VLEK"), "{error}");
}

#[test]
fn a_tpm_that_is_lost_is_an_error() {
    let Some(mut scene) = Scene::new("a_tpm_that_is_lost_is_an_error") else { return };
    scene.launch();
    scene.machine.tpm().kill().unwrap();
    for error in [scene.collect().unwrap_err(), scene.extend("late", b"").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::DeviceUnavailable, "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn a_guest_of_aws_is_detected_and_no_other() {
    let Some(scene) = Scene::new("a_guest_of_aws_is_detected_and_no_other") else { return };
    let detection = Aws::default().detect(&scene.guest);
    assert_eq!(detection.presence, Presence::Certain, "{:?}", detection.reasons);
    let no_tpm = Guest::at(scene.machine.root());
    assert_eq!(Aws::default().detect(&no_tpm).presence, Presence::Absent);
    let scene = scene.without_tee();
    assert_eq!(Aws::default().detect(&scene.guest).presence, Presence::Possible);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(Aws::default().detect(&Guest::at(elsewhere.path())).presence, Presence::Absent);
}
