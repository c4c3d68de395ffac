//! From the bytes of one device to what it signed.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use evidence_ledger::{Check, Failed, Ledger};
use evidence_x509::{Anchors, UnixTime, Window, verify_validity};
use subtle::ConstantTimeEq;

use crate::{
    Architecture, Chain, Device, DeviceCache, DevicePolicy, Error, GpuData, Opaque, Pdi, Report, Revocation,
    checks::device as checks, policy::Version,
};

/// Everything that the verdict on one device depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyDevice<'a> {
    /// The report, as received: request and response.
    pub report: &'a [u8],
    /// The device's certificates, DER, leaf first.
    pub certificates: &'a [&'a [u8]],
    /// What the nonce of the request must be: 32 bytes.
    pub nonce: &'a [u8; 32],
    /// Whose root is trusted.
    pub anchors: &'a Anchors,
    /// Now.
    pub at: UnixTime,
    /// What is known of revocation.
    pub revocation: &'a Revocation<'a>,
    /// What is asked of the device.
    pub policy: &'a DevicePolicy,
}

/// A device that NVIDIA made, and what it signed.
///
/// There is no other way to one than [`VerifyDevice::verify`]. Whether its measurements are good is [`crate::Appraise`]'s question.
#[derive(Debug, Clone)]
pub struct VerifiedDevice {
    chip: String,
    architecture: Architecture,
    model: String,
    pdi: Pdi,
    serial: Vec<u8>,
    leaf_serial: Vec<u8>,
    measurements: Vec<[u8; 48]>,
    opaque: Opaque,
    nonce: [u8; 32],
    window: Window,
    status_window: Option<Window>,
    ledger: Ledger,
}

impl VerifyDevice<'_> {
    /// Verifies the device: the form of its report, its certificates and their status, its signature, and what it must say.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::device`]) and why.
    pub fn verify(&self, cache: &DeviceCache) -> Result<VerifiedDevice, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());

        // 1. The form.
        let report = ledger.record(checks::SPDM_REPORT, Report::parse(self.report))?;
        let chain = ledger.record(checks::DEVICE_CERTIFICATES, Chain::parse(self.certificates))?;

        // 2. The certificates, before their key counts.
        ledger.require(checks::DEVICE_ROOT_PINNED, chain.is_pinned(self.anchors), || {
            Error::RootNotPinned(chain.root().subject().to_owned())
        })?;
        let all: Vec<_> = chain.certificates().iter().collect();
        let validity = verify_validity(&all, self.at).map_err(Error::Path);
        let window = ledger.record(checks::DEVICE_CHAIN_VALIDITY, validity)?;
        ledger.verify(checks::DEVICE_KEY_USAGE, chain.key_usage())?;
        let path = cache.path(&chain, self.anchors, window, self.at);
        let path = ledger.record(checks::DEVICE_CHAIN_SIGNATURES, path)?;

        // 3. Whether they are revoked.
        let pairs = chain.status_pairs();
        let is_accepted = self.policy.danger_accept_unknown_revocation;
        let statuses = match self.revocation.verify(&pairs, cache) {
            Ok(none) if none.are_empty() && is_accepted => {
                ledger.not_performed(checks::DEVICE_STATUS_SIGNATURE, UNKNOWN_REVOCATION);
                none
            }
            statuses => ledger.record(checks::DEVICE_STATUS_SIGNATURE, statuses)?,
        };
        if statuses.are_complete() || !is_accepted {
            ledger.verify(checks::DEVICE_NOT_REVOKED, statuses.not_revoked())?;
        } else {
            statuses.not_revoked().map_err(|error| Failed { check: checks::DEVICE_NOT_REVOKED, error })?;
            ledger.not_performed(checks::DEVICE_NOT_REVOKED, UNKNOWN_REVOCATION);
        }
        let current = statuses.current(self.at);
        let status_window = current.clone().ok();
        match current {
            Err(_) if is_accepted => ledger.not_performed(checks::DEVICE_STATUS_CURRENT, UNKNOWN_REVOCATION),
            current => ledger.verify(checks::DEVICE_STATUS_CURRENT, current.map(drop))?,
        }

        // 4. Which chip: by the certificates, never by what anybody says around them.
        let chip = chain.chip().and_then(|(chip, architecture)| {
            is_of(&chip, architecture, &report.opaque)?;
            Ok((chain.pdi()?, chip, architecture))
        });
        let (pdi, chip, architecture) = ledger.record(checks::DEVICE_ARCHITECTURE, chip)?;

        // 5. The signature, and for whom.
        let signature = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, chain.leaf().public_key())
            .verify(report.signed_bytes(), report.signature());
        ledger.require(checks::REPORT_SIGNATURE, signature.is_ok(), || Error::Signature)?;
        cache.keep(path);
        ledger.require(checks::NONCE, self.nonce.ct_eq(&report.nonce).into(), || Error::Nonce)?;

        // 6. What it says.
        self.fwid(ledger, &chain, &report.opaque.device)?;
        self.floors(ledger, architecture, &report.opaque.device)?;

        Ok(VerifiedDevice {
            chip,
            architecture,
            model: chain.device().subject().to_owned(),
            pdi,
            serial: chain.device().serial().to_vec(),
            leaf_serial: chain.leaf().serial().to_vec(),
            measurements: report.measurements,
            opaque: report.opaque,
            nonce: report.nonce,
            window,
            status_window,
            ledger: std::mem::take(ledger),
        })
    }

    /// Leaf -> firmware.
    fn fwid(&self, ledger: &mut Ledger, chain: &Chain, device: &Device) -> Result<(), Failed<Error>> {
        let reported = match device {
            // A switch does not report its firmware, and its ledger has nothing of it.
            Device::Switch(_) => return Ok(()),
            Device::Gpu(GpuData { fwid: None, .. }) if self.policy.danger_accept_no_fwid => {
                chain.is_operational().map_err(|error| Failed { check: checks::FWID, error })?;
                ledger.not_performed(checks::FWID, "danger-accept-no-fwid: the device reports no firmware");
                return Ok(());
            }
            Device::Gpu(gpu) => gpu.fwid.ok_or(Error::FwidMissing),
        };
        let equal =
            reported.and_then(|reported| if chain.fwid()? == reported { Ok(()) } else { Err(Error::Fwid) });
        ledger.verify(checks::FWID, equal)
    }

    fn floors(
        &self,
        ledger: &mut Ledger,
        architecture: Architecture,
        device: &Device,
    ) -> Result<(), Failed<Error>> {
        match (device, &self.policy.minimum_driver) {
            (Device::Gpu(gpu), Some(minimum)) => {
                let holds = not_below("driver", &gpu.driver_version, minimum);
                ledger.verify(checks::DRIVER_FLOOR, holds)?;
            }
            (Device::Gpu(_), None) => {
                ledger.not_performed(checks::DRIVER_FLOOR, "the policy has no minimum-driver");
            }
            // A switch has none.
            (Device::Switch(_), _) => {}
        }
        let floors = &self.policy.minimum_vbios;
        if floors.is_empty() {
            ledger.not_performed(checks::VBIOS_FLOOR, "the policy has no minimum-vbios");
            return Ok(());
        }
        let holds = match floors.get(&architecture) {
            Some(minimum) => not_below("video BIOS", vbios_of(device), minimum),
            None => Err(Error::NoFloor(architecture.name())),
        };
        ledger.verify(checks::VBIOS_FLOOR, holds)
    }
}

/// Why the status of certificates is not asked for.
const UNKNOWN_REVOCATION: &str =
    "danger-accept-unknown-revocation: nothing current says that each certificate is good";

/// The report is of a device of the certificates' kind.
fn is_of(chip: &str, architecture: Architecture, opaque: &Opaque) -> Result<(), Error> {
    let report = match &opaque.device {
        Device::Gpu(GpuData { chip: Some(reported), .. }) if reported != chip => reported.clone(),
        Device::Gpu(_) if architecture.is_switch() => "a GPU".to_owned(),
        Device::Switch(_) if !architecture.is_switch() => "a switch".to_owned(),
        Device::Gpu(_) | Device::Switch(_) => return Ok(()),
    };
    Err(Error::Architecture { certificates: chip.to_owned(), report })
}

fn not_below<const RADIX: u32>(
    what: &'static str,
    found: &str,
    minimum: &Version<RADIX>,
) -> Result<(), Error> {
    match found.parse::<Version<RADIX>>() {
        Ok(version) if version.is_at_least(minimum) => Ok(()),
        _ => Err(Error::TooOld { what, found: found.to_owned(), minimum: minimum.to_string() }),
    }
}

fn vbios_of(device: &Device) -> &str {
    match device {
        Device::Gpu(gpu) => &gpu.vbios_version,
        Device::Switch(switch) => &switch.bios_version,
    }
}

impl VerifiedDevice {
    /// The chip, such as `GH100`.
    pub fn chip(&self) -> &str {
        &self.chip
    }

    /// The chip as manifests have it: certificates write `LS_10`, manifests `LS10`.
    pub fn product(&self) -> &str {
        if self.architecture.is_switch() { "LS10" } else { &self.chip }
    }

    /// The chip's family, by the certificates.
    pub const fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The common name of the device's certificate, such as `GH100 A01 GSP BROM`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What GPUs and switches name each other by.
    pub const fn pdi(&self) -> Pdi {
        self.pdi
    }

    /// The serial number of the device's certificate: one for each device that NVIDIA made. Big-endian.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number of the leaf, which NVIDIA's tools call `ueid`. Big-endian.
    pub fn leaf_serial(&self) -> &[u8] {
        &self.leaf_serial
    }

    /// The measurements: SHA-384, by NVIDIA's index.
    pub fn measurements(&self) -> &[[u8; 48]] {
        &self.measurements
    }

    /// What the device said beside its measurements.
    pub const fn opaque(&self) -> &Opaque {
        &self.opaque
    }

    /// Of the video BIOS, or the BIOS of a switch.
    pub fn vbios_version(&self) -> &str {
        vbios_of(&self.opaque.device)
    }

    /// What was signed as the request's nonce.
    pub const fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// For which time all of its certificates are valid.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// For which time what was said of its certificates' status holds; `None` where nothing current was said.
    pub const fn status_window(&self) -> Option<Window> {
        self.status_window
    }

    /// The ids by which NVIDIA's service has its reference values (attestation-sdk 1.2.2, `gpu/evidence.cpp`): of the driver (a GPU's
    /// alone), and of the video BIOS or the BIOS of a switch.
    pub fn rim_ids(&self) -> RimIds {
        RimIds::of(&self.chip, self.architecture, &self.opaque.device)
    }

    /// Every check of [`crate::checks::device`], and whether it was performed; of a switch without those of GPUs alone.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether `check` passed.
    pub fn passed(&self, check: Check) -> bool {
        self.ledger.passed(check)
    }
}

/// What reference values are called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RimIds {
    /// Of the driver; a switch has none.
    pub driver: Option<String>,
    /// Of the video BIOS, or the BIOS of a switch.
    pub vbios: String,
}

impl RimIds {
    /// From what a device says, verified or not.
    pub fn of(chip: &str, architecture: Architecture, device: &Device) -> Self {
        let undotted = |version: &str| version.replace('.', "").to_uppercase();
        match device {
            Device::Gpu(gpu) => Self {
                // `gpu/evidence.cpp`, lines 485 to 506.
                driver: Some(match architecture {
                    Architecture::Blackwell => format!("NV_GPU_CC_DRIVER_{chip}_{}", gpu.driver_version),
                    _ => format!("NV_GPU_DRIVER_{chip}_{}", gpu.driver_version),
                }),
                // The same, line 571.
                vbios: format!(
                    "NV_GPU_VBIOS_{}_{}_{}_{}",
                    gpu.project,
                    gpu.project_sku,
                    gpu.chip_sku,
                    undotted(&gpu.vbios_version)
                )
                .to_uppercase(),
            },
            Device::Switch(switch) => Self {
                driver: None,
                // `switch/evidence.cpp`, line 442: one project and SKU for all.
                vbios: format!("NV_SWITCH_BIOS_5612_0002_890_{}", undotted(&switch.bios_version)),
            },
        }
    }
}
