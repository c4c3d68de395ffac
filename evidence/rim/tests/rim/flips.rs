//! Bytes that are others, or not there: what is accepted says the same.

use lab::nvidia::rim::RimSpec;

use crate::verify;

#[test]
fn no_part_of_a_manifest_is_one() {
    let document = RimSpec::new().sign();
    let whole = document.trim_end().len();
    for length in 0..whole {
        assert!(verify(&document.as_bytes()[..length]).is_err(), "{length}");
    }
    // The white space at the end is nothing.
    verify(&document.as_bytes()[..whole]).unwrap();
}

#[test]
fn no_byte_of_a_manifest_can_be_another() {
    let mut document = RimSpec::new().sign().into_bytes();
    let sound = verify(&document).unwrap();
    let mut accepted = 0;
    for byte in 0..document.len() {
        for bit in [0x01, 0x07] {
            document[byte] ^= bit;
            if let Ok(other) = verify(&document) {
                // White space of another kind, where there may be any: between lines of base64, and behind the root.
                assert!((document[byte] ^ bit).is_ascii_whitespace(), "{byte}");
                assert_eq!((other.golden(), other.chain()), (sound.golden(), sound.chain()));
                assert_eq!(other.colloquial_version(), sound.colloquial_version());
                assert_eq!(other.product(), sound.product());
                accepted += 1;
            }
            document[byte] ^= bit;
        }
    }
    assert!((1..200).contains(&accepted), "{accepted}");
}
