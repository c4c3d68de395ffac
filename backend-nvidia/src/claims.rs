//! What verified Evidence says, in NVIDIA's words where it has some.

use std::collections::BTreeMap;

use backend_api::Claims;
use evidence_nvidia::{
    Appraised, Device, GpuData, Mode, Pdi, SwitchData, VerifiedDevice, checks::device as checks,
};
use evidence_rim::{NVIDIA_ENTERPRISE, VerifiedRim};
use evidence_x509::Moment;
use serde_json::{Map, Value, json};

use crate::{CcState, GpuLane, profile::sha256, rims::Found, verify::Tie};

/// A device's measurements, judged, and by what.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) appraised: Appraised,
    pub(crate) rims: Vec<Found>,
}

/// SHA-256 over the identifiers of all devices, 8 bytes each, in their order.
pub(crate) fn device_id(devices: &[VerifiedDevice]) -> [u8; 32] {
    let mut pdis: Vec<Pdi> = devices.iter().map(VerifiedDevice::pdi).collect();
    pdis.sort_unstable();
    let bytes: Vec<u8> = pdis.iter().flat_map(|Pdi(pdi)| *pdi).collect();
    sha256(&bytes)
}

pub(crate) fn of(
    devices: &[VerifiedDevice],
    judged: &[Judged],
    cc_state: Option<CcState>,
    tie: Tie,
    device_id: &[u8; 32],
) -> Claims {
    let mut claims = Claims::new("nvidia-cc", "nvidia", product(devices), &[]);
    claims.device_id = hex::encode(device_id);
    claims.details = BTreeMap::from([
        ("bound-to-cpu", bound(tie).into()),
        ("cc-state-reported", cc_state.map_or(Value::Null, |state| json!(state))),
        ("devices", devices.iter().zip(judged).map(|(device, judged)| of_device(device, judged)).collect()),
    ]);
    claims
}

/// By which lane the payload is bound to the CPU.
const fn bound(tie: Tie) -> &'static str {
    match tie {
        Tie::OnDemand => GpuLane::OnDemand.name(),
        Tie::Boot(_) => GpuLane::Boot.name(),
        Tie::Word => "none",
    }
}

/// Such as `8 x GH100, 4 x LS_10`.
fn product(devices: &[VerifiedDevice]) -> String {
    let mut chips: BTreeMap<&str, usize> = BTreeMap::new();
    for device in devices {
        let count = chips.entry(device.chip()).or_default();
        *count = count.saturating_add(1);
    }
    let chips: Vec<String> = chips.into_iter().map(|(chip, count)| format!("{count} x {chip}")).collect();
    chips.join(", ")
}

fn of_device(device: &VerifiedDevice, judged: &Judged) -> Value {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("hwmodel", device.model().into());
    put("ueid", decimal(device.leaf_serial()).into());
    put("oemid", NVIDIA_ENTERPRISE.to_string().into());
    put("eat_nonce", hex::encode(device.nonce()).into());
    put("measres", "success".into());
    put("x-nvidia-mismatch-measurement-records", json!([]));
    put("architecture", device.architecture().name().into());
    put("chip", device.chip().into());
    put("pdi", device.pdi().to_string().into());
    put("certificates-until", Moment(device.window().not_after).to_string().into());
    if let Some(window) = device.status_window() {
        put("status-from", Moment(window.not_before).to_string().into());
        put("status-until", Moment(window.not_after).to_string().into());
    }
    let Appraised { compared, skipped, unconstrained, .. } = &judged.appraised;
    put("compared", (*compared).into());
    put("unconstrained", (*unconstrained).into());
    put("skipped", skipped.keys().copied().collect());
    put(
        "skipped-would-match",
        skipped.iter().filter(|(_, matches)| **matches).map(|(index, _)| *index).collect(),
    );
    put("rims", judged.rims.iter().map(|found| of_rim(&found.rim)).collect());
    put("measurements", device.measurements().iter().map(hex::encode).collect());
    let others = &device.opaque().others;
    let others = others.iter().map(|(kind, value)| (kind.to_string(), Value::from(hex::encode(value))));
    put("opaque-data", others.collect());
    match &device.opaque().device {
        Device::Gpu(gpu) => of_gpu(gpu, device, &mut claims),
        Device::Switch(switch) => of_switch(switch, &mut claims),
    }
    Value::Object(claims)
}

fn of_gpu(gpu: &GpuData, device: &VerifiedDevice, claims: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("x-nvidia-device-type", "gpu".into());
    put("x-nvidia-gpu-arch-check", true.into());
    put("x-nvidia-gpu-driver-version", gpu.driver_version.as_str().into());
    put("x-nvidia-gpu-vbios-version", gpu.vbios_version.as_str().into());
    put("x-nvidia-gpu-attestation-report-parsed", true.into());
    put("x-nvidia-gpu-attestation-report-nonce-match", device.passed(checks::NONCE).into());
    put("x-nvidia-gpu-attestation-report-signature-verified", device.passed(checks::REPORT_SIGNATURE).into());
    put("x-nvidia-gpu-attestation-report-cert-chain-fwid-match", device.passed(checks::FWID).into());
    put("x-nvidia-gpu-driver-rim-version-match", true.into());
    put("x-nvidia-gpu-vbios-rim-version-match", true.into());
    put("x-nvidia-gpu-vbios-index-no-conflict", true.into());
    if !gpu.switch_pdis.is_empty() {
        put("x-nvidia-gpu-switch-pdis", texts(&gpu.switch_pdis));
    }
    put("project", gpu.project.as_str().into());
    put("project-sku", gpu.project_sku.as_str().into());
    put("chip-sku", gpu.chip_sku.as_str().into());
    put("mode", gpu.mode.map_or("unknown", Mode::name).into());
    put("protected-pcie", json!(gpu.protected_pcie));
    put("fwid", gpu.fwid.map_or(Value::Null, |fwid| hex::encode(fwid).into()));
    put("nvdec0-enabled", json!(gpu.is_nvdec0_enabled()));
}

fn of_switch(switch: &SwitchData, claims: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("x-nvidia-device-type", "nvswitch".into());
    put("x-nvidia-switch-arch-check", true.into());
    put("x-nvidia-switch-bios-version", switch.bios_version.as_str().into());
    put("x-nvidia-switch-pdi", switch.pdi.to_string().into());
    put("x-nvidia-switch-gpu-pdis", texts(&switch.gpu_pdis));
    put("locked", switch.is_locked.into());
}

fn texts(pdis: &[Pdi]) -> Value {
    pdis.iter().map(ToString::to_string).collect()
}

fn of_rim(rim: &VerifiedRim) -> Value {
    json!({
        "product": rim.product(),
        "version": rim.colloquial_version(),
        "sha256": hex::encode(rim.sha256()),
        "signer-not-after": Moment(rim.signer_window().not_after).to_string(),
    })
}

/// A big-endian number in decimal digits, as NVIDIA's tools write serial numbers.
fn decimal(bytes: &[u8]) -> String {
    // Digits, the least significant first.
    let mut digits: Vec<u32> = vec![0];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = digit.saturating_mul(256).saturating_add(carry);
            (*digit, carry) = (value % 10, value / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}
