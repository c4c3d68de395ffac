//! An XML document: its canonical form is read again, and is its own.
#![no_main]

use evidence_rim::{Error, MAX_RIM, canonical_form};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match canonical_form(data) {
        Err(Error::TooLarge { found, limit, .. }) => assert!(found > limit),
        Err(error) => assert!(matches!(error, Error::Xml(_)), "{error}"),
        Ok(form) => {
            assert!(data.len() <= MAX_RIM);
            match canonical_form(&form) {
                Ok(again) => assert_eq!(again, form),
                // Escapes make it longer, and every element shows what it inherits.
                Err(error) => assert!(matches!(error, Error::TooLarge { .. }), "{error}"),
            }
        }
    }
});
