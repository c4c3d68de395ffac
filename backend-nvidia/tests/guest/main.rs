//! A guest on the lab's library of NVIDIA's driver: collected, verified, measured at boot; and what happens when something fails.

#![cfg(feature = "attester")]
#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

mod boot;
mod collect;
mod cpu;
mod failures;

use std::{fs, path::Path, time::Duration};

use backend_api::{
    AttestationBackend as _, BackendPolicy, Challenge, CollectRequest, Endorsement, Endorsements, Evidence,
    Guest, Result, TrustAnchors, UnixTime,
};
use backend_nvidia::{AttesterError, BootVerification, Nvidia, attest_at_boot};
use lab::nvidia::Machine;
use lab_nvml::{Config, Kind};
use tempfile::TempDir;

use cpu::Cpu;

const CHALLENGE: Challenge = Challenge::new([0x5C; 64]);

/// A guest with the lab's driver, and what it and its relying party have from the lab's NVIDIA.
struct Scene {
    root: TempDir,
    endorsements: Endorsements,
    anchors: TrustAnchors,
    policy: BackendPolicy,
}

impl Scene {
    fn new(config: &Config) -> Self {
        let root = tempfile::tempdir().unwrap();
        lab_nvml::install(root.path(), config).unwrap();
        Self::at(root, config.machine)
    }

    /// A guest without any driver.
    fn bare() -> Self {
        Self::at(tempfile::tempdir().unwrap(), Kind::H100)
    }

    fn at(root: TempDir, kind: Kind) -> Self {
        let said = kind.machine().map(|machine| machine.endorsements()).unwrap_or_default();
        Self {
            root,
            endorsements: said.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect(),
            anchors: Machine::pins().into_iter().collect(),
            policy: policy(serde_json::json!({})),
        }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn guest(&self) -> Guest {
        Guest::at(self.root())
    }

    fn configure(&self, config: &Config) {
        lab_nvml::configure(self.root(), config).unwrap();
    }

    fn is_ready(&self) -> bool {
        lab_nvml::is_ready(self.root())
    }

    /// Whether the library was ever told of the ready state.
    fn was_ready(&self) -> bool {
        lab_nvml::was_set(self.root())
    }

    fn collect(&self) -> Result<Evidence> {
        collect(&self.guest())
    }

    /// The lane of the boot, into the register of `cpu`.
    fn attest(&self, cpu: &Cpu) -> Result<Evidence> {
        block_on(attest_at_boot(&self.guest(), cpu, &self.verification()))
    }

    fn verification(&self) -> BootVerification<'_> {
        BootVerification::new(&self.endorsements, &self.anchors, &self.policy, at()).within(PATIENCE)
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn collect(guest: &Guest) -> Result<Evidence> {
    block_on(Nvidia::default().collect(guest, &CollectRequest::new(CHALLENGE).unwrap().within(PATIENCE)))
}

fn policy(section: serde_json::Value) -> BackendPolicy {
    Nvidia::default().policy(&section).unwrap()
}

fn at() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(Machine::now()))
}

fn detail(error: &backend_api::Error) -> &AttesterError {
    assert_eq!(error.backend(), Some(backend_nvidia::ID));
    error.detail().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Removes one GPU from what the kernel's driver says.
fn hide_from_kernel(root: &Path, number: usize) {
    fs::remove_dir(root.join(format!("proc/driver/nvidia/gpus/0000:{number:02x}:00.0"))).unwrap();
}
