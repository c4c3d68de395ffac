//! A manifest of NVIDIA's: read, refused under NVIDIA's root, and under the lab's accepted only where the lab signed what it says.
#![no_main]

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use evidence_rim::{
    Anchors, Error, GoldenValues, MAX_ALTERNATIVES, MAX_RIM, Rim, RimTime, UnixTime, VerifyRim,
    danger_verify_signature_alone, inspect, rim_anchors,
};
use lab::nvidia::{rim_defects::cases, rim_hierarchy::RimHierarchy};
use libfuzzer_sys::fuzz_target;

static LAB: LazyLock<Anchors> = LazyLock::new(|| RimHierarchy::pins().into_iter().collect());
static NVIDIA: LazyLock<Anchors> = LazyLock::new(rim_anchors);
/// What the lab's manifests say, by their version: every one that it signs has the same measurements.
static SIGNED: LazyLock<BTreeMap<String, GoldenValues>> = LazyLock::new(|| {
    let sound = cases().into_iter().filter(|case| case.refused_by.is_none());
    sound
        .map(|case| Rim::parse(case.document.as_bytes()).expect("a sound manifest is read"))
        .map(|rim| (rim.colloquial_version().to_owned(), rim.claimed().clone()))
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let parsed = Rim::parse(data);
    if let Ok(rim) = &parsed {
        assert!(data.len() <= MAX_RIM && rim.certificates().len() == 4 && !rim.claimed().is_empty());
        for (index, digests) in rim.claimed() {
            assert!(*index < 64 && (1..=MAX_ALTERNATIVES).contains(&digests.len()));
        }
        inspect::rim(rim);
    }
    let alone = danger_verify_signature_alone(data);
    let input = VerifyRim {
        document: data,
        anchors: &NVIDIA,
        at: UnixTime::since_unix_epoch(Duration::from_secs(RimHierarchy::now())),
        time: RimTime::DangerIgnoreExpiry,
    };
    let refused = input.verify().expect_err("NVIDIA did not sign this").error;
    if parsed.is_ok() {
        assert!(!matches!(refused, Error::Xml(_) | Error::Certificate(_)));
    }
    let Ok(verified) = (VerifyRim { anchors: &LAB, ..input }).verify() else { return };
    assert_eq!(alone, Ok(()));
    let rim = parsed.expect("what is verified is read");
    assert_eq!((verified.golden(), verified.chain()), (rim.claimed(), rim.certificates()));
    assert_eq!(SIGNED.get(verified.colloquial_version()), Some(verified.golden()));
});
