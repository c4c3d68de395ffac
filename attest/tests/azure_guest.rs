//! A guest of Azure's on a real software TPM: collected, verified, bound; and what happens when something fails.

#![cfg(feature = "attester")]
#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use backend_api::{
    AttestationBackend, Challenge, CollectRequest, Endorsement, EndorsementKind, Endorsements, Envelope,
    Error, ErrorKind, Evidence, Field, Guest, OfflineBundle, Presence, RuntimeEvent, TrustAnchors, UnixTime,
};
use backend_azure::{Azure, AzureEvidence, ID};
use lab::{
    azure::{Guest as LabGuest, Machine, machine::Behaviour},
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
    /// `None` where swtpm is not installed, which `test` then says.
    fn of(test: &str, guest: LabGuest) -> Option<Self> {
        if !Swtpm::is_installed() {
            lab::vectors::skipped(test, "swtpm is not installed");
            return None;
        }
        let machine = Machine::start(guest).unwrap();
        let guest = Guest::at(machine.root())
            .with_tcti(machine.tcti())
            .with_metadata("azure", machine.metadata_url());
        Some(Self { machine, guest })
    }

    fn extend(&self, name: &str, payload: &[u8]) -> backend_api::Result<backend_api::Extension> {
        let event = RuntimeEvent::new(name, payload.to_vec()).unwrap();
        block_on(Azure::default().extend_runtime(&self.guest, &event))
    }

    /// Extends what dstack's guest extends while it starts.
    fn launch(&self) {
        for event in launch_events(b"lab app compose", &p256_spki("kms root")) {
            self.extend(&event.name, &event.payload).unwrap();
        }
    }

    fn collect_within(&self, deadline: Duration) -> backend_api::Result<Evidence> {
        let request = CollectRequest::new(Challenge::new(CHALLENGE)).unwrap().within(deadline);
        block_on(Azure::default().collect(&self.guest, &request))
    }

    fn collect(&self) -> backend_api::Result<Evidence> {
        self.collect_within(Duration::from_secs(20))
    }

    /// What a relying party says that knows the lab's roots and the image that was booted.
    fn judge(&self, evidence: Evidence) -> Result<AttestationResult, Error> {
        let guest = self.machine.guest();
        let ca = (EndorsementKind::Certificate, guest.hierarchy.ca().to_vec());
        let all = guest.endorsements().into_iter().chain([ca]);
        let all: Endorsements = all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
        let pcr = |pcr: u8| format!("{pcr} = [\"{}\"]\n", hex::encode(guest.boot.pcr(pcr.into())));
        let pcrs: String = [2, 4, 7, 9, 11].map(pcr).concat();
        let policy = format!(
            "version = 1\n[[backend.azure.launch.images]]\nos-image-hash = \"{}\"\n[backend.azure.launch.images.pcrs]\n{pcrs}",
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

    fn log(&self) -> String {
        fs::read_to_string(self.machine.root().join("run/log/dstack/runtime_events.log")).unwrap_or_default()
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn what_was_extended_is_collected_verified_and_bound() {
    for (name, guest) in [("azure-snp", LabGuest::snp()), ("azure-tdx", LabGuest::tdx())] {
        let Some(scene) = Scene::of("what_was_extended_is_collected_verified_and_bound", guest) else {
            return;
        };
        scene.launch();
        let evidence = scene.collect().unwrap();
        assert_eq!(evidence.media_type().as_str(), format!("application/vnd.dstack.{name}.v1+cbor"));
        let result = scene.judge(evidence).unwrap();
        assert_eq!(result.cpu.claims.tee_variant, name);
        let before = result.cpu.identity.clone();
        assert!(before.get(Field::AppId).is_some() && before.get(Field::OsImageHash).is_some());

        // Another process, after system-ready: the register moves, the identity does not.
        let attest = std::process::Command::new(env!("CARGO_BIN_EXE_attest"))
            .args(["extend", "app-id", "--payload", "ee", "--backend", "azure", "--guest-root"])
            .arg(scene.machine.root())
            .args(["--tcti", &scene.machine.tcti()])
            .env("TSS2_LOG", "all+NONE")
            .output()
            .unwrap();
        assert!(attest.status.success(), "{}", String::from_utf8_lossy(&attest.stderr));
        let evidence = scene.collect().unwrap();
        let decoded = AzureEvidence::decode(evidence.bytes()).unwrap();
        assert_eq!(decoded.runtime_events.last().unwrap().payload.as_slice(), [0xEE]);
        assert!(decoded.boot_log.is_some());
        let after = scene.judge(evidence).unwrap();
        assert_eq!(after.cpu.identity, before);
    }
}

/// Every bank is extended, so that none is left in which another log could be written.
#[test]
fn every_allocated_bank_is_extended() {
    let Some(mut scene) = Scene::of("every_allocated_bank_is_extended", LabGuest::snp()) else { return };
    let extension = scene.extend("system-preparing", b"").unwrap();
    let names: Vec<&str> = extension.extended.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PCR14:sha256", "PCR14:sha384", "PCR14:sha512"]);
    let mut wire = scene.machine.tpm().wire().unwrap();
    for algorithm in [0x0004, 0x000B, 0x000C, 0x000D] {
        let value = wire.pcr_read(algorithm, 14).unwrap().unwrap();
        assert!(value.iter().any(|byte| *byte != 0), "{algorithm:#x}");
    }
}

/// Who was first in PCR14 can say anything there.
#[test]
fn a_register_that_was_not_zero_takes_no_event() {
    let Some(mut scene) = Scene::of("a_register_that_was_not_zero_takes_no_event", LabGuest::snp()) else {
        return;
    };
    scene.machine.tpm().wire().unwrap().pcr_extend(14, &[(0x000B, &[7; 32])]).unwrap();
    let error = scene.extend("system-preparing", b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EventLogMismatch, "{error}");
    assert!(error.to_string().contains("PCR14:sha256 holds"), "{error}");
    assert_eq!(scene.log(), "");
    // It can still be collected; the boot's registers do not account for it, and nothing is bound.
    let error = scene.judge(scene.collect().unwrap()).unwrap_err();
    assert_eq!(error.check().unwrap().name(), "runtime-replay");
}

/// The same by another process, behind the back of the log.
#[test]
fn what_the_log_does_not_account_for_is_not_collected() {
    let Some(mut scene) = Scene::of("what_the_log_does_not_account_for_is_not_collected", LabGuest::snp())
    else {
        return;
    };
    scene.launch();
    let log = scene.log();
    scene.machine.tpm().wire().unwrap().pcr_extend(14, &[(0x000B, &[7; 32])]).unwrap();
    for error in [scene.collect().unwrap_err(), scene.extend("late", b"").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::EventLogMismatch, "{error}");
    }
    assert_eq!(scene.log(), log);
}

#[test]
fn a_tpm_that_is_lost_is_an_error_and_comes_back() {
    let Some(mut scene) = Scene::of("a_tpm_that_is_lost_is_an_error_and_comes_back", LabGuest::snp()) else {
        return;
    };
    scene.launch();
    let log = scene.log();
    scene.machine.tpm().kill().unwrap();
    let begun = Instant::now();
    for error in [scene.collect().unwrap_err(), scene.extend("late", b"").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::DeviceUnavailable, "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(scene.log(), log);
    // The same log with a TPM that was reset is another guest's.
    scene.machine.tpm().restart().unwrap();
    assert_eq!(scene.collect().unwrap_err().kind(), ErrorKind::EventLogMismatch);
    scene.machine.reboot().unwrap();
    scene.launch();
    scene.judge(scene.collect().unwrap()).unwrap();
}

/// Killed at any moment of a collection or an extension: an error, and a log that is whole.
#[test]
fn a_tpm_that_is_lost_midway_leaves_no_half_written_log() {
    let test = "a_tpm_that_is_lost_midway_leaves_no_half_written_log";
    let Some(mut scene) = Scene::of(test, LabGuest::snp()) else { return };
    for (round, delay) in [0, 2, 5, 10, 20, 40].into_iter().enumerate() {
        scene.extend("system-preparing", b"").unwrap();
        let before = scene.log();
        let tpm = scene.machine.tpm().pid();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(delay));
            let _ = std::process::Command::new("kill").args(["-9", &tpm.to_string()]).status();
        });
        let outcome = if round % 2 == 0 {
            scene.collect().map(|_| ())
        } else {
            scene.extend("app-id", &[1; 20]).map(|_| ())
        };
        killer.join().unwrap();
        let after = scene.log();
        match outcome {
            Ok(()) => assert!(after.starts_with(&before)),
            Err(error) => {
                let known = [ErrorKind::DeviceUnavailable, ErrorKind::Unsettled];
                assert!(known.contains(&error.kind()), "{error}");
                assert_eq!(after, before, "{error}");
            }
        }
        assert!(after.is_empty() || after.ends_with('\n'));
        scene.machine.reboot().unwrap();
    }
}

/// A TPM that stands still costs no more than the deadline.
#[test]
fn a_tpm_that_stands_still_is_given_up() {
    let Some(mut scene) = Scene::of("a_tpm_that_stands_still_is_given_up", LabGuest::snp()) else { return };
    scene.machine.tpm().pause().unwrap();
    let begun = Instant::now();
    let detection = Azure::default().detect(&scene.guest);
    assert_eq!(detection.presence, Presence::Possible);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    scene.machine.tpm().resume().unwrap();
}

#[test]
fn a_paravisor_that_does_not_follow_is_named() {
    let Some(scene) = Scene::of("a_paravisor_that_does_not_follow_is_named", LabGuest::snp()) else { return };
    scene.machine.behave(Behaviour { stale_report: true, ..Behaviour::default() });
    let error = scene.collect_within(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeviceUnavailable);
    assert!(error.to_string().contains("still has other user-data"), "{error}");
    scene.machine.behave(Behaviour::default());
    assert!(scene.collect().is_ok());
}

#[test]
fn a_metadata_service_that_fails_is_named() {
    for guest in [LabGuest::snp(), LabGuest::tdx()] {
        let Some(scene) = Scene::of("a_metadata_service_that_fails_is_named", guest) else { return };
        let behaviours = [
            (Behaviour { metadata_status: Some(503), ..Behaviour::default() }, "answers 503"),
            (Behaviour { metadata_status: Some(302), ..Behaviour::default() }, "answers 302"),
            (Behaviour { metadata_garbage: true, ..Behaviour::default() }, "well-formed json expected"),
            (Behaviour { metadata_delay: Duration::from_secs(3), ..Behaviour::default() }, "does not answer"),
        ];
        for (behaviour, reason) in behaviours {
            scene.machine.behave(behaviour);
            let error = scene.collect_within(Duration::from_secs(2)).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
        scene.machine.behave(Behaviour::default());
        let nobody =
            Scene { guest: scene.guest.clone().with_metadata("azure", "http://127.0.0.1:1"), ..scene };
        let error = nobody.collect().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
        assert!(error.to_string().contains("does not answer at http://127.0.0.1:1/"), "{error}");
    }
}

#[test]
fn a_boot_log_that_explains_nothing_or_is_too_large_stays_in_the_guest() {
    let test = "a_boot_log_that_explains_nothing_or_is_too_large_stays_in_the_guest";
    let Some(scene) = Scene::of(test, LabGuest::snp()) else { return };
    let sent = || AzureEvidence::decode(scene.collect().unwrap().bytes()).unwrap().boot_log;
    assert!(sent().is_some());
    let path = scene.machine.root().join("sys/kernel/security/tpm0/binary_bios_measurements");
    let mut log = fs::read(&path).unwrap();
    // More than the largest that is sent; what follows the last event is padding.
    log.resize((1 << 20) + 1, 0);
    fs::write(&path, &log).unwrap();
    assert_eq!(sent(), None);
    let mut other = scene.machine.guest().boot;
    other.events.pop();
    fs::write(&path, other.bytes()).unwrap();
    assert_eq!(sent(), None);
    fs::remove_file(&path).unwrap();
    assert_eq!(sent(), None);
}

#[test]
fn a_quote_of_another_td_is_not_handed_out() {
    let Some(scene) = Scene::of("a_quote_of_another_td_is_not_handed_out", LabGuest::tdx()) else { return };
    scene.machine.behave(Behaviour { other_td_quote: true, ..Behaviour::default() });
    let error = scene.collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InconsistentEvidence);
    assert!(error.to_string().contains("REPORTDATA"), "{error}");
}

#[test]
fn a_guest_of_azure_is_detected_and_no_other() {
    let Some(scene) = Scene::of("a_guest_of_azure_is_detected_and_no_other", LabGuest::snp()) else { return };
    let detection = Azure::default().detect(&scene.guest);
    assert_eq!(detection.presence, Presence::Certain, "{:?}", detection.reasons);
    // Trusted Launch: Azure's firmware and a TPM, and no paravisor.
    let tpm = Swtpm::start().unwrap();
    let trusted_launch = Guest::at(scene.machine.root()).with_tcti(tpm.tcti());
    assert_eq!(Azure::default().detect(&trusted_launch).presence, Presence::Absent);
    let no_tpm = Guest::at(scene.machine.root());
    assert_eq!(Azure::default().detect(&no_tpm).presence, Presence::Possible);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(Azure::default().detect(&Guest::at(elsewhere.path())).presence, Presence::Absent);
    let error = block_on(
        Azure::default()
            .collect(&Guest::at(elsewhere.path()), &CollectRequest::new(Challenge::new(CHALLENGE)).unwrap()),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
