//! The payload of bare-metal SNP Evidence: decoded, encoded again, and, around a sound report, verified and bound.
#![no_main]

use std::sync::LazyLock;

use backend_api::{
    AttestationBackend, BackendPolicy, BindInput, Challenge, Endorsement, EndorsementKind, Endorsements,
    Evidence, Limits, ReferenceValues, TrustAnchors, VerifyInput,
};
use backend_baremetal_snp::{BaremetalSnp, MEDIA_TYPE, Policy, SnpEvidence};
use fuzz_targets::{
    amd::{LAB, sign},
    now,
};
use lab::amd::{Guest, Product};
use libfuzzer_sys::fuzz_target;
use serde_bytes::ByteBuf;

/// Where a report has HOST_DATA.
const HOST_DATA: std::ops::Range<usize> = 0xc0..0xe0;

static GUEST: LazyLock<Guest> = LazyLock::new(|| Guest::new(Product::Milan));

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| GUEST.hierarchy.pins().into_iter().collect());

static ENDORSEMENTS: LazyLock<Endorsements> = LazyLock::new(|| {
    let list = |bytes: &Vec<u8>| Endorsement::new(EndorsementKind::RevocationList, bytes.clone());
    LAB.revocation_lists.iter().map(list).collect()
});

fuzz_target!(|data: &[u8]| {
    let _ =
        BaremetalSnp::default().endorsements_for(&Evidence::new(MEDIA_TYPE, data.to_vec()), &ENDORSEMENTS);
    let Ok(mut payload) = SnpEvidence::decode(data) else { return };
    assert_eq!(payload.encode(), data, "a payload has one encoding");

    // A sound report that commits to the document, so that what reads the documents is reached.
    let mut report = GUEST.report_for(&[7; 64]);
    if let Some(document) = &payload.mr_config {
        report[HOST_DATA].copy_from_slice(&evidence_dstack::mr_config::host_data(document.as_bytes()));
        sign(&mut report, &GUEST.vek);
    }
    payload.report = ByteBuf::from(report);
    payload.certificates = GUEST.chain().into_iter().map(ByteBuf::from).collect();
    let evidence = Evidence::new(MEDIA_TYPE, payload.encode());
    let (policy, challenge) = (BackendPolicy::new(Policy::default()), Challenge::new([7; 64]));
    let limits = Limits::default();
    let input = VerifyInput::new(&evidence, &challenge, &ENDORSEMENTS, &ANCHORS, &policy, now(), &limits);
    // A payload near its limit may be above it with another report.
    let Ok(verified) = BaremetalSnp::default().verify(&input.expect("within the limits")) else {
        assert!(payload.encode().len() > backend_baremetal_snp::MAX_PAYLOAD, "a sound report is verified");
        return;
    };
    let references = ReferenceValues::new();
    let _ = BaremetalSnp::default().bind_runtime(&verified, &BindInput::new(&references, &policy));
});
