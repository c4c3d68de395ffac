//! What the verification of a guest of AWS's costs, beside the bare signatures that it must check: all of them are ECDSA P-384.
//!
//! AMD's chain is known from an earlier verification, as in a running verifier. The document and the path of certificates that it
//! brings are new each time: AWS issues the signer's for three hours.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/aws/payload.rs"]
mod payload;

use std::{hint::black_box, time::Duration};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use backend_api::{
    AttestationBackend, BackendPolicy, Challenge, Endorsement, Evidence, Limits, TrustAnchors, UnixTime,
    VerifyInput,
};
use backend_aws::{Aws, Profile, media_type};
use criterion::{Criterion, criterion_group, criterion_main};
use evidence_nitro::Document;
use evidence_snp::Report;
use evidence_x509::Certificate;
use lab::aws::Guest;
use payload::payload;

const CHALLENGE: [u8; 64] = [7; 64];

fn guests(c: &mut Criterion) {
    let guest = Guest::new();
    let evidence = payload(&guest, &CHALLENGE);
    let report = Report::parse(evidence.report.as_ref().unwrap()).unwrap();
    let vlek = Certificate::parse(&guest.vek().der).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, vlek.public_key());
    let signature = || key.verify(black_box(report.signed_bytes()), report.signature()).unwrap();
    // The report's, the document's, the signer's certificate's, and that of each authority below the root.
    let authorities = Document::parse(evidence.document.as_ref().unwrap()).unwrap().cabundle.len();
    let signatures = authorities.saturating_add(2);

    let endorsements =
        guest.endorsements().into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let anchors: TrustAnchors = guest.pins().into_iter().collect();
    let backend = Aws::default();
    let policy: BackendPolicy = backend.policy(&serde_json::json!({})).unwrap();
    let bytes = Evidence::new(media_type(Profile::V1), evidence.encode());
    let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
    let verify = || {
        let input = VerifyInput::new(&bytes, &challenge, &endorsements, &anchors, &policy, at, &limits);
        backend.verify(&input.unwrap()).unwrap()
    };
    let mut group = c.benchmark_group("aws-snp");
    group.bench_function("signatures", |b| b.iter(|| (0..signatures).for_each(|_| signature())));
    verify();
    group.bench_function("cached", |b| b.iter(|| black_box(verify())));
    group.finish();
}

criterion_group!(benches, guests);
criterion_main!(benches);
