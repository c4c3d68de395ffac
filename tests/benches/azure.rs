//! What the verification of a guest of Azure's costs, beside the bare signatures that it must check.
//!
//! AMD's chain and Intel's platform are known from an earlier verification, as in a running verifier. What Azure certifies is
//! verified anew each time: the attestation key is each guest's own.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/azure/payload.rs"]
mod payload;

use std::{hint::black_box, time::Duration};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    UnparsedPublicKey, VerificationAlgorithm,
};
use backend_api::{
    AttestationBackend, BackendPolicy, Challenge, Endorsement, EndorsementKind, Endorsements, Evidence,
    Limits, TrustAnchors, UnixTime, VerifyInput,
};
use backend_azure::{Azure, AzureEvidence, Profile, Tee, V1_PCRS, hcl::HclReport, media_type, v1_extra_data};
use criterion::{Criterion, criterion_group, criterion_main};
use der::{Decode, Encode, asn1::BitString};
use evidence_snp::Report;
use evidence_tdx::Quote;
use evidence_tpm::{Attest, BoundAk, ExtraData, HashAlgorithm, PublicKey, Selection, Signature, VerifyQuote};
use evidence_x509::Certificate;
use lab::azure::{Guest, guest};
use payload::payload;

const CHALLENGE: [u8; 64] = [7; 64];

/// A signature, as bare as it gets: algorithm, key, message, signature.
struct Signed(&'static dyn VerificationAlgorithm, Vec<u8>, Vec<u8>, Vec<u8>);

impl Signed {
    fn verify(&self) {
        let Self(algorithm, key, message, signature) = self;
        UnparsedPublicKey::new(*algorithm, key).verify(black_box(message), signature).unwrap();
    }

    /// The signature of a certificate.
    fn of(algorithm: &'static dyn VerificationAlgorithm, der: &[u8], issuer: &[u8]) -> Self {
        let parsed = x509_cert::Certificate::from_der(der).unwrap();
        let signature: &BitString = parsed.signature();
        let message = parsed.tbs_certificate().to_der().unwrap();
        let issuer = Certificate::parse(issuer).unwrap().public_key().to_vec();
        Self(algorithm, issuer, message, signature.raw_bytes().to_vec())
    }
}

/// What must be verified of a guest: the processor's signature and that of the quote, which are new each time, then the two below
/// Azure's root.
fn signatures(guest: &Guest, evidence: &AzureEvidence) -> Vec<Signed> {
    let hcl = HclReport::parse(&evidence.hcl_report).unwrap();
    let processor = match &guest.tee {
        guest::Tee::Snp(processor) => {
            let report = Report::parse(hcl.hardware_report).unwrap();
            let (message, signature) = (report.signed_bytes().to_vec(), report.signature().to_vec());
            let vcek = Certificate::parse(&processor.vek.der).unwrap();
            Signed(&ECDSA_P384_SHA384_FIXED, vcek.public_key().to_vec(), message, signature)
        }
        guest::Tee::Tdx(_) => {
            let quote = Quote::parse(evidence.td_quote.as_ref().unwrap()).unwrap();
            let key = [&[4], quote.attestation_key().as_slice()].concat();
            let (message, signature) = (quote.signed_bytes().to_vec(), quote.signature().to_vec());
            Signed(&ECDSA_P256_SHA256_FIXED, key, message, signature)
        }
    };
    let certificate = evidence_tpm::without_padding(evidence.ak_certificate.as_ref().unwrap()).unwrap();
    let key = Certificate::parse(certificate).unwrap().public_key().to_vec();
    let number = evidence.signature.get(6..).unwrap().to_vec();
    vec![
        processor,
        Signed(&RSA_PKCS1_2048_8192_SHA256, key, evidence.quote.to_vec(), number),
        Signed::of(&RSA_PKCS1_2048_8192_SHA256, certificate, guest.hierarchy.ca()),
        Signed::of(&RSA_PKCS1_2048_8192_SHA384, guest.hierarchy.ca(), guest.hierarchy.root()),
    ]
}

fn endorsements(guest: &Guest) -> Endorsements {
    let mut all = Endorsements::new();
    let mut add = |kind, bytes: &[u8]| all.add(Endorsement::new(kind, bytes.to_vec()));
    add(EndorsementKind::Certificate, guest.hierarchy.root());
    match &guest.tee {
        guest::Tee::Snp(processor) => add(EndorsementKind::RevocationList, &processor.crl()),
        guest::Tee::Tdx(processor) => {
            let collateral = processor.collateral();
            for signer in processor.collateral.tcb_signing_chain.iter().take(1) {
                add(EndorsementKind::Certificate, signer);
            }
            for document in [&collateral.tcb_info, &collateral.qe_identity] {
                add(EndorsementKind::Document, document.json().as_bytes());
            }
            for list in [&collateral.root_ca_crl, &collateral.pck_crl] {
                add(EndorsementKind::RevocationList, list);
            }
        }
    }
    all
}

fn guest(c: &mut Criterion, name: &str, tee: Tee, guest: &Guest) {
    let evidence = payload(guest, &CHALLENGE);
    let signed = signatures(guest, &evidence);
    let (endorsements, challenge) = (endorsements(guest), Challenge::new(CHALLENGE));
    let anchors: TrustAnchors = guest.pins().into_iter().collect();
    let backend = Azure::default();
    let policy: BackendPolicy = backend.policy(&serde_json::json!({})).unwrap();
    let bytes = Evidence::new(media_type(tee, Profile::V1), evidence.encode());
    let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
    let verify = || {
        let input =
            VerifyInput::new(&bytes, &challenge, &endorsements, &anchors, &policy, at, &Limits::default());
        backend.verify(&input.unwrap()).unwrap()
    };
    let mut group = c.benchmark_group(name);
    group.bench_function("signatures", |b| b.iter(|| signed.iter().take(2).for_each(Signed::verify)));
    group.bench_function("signatures-below-the-root", |b| {
        b.iter(|| signed.iter().skip(2).for_each(Signed::verify))
    });
    verify();
    group.bench_function("cached", |b| b.iter(|| black_box(verify())));
    group.finish();
}

fn guests(c: &mut Criterion) {
    guest(c, "azure-snp", Tee::Snp, &Guest::snp());
    guest(c, "azure-tdx", Tee::Tdx, &Guest::tdx());
}

/// The quote of a vTPM alone.
fn quote(c: &mut Criterion) {
    let guest = Guest::snp();
    let evidence = payload(&guest, &CHALLENGE);
    let hcl = HclReport::parse(&evidence.hcl_report).unwrap();
    let extra_data = v1_extra_data(&CHALLENGE, hcl.without_padding);
    let ak = BoundAk::assertion(PublicKey::rsa(&guest.ak.modulus(), 65_537).unwrap());
    let pcrs: Vec<&[u8]> = evidence.pcrs.iter().map(|value| value.as_slice()).collect();
    let bare = signatures(&guest, &evidence).remove(1);
    let mut group = c.benchmark_group("azure-quote");
    group.bench_function("rsa2048", |b| b.iter(|| bare.verify()));
    group.bench_function("parse", |b| {
        b.iter(|| {
            let attest = Attest::parse(black_box(&evidence.quote)).unwrap();
            (attest, Signature::parse(black_box(&evidence.signature)).unwrap())
        });
    });
    group.bench_function("verify", |b| {
        b.iter(|| {
            VerifyQuote {
                attest: black_box(&evidence.quote),
                signature: &evidence.signature,
                pcrs: &pcrs,
                ak: &ak,
                extra_data: ExtraData::Exactly(&extra_data),
                selections: &[Selection::new(HashAlgorithm::Sha256, V1_PCRS)],
            }
            .verify()
            .unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, guests, quote);
criterion_main!(benches);
