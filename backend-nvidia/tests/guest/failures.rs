//! What a guest says where the driver, a GPU or the library fails.

use std::fs;

use backend_api::{AttestationBackend as _, CollectRequest, ErrorKind, Guest};
use backend_nvidia::{AttesterError, Nvidia};
use evidence_attester::nvml::{Nvml, NvmlFailure};
use lab_nvml::{Config, Kind, LIBRARY};

use super::{CHALLENGE, Cpu, Scene, collect, detail, hide_from_kernel};

const REPORT: &str = "nvmlDeviceGetConfComputeGpuAttestationReport";
const CERTIFICATES: &str = "nvmlDeviceGetConfComputeGpuCertificate";
const SETTINGS: &str = "nvmlSystemGetConfComputeSettings";
const READY: &str = "nvmlSystemSetConfComputeGpusReadyState";
const IS_READY: &str = "nvmlSystemGetConfComputeGpusReadyState";

/// The error of a guest whose driver is `config`.
fn failure(config: &Config) -> (AttesterError, ErrorKind) {
    let error = Scene::new(config).collect().unwrap_err();
    (detail(&error).clone(), error.kind())
}

fn failing(call: &str, code: u32) -> (AttesterError, ErrorKind) {
    failure(&Config::default().failing(call, code))
}

#[test]
fn without_a_driver_the_error_says_so_in_one_line() {
    let mut guests = vec![Scene::bare().guest()];
    // This machine itself, by the search of its loader, where it has no driver either.
    if Nvml::open(Guest::host().root()).is_err_and(|failure| failure == NvmlFailure::NotInstalled) {
        guests.push(Guest::host());
    } else {
        lab::vectors::skipped("without_a_driver_the_error_says_so_in_one_line", "this machine has a driver");
    }
    for guest in guests {
        let error = collect(&guest).unwrap_err();
        assert_eq!(detail(&error), &AttesterError::Nvml(NvmlFailure::NotInstalled));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let message = "nvidia: found no libnvidia-ml.so.1: the NVIDIA driver is not installed";
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_library_that_is_none_is_not_loaded() {
    let scene = Scene::new(&Config::default());
    fs::write(scene.root().join(LIBRARY), "nonsense").unwrap();
    let error = scene.collect().unwrap_err();
    assert!(matches!(detail(&error), AttesterError::Nvml(NvmlFailure::NotLoadable(_))), "{error}");
    assert_eq!(error.kind(), ErrorKind::DeviceUnavailable);
    assert_eq!(error.to_string().lines().count(), 1);
}

#[test]
fn a_driver_that_does_not_begin_says_why() {
    assert_eq!(
        failing("nvmlInit_v2", 9),
        (AttesterError::Nvml(NvmlFailure::NotLoaded), ErrorKind::DeviceUnavailable)
    );
    assert_eq!(
        failing("nvmlInit_v2", 4),
        (AttesterError::Nvml(NvmlFailure::NotPermitted("nvmlInit_v2")), ErrorKind::DeviceUnavailable)
    );
    let (error, _) = failing("nvmlInit_v2", 18);
    let AttesterError::Nvml(NvmlFailure::Call { call: "nvmlInit_v2", code: 18, says }) = error else {
        panic!("{error}")
    };
    assert!(says.contains("version mismatch"), "{says}");
}

#[test]
fn a_gpu_without_confidential_computing_is_named() {
    for call in [REPORT, CERTIFICATES] {
        let error = NvmlFailure::NotSupported(call);
        assert_eq!(failing(call, 3), (AttesterError::Gpu { index: 0, error }, ErrorKind::Unsupported));
    }
    let expected = AttesterError::Nvml(NvmlFailure::NotSupported(SETTINGS));
    assert_eq!(failing(SETTINGS, 3), (expected, ErrorKind::Unsupported));
}

#[test]
fn a_driver_that_is_too_old_is_named() {
    let expected = AttesterError::Nvml(NvmlFailure::MissingCall(SETTINGS));
    assert_eq!(failing(SETTINGS, 13), (expected, ErrorKind::Unsupported));
}

#[test]
fn every_other_code_reaches_the_caller() {
    for (call, code) in [(REPORT, 15), (REPORT, 10), (REPORT, 999), (CERTIFICATES, 16), (REPORT, 12_345)] {
        let (error, kind) = failing(call, code);
        let AttesterError::Gpu { index: 0, error: NvmlFailure::Call { call: found, code: by, .. } } = &error
        else {
            panic!("{error}")
        };
        assert_eq!((*found, *by, kind), (call, code, ErrorKind::DeviceUnavailable), "{error}");
    }
    for call in ["nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", SETTINGS] {
        let (error, kind) = failing(call, 15);
        assert!(matches!(&error, AttesterError::Nvml(NvmlFailure::Call { code: 15, .. })), "{error}");
        assert_eq!(kind, ErrorKind::DeviceUnavailable);
    }
}

/// The wrapper panics at such a length; the process and the next call go on.
#[test]
fn a_length_beyond_its_array_is_an_error_and_no_panic() {
    let scene = Scene::new(&Config { report_size: Some(0x2001), ..Config::default() });
    for size in [0x2001, u32::MAX] {
        scene.configure(&Config { report_size: Some(size), ..Config::default() });
        let error = scene.collect().unwrap_err();
        let expected = AttesterError::Gpu { index: 0, error: NvmlFailure::Length(REPORT) };
        assert_eq!(detail(&error), &expected);
        assert_eq!(error.kind(), ErrorKind::MalformedEvidence);
    }
    scene.configure(&Config::default());
    scene.collect().unwrap();
}

#[test]
fn what_is_no_report_or_for_another_nonce_is_refused() {
    for size in [0, 36, 8192] {
        let (error, kind) = failure(&Config { report_size: Some(size), ..Config::default() });
        assert!(matches!(error, AttesterError::Report { index: 0, .. }), "{error}");
        assert_eq!(kind, ErrorKind::MalformedEvidence);
    }
    let expected = (AttesterError::OtherNonce(0), ErrorKind::ChallengeMismatch);
    assert_eq!(failure(&Config { other_nonce: true, ..Config::default() }), expected);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let (error, kind) = failure(&Config { certificates_end: "nonsense".to_owned(), ..Config::default() });
    let found = matches!(error, AttesterError::Gpu { index: 0, error: NvmlFailure::Certificates(_) });
    assert!(found, "{error}");
    assert_eq!(kind, ErrorKind::MalformedEvidence);
}

/// What nobody knows is neither on nor off.
#[test]
fn a_value_that_is_not_known_is_refused() {
    for (config, what, found) in [
        (Config { environment: 3, ..Config::default() }, "environment", 3),
        (Config { feature: 2, ..Config::default() }, "ccFeature", 2),
        (Config { devtools: u32::MAX, ..Config::default() }, "devToolsMode", u32::MAX),
        (Config { multi_gpu: 3, ..Config::default() }, "multiGpuMode", 3),
    ] {
        let expected = AttesterError::Nvml(NvmlFailure::Value { what, found });
        assert_eq!(failure(&config), (expected, ErrorKind::MalformedEvidence));
    }
}

#[test]
fn a_guest_without_a_gpu_has_nothing_to_attest() {
    let config = Config { machine: Kind::Empty, ..Config::default() };
    assert_eq!(failure(&config), (AttesterError::NoGpus, ErrorKind::Unsupported));
}

/// A GPU that NVML hides would become ready with the others.
#[test]
fn kernel_and_library_speak_of_the_same_gpus() {
    let scene = Scene::new(&Config { machine: Kind::B200s, ..Config::default() });
    hide_from_kernel(scene.root(), 1);
    let error = scene.collect().unwrap_err();
    assert_eq!(detail(&error), &AttesterError::GpuCount { driver: 1, library: 2 });
    assert_eq!(error.kind(), ErrorKind::InconsistentEvidence);
    fs::remove_dir_all(scene.root().join("proc")).unwrap();
    let error = scene.collect().unwrap_err();
    assert_eq!(detail(&error), &AttesterError::GpuCount { driver: 0, library: 2 });
}

/// Who may not set the ready state learns it after the event, and who may not even ask before.
#[test]
fn a_ready_state_that_cannot_be_set_or_asked_for_is_named() {
    let scene = Scene::new(&Config::default().failing(READY, 4));
    let cpu = Cpu::new(scene.root());
    let error = scene.attest(&cpu).unwrap_err();
    assert_eq!(detail(&error), &AttesterError::Nvml(NvmlFailure::NotPermitted(READY)));
    assert_eq!((cpu.extended().len(), scene.is_ready()), (1, false));

    let scene = Scene::new(&Config::default().failing(IS_READY, 4));
    let cpu = Cpu::new(scene.root());
    let error = scene.attest(&cpu).unwrap_err();
    assert_eq!(detail(&error), &AttesterError::Nvml(NvmlFailure::NotPermitted(IS_READY)));
    assert_eq!((cpu.extended().len(), scene.is_ready()), (0, false));
}

#[test]
fn work_on_gpus_needs_a_runtime_with_timers() {
    let scene = Scene::new(&Config::default());
    let (backend, guest, request) =
        (Nvidia::default(), scene.guest(), CollectRequest::new(CHALLENGE).unwrap());
    let mut future = backend.collect(&guest, &request);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidConfig);
}
