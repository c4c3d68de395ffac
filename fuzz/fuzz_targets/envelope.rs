//! An envelope: what is read is written again as the same bytes (CBOR) or the same value (JSON).
#![no_main]

use backend_api::Envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(envelope) = Envelope::decode(data) else { return };
    let cbor = envelope.encode_cbor();
    if !matches!(data.trim_ascii_start().first(), Some(b'[' | b'{')) {
        assert_eq!(cbor, data, "an envelope has one encoding in CBOR");
    }
    assert_eq!(Envelope::decode(&cbor).as_ref(), Ok(&envelope));
    assert_eq!(Envelope::decode(envelope.encode_json().as_bytes()).as_ref(), Ok(&envelope));
});
