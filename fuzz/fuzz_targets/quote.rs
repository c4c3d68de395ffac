//! A quote: parsed, refused under Intel's root, and, signed by the lab, taken through every check.
#![no_main]

use evidence_tdx::{Quote, TcbStatus, VerifyQuote, intel_anchors, needed};
use fuzz_targets::{
    intel::{LAB, PLATFORMS, len32},
    lies_in,
};
use lab::intel::quote::TD_QE_MR_SIGNER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(trimmed) = Quote::trim_padding(data) {
        let padding = data.strip_prefix(trimmed).expect("what is trimmed follows the quote");
        assert!(padding.iter().all(|byte| *byte == 0) && Quote::parse(trimmed).is_ok());
    }
    let Ok(quote) = Quote::parse(data) else { return };
    for part in [
        quote.signed_bytes(),
        quote.qe_report_bytes(),
        quote.qe_authentication(),
        quote.certification(),
        quote.pck_chain(),
    ] {
        assert!(lies_in(part, data), "what is read lies in the quote");
    }
    assert_eq!(written(&quote), data, "a quote has one encoding");
    let _ = needed(&quote);

    let signed = LAB.sign(quote.signed_bytes(), quote.qe_report_bytes());
    let report_data = &quote.report.report_data;
    for bytes in [data, &signed] {
        let input = LAB.verification(bytes, report_data);
        let intel = VerifyQuote { anchors: &intel_anchors(), ..input }.verify(&PLATFORMS);
        intel.expect_err("Intel did not make this");
        let verified = input.verify(&PLATFORMS);
        let sound = bytes == signed && quote.signed_bytes() == LAB.signed_part();
        assert!(!sound || verified.is_ok() || quote.qe_report_bytes() != LAB.qe_report(), "a sound quote is");
        let Ok(verified) = verified else { continue };
        assert_eq!(verified.report(), &quote.report);
        assert_eq!(verified.tcb().status, TcbStatus::UpToDate);
        is_acceptable(quote.signed_bytes(), quote.qe_report_bytes());

        let mut other = *report_data;
        other[63] ^= 1;
        let other = VerifyQuote { report_data: &other, ..input }.verify(&PLATFORMS);
        other.expect_err("a quote is fresh for one challenge");
    }
});

/// The quote of these parts.
fn written(quote: &Quote<'_>) -> Vec<u8> {
    let certification = quote.certification();
    let (report, rest) = (quote.qe_report_bytes(), &certification[384 + 64..]);
    assert!(certification.starts_with(&[report, quote.qe_report_signature()].concat()));
    assert!(rest.starts_with(&[&[32, 0], quote.qe_authentication(), &[5, 0]].concat()));
    let data =
        [&quote.signature()[..], quote.attestation_key(), &[6, 0], &len32(certification), certification]
            .concat();
    [quote.signed_bytes(), &len32(&data), &data].concat()
}

/// What the default policy asks, read from the bytes at the offsets of the specifications.
fn is_acceptable(signed: &[u8], qe_report: &[u8]) {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let (header, body) = match signed[0] {
        4 => signed.split_at(48),
        _ => signed.split_at(54),
    };
    assert_eq!(header[2..8], [2, 0, 0x81, 0, 0, 0], "a quote about a TD, by a P-256 key");
    assert!(zero(&body[64..120]), "Intel's module, without attributes");
    // SEPT_VE_DISABLE is set; of LASS, PKS and single-step defence each may be.
    let attributes = word(&body[120..128]);
    assert_eq!(attributes & !(1 << 27 | 1 << 30 | 1 << 16), 1 << 28, "nothing observes or moves the TD");
    assert_eq!(word(&body[128..136]) & 3, 3, "x87 and SSE are on");
    assert!(zero(&body[232..328]), "MROWNER and MROWNERCONFIG");
    assert!(body.len() < 648 || zero(&body[600..648]), "no service TD");
    assert_eq!(qe_report[128..160], TD_QE_MR_SIGNER, "Intel's quoting enclave");
    assert_eq!(qe_report[256..258], [2, 0], "for TDs");
    assert_eq!(qe_report[48] & 2, 0, "which cannot be debugged");
}
