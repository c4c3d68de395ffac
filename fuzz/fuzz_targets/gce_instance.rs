//! What Google says of an instance: read, and, in a certificate that the lab signs, taken through every check.
#![no_main]

use std::sync::LazyLock;

use evidence_gce::{AkCache, Anchors, Instance, InstancePolicy, MAX_INSTANCE_INFO, VerifyAk, ak_anchors};
use fuzz_targets::now;
use lab::{
    google::{Hierarchy, INSTANCE_INFO, InstanceSpec},
    keys::Pkcs1,
    x509::extension,
};
use libfuzzer_sys::fuzz_target;

static LAB: LazyLock<(Hierarchy, Anchors, [Vec<u8>; 2])> = LazyLock::new(|| {
    let hierarchy = Hierarchy::new();
    let anchors = hierarchy.pins().into_iter().collect();
    let lists = hierarchy.crls();
    (hierarchy, anchors, lists)
});

/// `[1]` with a BOOLEAN that is true.
const PRODUCTION: [u8; 5] = [0xA1, 3, 1, 1, 0xFF];

fuzz_target!(|data: &[u8]| {
    let parsed = Instance::parse(data);
    if let Ok(instance) = &parsed {
        assert!(data.len() <= MAX_INSTANCE_INFO);
        assert!(!instance.security.is_production || data.windows(5).any(|window| window == PRODUCTION));
        for name in [&instance.zone, &instance.project_id, &instance.instance_name] {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
    if data.len() > 2 * MAX_INSTANCE_INFO {
        return;
    }
    let (hierarchy, anchors, lists) = &*LAB;
    let mut spec = hierarchy.ak_spec(&InstanceSpec::default());
    spec.set_extension(extension(INSTANCE_INFO, false, data));
    let certificate = spec.sign(&Pkcs1::Sha256(hierarchy.ca_key()));
    let policy = InstancePolicy::default();
    let input = VerifyAk {
        certificate: &certificate,
        candidates: &[hierarchy.ca(), hierarchy.root()],
        revocation_lists: &lists.each_ref().map(Vec::as_slice),
        anchors,
        policy: &policy,
        at: now(),
    };
    VerifyAk { anchors: &ak_anchors(), ..input }
        .verify(&AkCache::default())
        .expect_err("Google did not make this");
    match (input.verify(&AkCache::default()), parsed) {
        (Ok(verified), Ok(instance)) => {
            assert!(instance.security.is_production);
            assert_eq!(verified.instance(), &instance);
        }
        (Ok(_), Err(error)) => panic!("accepted, though {error}"),
        (Err(failed), Ok(instance)) => {
            assert_eq!((failed.check.name(), instance.security.is_production), ("gce-production", false));
        }
        (Err(failed), Err(_)) => assert_eq!(failed.check.name(), "gce-instance-format"),
    }
    // Whatever is said of production is said of the same instance.
    let anyone = InstancePolicy { danger_accept_non_production: true, ..InstancePolicy::default() };
    let verified = VerifyAk { policy: &anyone, ..input }.verify(&AkCache::default());
    assert_eq!(verified.is_ok(), Instance::parse(data).is_ok());
});
