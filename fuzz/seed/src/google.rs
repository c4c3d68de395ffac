//! What the simulated Google forges.

use lab::google::{EndorsementSpec, InstanceSpec, PropertiesSpec};

use crate::Seeds;

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
