//! The devices of one guest, and what NVIDIA says of them: manifests, and the status of certificates.

use std::collections::BTreeMap;

use backend_api::EndorsementKind;

use super::device::{Chip, Device, device_pins};
use super::rim::{Attributes, RimSpec, set};
use super::rim_hierarchy::RimHierarchy;
use crate::keys::EcKey;
use crate::ocsp::{Answer, OcspSpec, responder_spec};
use crate::time::utc_day;
use crate::x509::CertSpec;

/// The values that each measurement of a manifest may have, by NVIDIA's index.
pub type Golden = BTreeMap<u8, Vec<[u8; 48]>>;

/// GPUs, and the switches beside them. Its parts agree with each other when it is made: a test changes one of them before it is used.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The devices.
    pub devices: Vec<Device>,
    /// Manifests before they are signed, of every chip that there is: of a driver, of a video BIOS or of a switch's BIOS.
    pub manifests: Vec<RimSpec>,
    /// What is said of each certificate between a leaf and a root, before it is signed, and by whose key it is.
    pub statuses: Vec<(OcspSpec, EcKey)>,
}

impl Machine {
    /// 2026-06-01: everything is valid.
    #[must_use]
    pub fn now() -> u64 {
        utc_day(2026, 6, 1)
    }

    /// When the status of certificates was told: noon of the day before, for 24 hours.
    #[must_use]
    pub fn status_from() -> u64 {
        Self::now().saturating_sub(43_200)
    }

    /// One H100.
    #[must_use]
    pub fn h100() -> Self {
        Self::of(vec![Device::new(Chip::Gh100, 0)])
    }

    /// Two B200s, each of which a guest uses by itself (MPT).
    #[must_use]
    pub fn b200s() -> Self {
        Self::of((0..2).map(|number| Device::new(Chip::Gb100, number)).collect())
    }

    /// Eight H100s and four switches in protected PCIe, linked to each other.
    #[must_use]
    pub fn hgx() -> Self {
        Self::hgx_number(0)
    }

    /// Another machine of that kind for each number.
    #[must_use]
    pub fn hgx_number(machine: u8) -> Self {
        let number = |device: u8| 1u8.saturating_add(machine.saturating_mul(16)).saturating_add(device);
        let mut gpus: Vec<Device> = (0..8).map(|gpu| Device::new(Chip::Gh100, number(gpu))).collect();
        let mut switches: Vec<Device> =
            (0..4).map(|switch| Device::new(Chip::Ls10, number(switch))).collect();
        let gpu_pdis: Vec<u8> = gpus.iter().flat_map(|gpu| gpu.pdi).collect();
        // 18 links: 4, 4, 5 and 5 to each switch, little-endian.
        let links = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3].into_iter();
        let links: Vec<u8> = links
            .filter_map(|switch: usize| switches.get(switch))
            .flat_map(|switch| switch.pdi.into_iter().rev())
            .collect();
        for gpu in &mut gpus {
            *gpu.report.opaque_mut(21) = vec![0xAA];
            *gpu.report.opaque_mut(36) = vec![2, 0];
            gpu.report.opaque.insert(14, (22, links.clone()));
        }
        for switch in &mut switches {
            *switch.report.opaque_mut(26) = [&gpu_pdis[..], &[0xFF; 64]].concat();
        }
        gpus.append(&mut switches);
        Self::of(gpus)
    }

    /// These devices, with the manifests of their chips and the status of their certificates.
    #[must_use]
    pub fn of(devices: Vec<Device>) -> Self {
        let mut machine = Self { devices, manifests: Vec::new(), statuses: Vec::new() };
        machine.publish();
        machine
    }

    /// Makes manifests and statuses anew, for the devices as they are.
    pub fn publish(&mut self) {
        self.manifests.clear();
        let mut chips: Vec<Chip> = Vec::new();
        for device in &self.devices {
            if !chips.contains(&device.chip) {
                chips.push(device.chip);
                self.manifests.extend(manifests(device));
            }
        }
        self.statuses.clear();
        let mut chains: Vec<Vec<(CertSpec, EcKey)>> = self
            .devices
            .iter()
            .map(|device| device.certificates.get(1..).unwrap_or_default().to_vec())
            .collect();
        chains.push(RimHierarchy::new().certificates);
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for chain in chains {
            for (subject, issuer) in chain.iter().zip(chain.iter().skip(1)) {
                if !seen.contains(&subject.0.spki) {
                    seen.push(subject.0.spki.clone());
                    self.statuses.push(status(&subject.0, &issuer.0, &subject.1));
                }
            }
        }
    }

    /// The manifests, signed.
    #[must_use]
    pub fn documents(&self) -> Vec<Vec<u8>> {
        self.manifests.iter().map(|manifest| manifest.sign().into_bytes()).collect()
    }

    /// The statuses, signed.
    #[must_use]
    pub fn responses(&self) -> Vec<Vec<u8>> {
        self.statuses.iter().map(|(status, key)| status.sign(key)).collect()
    }

    /// All that NVIDIA says.
    #[must_use]
    pub fn endorsements(&self) -> Vec<(EndorsementKind, Vec<u8>)> {
        let documents = self.documents().into_iter().map(|document| (EndorsementKind::Document, document));
        let responses =
            self.responses().into_iter().map(|response| (EndorsementKind::StatusResponse, response));
        documents.chain(responses).collect()
    }

    /// The common names of the lab's roots, of devices and of manifests, each with SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins() -> Vec<(String, [u8; 32])> {
        [device_pins(), RimHierarchy::pins()].concat()
    }
}

/// That `subject`, whose issuer has the key `key`, is good: said by a responder that the issuer certified.
fn status(subject: &CertSpec, issuer: &CertSpec, key: &EcKey) -> (OcspSpec, EcKey) {
    let responder = EcKey::from_label("nvidia ocsp responder");
    let certificate = responder_spec(issuer, &responder.spki());
    let answer = Answer::good(subject, issuer, Machine::status_from());
    let spec = OcspSpec { certificates: vec![certificate.sign(key)], ..OcspSpec::new(answer, &certificate) };
    (spec, responder)
}

/// The manifests of a device as it measures: driver and video BIOS of a GPU, BIOS of a switch. Every measurement that a real manifest has
/// active is active.
fn manifests(device: &Device) -> Vec<RimSpec> {
    let value = |index: &u8| {
        let found =
            device.report.measurements.iter().find(|(number, _)| number.checked_sub(1) == Some(*index));
        (*index, vec![found.map_or([0; 48], |(_, digest)| *digest)])
    };
    let (product, (driver, bios)) = (device.chip.product(), device.versions());
    if device.chip == Chip::Ls10 {
        let indices: Vec<u8> = (0..31).collect();
        return vec![manifest("SWITCH", product, bios, 31, &indices.iter().map(value).collect())];
    }
    let (of_driver, of_bios): (Vec<u8>, Vec<u8>) =
        ((21..41).chain([7]).collect(), (0..7).chain(8..13).collect());
    vec![
        manifest("GPU", product, driver, 64, &of_driver.iter().map(value).collect()),
        manifest("GPU", product, bios, 64, &of_bios.iter().map(value).collect()),
    ]
}

/// A manifest of `count` measurements, of which those in `golden` are active.
#[must_use]
pub fn manifest(edition: &str, product: &str, version: &str, count: u8, golden: &Golden) -> RimSpec {
    let mut spec = RimSpec::new();
    set(&mut spec.identity, "name", product);
    for (name, value) in [
        ("edition", edition),
        ("product", product),
        ("ns1:PlatformModel", product),
        ("colloquialVersion", version),
    ] {
        set(&mut spec.meta, name, value);
    }
    spec.resources =
        (0..count).map(|index| resource(index, golden.get(&index).map_or(&[][..], Vec::as_slice))).collect();
    spec
}

/// A measurement: active if it has values.
fn resource(index: u8, values: &[[u8; 48]]) -> Attributes {
    let active = if values.is_empty() { "False" } else { "True" };
    let values = if values.is_empty() { &[[0; 48]] } else { values };
    let mut attributes = vec![
        ("type".to_owned(), "Measurement".to_owned()),
        ("index".to_owned(), index.to_string()),
        ("active".to_owned(), active.to_owned()),
        ("alternatives".to_owned(), values.len().to_string()),
    ];
    let hashes = values.iter().enumerate();
    attributes.extend(hashes.map(|(number, digest)| (format!("ns2:Hash{number}"), hex::encode(digest))));
    attributes.push(("name".to_owned(), format!("Measurement_{index}")));
    attributes.push(("size".to_owned(), "48".to_owned()));
    attributes
}
