//! A guest of Google's on a real software TPM and a simulated kernel: collected, verified, bound; and what happens when something fails.

#![cfg(feature = "attester")]
#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

use std::{sync::Arc, time::Duration};

use backend_api::{
    AttestationBackend, Challenge, CollectRequest, Endorsement, EndorsementKind, Endorsements, Envelope,
    Error, ErrorKind, Evidence, Field, Guest, OfflineBundle, Presence, RuntimeEvent, TrustAnchors, UnixTime,
};
use backend_gcp::{Gcp, GcpEvidence, ID};
use lab::{
    events::launch_events,
    google::{Guest as LabGuest, Machine, guest::Tee, machine::Setup},
    keys::p256_spki,
    swtpm::Swtpm,
    tsm::Outblob,
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
    fn of(test: &str, guest: LabGuest, setup: Setup) -> Option<Self> {
        if !Swtpm::is_installed() {
            lab::vectors::skipped(test, "swtpm is not installed");
            return None;
        }
        let machine = match Machine::start(guest, setup) {
            Err(error) if error.to_string().contains("FUSE") => {
                lab::vectors::skipped(test, &error.to_string());
                return None;
            }
            started => started.unwrap(),
        };
        let guest = Guest::at(machine.root())
            .with_tcti(machine.tcti())
            .with_metadata("google-storage", machine.storage_url());
        Some(Self { machine, guest })
    }

    fn extend(&self, name: &str, payload: &[u8]) -> backend_api::Result<backend_api::Extension> {
        let event = RuntimeEvent::new(name, payload.to_vec()).unwrap();
        block_on(Gcp::default().extend_runtime(&self.guest, &event))
    }

    /// Extends what dstack's guest extends while it starts.
    fn launch(&self) {
        for event in launch_events(b"lab app compose", &p256_spki("kms root")) {
            self.extend(&event.name, &event.payload).unwrap();
        }
    }

    fn collect(&self) -> backend_api::Result<Evidence> {
        let request = CollectRequest::new(Challenge::new(CHALLENGE)).unwrap().within(Duration::from_secs(20));
        block_on(Gcp::default().collect(&self.guest, &request))
    }

    fn sent(&self) -> GcpEvidence {
        GcpEvidence::decode(self.collect().unwrap().bytes()).unwrap()
    }

    /// What a relying party says that knows the lab's roots and the image that was booted.
    fn judge(&self, evidence: Evidence) -> Result<AttestationResult, Error> {
        let guest = self.machine.guest();
        let ca = (EndorsementKind::Certificate, guest.hierarchy.ca().to_vec());
        let all = guest.endorsements().into_iter().chain([ca]);
        let all: Endorsements = all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
        let image = match guest.tee {
            Tee::Snp(_) => {
                let pcr =
                    |pcr: u8| format!("pcrs.{pcr} = [\"{}\"]\n", hex::encode(guest.boot.pcr(pcr.into())));
                [2, 4, 7, 9, 11].map(pcr).concat()
            }
            Tee::Tdx(_) => {
                let [_, rtmr1, rtmr2, _] = guest.rtmrs().map(hex::encode);
                format!("rtmr1 = [\"{rtmr1}\"]\nrtmr2 = [\"{rtmr2}\"]\n")
            }
        };
        let policy = format!(
            "version = 1\n[[backend.gcp.launch.images]]\nos-image-hash = \"{}\"\n{image}",
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
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn what_was_extended_is_collected_verified_and_bound() {
    let test = "what_was_extended_is_collected_verified_and_bound";
    let rsa = Setup { rsa: true, ..Setup::default() };
    let published = Setup { published: true, ..Setup::default() };
    for (name, guest, setup) in [
        ("gcp-snp", LabGuest::snp(), Setup::default()),
        ("gcp-snp", LabGuest::snp(), rsa),
        ("gcp-tdx", LabGuest::tdx(), published),
    ] {
        let Some(scene) = Scene::of(test, guest, setup) else { return };
        scene.launch();
        let evidence = scene.collect().unwrap();
        assert_eq!(evidence.media_type().as_str(), format!("application/vnd.dstack.{name}.v1+cbor"));
        let decoded = GcpEvidence::decode(evidence.bytes()).unwrap();
        assert!(decoded.boot_log.is_some() && decoded.launch_endorsement.is_some());
        assert_eq!(decoded.cc_log.is_some(), name == "gcp-tdx");
        let before = scene.judge(evidence).unwrap().cpu.identity;
        assert!(before.get(Field::AppId).is_some() && before.get(Field::OsImageHash).is_some());

        // Another process, after system-ready: the registers move, the identity does not.
        let attest = std::process::Command::new(env!("CARGO_BIN_EXE_attest"))
            .args(["extend", "app-id", "--payload", "ee", "--backend", "gcp", "--guest-root"])
            .arg(scene.machine.root())
            .args(["--tcti", &scene.machine.tcti()])
            .env("TSS2_LOG", "all+NONE")
            .output()
            .unwrap();
        assert!(attest.status.success(), "{}", String::from_utf8_lossy(&attest.stderr));
        let evidence = scene.collect().unwrap();
        let decoded = GcpEvidence::decode(evidence.bytes()).unwrap();
        assert_eq!(decoded.runtime_events.last().unwrap().payload.as_slice(), [0xEE]);
        let after = scene.judge(evidence).unwrap().cpu.identity;
        let same = |field| before.get(field) == after.get(field);
        assert!(
            [Field::AppId, Field::ComposeHash, Field::OsImageHash, Field::MrSystem].into_iter().all(same)
        );
        assert!(scene.machine.tree().entries().is_empty());
    }
}

/// Every bank is extended, and the TD's register with the same events.
#[test]
fn every_register_is_extended() {
    let Some(mut scene) = Scene::of("every_register_is_extended", LabGuest::tdx(), Setup::default()) else {
        return;
    };
    let extension = scene.extend("system-preparing", b"").unwrap();
    let names: Vec<&str> = extension.extended.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PCR14:sha256", "PCR14:sha384", "PCR14:sha512", "RTMR3"]);
    assert_ne!(scene.machine.tree().rtmr(3), Some([0; 48]));
    let mut wire = scene.machine.tpm().wire().unwrap();
    for algorithm in [0x0004, 0x000B, 0x000C, 0x000D] {
        let value = wire.pcr_read(algorithm, 14).unwrap().unwrap();
        assert!(value.iter().any(|byte| *byte != 0), "{algorithm:#x}");
    }
}

/// What somebody extends into one of the registers behind the back of the log is not collected.
#[test]
fn registers_that_tell_two_stories_are_not_collected() {
    let test = "registers_that_tell_two_stories_are_not_collected";
    for behind in ["PCR14", "RTMR3"] {
        let Some(mut scene) = Scene::of(test, LabGuest::tdx(), Setup::default()) else { return };
        scene.launch();
        if behind == "PCR14" {
            scene.machine.tpm().wire().unwrap().pcr_extend(14, &[(0x000B, &[7; 32])]).unwrap();
        } else {
            scene.machine.tree().extend(3, &[7; 48]);
        }
        for error in [scene.collect().unwrap_err(), scene.extend("late", b"").unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::EventLogMismatch, "{error}");
            assert!(error.to_string().contains(behind), "{error}");
        }
    }
}

#[test]
fn an_attestation_key_that_google_did_not_certify_is_not_used() {
    let test = "an_attestation_key_that_google_did_not_certify_is_not_used";
    for (setup, kind, reason) in [
        (
            Setup { no_certificate: true, ..Setup::default() },
            ErrorKind::Unsupported,
            "no certificate of an attestation key",
        ),
        (
            Setup { other_key: true, ..Setup::default() },
            ErrorKind::InconsistentEvidence,
            "not the one of its certificate",
        ),
    ] {
        let Some(scene) = Scene::of(test, LabGuest::snp(), setup) else { return };
        let error = scene.collect().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

/// What the host writes into its table is a convenience: who verifies asks AMD and Google.
#[test]
fn a_host_that_sends_nothing_costs_nothing() {
    let test = "a_host_that_sends_nothing_costs_nothing";
    let setup = Setup { bad_table: true, published: true, ..Setup::default() };
    let Some(mut scene) = Scene::of(test, LabGuest::snp(), setup) else { return };
    let sent = scene.sent();
    assert!(sent.certificates.is_empty() && sent.launch_endorsement.is_some());
    scene.guest = scene.guest.clone().with_metadata("google-storage", "http://127.0.0.1:1");
    assert!(scene.sent().launch_endorsement.is_none());
    let error = scene.judge(scene.collect().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingEndorsements, "{error}");
}

#[test]
fn a_report_for_another_request_is_not_handed_out() {
    let test = "a_report_for_another_request_is_not_handed_out";
    for guest in [LabGuest::snp(), LabGuest::tdx()] {
        let Some(scene) = Scene::of(test, guest, Setup::default()) else { return };
        scene.machine.tree().change(|behaviour| behaviour.outblob = Outblob::OtherChallenge);
        let error = scene.collect().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChallengeMismatch, "{error}");
        assert!(scene.machine.tree().entries().is_empty());
    }
}

#[test]
fn a_tpm_that_is_lost_is_an_error_and_comes_back() {
    let test = "a_tpm_that_is_lost_is_an_error_and_comes_back";
    let Some(mut scene) = Scene::of(test, LabGuest::snp(), Setup::default()) else { return };
    scene.launch();
    scene.machine.tpm().kill().unwrap();
    for error in [scene.collect().unwrap_err(), scene.extend("late", b"").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::DeviceUnavailable, "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    // The same log with a TPM that was reset is another guest's.
    scene.machine.tpm().restart().unwrap();
    assert_eq!(scene.collect().unwrap_err().kind(), ErrorKind::EventLogMismatch);
}

#[test]
fn a_guest_of_google_s_is_detected_and_no_other() {
    let test = "a_guest_of_google_s_is_detected_and_no_other";
    for guest in [LabGuest::snp(), LabGuest::tdx()] {
        let Some(scene) = Scene::of(test, guest, Setup::default()) else { return };
        let detection = Gcp::default().detect(&scene.guest);
        assert_eq!(detection.presence, Presence::Certain, "{:?}", detection.reasons);
        // Google's firmware and a TEE, and a TPM without a certificate.
        let tpm = Swtpm::start().unwrap();
        let other = Guest::at(scene.machine.root()).with_tcti(tpm.tcti());
        assert_eq!(Gcp::default().detect(&other).presence, Presence::Absent);
        let no_tpm = Guest::at(scene.machine.root());
        assert_eq!(Gcp::default().detect(&no_tpm).presence, Presence::Possible);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(Gcp::default().detect(&Guest::at(elsewhere.path())).presence, Presence::Absent);
}
