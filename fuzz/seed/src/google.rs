//! What the simulated Google forges.

use backend_gcp::GcpEvidence;
use lab::google::{EndorsementSpec, Guest, InstanceSpec, PropertiesSpec};

use crate::{Seeds, azure::logged};

/// What the target's own quotes commit to.
const CHALLENGE: [u8; 64] = [7; 64];

pub fn payloads() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, guest) in [("snp", Guest::snp()), ("tdx", Guest::tdx())] {
        let parts = guest.v1_parts(&CHALLENGE);
        let mut evidence =
            GcpEvidence::new(parts.report, parts.quote, parts.signature, parts.pcrs, parts.ak_certificate);
        evidence.certificates = parts.certificates.into_iter().map(Into::into).collect();
        evidence.launch_endorsement = Some(parts.launch_endorsement.into());
        evidence.boot_log = Some(parts.boot_log.into());
        evidence.cc_log = parts.cc_log.map(Into::into);
        evidence.runtime_events = guest.events.iter().map(logged).collect();
        seeds.push((name.to_owned(), evidence.encode()));
        // Without what the target puts in itself.
        let mut small = GcpEvidence::new(Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        seeds.push((format!("{name}-nothing"), small.encode()));
        small.runtime_events = evidence.runtime_events;
        seeds.push((format!("{name}-events"), small.encode()));
        small.boot_log = evidence.boot_log;
        seeds.push((format!("{name}-logs"), small.encode()));
    }
    seeds
}

/// The target chooses by the first byte: an endorsement, or what is signed in it.
pub fn endorsements() -> Seeds {
    let sound = EndorsementSpec::default();
    let unknown = EndorsementSpec { after: vec![0x78, 1, 0xA2, 0x06, 2, 7, 7], ..sound.clone() };
    let old = EndorsementSpec { timestamp: Some((1_700_000_000, 0)), cl_spec: 0, ..sound.clone() };
    let alone = EndorsementSpec { ca_bundle: Vec::new(), commit: Vec::new(), ..sound.clone() };
    let specs = [
        ("v", sound.clone()),
        ("snp", EndorsementSpec { tdx: None, ..sound.clone() }),
        ("tdx", EndorsementSpec { sev_snp: None, ..sound }),
        ("unknown-fields", unknown),
        ("old", old),
        ("alone", alone),
    ];
    let mut seeds = Seeds::new();
    for (name, spec) in specs {
        seeds.push((format!("golden-{name}"), [b"g", &spec.golden()[..]].concat()));
        seeds.push((format!("endorsement-{name}"), [b"e", &spec.sign()[..]].concat()));
    }
    seeds
}

pub fn instances() -> Seeds {
    let sound = InstanceSpec::default();
    let test = PropertiesSpec { security_version: None, flags: vec![(1, 0)] };
    let specs = [
        ("production", sound.clone()),
        ("test", InstanceSpec { properties: Some(test), ..sound.clone() }),
        ("bare", InstanceSpec { properties: None, ..sound.clone() }),
        ("numbers", InstanceSpec { project_number: 0, instance_id: u64::MAX, ..sound }),
    ];
    specs.map(|(name, spec)| (name.to_owned(), spec.der())).into()
}
