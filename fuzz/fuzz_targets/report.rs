//! An attestation report: parsed, refused under AMD's roots, and, signed by the lab, taken through every check.
#![no_main]

use evidence_snp::{AWS, BARE_METAL, Policy, Report, VerifyReport, amd_anchors};
use fuzz_targets::{
    amd::{CHAINS, LAB, sign},
    now,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(report) = Report::parse(data) else { return };
    assert_eq!(report.raw().as_slice(), data, "a report keeps the bytes that it was read from");

    let policy = Policy { danger_accept_unknown_revocation: true, ..Policy::default() };
    let revocation_lists: Vec<&[u8]> = LAB.revocation_lists.iter().map(Vec::as_slice).collect();
    for (_, kind, vek) in &LAB.veks {
        let profile = match kind {
            lab::amd::VekKind::Vcek => &BARE_METAL,
            lab::amd::VekKind::Vlek => &AWS,
        };
        // The others fail before the chain, alike for every product.
        if report.signer_info.signing_key() != profile.signed_by.signing_key() {
            continue;
        }
        let mut signed = data.to_vec();
        sign(&mut signed, vek);
        let mut certificates = vec![vek.der.as_slice()];
        certificates.extend(LAB.authorities.iter().map(Vec::as_slice));
        let input = VerifyReport {
            report: &signed,
            certificates: &certificates,
            endorsements: &[],
            revocation_lists: &revocation_lists,
            anchors: &LAB.anchors,
            profile,
            report_data: &report.report_data,
            policy: &policy,
            at: now(),
        };
        if let Ok(verified) = input.verify(&CHAINS) {
            assert!(!report.policy.debug_allowed() && report.vmpl == 0, "a verified report keeps the policy");
            assert_eq!(verified.report().raw().as_slice(), signed);
        }
        let amd = amd_anchors();
        VerifyReport { anchors: &amd, ..input }.verify(&CHAINS).expect_err("AMD did not make this");
    }
});
