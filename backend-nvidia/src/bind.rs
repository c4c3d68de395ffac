//! `bind_runtime`: from the event that the guest measured at its boot to the devices.

use std::collections::BTreeMap;

use backend_api::{
    BindInput, BindingGraph, DeviceEvent, Failed, Field, Identity, Lane, Ledger, Result, RuntimeBinding,
    VerifiedEvidence,
};
use serde::{Deserialize, Serialize};

use crate::{
    DESCRIPTOR, Error,
    verify::{EVIDENCE, Tie, Verified, refused},
};

/// The checks that `bind_runtime` makes, in order.
pub mod checks {
    backend_api::checks! {
        GPU_EVENT_PRESENT = "gpu-event-present":
            "a register of the CPU holds the event gpu-attestation, from before the guest was ready", "dstack boot order";
        GPU_EVENT_FORMAT = "gpu-event-format":
            "the event is in its format", "dstack gpu-attestation event, version 2";
        GPU_EVENT_EVIDENCE = "gpu-event-evidence":
            "the event commits to exactly this payload: reports, certificates and what the guest said of confidential computing",
            "dstack gpu-attestation event, evidence_sha256";
        GPU_EVENT_DEVICES = "gpu-event-devices":
            "the event counts as many devices as there are", "dstack gpu-attestation event, devices";
        GPU_EVENT_MODE = "gpu-event-mode":
            "by the event confidential computing is on and the mode for development is off",
            "dstack gpu-attestation event, cc_mode and devtools";
    }
}

/// The payload of the event `gpu-attestation`: JSON, as dstack's guests extend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuAttestation {
    /// 2.
    pub version: u32,
    /// `nvidia`.
    pub provider: String,
    /// How many devices: GPUs and switches.
    pub devices: usize,
    /// `on`.
    pub cc_mode: String,
    /// Whether the mode for development is on.
    pub devtools: bool,
    /// SHA-256 of the payload of the profile `boot`, lower-case hex.
    pub evidence_sha256: String,
}

/// The version of the event.
const VERSION: u32 = 2;

impl GpuAttestation {
    /// The event of a guest whose devices are in confidential mode, for its payload.
    pub fn of(devices: usize, payload: &[u8]) -> Self {
        Self {
            version: VERSION,
            provider: "nvidia".to_owned(),
            devices,
            cc_mode: "on".to_owned(),
            devtools: false,
            evidence_sha256: hex::encode(crate::profile::sha256(payload)),
        }
    }

    /// The event's bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory does not fail, and these are text and numbers.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn parse(payload: &[u8]) -> std::result::Result<Self, Error> {
        let event: Self =
            serde_json::from_slice(payload).map_err(|error| Error::EventFormat(error.to_string()))?;
        if event.version != VERSION || event.provider != "nvidia" {
            let found = format!("version {} of {:?}", event.version, event.provider);
            return Err(Error::EventFormat(found));
        }
        Ok(event)
    }
}

pub(crate) fn bind_runtime(verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
    let cpu = input.cpu()?;
    let verified: &Verified = verified.detail()?;
    let (mut ledger, mut graph) = (Ledger::default(), BindingGraph::default());
    let lane = match verified.tie {
        Tie::Boot(_) => {
            boot(verified, cpu.device_event(), &mut ledger, &mut graph).map_err(refused)?;
            "boot: the guest measured the evidence before it was ready; nothing in it is newer than the boot"
        }
        Tie::OnDemand | Tie::Word => {
            let reason = "evidence of the profile boot alone has an event";
            checks::ALL.iter().for_each(|info| ledger.not_performed(info.check, reason));
            if verified.tie == Tie::OnDemand {
                "on-demand: the devices signed the challenge, and the CPU committed to the evidence"
            } else {
                "none: that the devices are this CPU's is the caller's word"
            }
        }
    };
    let mut identity = Identity::new();
    identity.bind(Field::DeviceId, verified.device_id, Lane::Report);
    let notes = BTreeMap::from([
        ("lane", lane.to_owned()),
        ("co-location", "not proven: no device says into which machine it is plugged".to_owned()),
        (
            "cc-mode",
            "the guest's word: no device signs it, so that it counts as far as the guest is known".to_owned(),
        ),
    ]);
    RuntimeBinding::assertion(&DESCRIPTOR, identity, ledger, graph, notes)
}

/// Register of the CPU -> event -> payload.
fn boot(
    verified: &Verified,
    event: Option<&DeviceEvent>,
    ledger: &mut Ledger,
    graph: &mut BindingGraph,
) -> std::result::Result<(), Failed<Error>> {
    let event = ledger.record(checks::GPU_EVENT_PRESENT, event.ok_or(Error::EventMissing))?;
    let says = ledger.record(checks::GPU_EVENT_FORMAT, GpuAttestation::parse(&event.payload))?;
    let is_of_payload = says.evidence_sha256 == hex::encode(verified.payload);
    ledger.require(checks::GPU_EVENT_EVIDENCE, is_of_payload, || Error::EventEvidence)?;
    let (found, expected) = (verified.devices, says.devices);
    ledger
        .require(checks::GPU_EVENT_DEVICES, found == expected, || Error::EventDevices { found, expected })?;
    let is_on = says.cc_mode == "on" && !says.devtools;
    ledger.require(checks::GPU_EVENT_MODE, is_on, || Error::EventMode {
        expected: "cc_mode on and devtools false",
        found: format!("cc_mode {:?} and devtools {}", says.cc_mode, says.devtools),
    })?;
    graph.add("cpu", EVIDENCE, format!("event gpu-attestation in {}", event.register), event.authority);
    Ok(())
}
