//! A guest with its CPU and its devices, and one relying party: accepted as they stand, and changed in one thing by a case.

use std::{sync::Arc, time::Duration};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, OfflineBundle, Result,
    TrustAnchors, UnixTime,
};
use backend_nvidia::{
    CcState, DeviceEvidence, Environment, GpuAttestation, ID, MultiGpu, NvidiaEvidence, Profile, media_type,
    v1_commitment, v1_nonce,
};
use lab::{
    events::{Event, measure_devices},
    intel::TdGuest,
    nvidia::Machine,
};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_bytes::{ByteArray, ByteBuf};

use super::tdx_payload::payload as tdx_payload;

/// A guest of the lab's, what it sends, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The CPU. Its quote is signed when the scene is judged.
    pub(crate) cpu: TdGuest,
    /// The devices. Their reports are signed when the scene is judged.
    pub(crate) machine: Machine,
    /// In which profile the guest sends them.
    pub(crate) profile: Profile,
    /// What the guest commits to.
    pub(crate) asked: [u8; 64],
    /// What the relying party expects.
    pub(crate) challenge: [u8; 64],
    /// What the guest's driver says.
    pub(crate) cc_state: Option<CcState>,
    /// Lines of the policy itself.
    pub(crate) top: String,
    /// Lines of the section `[backend.nvidia]`, and its tables behind them.
    pub(crate) nvidia: String,
    /// The time of verification.
    pub(crate) at: u64,
    /// The roots of devices and manifests that are trusted.
    pub(crate) anchors: TrustAnchors,
    /// A change to what the guest sends, before the CPU commits to it.
    pub(crate) edit: fn(&mut NvidiaEvidence),
    /// A last change to the payload's bytes, after the CPU committed to them.
    pub(crate) edit_bytes: fn(&mut Vec<u8>),
    /// A change to the event that the guest measures of its devices.
    pub(crate) edit_event: fn(&mut GpuAttestation),
    /// A last change to the events of the CPU.
    pub(crate) edit_events: fn(&mut Vec<Event>),
    /// What somebody else says of devices.
    pub(crate) more_endorsements: Vec<(EndorsementKind, Vec<u8>)>,
    /// A last change to what NVIDIA says.
    pub(crate) edit_endorsements: fn(&mut Vec<(EndorsementKind, Vec<u8>)>),
}

/// What the relying party asks for. No two of its bytes are equal.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C)
}

/// The nonce that the guest chooses at its boot.
pub(crate) const BOOT_NONCE: [u8; 32] = [0xB0; 32];

/// Confidential computing as it must be.
pub(crate) const ON: CcState = CcState {
    environment: Environment::Production,
    feature: true,
    devtools: false,
    multi_gpu: MultiGpu::None,
};

/// The same of a machine in protected PCIe, of which NVML says that the feature is off.
pub(crate) const PROTECTED_PCIE: CcState =
    CcState { feature: false, multi_gpu: MultiGpu::ProtectedPcie, ..ON };

impl Scene {
    /// A TD with an H100 that it measured at its boot, and a relying party that has nothing to add.
    pub(crate) fn boot() -> Self {
        Self::of(Machine::h100(), Profile::Boot)
    }

    /// The same on demand.
    pub(crate) fn v1() -> Self {
        Self { nvidia: "lanes = [\"on-demand\"]\n".to_owned(), ..Self::of(Machine::h100(), Profile::V1) }
    }

    /// Eight GPUs and four switches, at boot.
    pub(crate) fn hgx() -> Self {
        Self { cc_state: Some(PROTECTED_PCIE), ..Self::of(Machine::hgx(), Profile::Boot) }
    }

    /// Two GPUs of Blackwell, each by itself.
    pub(crate) fn mpt() -> Self {
        Self::of(Machine::b200s(), Profile::Boot)
    }

    pub(crate) fn of(machine: Machine, profile: Profile) -> Self {
        Self {
            cpu: TdGuest::new(),
            machine,
            profile,
            asked: challenge(),
            challenge: challenge(),
            cc_state: Some(ON),
            top: String::new(),
            nvidia: String::new(),
            at: Machine::now(),
            anchors: Machine::pins().into_iter().collect(),
            edit: |_| {},
            edit_bytes: |_| {},
            edit_event: |_| {},
            edit_events: |_| {},
            more_endorsements: Vec::new(),
            edit_endorsements: |_| {},
        }
    }

    /// Adds lines to the section of the backend.
    pub(crate) fn policy(&mut self, lines: &str) {
        self.nvidia.push_str(lines);
        self.nvidia.push('\n');
    }

    /// What the guest sends of its devices.
    pub(crate) fn payload(&self) -> NvidiaEvidence {
        let nonce = match self.profile {
            Profile::V1 => v1_nonce(&Challenge::new(self.asked)),
            Profile::Boot => BOOT_NONCE,
            Profile::Raw => self.asked[..32].try_into().unwrap(),
        };
        let devices = self.machine.devices.iter().map(|device| DeviceEvidence {
            report: ByteBuf::from(device.report_for(&nonce)),
            certificates: device.chain().into_iter().map(ByteBuf::from).collect(),
        });
        let mut evidence = NvidiaEvidence {
            nonce: (self.profile == Profile::Boot).then(|| ByteArray::new(nonce)),
            cc_state: self.cc_state,
            devices: devices.collect(),
        };
        (self.edit)(&mut evidence);
        evidence
    }

    /// CPU and devices as the guest sends them: the CPU commits to the devices as their profile says.
    pub(crate) fn envelope(&self) -> Envelope {
        let evidence = self.payload();
        let mut bytes = evidence.encode();
        let mut cpu = self.cpu.clone();
        let mut challenge = self.asked;
        match self.profile {
            Profile::V1 => {
                challenge = *v1_commitment(&Challenge::new(self.asked), &bytes).challenge().as_bytes()
            }
            Profile::Boot => {
                let mut event = GpuAttestation::of(evidence.devices.len(), &bytes);
                (self.edit_event)(&mut event);
                measure_devices(&mut cpu.launch.events, &event.encode());
            }
            Profile::Raw => {}
        }
        (self.edit_events)(&mut cpu.launch.events);
        cpu.seal_events();
        (self.edit_bytes)(&mut bytes);
        let cpu = tdx_payload(&cpu, cpu.quote_for(&challenge)).encode();
        let mut envelope = Envelope::of_cpu(Evidence::new(backend_tdx::MEDIA_TYPE, cpu));
        envelope.devices.push(Evidence::new(media_type(self.profile), bytes));
        envelope
    }

    /// What Intel and NVIDIA say.
    pub(crate) fn endorsements(&self) -> Endorsements {
        let mut all = self.machine.endorsements();
        (self.edit_endorsements)(&mut all);
        all.extend(of_cpu(&self.cpu));
        all.extend(self.more_endorsements.iter().cloned());
        all.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect()
    }

    /// Signs everything, and judges what the guest then sends.
    pub(crate) fn judge(&self) -> Result<AttestationResult> {
        self.judge_envelope(&self.envelope())
    }

    /// What the relying party says of an envelope.
    pub(crate) fn judge_envelope(&self, envelope: &Envelope) -> Result<AttestationResult> {
        let verifier = self.verifier()?;
        block_on(verifier.verify(&envelope.encode_cbor(), &Challenge::new(self.challenge)))
    }

    /// The relying party.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        let policy = AppraisalPolicy::from_toml(&format!(
            "version = 1\n{}\n[backend.nvidia]\n{}",
            self.top, self.nvidia
        ))?;
        let accepted = Registry::linked()?.accept(["tdx", "nvidia"])?;
        let verifier = Verifier::new(accepted, Arc::new(OfflineBundle::new(self.endorsements())), policy)?;
        verifier
            .with_clock(Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(self.at))))
            .danger_replace_trust_anchors(ID, self.anchors.clone())?
            .danger_replace_trust_anchors(backend_tdx::ID, self.cpu.pins().into_iter().collect())
    }
}

/// What Intel says of a TD.
pub(crate) fn of_cpu(guest: &TdGuest) -> Vec<(EndorsementKind, Vec<u8>)> {
    let collateral = guest.collateral();
    vec![
        (EndorsementKind::Certificate, guest.collateral.tcb_signing_chain[0].clone()),
        (EndorsementKind::Document, collateral.tcb_info.json().into_bytes()),
        (EndorsementKind::Document, collateral.qe_identity.json().into_bytes()),
        (EndorsementKind::RevocationList, collateral.root_ca_crl),
        (EndorsementKind::RevocationList, collateral.pck_crl),
    ]
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
