use super::*;

/// The witness of dstack 0.6.0's `measurement.tdx.cbor`: HOB at 0x809000; accepted 0x800000 to 0x806000,
/// 0x809000 to 0x80b000, 0x80b000 to 0x80d000, 0x810000 to 0x820000.
const WITNESS: [u8; 12] = [0x80, 0x10, 9, 4, 0, 6, 9, 2, 11, 2, 16, 16];

fn hex_digest(memory_size: u64) -> String {
    hex::encode(TdHobWitness::parse(&WITNESS).unwrap().digest(memory_size).unwrap())
}

/// The first RTMR0 event of two logs that were replayed against signed registers: dstack's
/// `tdx-lite-getquote.json` (2 GiB) and `quote-report.json` (64 GiB, another image with the same firmware
/// layout).
#[test]
fn digests_of_real_machines() {
    assert_eq!(
        hex_digest(2 << 30),
        "0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe4917ea2c45c64f323fdacbb37948f821ebaf8bc9c938ba8a749"
    );
    assert_eq!(
        hex_digest(64 << 30),
        "8ae1e425351df7992c444586eff99d35af3b779aa2b0e981cb4b73bc5b279f2ade19b6a62a203fc3c3bbdaae80af596d"
    );
}

#[test]
fn memory_is_two_gib_or_reaches_above_four() {
    let witness = TdHobWitness::parse(&WITNESS).unwrap();
    for found in [0, LOW_MEMORY - 1, LOW_MEMORY + 1, HIGH_MEMORY_SPLIT - 1] {
        assert_eq!(witness.digest(found), Err(LaunchError::MemorySize { found }));
    }
    assert!(witness.digest(HIGH_MEMORY_SPLIT).is_ok());
    assert!(witness.digest(u64::MAX).is_ok());
}

#[test]
fn every_byte_of_a_witness_counts() {
    let digest = TdHobWitness::parse(&WITNESS).unwrap().digest(LOW_MEMORY);
    for (offset, byte) in WITNESS.iter().enumerate() {
        for bit in 0..8 {
            let mut changed = WITNESS;
            changed[offset] = byte ^ 1 << bit;
            if let Ok(witness) = TdHobWitness::parse(&changed) {
                assert_ne!(witness.digest(LOW_MEMORY), digest);
            }
        }
        assert_eq!(TdHobWitness::parse(&WITNESS[..offset]), Err(LaunchError::WitnessTruncated));
    }
}

#[test]
fn witnesses_of_another_form_are_refused() {
    let refused = |bytes: &[u8]| TdHobWitness::parse(bytes).unwrap_err();
    assert_eq!(refused(&[WITNESS.as_slice(), &[0]].concat()), LaunchError::WitnessTrailing { left: 1 });
    // 0 in two bytes, 1 in three.
    assert_eq!(refused(&[0x80, 0, 0, 0]), LaunchError::WitnessNotMinimal { offset: 0 });
    assert_eq!(refused(&[0, 0x81, 0x80, 0, 0]), LaunchError::WitnessNotMinimal { offset: 1 });
    // Page 0x80000 is at 2 GiB; a fourth byte would go on from bit 21.
    assert_eq!(refused(&[0x80, 0x80, 0x20, 0, 0]), LaunchError::WitnessPage { offset: 0 });
    assert_eq!(refused(&[0x80, 0x80, 0x80, 1]), LaunchError::WitnessPage { offset: 0 });
    assert_eq!(refused(&[0xff, 0xff, 0x1f, 1, 0]), LaunchError::WitnessPage { offset: 3 });
    assert_eq!(refused(&[0, 0, 1, 1, 0xff, 0xff, 0x1f]), LaunchError::WitnessPage { offset: 4 });
    assert_eq!(refused(&[0, 0, 1, 1, 0]), LaunchError::WitnessOrder { start: 0x1000 });
    assert_eq!(refused(&[0, 0, 2, 0, 2, 1, 1]), LaunchError::WitnessOrder { start: 0x1000 });
    assert_eq!(refused(&[0, 0, 65]), LaunchError::WitnessRanges { found: 65 });
    let most: Vec<u8> = [0, 0, 64].into_iter().chain((0..64).flat_map(|n| [n, 1])).collect();
    assert!(TdHobWitness::parse(&most).is_ok());
}
