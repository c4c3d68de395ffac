//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_nvidia::{Device, Report};
use evidence_x509::Certificate;
use serde_json::{Map, Value, json};

use crate::{DeviceEvidence, ID, NvidiaEvidence};

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = NvidiaEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    if let Some(nonce) = evidence.nonce {
        put("nonce", hex::encode(*nonce).into());
    }
    put("cc-state", json!(evidence.cc_state));
    put("devices", evidence.devices.iter().map(device).collect());
    Ok(Value::Object(content))
}

fn device(DeviceEvidence { report, certificates }: &DeviceEvidence) -> Value {
    let certificates =
        certificates.iter().map(|der| or_malformed(Certificate::parse(der).map(|it| json!(it.described()))));
    json!({
        "report": or_malformed(Report::parse(report).map(|report| of_report(&report))),
        "certificates": certificates.collect::<Value>(),
    })
}

fn of_report(report: &Report<'_>) -> Value {
    let others = report.opaque.others.iter();
    let others: Map<String, Value> =
        others.map(|(kind, value)| (kind.to_string(), hex::encode(value).into())).collect();
    let texts = |pdis: &[evidence_nvidia::Pdi]| pdis.iter().map(ToString::to_string).collect::<Vec<_>>();
    let device = match &report.opaque.device {
        Device::Gpu(gpu) => json!({
            "driver-version": gpu.driver_version,
            "vbios-version": gpu.vbios_version,
            "project": gpu.project,
            "project-sku": gpu.project_sku,
            "chip-sku": gpu.chip_sku,
            "fwid": gpu.fwid.map(hex::encode),
            "protected-pcie": gpu.protected_pcie,
            "mode": gpu.mode.map(evidence_nvidia::Mode::name),
            "switch-pdis": texts(&gpu.switch_pdis),
        }),
        Device::Switch(switch) => json!({
            "bios-version": switch.bios_version,
            "pdi": switch.pdi.to_string(),
            "gpu-pdis": texts(&switch.gpu_pdis),
            "locked": switch.is_locked,
        }),
    };
    json!({
        "nonce": hex::encode(report.nonce),
        "device": device,
        "opaque-data": others,
        "measurements": report.measurements.iter().map(hex::encode).collect::<Vec<_>>(),
    })
}

fn or_malformed<E: ToString>(read: std::result::Result<Value, E>) -> Value {
    read.unwrap_or_else(|error| json!({ "malformed": error.to_string() }))
}
