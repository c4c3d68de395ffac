//! What a TDX verification and a replay cost, beside their bare primitives and `dcap-qvl`, on the same input.
//!
//! Where it says cold, every iteration has certificates, collateral and a quote of its own: signatures that were seen before
//! are remembered.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::{hint::black_box, time::Duration};

use aws_lc_rs::{
    digest::{Context, SHA256, SHA384, digest},
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dcap_qvl::{
    QuoteCollateralV3, QuotePolicy,
    config::{Config, CryptoProvider},
    signature::DerSigEncoder,
    verify::QuoteVerifier,
    x509::X509CertBackend,
};
use evidence_event_log::runtime::{EventVersion, RuntimeEvent, RuntimeLog};
use evidence_tdx::{
    Anchors, BARE_METAL, Collateral, Pin, PlatformCache, Policy, Quote, UnixTime, VerifyQuote,
};
use evidence_x509::Certificate;
use lab::{intel::TdGuest, time::utc_day};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

const CHALLENGE: [u8; 64] = [7; 64];

/// Events of the log that is replayed.
const EVENTS: u32 = 10_000;

/// One verification's input.
struct Input {
    quote: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    documents: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    dcap: QuoteCollateralV3,
}

fn slices(all: &[Vec<u8>]) -> Vec<&[u8]> {
    all.iter().map(Vec::as_slice).collect()
}

impl Input {
    /// Of a guest whose every signature is new.
    fn fresh() -> Self {
        let mut guest = TdGuest::new();
        guest.issue_pck();
        let hierarchy = &guest.hierarchy;
        let root = hierarchy.root_spec().sign(hierarchy.root_key());
        let ca = hierarchy.pck_ca_spec(guest.pck_spec.ca).sign(hierarchy.root_key());
        let signer = hierarchy.tcb_signing_spec().sign(hierarchy.root_key());
        guest.pck.chain.splice(1.., [ca, root.clone()]);
        guest.collateral.tcb_signing_chain = vec![signer, root];
        Self::of(&guest)
    }

    fn of(guest: &TdGuest) -> Self {
        let collateral = guest.collateral();
        let chain = Certificate::parse_der_or_pem(collateral.tcb_info_issuer_chain.as_bytes()).unwrap();
        Self {
            quote: guest.quote_for(&CHALLENGE),
            certificates: chain.iter().map(|certificate| certificate.der().to_vec()).collect(),
            documents: [&collateral.tcb_info, &collateral.qe_identity]
                .map(|document| document.json().into_bytes())
                .to_vec(),
            lists: vec![collateral.root_ca_crl.clone(), collateral.pck_crl.clone()],
            dcap: serde_json::from_str(&collateral.dcap_qvl_json()).unwrap(),
        }
    }

    fn verify(&self, anchors: &Anchors, platforms: &PlatformCache) {
        VerifyQuote {
            quote: black_box(&self.quote),
            collateral: Collateral {
                certificates: &slices(&self.certificates),
                documents: &slices(&self.documents),
                revocation_lists: &slices(&self.lists),
            },
            anchors,
            report_data: &CHALLENGE,
            profile: &BARE_METAL,
            policy: &Policy::default(),
            at: UnixTime::since_unix_epoch(Duration::from_secs(now())),
        }
        .verify(platforms)
        .unwrap();
    }

    fn verify_by_dcap_qvl(&self, root: &[u8]) {
        QuoteVerifier::<AwsLc>::new_with_config(root.to_vec())
            .verify_with_policy(black_box(&self.quote), &self.dcap, now(), &QuotePolicy::claims_only(now()))
            .unwrap();
    }
}

fn now() -> u64 {
    utc_day(2026, 6, 1)
}

fn quote(c: &mut Criterion) {
    let guest = TdGuest::new();
    let pins = guest.pins().into_iter();
    let anchors =
        Anchors::new(pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }));
    let input = Input::of(&guest);
    let mut group = c.benchmark_group("quote");

    let parsed = Quote::parse(&input.quote).unwrap();
    let point = [&[4], parsed.attestation_key().as_slice()].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    group.bench_function("p256", |b| {
        b.iter(|| key.verify(black_box(parsed.signed_bytes()), parsed.signature()).unwrap());
    });
    group.bench_function("parse", |b| b.iter(|| Quote::parse(black_box(&input.quote)).unwrap()));

    // A quote of a known platform is not remembered: its signature is verified each time.
    let platforms = PlatformCache::default();
    input.verify(&anchors, &platforms);
    group.bench_function("cached", |b| b.iter(|| input.verify(&anchors, &platforms)));

    // Each setup forges a chain: fewer, longer samples.
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    group.bench_function("cold", |b| {
        b.iter_batched_ref(
            || (Input::fresh(), PlatformCache::default()),
            |(input, platforms)| input.verify(&anchors, platforms),
            BatchSize::SmallInput,
        );
    });
    let root = guest.hierarchy.root().to_vec();
    group.bench_function("dcap-qvl", |b| {
        b.iter_batched_ref(Input::fresh, |input| input.verify_by_dcap_qvl(&root), BatchSize::SmallInput);
    });
    group.finish();
}

/// A log of ten thousand events, beside the hashing that it cannot do without.
fn replay(c: &mut Criterion) {
    let event = |index: u32| RuntimeEvent {
        name: format!("event-{index}"),
        payload: digest(&SHA256, &index.to_le_bytes()).as_ref().to_vec(),
        version: EventVersion::V1,
    };
    let events: Vec<RuntimeEvent> = (0..EVENTS).map(event).collect();
    let preimages: Vec<Vec<u8>> = events.iter().map(RuntimeEvent::preimage).collect();
    let log = RuntimeLog::new(events).unwrap();
    let hashing = || {
        preimages.iter().fold([0; 48], |register: [u8; 48], preimage| {
            let mut context = Context::new(&SHA384);
            context.update(&register);
            context.update(digest(&SHA384, preimage).as_ref());
            context.finish().as_ref().try_into().unwrap()
        })
    };
    assert_eq!(hashing(), log.replay_sha384(), "both replay the same log");
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(EVENTS.into()));
    group.bench_function("sha384", |b| b.iter(|| black_box(hashing())));
    group.bench_function("runtime-log", |b| b.iter(|| black_box(&log).replay_sha384()));
    group.finish();
}

struct AwsLc;

impl Config for AwsLc {
    type X509 = X509CertBackend;
    type SigEncoder = DerSigEncoder;
    type Crypto = Self;
}

impl CryptoProvider for AwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        &P256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        digest(&SHA256, data).as_ref().try_into().unwrap()
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        digest(&SHA384, data).as_ref().try_into().unwrap()
    }
}

#[derive(Debug)]
struct P256;

impl SignatureVerificationAlgorithm for P256 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }
}

criterion_group!(benches, quote, replay);
criterion_main!(benches);
