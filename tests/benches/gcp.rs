//! What the verification of a guest of Google's costs, beside the bare signatures that it must check.
//!
//! What AMD, Intel and Google certify and endorse is known from an earlier verification, as in a running verifier: what is new each time
//! is the processor's signature and that of the quote.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/gcp/payload.rs"]
mod payload;

use std::{hint::black_box, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use backend_api::{
    AttestationBackend, BackendPolicy, Challenge, Endorsement, Evidence, Limits, MediaType, TrustAnchors,
    UnixTime, VerifyInput,
};
use backend_gcp::{Gcp, GcpEvidence, SNP_V1, TDX_V1};
use criterion::{Criterion, criterion_group, criterion_main};
use evidence_snp::Report;
use evidence_tdx::Quote;
use evidence_x509::Certificate;
use lab::google::{Guest, guest};
use payload::payload;

const CHALLENGE: [u8; 64] = [7; 64];

/// The processor's signature, as bare as it gets.
fn processor(guest: &Guest, evidence: &GcpEvidence) -> impl Fn() + use<> {
    let (algorithm, key, message, signature) = match &guest.tee {
        guest::Tee::Snp(processor) => {
            let report = Report::parse(&evidence.report).unwrap();
            let vcek = Certificate::parse(&processor.vek.der).unwrap().public_key().to_vec();
            let (message, signature) = (report.signed_bytes().to_vec(), report.signature().to_vec());
            (&ECDSA_P384_SHA384_FIXED, vcek, message, signature)
        }
        guest::Tee::Tdx(_) => {
            let quote = Quote::parse(&evidence.report).unwrap();
            let key = [&[4], quote.attestation_key().as_slice()].concat();
            let (message, signature) = (quote.signed_bytes().to_vec(), quote.signature().to_vec());
            (&ECDSA_P256_SHA256_FIXED, key, message, signature)
        }
    };
    move || UnparsedPublicKey::new(algorithm, &key).verify(black_box(&message), &signature).unwrap()
}

/// The signature of the quote.
fn vtpm(guest: &Guest, evidence: &GcpEvidence) -> impl Fn() + use<> {
    let (key, message) = (guest.ak.public_point().to_vec(), evidence.quote.to_vec());
    // TPMT_SIGNATURE: scheme and hash, then r and s, each after its length.
    let number = |at: usize| evidence.signature.get(at..at.saturating_add(32)).unwrap();
    let signature = [number(6), number(40)].concat();
    move || {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key)
            .verify(black_box(&message), &signature)
            .unwrap();
    }
}

fn bench(c: &mut Criterion, name: &str, media_type: MediaType, guest: &Guest) {
    let evidence = payload(guest, &CHALLENGE);
    let (processor, vtpm) = (processor(guest, &evidence), vtpm(guest, &evidence));
    let endorsements =
        guest.endorsements().into_iter().map(|(kind, bytes)| Endorsement::new(kind, bytes)).collect();
    let (challenge, limits) = (Challenge::new(CHALLENGE), Limits::default());
    let anchors: TrustAnchors = guest.pins().into_iter().collect();
    let backend = Gcp::default();
    let policy: BackendPolicy = backend.policy(&serde_json::json!({})).unwrap();
    let bytes = Evidence::new(media_type, evidence.encode());
    let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
    let verify = || {
        let input = VerifyInput::new(&bytes, &challenge, &endorsements, &anchors, &policy, at, &limits);
        backend.verify(&input.unwrap()).unwrap()
    };
    let mut group = c.benchmark_group(name);
    group.bench_function("signatures", |b| {
        b.iter(|| {
            processor();
            vtpm();
        });
    });
    verify();
    group.bench_function("cached", |b| b.iter(|| black_box(verify())));
    group.finish();
}

fn guests(c: &mut Criterion) {
    bench(c, "gcp-snp", SNP_V1, &Guest::snp());
    bench(c, "gcp-tdx", TDX_V1, &Guest::tdx());
}

criterion_group!(benches, guests);
criterion_main!(benches);
