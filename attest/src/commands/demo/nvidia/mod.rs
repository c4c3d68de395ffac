//! Eight GPUs of NVIDIA's and the switches between them, beside an Intel TDX guest.

mod changes;

use backend_api::{Challenge, Endorsement, EndorsementKind, Endorsements, Evidence};
use backend_nvidia::{
    CcState, DeviceEvidence, Environment, GpuAttestation, ID, MultiGpu, NvidiaEvidence, Profile, media_type,
    v1_commitment, v1_nonce,
};
use lab::{
    events::{Event, measure_devices},
    intel::TdGuest,
    nvidia::Machine,
};
use serde_bytes::{ByteArray, ByteBuf};

use super::{CHALLENGE, Story, Trial, Vendor, later, tdx};
use changes::CHANGES;

/// The name of the event that the guest measures its devices by.
const EVENT: &str = "gpu-attestation";

/// The nonce that the guest chooses at its boot.
const BOOT_NONCE: [u8; 32] = [0xB0; 32];

/// A relying party that wants devices beside this image, by either lane.
fn policy(td: &TdGuest) -> String {
    format!(
        "version = 1\nrequire-devices = [\"nvidia\"]\n[reference-values]\nos-image-hash = [\"{}\"]\n\
         [backend.nvidia]\nlanes = [\"boot\", \"on-demand\"]\ngpus = 8\nswitches = 4\n",
        hex::encode(td.launch.os_image_hash())
    )
}

/// A guest with its devices. Everything is signed when it is sent.
#[derive(Debug, Clone)]
struct Guest {
    td: TdGuest,
    machine: Machine,
    /// The lane: at boot or on demand.
    profile: Profile,
    cc_state: CcState,
    /// What it was asked for.
    asked: [u8; 64],
    /// What the relying party asks for.
    challenge: [u8; 64],
    /// A last change to what the devices reported, before it is measured.
    edit: fn(&mut NvidiaEvidence),
    /// A last change to the events, once the devices are measured.
    edit_events: fn(&mut Vec<Event>),
    /// A last change to what NVIDIA says.
    edit_said: fn(&mut Vec<(EndorsementKind, Vec<u8>)>),
}

impl Guest {
    fn new() -> Self {
        Self {
            td: TdGuest::new(),
            machine: Machine::hgx(),
            profile: Profile::Boot,
            cc_state: CcState {
                environment: Environment::Production,
                feature: false,
                devtools: false,
                multi_gpu: MultiGpu::ProtectedPcie,
            },
            asked: CHALLENGE,
            challenge: CHALLENGE,
            edit: |_| {},
            edit_events: |_| {},
            edit_said: |_| {},
        }
    }

    /// The same guest with one change.
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// What the devices report.
    fn devices(&self) -> NvidiaEvidence {
        let nonce = match self.profile {
            Profile::V1 => v1_nonce(&Challenge::new(self.asked)),
            Profile::Boot | Profile::Raw => BOOT_NONCE,
        };
        let devices = self.machine.devices.iter().map(|device| DeviceEvidence {
            report: ByteBuf::from(device.report_for(&nonce)),
            certificates: device.chain().into_iter().map(ByteBuf::from).collect(),
        });
        let mut evidence = NvidiaEvidence {
            nonce: (self.profile == Profile::Boot).then(|| ByteArray::new(nonce)),
            cc_state: Some(self.cc_state),
            devices: devices.collect(),
        };
        (self.edit)(&mut evidence);
        evidence
    }

    /// The guest with its devices measured, before its instance is: as the boot orders its events.
    fn booted(&self, devices: usize, payload: &[u8]) -> TdGuest {
        let mut td = self.td.clone();
        let events = &mut td.launch.events;
        if self.profile == Profile::Boot {
            measure_devices(events, &GpuAttestation::of(devices, payload).encode());
        }
        (self.edit_events)(events);
        td.seal_events();
        td
    }

    /// CPU and devices as the guest sends them, and what the vendors say.
    fn send(&self) -> Trial {
        let evidence = self.devices();
        let payload = evidence.encode();
        let td = self.booted(evidence.devices.len(), &payload);
        let challenge = match self.profile {
            Profile::V1 => *v1_commitment(&Challenge::new(self.asked), &payload).challenge().as_bytes(),
            Profile::Boot | Profile::Raw => self.asked,
        };
        Trial {
            evidence: Evidence::new(backend_tdx::MEDIA_TYPE, tdx::forged(&td, &challenge).encode()),
            devices: vec![Evidence::new(media_type(self.profile), payload)],
            challenge: self.challenge,
            endorsements: self.endorsements(),
        }
    }

    /// What Intel and NVIDIA say.
    fn endorsements(&self) -> Endorsements {
        let mut said = self.machine.endorsements();
        (self.edit_said)(&mut said);
        let said = said.into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes));
        said.chain(tdx::endorsements(&self.td.collateral())).collect()
    }
}

pub(super) fn story() -> Story {
    let guest = Guest::new();
    let mut accepted: Vec<(&'static str, Trial)> = later()
        .into_iter()
        .map(|(change, event)| (change, guest.with(|guest| guest.td.launch.events.push(event)).send()))
        .collect();
    accepted.push((
        "devices that sign the challenge, on demand",
        guest.with(|guest| guest.profile = Profile::V1).send(),
    ));
    let undamaged = guest.send();
    let measured = guest.booted(0, b"").launch.events;
    Story {
        vendors: vec![
            Vendor {
                backend: backend_tdx::ID,
                name: "Intel",
                anchors: guest.td.pins().into_iter().collect(),
                foreign_check: "root-pinned",
            },
            Vendor {
                backend: ID,
                name: "NVIDIA",
                anchors: Machine::pins().into_iter().collect(),
                foreign_check: "device-root-pinned",
            },
        ],
        policy: policy(&guest.td),
        introduction: (
            "The lab forges a platform of Intel's with a guest, as for --backend tdx; and eight GPUs and four switches of NVIDIA's: \
             their certificates, manifests of their driver and firmware, the status of every certificate. At its boot the guest \
             asks each device for a report, and measures all of them in RTMR3 before it is ready. The evidence is forged: nothing \
             was extended or collected."
                .to_owned(),
            vec![
                ("devices", "8 x H100 and 4 x NVSwitch in protected PCIe, simulated".to_owned()),
                ("nonce of the boot", hex::encode(BOOT_NONCE)),
                ("runtime events", tdx::names(&measured)),
                ("image", hex::encode(guest.td.launch.os_image_hash())),
            ],
        ),
        collected: false,
        acceptance: "the CPU as for --backend tdx; each device by its certificates, its signature, and measurements that are those of \
                     NVIDIA's manifests; all of them as one machine whose GPUs and switches name each other; and the event \
                     gpu-attestation in RTMR3 commits to exactly their evidence."
            .to_owned(),
        expected: vec![("measurement, launched", hex::encode(guest.td.quote.body.mrtd))],
        accepted,
        refused: CHANGES.iter().map(|(change, expected, apply)| (*change, *expected, apply(&guest))).collect(),
        undamaged,
    }
}
