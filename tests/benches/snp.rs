//! What an SNP verification and a launch measurement cost, beside their bare primitives and the crate `sev`, on the same input.
//!
//! `scripts/bench-ratios` runs this and prints how they compare.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::{hint::black_box, io::Write, sync::Arc, time::Duration};

use aws_lc_rs::{
    digest::{SHA384, digest},
    signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey},
};
use backend_api::{
    AttestationBackend, BackendPolicy, Challenge, Endorsement, EndorsementKind, Endorsements, Envelope,
    Evidence, Limits, OfflineBundle, TrustAnchors, UnixTime, VerifyInput,
};
use backend_baremetal_snp::{
    BaremetalSnp, ID, ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use evidence_snp::{
    Anchors, ChainCache, Pin, Policy, Report, VerifyReport,
    launch::{Firmware, KernelHashes, LaunchInputs, Vmm, measure},
};
use lab::{
    amd::{FirmwareSpec, Guest, Product},
    time::utc_day,
};
use registry::{AppraisalPolicy, Clock, Registry, Verifier};
use sev::{
    certs::snp::{Certificate, Chain, Verifiable, ca},
    firmware::guest::AttestationReport,
    parser::ByteParser,
};
use sev_8::measurement::{
    snp::{SnpMeasurementArgs, snp_calc_launch_digest},
    vcpu_types::CpuType,
    vmsa::{GuestFeatures, VMMType},
};

const CHALLENGE: [u8; 64] = [7; 64];

/// vCPUs of the measured launch.
const VCPUS: u32 = 8;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(utc_day(2026, 6, 1)))
}

/// One report with its chain and revocation list, from bytes to verdict.
fn report(c: &mut Criterion) {
    let guest = Guest::new(Product::Milan);
    let (bytes, chain, crl) = (guest.report_for(&CHALLENGE), guest.chain(), guest.crl());
    let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let pins = guest.hierarchy.pins().into_iter();
    let anchors =
        Anchors::new(pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }));
    let policy = Policy::default();
    let input = VerifyReport {
        report: &bytes,
        certificates: &certificates,
        endorsements: &[],
        revocation_lists: &[&crl],
        anchors: &anchors,
        profile: &evidence_snp::BARE_METAL,
        report_data: &CHALLENGE,
        policy: &policy,
        at: now(),
    };
    let mut group = c.benchmark_group("report");

    let parsed = Report::parse(&bytes).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, guest.vek.key.public_point());
    group.bench_function("p384", |b| {
        b.iter(|| key.verify(black_box(parsed.signed_bytes()), parsed.signature()).unwrap());
    });
    let cache = ChainCache::default();
    group.bench_function("cached", |b| b.iter(|| black_box(&input).verify(&cache).unwrap()));
    group.bench_function("cold", |b| {
        b.iter_batched(
            ChainCache::default,
            |fresh| black_box(&input).verify(&fresh).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("parse", |b| b.iter(|| Report::parse(black_box(&bytes)).unwrap()));
    group.bench_function("sev", |b| {
        let certificate = |der: &[u8]| Certificate::from_der(der).unwrap();
        b.iter(|| {
            let [vek, ask, ark] = black_box(&certificates).as_slice() else { return };
            let chain = Chain {
                ca: ca::Chain { ark: certificate(ark), ask: certificate(ask) },
                vek: certificate(vek),
            };
            let report = AttestationReport::from_bytes(black_box(&bytes)).unwrap();
            (&chain, &report).verify().unwrap();
        });
    });
    group.finish();
}

/// The same through the backend, payload and ledger included.
fn backend(c: &mut Criterion) {
    let guest = Guest::new(Product::Milan);
    let payload = SnpEvidence::new(guest.report_for(&CHALLENGE), guest.chain()).encode();
    let evidence = Evidence::new(MEDIA_TYPE, payload.clone());
    let envelope = Envelope::of_cpu(evidence.clone()).encode_cbor();
    let anchors: TrustAnchors = guest.hierarchy.pins().into_iter().collect();
    let crl = Endorsement::new(EndorsementKind::RevocationList, guest.crl());
    let endorsements = Endorsements::from_iter([crl]);
    let (policy, challenge) =
        (BackendPolicy::new(backend_baremetal_snp::Policy::default()), Challenge::new(CHALLENGE));
    let limits = Limits::default();
    let backend = BaremetalSnp::default();
    let mut group = c.benchmark_group("backend");

    group.bench_function("cached", |b| {
        b.iter(|| {
            let evidence = black_box(&evidence);
            let input =
                VerifyInput::new(evidence, &challenge, &endorsements, &anchors, &policy, now(), &limits);
            backend.verify(&input.unwrap()).unwrap()
        });
    });
    group.bench_function("envelope", |b| b.iter(|| Envelope::decode(black_box(&envelope)).unwrap()));
    group.bench_function("payload", |b| b.iter(|| SnpEvidence::decode(black_box(&payload)).unwrap()));
    group.finish();
}

/// The whole pipeline of a relying party, from an envelope to a result, launch measurement included.
fn verifier(c: &mut Criterion) {
    let guest = Guest::new(Product::Milan);
    let mut payload = SnpEvidence::new(guest.report_for(&CHALLENGE), guest.chain());
    payload.mr_config = Some(guest.mr_config.clone());
    payload.launch = Some(LaunchEvidence {
        source: LaunchSource::Image(ImageDocuments {
            checksum_file: guest.checksum_file.clone().into(),
            measurement: guest.measurement_cbor.clone().into(),
        }),
        append: None,
        vcpus: guest.vcpus,
        vcpu_type: guest.vcpu_type.clone(),
        guest_features: guest.guest_features,
    });
    let envelope = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, payload.encode())).encode_cbor();
    let anchors: TrustAnchors = guest.hierarchy.pins().into_iter().collect();
    let crl = Endorsement::new(EndorsementKind::RevocationList, guest.crl());
    let source = Arc::new(OfflineBundle::new(Endorsements::from_iter([crl])));
    let accepted = Registry::linked().unwrap().accept([ID.as_str()]).unwrap();
    let verifier = Verifier::new(accepted, source, AppraisalPolicy::default())
        .unwrap()
        .with_clock(Clock::Fixed(now()))
        .danger_replace_trust_anchors(ID, anchors)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let challenge = Challenge::new(CHALLENGE);
    let mut group = c.benchmark_group("verifier");
    group.bench_function("cached", |b| {
        b.iter(|| runtime.block_on(verifier.verify(black_box(&envelope), &challenge)).unwrap());
    });
    group.finish();
}

/// A launch of 2 MiB of firmware, a kernel and an initrd.
fn launch(c: &mut Criterion) {
    let image = FirmwareSpec { size: 2 << 20, ..FirmwareSpec::default() }.bytes();
    let (kernel, initrd, cmdline) = (b"kernel".as_slice(), b"initrd".as_slice(), "console=ttyS0");
    let hashes = KernelHashes::from_parts(kernel, Some(initrd), cmdline.as_bytes());
    let ours = |firmware: &Firmware| {
        let vcpu_type = "EPYC-v4".parse().unwrap();
        let kernel = Some(hashes);
        let inputs =
            LaunchInputs { firmware, kernel, vcpus: VCPUS, vcpu_type, guest_features: 1, vmm: Vmm::Qemu };
        measure(&inputs).unwrap()
    };
    let firmware = Firmware::measure(&image).unwrap();
    let mut group = c.benchmark_group("launch");

    group.bench_function("sha384", |b| b.iter(|| digest(&SHA384, black_box(&image))));
    group.bench_function("cold", |b| b.iter(|| ours(&Firmware::measure(black_box(&image)).unwrap())));
    group.bench_function("cached", |b| b.iter(|| ours(black_box(&firmware))));

    // `sev` reads files only.
    let file = |bytes: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    let (ovmf, kernel, initrd) = (file(&image), file(kernel), file(initrd));
    let known = hex::encode(firmware.digest());
    let theirs = |ovmf_hash_str| {
        snp_calc_launch_digest(SnpMeasurementArgs {
            vcpus: VCPUS,
            vcpu_type: CpuType::EpycV4,
            ovmf_file: ovmf.path().into(),
            guest_features: GuestFeatures::default(),
            kernel_file: Some(kernel.path().into()),
            initrd_file: Some(initrd.path().into()),
            append: Some(cmdline),
            ovmf_hash_str,
            vmm_type: Some(VMMType::QEMU),
        })
        .unwrap()
    };
    let expected = ours(&firmware).to_string();
    assert_eq!(theirs(None).get_hex_ld(), expected, "both measure the same launch");
    group.bench_function("sev", |b| b.iter(|| theirs(None)));
    group.bench_function("sev-cached", |b| b.iter(|| theirs(Some(&known))));
    group.finish();
}

criterion_group!(benches, report, backend, verifier, launch);
criterion_main!(benches);
