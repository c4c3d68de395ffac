//! `verify`: from a payload to devices of NVIDIA's, in confidential mode, beside one CPU.

use std::sync::{Arc, LazyLock};

use backend_api::{
    Authority, BindingGraph, Challenge, Claims, EndorsementKind, Error as ApiError, ErrorKind, Evidence,
    Failed, Ledger, Result, Role, TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_nvidia::{
    Anchors, Appraise, Appraised, DEVICE_PINS, DEVICE_ROOT, Device, DeviceCache, Error as DeviceError,
    Revocation, VerifiedDevice, VerifyDevice, verify_machine,
};
use evidence_rim::{RIM_PINS, ROOT_NAME};

use crate::{
    CcState, DESCRIPTOR, Environment, Error, ID, MultiGpu, NvidiaEvidence, Policy, Profile, RawPolicy,
    checks,
    claims::{self, Judged},
    policy::GpuLane,
    profile::{profile_of, sha256, v1_commitment, v1_nonce},
    rims::{DeviceRims, Found, Rims, candidates},
};

/// Devices whose certificates were verified in this process.
pub(crate) static DEVICES: LazyLock<DeviceCache> = LazyLock::new(DeviceCache::default);

/// What ties a payload to the CPU beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// Profile `v1`.
    OnDemand,
    /// Profile `boot`, with the nonce that the guest chose.
    Boot([u8; 32]),
    /// Profile `raw`: nothing but the caller's word.
    Word,
}

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) tie: Tie,
    /// SHA-256 of the payload, to which the guest's event commits.
    pub(crate) payload: [u8; 32],
    pub(crate) devices: usize,
    pub(crate) device_id: [u8; 32],
}

/// CPU -> payload -> devices -> reference values.
pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let cpu = input.cpu()?;
    if cpu.role() != Role::Cpu {
        let message = "a device is verified beside the evidence of a CPU, not beside another device's";
        return Err(ApiError::new(ErrorKind::InvalidConfig, message).in_backend(ID));
    }
    let mut verifier = Verifier::of(input)?;
    let verdict = (|| {
        let (evidence, tie) = verifier.ledger.record(checks::payload::PAYLOAD, payload(input.evidence))?;
        let nonce = verifier.nonce(tie)?;
        verifier.commitment(cpu, tie)?;
        verifier.devices(&evidence, tie, &nonce)
    })();
    let (verified, claims) = verdict.map_err(refused)?;
    VerifiedEvidence::assertion(&DESCRIPTOR, input, verifier.ledger, verifier.graph, claims, verified)
}

/// What the guest asks of its own devices before it measures them: everything but what ties them to a CPU, which is what the guest is
/// about to do. Nobody else can ask that.
#[cfg(feature = "attester")]
pub(crate) fn verify_in_guest(input: &VerifyInput<'_>) -> Result<()> {
    let mut verifier = Verifier::of(input)?;
    let verdict = (|| {
        let (evidence, tie) = verifier.ledger.record(checks::payload::PAYLOAD, payload(input.evidence))?;
        let nonce = verifier.nonce(tie)?;
        verifier.devices(&evidence, tie, &nonce)
    })();
    verdict.map(drop).map_err(refused)
}

/// What is verified so far.
struct Verifier<'a> {
    input: &'a VerifyInput<'a>,
    policy: &'a Policy,
    ledger: Ledger,
    graph: BindingGraph,
}

impl<'a> Verifier<'a> {
    fn of(input: &'a VerifyInput<'a>) -> Result<Self> {
        let policy = input.policy.get()?;
        Ok(Self { input, policy, ledger: Ledger::default(), graph: BindingGraph::default() })
    }
}

impl Verifier<'_> {
    /// The nonce that every device must have signed, where the policy accepts what ties them to the CPU.
    fn nonce(&mut self, tie: Tie) -> Result<[u8; 32], Failed<Error>> {
        let (lane, nonce) = match tie {
            Tie::OnDemand => (GpuLane::OnDemand, v1_nonce(self.input.challenge)),
            Tie::Boot(nonce) => (GpuLane::Boot, nonce),
            Tie::Word => {
                let named = self.policy.raw.as_ref().ok_or(Error::RawNotNamed);
                let nonce = named.and_then(|raw| raw_nonce(raw, self.input.challenge));
                return self.ledger.record(checks::raw::RAW_NAMED, nonce);
            }
        };
        let is_accepted = self.policy.lanes.contains(&lane);
        self.ledger.require(checks::lane::GPU_LANE, is_accepted, || Error::Lane(lane.name()))?;
        Ok(nonce)
    }

    /// CPU -> challenge, and on demand -> payload.
    fn commitment(&mut self, cpu: &VerifiedEvidence, tie: Tie) -> Result<(), Failed<Error>> {
        let challenge = self.input.challenge;
        let committed = match tie {
            Tie::OnDemand => v1_commitment(challenge, self.input.evidence.bytes()).challenge(),
            Tie::Boot(_) | Tie::Word => *challenge,
        };
        let authority = authority(cpu, tie).filter(|_| *cpu.challenge() == committed);
        self.ledger.require(checks::cpu::CPU_COMMITMENT, authority.is_some(), || Error::CpuCommitment)?;
        match (tie, authority) {
            (Tie::OnDemand, Some(authority)) => {
                self.graph.add("cpu", EVIDENCE, "SHA-256 in what the CPU's challenge hashes", authority);
            }
            (Tie::Word, _) => self.graph.add("cpu", EVIDENCE, "the caller's word", Authority::Asserted),
            // The event is the binding's to find.
            _ => {}
        }
        Ok(())
    }

    /// Payload -> devices -> all of them together -> what each measured: what costs most comes last.
    fn devices(
        &mut self,
        evidence: &NvidiaEvidence,
        tie: Tie,
        nonce: &[u8; 32],
    ) -> Result<(Verified, Claims), Failed<Error>> {
        let anchors: Anchors = self.input.trust_anchors.pins().collect();
        let endorsements = self.input.endorsements;
        let revocation = Revocation::read(
            endorsements.of(EndorsementKind::StatusResponse),
            endorsements.of(EndorsementKind::RevocationList),
        );
        let devices = self.genuine(evidence, nonce, &anchors, &revocation)?;
        let machine = verify_machine(&devices).map_err(|failed| failed.map(Error::Machine))?;
        self.ledger.append(machine);
        self.count(&devices)?;
        self.cc_mode(evidence.cc_state, &devices)?;
        let (at, policy) = (self.input.at, &self.policy.rim);
        let mut rims = Rims::new(candidates(endorsements), &anchors, at, &revocation, policy);
        let judged = self.measured(&devices, &mut rims)?;

        let device_id = claims::device_id(&devices);
        let claims = claims::of(&devices, &judged, evidence.cc_state, tie, &device_id);
        let payload = sha256(self.input.evidence.bytes());
        Ok((Verified { tie, payload, devices: devices.len(), device_id }, claims))
    }

    /// Payload -> devices: NVIDIA made each, and it signed its report.
    fn genuine(
        &mut self,
        evidence: &NvidiaEvidence,
        nonce: &[u8; 32],
        anchors: &Anchors,
        revocation: &Revocation<'_>,
    ) -> Result<Vec<VerifiedDevice>, Failed<Error>> {
        let mut devices = Vec::with_capacity(evidence.devices.len());
        for (index, device) in evidence.devices.iter().enumerate() {
            let certificates: Vec<&[u8]> = device.certificates.iter().map(|der| der.as_slice()).collect();
            let device = VerifyDevice {
                report: &device.report,
                certificates: &certificates,
                nonce,
                anchors,
                at: self.input.at,
                revocation,
                policy: &self.policy.device,
            };
            let device = device.verify(&DEVICES).map_err(|failed| of_device(index, failed))?;
            let name = name(index, &device);
            let means = "certificate path, ECDSA P-384 signature over the report";
            self.graph.add(DEVICE_ROOT, name.clone(), means, Authority::TeeHardware);
            self.graph.add(
                EVIDENCE,
                name,
                "its report and certificates in the payload",
                Authority::TeeHardware,
            );
            devices.push(device);
        }
        self.ledger.append(Ledger::common(devices.iter().map(VerifiedDevice::ledger)));
        Ok(devices)
    }

    /// Devices -> reference values.
    fn measured(
        &mut self,
        devices: &[VerifiedDevice],
        rims: &mut Rims<'_>,
    ) -> Result<Vec<Judged>, Failed<Error>> {
        let mut judged = Vec::with_capacity(devices.len());
        for (index, device) in devices.iter().enumerate() {
            let DeviceRims { driver, vbios } = rims.of(device)?;
            let of = |found: &'_ Option<Found>| found.as_ref().map(|found| Arc::clone(&found.rim));
            let (of_driver, of_vbios) = (of(&driver), of(&vbios));
            let appraise = Appraise {
                device,
                driver: of_driver.as_deref(),
                vbios: of_vbios.as_deref(),
                strict: self.policy.strict,
            };
            let appraised = appraise.appraise().map_err(|failed| of_device(index, failed))?;
            self.graph.add(name(index, device), "reference values", "measurements", Authority::TeeHardware);
            judged.push(Judged { appraised, rims: driver.into_iter().chain(vbios).collect() });
        }
        self.graph.add(
            ROOT_NAME,
            "reference values",
            "certificate paths, signatures of manifests",
            Authority::TeeHardware,
        );
        let rims = judged.iter().flat_map(|judged| &judged.rims).map(|Found { ledger, .. }| ledger);
        self.ledger.append(Ledger::common(rims));
        let appraised = judged.iter().map(|Judged { appraised: Appraised { ledger, .. }, .. }| ledger);
        self.ledger.append(Ledger::common(appraised));
        Ok(judged)
    }

    fn count(&mut self, devices: &[VerifiedDevice]) -> Result<(), Failed<Error>> {
        let (gpus, switches) = (self.policy.gpus, self.policy.switches);
        if gpus.is_none() && switches.is_none() {
            let reason = "the policy does not say how many devices there are";
            self.ledger.not_performed(checks::guest::DEVICE_COUNT, reason);
            return Ok(());
        }
        let found = devices.iter().filter(|device| device.architecture().is_switch()).count();
        let equal = |what, found: usize, expected: Option<usize>| match expected {
            Some(expected) if expected != found => Err(Error::DeviceCount { what, found, expected }),
            _ => Ok(()),
        };
        let count = equal("GPUs", devices.len().saturating_sub(found), gpus);
        let count = count.and_then(|()| equal("NVSwitches", found, switches));
        self.ledger.verify(checks::guest::DEVICE_COUNT, count)
    }

    /// What no device signs, the guest says: that counts as far as the guest is known.
    fn cc_mode(&mut self, state: Option<CcState>, devices: &[VerifiedDevice]) -> Result<(), Failed<Error>> {
        if state.is_none() && self.policy.danger_accept_unreported_cc_mode {
            self.ledger.not_performed(
                checks::guest::CC_MODE,
                "danger-accept-unreported-cc-mode: nothing says that confidential computing is on",
            );
            return Ok(());
        }
        let is_pcie = devices.iter().any(|device| match &device.opaque().device {
            Device::Gpu(gpu) => gpu.is_protected_pcie(),
            Device::Switch(_) => false,
        });
        let holds = state.ok_or(Error::CcUnreported).and_then(|state| in_confidential_mode(state, is_pcie));
        self.ledger.verify(checks::guest::CC_MODE, holds)
    }
}

/// On whose word a CPU commits to what it was verified for; `None` if nothing in its graph says that it does.
///
/// Of several the weakest: where a vTPM says so too, it may be the vTPM alone that knows whose report it is.
fn authority(cpu: &VerifiedEvidence, tie: Tie) -> Option<Authority> {
    let rank = |authority: &Authority| match authority {
        Authority::TeeHardware => 0,
        Authority::TeeVtpm => 1,
        Authority::ProviderVtpm => 2,
        Authority::Provider => 3,
        _ => 4,
    };
    let links = cpu.graph().links().iter().filter(|link| link.to == "challenge");
    // What stands on the caller's word about the devices may stand on it about the CPU too.
    let counts = |on: &Authority| *on != Authority::Asserted || tie == Tie::Word;
    links.map(|link| link.authority).filter(counts).max_by_key(rank)
}

/// With protected PCIe NVML says that the feature is off: links are isolated, not encrypted.
fn in_confidential_mode(state: CcState, is_pcie: bool) -> Result<(), Error> {
    let expected = if is_pcie {
        "protected PCIe as the GPUs sign it, in production, devtools off"
    } else {
        "feature on in production, devtools off, and protected PCIe only where the GPUs sign it"
    };
    let says_pcie = state.multi_gpu == MultiGpu::ProtectedPcie;
    let holds = state.environment == Environment::Production
        && !state.devtools
        && (state.feature || is_pcie)
        && says_pcie == is_pcie;
    if holds { Ok(()) } else { Err(Error::CcMode { expected, found: state.to_string() }) }
}

/// The named nonce, or the beginning of a challenge that has zeros behind it.
fn raw_nonce(raw: &RawPolicy, challenge: &Challenge) -> Result<[u8; 32], Error> {
    let (first, rest) = challenge.as_bytes().split_at(32);
    match (&raw.nonce, first.try_into()) {
        (Some(nonce), _) => Ok(nonce.0),
        (None, Ok(first)) if rest.iter().all(|byte| *byte == 0) => Ok(first),
        (None, _) => Err(Error::RawChallenge),
    }
}

/// What the payload is called in the graph.
pub(crate) const EVIDENCE: &str = "device evidence";

/// What a device is called in the graph.
fn name(index: usize, device: &VerifiedDevice) -> String {
    let kind = if device.architecture().is_switch() { "SWITCH" } else { "GPU" };
    format!("{kind}-{index}")
}

fn of_device(index: usize, failed: Failed<DeviceError>) -> Failed<Error> {
    failed.map(|error| Error::Device { index, error })
}

/// NVIDIA's roots: of devices, and of reference values.
pub(crate) fn trust_anchors() -> TrustAnchors {
    DEVICE_PINS.iter().chain(&RIM_PINS).map(|pin| (pin.subject.clone(), pin.spki_sha256)).collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

pub(crate) fn payload(evidence: &Evidence) -> Result<(NvidiaEvidence, Tie), Error> {
    let profile = profile_of(evidence.media_type());
    let profile = profile.ok_or_else(|| Error::MediaType(evidence.media_type().to_string()))?;
    let evidence = NvidiaEvidence::decode(evidence.bytes())?;
    if evidence.devices.is_empty() {
        return Err(Error::NoDevices);
    }
    let tie = match (profile, evidence.nonce) {
        (Profile::V1, None) => Tie::OnDemand,
        (Profile::Boot, Some(nonce)) => Tie::Boot(*nonce),
        (Profile::Raw, None) => Tie::Word,
        (Profile::Boot, None) => {
            return Err(Error::Nonce { profile: profile.name(), found: "no", expected: "a" });
        }
        (Profile::V1 | Profile::Raw, Some(_)) => {
            return Err(Error::Nonce { profile: profile.name(), found: "a", expected: "no" });
        }
    };
    Ok((evidence, tie))
}
