//! What the simulated NVIDIA forges.

use backend_nvidia::{CcState, DeviceEvidence, Environment, MultiGpu, NvidiaEvidence, v1_nonce};
use lab::nvidia::{Machine, rim_defects::cases};

use crate::Seeds;

/// Manifests, sound ones and ones with a defect each, but for those that are too large to be mutated.
pub fn rims() -> Seeds {
    let small = cases().into_iter().filter(|case| case.document.len() < 16 * 1024);
    small.map(|case| (case.name.replace(' ', "-"), case.document.into())).collect()
}

/// The sound ones of those, and what the rules of canonical forms are about.
pub fn documents() -> Seeds {
    let sound = cases().into_iter().filter(|case| case.refused_by.is_none());
    let mut seeds: Seeds = sound.map(|case| (case.name.replace(' ', "-"), case.document.into())).collect();
    for (name, document) in [
        ("namespaces", "<a xmlns='urn:1' xmlns:b='urn:2'><b:c xmlns=''><d b:e='' e=''/></b:c></a>"),
        ("escapes", "<a b='&lt;&#9;&#10;&#13;&quot;\n'>&amp;&gt;&#13;\r\n&#x1F600;</a>"),
        (
            "prolog",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='no'?>\n<!-- a -->\n<a><!-- b --></a>\n",
        ),
    ] {
        seeds.push((name.to_owned(), document.into()));
    }
    seeds
}

/// Reports of every chip, alone and linked.
pub fn reports() -> Seeds {
    let machines = [("h100", Machine::h100()), ("b200", Machine::b200s()), ("hgx", Machine::hgx())];
    let first = machines.iter().map(|(name, machine)| ((*name).to_owned(), machine.devices.first()));
    let switch = machines.last().and_then(|(_, machine)| machine.devices.last());
    let devices = first.chain([("switch".to_owned(), switch)]);
    devices.filter_map(|(name, device)| Some((name, device?.report_for(&[7; 32])))).collect()
}

/// Payloads of each profile, of one device and of a machine.
pub fn payloads() -> Seeds {
    let on = CcState {
        environment: Environment::Production,
        feature: true,
        devtools: false,
        multi_gpu: MultiGpu::None,
    };
    let nonce = v1_nonce(&backend_api::Challenge::new([7; 64]));
    let payload = |machine: &Machine, nonce: &[u8; 32]| NvidiaEvidence {
        nonce: None,
        cc_state: Some(on),
        devices: machine
            .devices
            .iter()
            .map(|device| DeviceEvidence {
                report: device.report_for(nonce).into(),
                certificates: device.chain().into_iter().map(Into::into).collect(),
            })
            .collect(),
    };
    let boot = NvidiaEvidence { nonce: Some([1; 32].into()), ..payload(&Machine::h100(), &[1; 32]) };
    [
        ("v1", payload(&Machine::h100(), &nonce)),
        ("raw", payload(&Machine::h100(), &[7; 32])),
        ("boot", boot),
        ("nothing", NvidiaEvidence::default()),
    ]
    .map(|(name, evidence)| (name.to_owned(), evidence.encode()))
    .into()
}
