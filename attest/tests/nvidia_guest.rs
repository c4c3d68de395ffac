//! GPUs beside a TDX guest, collected through the lab's library of NVIDIA's driver, and judged by a relying party's whole pipeline.

#![cfg(feature = "attester")]
#![expect(clippy::unwrap_used, reason = "a failure of a test helper is a failure of the test")]

#[path = "../../tests/tests/tdx/payload.rs"]
mod tdx_payload;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backend_api::{
    AttestationBackend, BackendPolicy, BindInput, Challenge, CollectRequest, Descriptor, Endorsement,
    EndorsementKind, EndorsementRequest, Endorsements, Envelope, Evidence, Extension, Guest, OfflineBundle,
    Result, RuntimeBinding, RuntimeEvent, TrustAnchors, UnixTime, VerifiedEvidence, VerifyInput,
};
use backend_nvidia::{BootVerification, Nvidia, attest_at_boot, v1_commitment};
use backend_tdx::{MEDIA_TYPE, Tdx};
use lab::{events::measure_devices, intel::TdGuest, nvidia::Machine};
use lab_nvml::Config;
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use tempfile::TempDir;

const CHALLENGE: Challenge = Challenge::new([0x5C; 64]);

/// TDX, whose register is that of a guest of the lab's.
#[derive(Debug, Default)]
struct LabTdx(Tdx, Mutex<Vec<RuntimeEvent>>);

#[async_trait]
impl AttestationBackend for LabTdx {
    fn descriptor(&self) -> &'static Descriptor {
        self.0.descriptor()
    }

    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy> {
        self.0.policy(section)
    }

    fn endorsements_for(&self, evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        self.0.endorsements_for(evidence, have)
    }

    fn verify(&self, input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        self.0.verify(input)
    }

    fn bind_runtime(&self, verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
        self.0.bind_runtime(verified, input)
    }

    async fn extend_runtime(&self, _: &Guest, event: &RuntimeEvent) -> Result<Extension> {
        self.1.lock().unwrap().push(event.clone());
        Ok(Extension::new(Vec::new()))
    }
}

/// One machine: a TDX guest, and a GPU that its driver has.
struct Scene {
    root: TempDir,
    cpu: TdGuest,
    machine: Machine,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        lab_nvml::install(root.path(), &Config::default()).unwrap();
        Self { root, cpu: TdGuest::new(), machine: Machine::h100() }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    /// What NVIDIA says.
    fn of_gpus(&self) -> Endorsements {
        let all = self.machine.endorsements().into_iter();
        all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    /// What Intel says.
    fn of_cpu(&self) -> Vec<Endorsement> {
        let collateral = self.cpu.collateral();
        let documents = [&collateral.tcb_info, &collateral.qe_identity];
        let documents = documents.map(|document| (EndorsementKind::Document, document.json().into_bytes()));
        let lists = [collateral.root_ca_crl, collateral.pck_crl];
        let lists = lists.map(|list| (EndorsementKind::RevocationList, list));
        let signer = self.cpu.collateral.tcb_signing_chain.first().unwrap().clone();
        let all = documents.into_iter().chain(lists).chain([(EndorsementKind::Certificate, signer)]);
        all.map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    /// The guest's boot, and the event of its devices where the others of its launch are.
    fn boot(&mut self) -> Evidence {
        let (endorsements, cpu) = (self.of_gpus(), LabTdx::default());
        let anchors: TrustAnchors = Machine::pins().into_iter().collect();
        let policy = Nvidia::default().policy(&serde_json::json!({})).unwrap();
        let verification = BootVerification::new(&endorsements, &anchors, &policy, at());
        let evidence = block_on(attest_at_boot(&Guest::at(self.root()), &cpu, &verification)).unwrap();
        let extended = cpu.1.into_inner().unwrap();
        for event in &extended {
            assert_eq!(event.name(), "gpu-attestation");
            measure_devices(&mut self.cpu.launch.events, event.payload());
        }
        assert_eq!(extended.len(), 1);
        self.cpu.seal_events();
        evidence
    }

    fn collect(&self) -> Evidence {
        block_on(Nvidia::default().collect(&Guest::at(self.root()), &CollectRequest::new(CHALLENGE).unwrap()))
            .unwrap()
    }

    /// What a relying party says of these GPUs beside this CPU, whose quote commits to `quoted`.
    fn judge(&self, gpus: Evidence, quoted: &Challenge, section: &str) -> Result<AttestationResult> {
        let policy = format!(
            "version = 1\nrequire-devices = [\"nvidia\"]\n[reference-values]\nos-image-hash = [\"{}\"]\n\
             [backend.nvidia]\ngpus = 1\n{section}",
            hex::encode(self.cpu.launch.os_image_hash())
        );
        let all: Endorsements = {
            let mut all = self.of_gpus();
            self.of_cpu().into_iter().for_each(|endorsement| all.add(endorsement));
            all
        };
        let accepted = Registry::linked()?.accept(["tdx", "nvidia"])?;
        let source = Arc::new(OfflineBundle::new(all));
        let verifier = Verifier::new(accepted, source, AppraisalPolicy::from_toml(&policy)?)?
            .with_clock(Clock::Fixed(at()))
            .danger_replace_trust_anchors(backend_tdx::ID, self.cpu.pins().into_iter().collect())?
            .danger_replace_trust_anchors(backend_nvidia::ID, Machine::pins().into_iter().collect())?;
        let mut envelope = Envelope::of_cpu(Evidence::new(
            MEDIA_TYPE,
            tdx_payload::payload(&self.cpu, self.cpu.quote_for(quoted.as_bytes())).encode(),
        ));
        envelope.devices.push(gpus);
        block_on(verifier.verify(&envelope.encode_cbor(), &CHALLENGE))
    }
}

fn at() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(Machine::now()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn gpus_that_the_guest_measured_at_boot_are_accepted_beside_its_cpu() {
    let mut scene = Scene::new();
    let gpus = scene.boot();
    assert!(lab_nvml::is_ready(scene.root()));
    let result = scene.judge(gpus, &CHALLENGE, "").unwrap();
    assert_eq!(result.devices.len(), 1);
    let notes = &result.devices[0].notes;
    assert!(notes["lane"].starts_with("boot:"), "{notes:?}");
    assert_eq!(result.devices[0].claims.details["bound-to-cpu"], "boot");
}

#[test]
fn gpus_of_a_boot_that_the_register_does_not_know_are_refused() {
    let mut scene = Scene::new();
    let gpus = scene.boot();
    let refused = Scene { cpu: TdGuest::new(), ..Scene::new() }.judge(gpus, &CHALLENGE, "").unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "gpu-event-present");
    let another = Scene::new().boot();
    let refused = scene.judge(another, &CHALLENGE, "").unwrap_err();
    assert_eq!(refused.check().unwrap().name(), "gpu-event-evidence");
}

#[test]
fn gpus_collected_on_demand_are_accepted_beside_a_cpu_that_commits_to_them() {
    let scene = Scene::new();
    let gpus = scene.collect();
    let quoted = v1_commitment(&CHALLENGE, gpus.bytes()).challenge();
    let lane = "lanes = [\"on-demand\"]";
    let result = scene.judge(gpus.clone(), &quoted, lane).unwrap();
    assert_eq!(result.devices[0].claims.details["bound-to-cpu"], "on-demand");
    // By default a relying party asks for the boot; and a CPU that does not know of the GPUs is none of theirs.
    assert_eq!(scene.judge(gpus.clone(), &quoted, "").unwrap_err().check().unwrap().name(), "gpu-lane");
    assert!(scene.judge(gpus, &CHALLENGE, lane).is_err());
}
