//! What the verification of NVIDIA's devices costs, beside the bare signatures that it must check: all of them are ECDSA P-384.
//!
//! Cached: certificates and manifests are known from an earlier verification, as in a running verifier; each report's signature is new, and
//! what is said of revocation was verified in the same second. Cold: nothing is known.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::{hint::black_box, time::Duration};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use evidence_nvidia::{
    Anchors, Appraise, Device, DeviceCache, DevicePolicy, Report, Revocation, UnixTime, VerifiedDevice,
    VerifyDevice, verify_machine,
};
use evidence_rim::{RimTime, VerifiedRim, VerifyRim};
use lab::nvidia::Machine;

const NONCE: [u8; 32] = [7; 32];

/// Everything that a verifier has of one guest's devices.
struct Guest {
    devices: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    responses: Vec<Vec<u8>>,
    manifests: Vec<Vec<u8>>,
    anchors: Anchors,
    at: UnixTime,
}

impl Guest {
    fn new(machine: &Machine) -> Self {
        Self {
            devices: machine
                .devices
                .iter()
                .map(|device| (device.report_for(&NONCE), device.chain()))
                .collect(),
            responses: machine.responses(),
            manifests: machine.documents(),
            anchors: Machine::pins().into_iter().collect(),
            at: UnixTime::since_unix_epoch(Duration::from_secs(Machine::now())),
        }
    }

    fn manifests(&self) -> Vec<VerifiedRim> {
        let verify = |document: &Vec<u8>| {
            VerifyRim { document, anchors: &self.anchors, at: self.at, time: RimTime::Now }.verify().unwrap()
        };
        self.manifests.iter().map(verify).collect()
    }

    /// Devices, their measurements, and all of them together.
    fn verify(&self, cache: &DeviceCache, manifests: &[VerifiedRim]) {
        let revocation = Revocation::read(self.responses.iter().map(Vec::as_slice), []);
        let policy = DevicePolicy::default();
        let devices: Vec<VerifiedDevice> = self
            .devices
            .iter()
            .map(|(report, chain)| {
                let certificates: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
                let device = VerifyDevice {
                    report,
                    certificates: &certificates,
                    nonce: &NONCE,
                    anchors: &self.anchors,
                    at: self.at,
                    revocation: &revocation,
                    policy: &policy,
                };
                device.verify(cache).unwrap()
            })
            .collect();
        for device in &devices {
            let of = |version: &str| manifests.iter().find(|rim| rim.colloquial_version() == version);
            let driver = match &device.opaque().device {
                Device::Gpu(gpu) => of(&gpu.driver_version),
                Device::Switch(_) => None,
            };
            let vbios = of(device.vbios_version());
            black_box(Appraise { device, driver, vbios, strict: false }.appraise().unwrap());
        }
        black_box(verify_machine(&devices).unwrap());
    }
}

fn devices(c: &mut Criterion) {
    let mut group = c.benchmark_group("nvidia");
    for (name, machine) in [("1-gpu", Machine::h100()), ("8-gpu-4-switch", Machine::hgx())] {
        let guest = Guest::new(&machine);
        let reports: Vec<Report<'_>> =
            guest.devices.iter().map(|(report, _)| Report::parse(report).unwrap()).collect();
        let keys: Vec<&[u8]> = machine.devices.iter().map(|device| device.leaf.public_point()).collect();
        group.bench_function(BenchmarkId::new("signatures", name), |b| {
            b.iter(|| {
                for (report, key) in reports.iter().zip(&keys) {
                    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key);
                    key.verify(black_box(report.signed_bytes()), report.signature()).unwrap();
                }
            });
        });
        let (cache, manifests) = (DeviceCache::default(), guest.manifests());
        guest.verify(&cache, &manifests);
        group.bench_function(BenchmarkId::new("cached", name), |b| {
            b.iter(|| guest.verify(&cache, &manifests))
        });
        group.bench_function(BenchmarkId::new("cold", name), |b| {
            b.iter(|| guest.verify(&DeviceCache::default(), &guest.manifests()));
        });
        group.bench_function(BenchmarkId::new("parse", name), |b| {
            b.iter(|| {
                guest.devices.iter().for_each(|(report, _)| {
                    black_box(Report::parse(report).unwrap());
                })
            });
        });
    }
    let guest = Guest::new(&Machine::h100());
    group.bench_function("manifests", |b| b.iter(|| black_box(guest.manifests())));
    group.finish();
}

criterion_group!(benches, devices);
criterion_main!(benches);
