//! dstack's attestations: what is read is written again as the same bytes, and converted.
#![no_main]

use backend_baremetal_snp::SnpEvidence;
use backend_tdx::TdxEvidence;
use evidence_dstack::wire::{Attestation, Encoding, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Request::parse(text);
    }
    let Ok(attestation) = Attestation::decode(data) else { return };
    match Encoding::sniff(data) {
        Ok(Encoding::V0) => assert_eq!(attestation.encode_v0().as_deref(), Ok(data)),
        Ok(Encoding::V1) => assert_eq!(attestation.encode_v1().as_deref(), Ok(data)),
        _ => {}
    }
    for encoded in [attestation.encode_v0(), attestation.encode_v1()].into_iter().flatten() {
        assert_eq!(Attestation::decode(&encoded).as_ref(), Ok(&attestation));
    }
    for event in &attestation.runtime_events {
        let _ = event.sha384();
    }
    if let Ok(evidence) = SnpEvidence::from_dstack(&attestation) {
        assert_eq!(SnpEvidence::decode(&evidence.encode()).as_ref(), Ok(&evidence));
    }
    if let Ok(evidence) = TdxEvidence::from_dstack(&attestation) {
        assert_eq!(TdxEvidence::decode(&evidence.encode()).as_ref(), Ok(&evidence));
    }
});
