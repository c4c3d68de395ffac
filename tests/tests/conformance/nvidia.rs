//! NVIDIA: devices of the lab's in every profile, beside a TD of the lab's.

use std::sync::LazyLock;

use backend_api::{
    Challenge, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType, Registration,
    TrustAnchors,
};
use backend_nvidia::{
    CcState, DeviceEvidence, Environment, MultiGpu, NvidiaEvidence, Profile, REGISTRATION, media_type,
    v1_nonce,
};
use conformance::{Case, Cpu, Forgery, Given, Subject, Validity};
use lab::nvidia::{Machine, manifest};
use serde_bytes::{ByteArray, ByteBuf};
use serde_json::json;

use crate::{nvidia_cpu::cpu_for, nvidia_forgeries::forgeries};

/// No two of its first 32 bytes are equal, and zeros are behind them: other tools' devices sign no more.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| match index {
        0..32 => u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C,
        _ => 0,
    })
}

/// What the guest chose at its boot.
const BOOT_NONCE: [u8; 32] = [0xB0; 32];

pub(crate) struct Nvidia;

impl Subject for Nvidia {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let mut cases = vec![
                case_of("a GPU at boot", &small(), Profile::Boot),
                without_status("a GPU on demand", Profile::V1),
                without_status("a GPU of another tool", Profile::Raw),
            ];
            // The same manifests for all: their bytes are flipped once.
            let (first, others) = cases.split_first_mut().unwrap();
            for case in others {
                let documents = first.endorsements.iter();
                let documents = documents.filter(|given| given.endorsement.kind == EndorsementKind::Document);
                case.endorsements = documents.cloned().collect();
            }
            cases
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        let report = small().devices[0].report_for(&[0; 32]);
        vec![
            Evidence::new(MediaType::new("application/vnd.nvidia.gpu-report"), report),
            Evidence::new(MediaType::new("application/vnd.dstack.nvidia.v2+cbor"), vec![0xA0]),
        ]
    }
}

/// An H100 whose manifests list two measurements each: every byte of them is flipped.
pub(crate) fn small() -> Machine {
    let mut machine = Machine::h100();
    let values: Vec<[u8; 48]> =
        machine.devices[0].report.measurements.iter().map(|(_, value)| *value).collect();
    let golden = |indices: [u8; 2]| indices.map(|index| (index, vec![values[usize::from(index)]])).into();
    let (driver, bios) = machine.devices[0].versions();
    machine.manifests = vec![
        manifest("GPU", "GH100", driver, 64, &golden([7, 35])),
        manifest("GPU", "GH100", bios, 64, &golden([1, 2])),
    ];
    for manifest in &mut machine.manifests {
        manifest
            .resources
            .retain(|attributes| attributes.contains(&("active".to_owned(), "True".to_owned())));
    }
    machine
}

/// What a guest with these devices sends, and what is beside it.
pub(crate) fn payload(machine: &Machine, profile: Profile) -> NvidiaEvidence {
    let nonce = match profile {
        Profile::V1 => v1_nonce(&Challenge::new(challenge())),
        Profile::Boot => BOOT_NONCE,
        Profile::Raw => challenge()[..32].try_into().unwrap(),
    };
    let devices = machine.devices.iter().map(|device| DeviceEvidence {
        report: ByteBuf::from(device.report_for(&nonce)),
        certificates: device.chain().into_iter().map(ByteBuf::from).collect(),
    });
    let on = CcState {
        environment: Environment::Production,
        feature: true,
        devtools: false,
        multi_gpu: MultiGpu::None,
    };
    NvidiaEvidence {
        nonce: (profile == Profile::Boot).then(|| ByteArray::new(BOOT_NONCE)),
        cc_state: (profile != Profile::Raw).then_some(on),
        devices: devices.collect(),
    }
}

/// A case of these devices, beside a TD that commits to them as the profile says.
pub(crate) fn case_of(name: &str, machine: &Machine, profile: Profile) -> Case {
    let evidence = payload(machine, profile);
    let bytes = evidence.encode();
    let stale = ErrorKind::StaleEndorsements;
    let from = Machine::status_from();
    let validity = Validity { not_before: from, not_after: from + 86_400, earlier: stale, later: stale };
    let anchors: TrustAnchors = Machine::pins().into_iter().collect();
    let mut case = Case::new(
        name,
        Evidence::new(media_type(profile), bytes.clone()),
        Challenge::new(challenge()),
        anchors,
        validity,
    );
    case.cpu = Some(cpu(profile, evidence.devices.len(), &bytes));
    case.endorsements = machine
        .endorsements()
        .into_iter()
        .map(|(kind, bytes)| Given::needed(Endorsement::new(kind, bytes)))
        .collect();
    case.policy = match profile {
        Profile::Boot => json!({}),
        Profile::V1 => json!({ "lanes": ["on-demand"] }),
        Profile::Raw => json!({ "raw": {}, "danger-accept-unreported-cc-mode": true }),
    };
    case.claims = vec![
        ("/tee", json!("nvidia-cc")),
        ("/tee-variant", json!("nvidia")),
        ("/product", json!("1 x GH100")),
        ("/details/devices/0/x-nvidia-gpu-driver-version", json!("550.90.07")),
        ("/details/devices/0/pdi", json!(hex::encode_upper(machine.devices[0].pdi))),
    ];
    let device_id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &machine.devices[0].pdi);
    case.identity = vec![(Field::DeviceId, device_id.as_ref().to_vec())];
    case
}

/// The same under a policy that does without the status of certificates: bounded by the signer of the manifests.
fn without_status(name: &str, profile: Profile) -> Case {
    let mut case = case_of(name, &small(), profile);
    case.endorsements.retain(|given| given.endorsement.kind == EndorsementKind::Document);
    case.policy["device"] = json!({ "danger-accept-unknown-revocation": true });
    case.policy["rim"] = json!({ "danger-accept-unknown-revocation": true });
    let day = lab::time::utc_day;
    let stale = ErrorKind::StaleEndorsements;
    case.validity =
        Validity { not_before: day(2025, 1, 1), not_after: day(2027, 1, 1), earlier: stale, later: stale };
    case
}

/// A TD that was verified and bound, and that commits to a payload of devices.
pub(crate) fn cpu(profile: Profile, devices: usize, payload: &[u8]) -> Cpu {
    cpu_for(&challenge(), profile, devices, payload)
}
