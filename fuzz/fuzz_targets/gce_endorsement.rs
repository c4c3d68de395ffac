//! A launch endorsement of Google's, or what is signed in it, as the first byte says: read, and, with the lab's signature, taken
//! through every check.
#![no_main]

use std::sync::LazyLock;

use evidence_gce::{
    EndorsementCache, EndorsementPolicy, EndorsementRoots, Launch, VerifyEndorsement,
    endorsement::{Golden, MAX_ENDORSEMENT, PROVENANCE_SINCE},
};
use evidence_ledger::Hex;
use fuzz_targets::now;
use lab::{
    google::{EndorsementAuthority, endorsement::endorsement},
    keys::{PssSha256, Signer},
};
use libfuzzer_sys::fuzz_target;

static LAB: LazyLock<(EndorsementAuthority, EndorsementRoots)> = LazyLock::new(|| {
    let authority = EndorsementAuthority::new();
    let roots = authority.pins().into_iter().collect();
    (authority, roots)
});

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'e', data)) => {
            for launch in launches(None) {
                verify(data, &launch, None);
            }
        }
        Some((b'g', data)) => golden(data),
        _ => {}
    }
});

/// Signed soundly, so that only what is said in it is left to check.
fn golden(data: &[u8]) {
    let Ok(golden) = Golden::parse(data) else { return };
    assert!(data.len() <= MAX_ENDORSEMENT);
    let signature = PssSha256(LAB.0.signer_key()).sign_x509(data);
    let signed = endorsement(data, &signature);
    for launch in launches(Some(&golden)) {
        verify(&signed, &launch, Some(&golden));
    }
}

/// Launches that are listed, and some that the lab's own endorsements list.
fn launches(golden: Option<&Golden>) -> Vec<Launch> {
    let snp = golden.and_then(|golden| golden.snp.as_ref());
    let tdx = golden.and_then(|golden| golden.tdx.as_ref());
    let plain = snp.into_iter().flat_map(|snp| &snp.measurements).take(2);
    let plain = plain.map(|(vcpus, measurement)| (*measurement, Some(*vcpus)));
    let plain: Vec<_> = plain.chain([([2; 48], None)]).collect();
    let svsm = snp.and_then(|snp| snp.svsm_measurement).into_iter().chain([[0x5A; 48]]);
    let mrtds = tdx.into_iter().flat_map(|tdx| &tdx.measurements).take(2).map(|listed| listed.mrtd);
    let measured = plain.iter().map(|(measurement, _)| *measurement);
    let with_svsm = svsm.chain(measured).map(|measurement| Launch::SnpSvsm { measurement });
    let on_tdx = mrtds.chain([[0xA0; 48]]).map(|mrtd| Launch::Tdx { mrtd });
    let plain =
        plain.iter().map(|(measurement, vcpus)| Launch::Snp { measurement: *measurement, vcpus: *vcpus });
    plain.chain(with_svsm).chain(on_tdx).collect()
}

fn verify(bytes: &[u8], launch: &Launch, golden: Option<&Golden>) {
    let (authority, roots) = &*LAB;
    let policy = EndorsementPolicy::default();
    let input = VerifyEndorsement {
        endorsement: bytes,
        candidates: &[authority.root()],
        roots,
        launch,
        policy: &policy,
        at: now(),
    };
    let (google, none) = (EndorsementRoots::google(), EndorsementCache::default());
    VerifyEndorsement { roots: &google, ..input }.verify(&none).expect_err("Google did not make this");
    let Ok(verified) = input.verify(&none) else { return };
    assert!(golden.is_none_or(|golden| golden == verified.golden()));
    let golden = verified.golden();
    let made = golden.timestamp.expect("it says when it was made").seconds;
    assert!(made <= now().as_secs());
    assert!(made <= PROVENANCE_SINCE || golden.cl_spec != 0 || !golden.commit.is_empty());
    let (snp, tdx) = (golden.snp.as_ref(), golden.tdx.as_ref());
    let plain = |wanted: &[u8; 48]| snp.is_some_and(|snp| snp.measurements.values().any(|it| it == wanted));
    let svsm = |wanted: &[u8; 48]| snp.is_some_and(|snp| snp.svsm_measurement.as_ref() == Some(wanted));
    match launch {
        Launch::Snp { measurement, vcpus } => {
            assert!(plain(measurement) && !svsm(measurement));
            let listed = |vcpus| snp.and_then(|snp| snp.measurements.get(vcpus));
            assert!(vcpus.as_ref().is_none_or(|vcpus| listed(vcpus) == Some(measurement)));
        }
        Launch::SnpSvsm { measurement } => assert!(svsm(measurement) && !plain(measurement)),
        Launch::Tdx { mrtd } => {
            assert!(tdx.is_some_and(|tdx| tdx.measurements.iter().any(|listed| listed.mrtd == *mrtd)));
        }
    }
    // One more than there is, and the firmware itself.
    let above = verified.svn().checked_add(1);
    let floor = EndorsementPolicy { minimum_snp_svn: above, minimum_tdx_svn: above, ..policy.clone() };
    assert!(above.is_none() || VerifyEndorsement { policy: &floor, ..input }.verify(&none).is_err());
    let digest = Hex(*verified.firmware());
    let without = EndorsementPolicy { reject_firmware: Some([digest].into()), ..policy.clone() };
    VerifyEndorsement { policy: &without, ..input }.verify(&none).expect_err("this firmware is rejected");
}
