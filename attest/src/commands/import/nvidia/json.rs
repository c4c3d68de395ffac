//! What tools write of devices: NVIDIA's, and the attesters of Confidential Containers.
//!
//! Sources: NVIDIA/attestation-sdk, the JSON of its evidence (first with the version "1.0", since with none) and of
//! `nvattest collect-evidence`; confidential-containers/guest-components, `attestation-agent/attester`. Nothing in it but the reports is
//! signed.

use std::path::{Path, PathBuf};

use backend_api::{Error, ErrorKind, Result};
use backend_nvidia::MAX_DEVICES;
use evidence_json::{AnyBase64, FromJson, JsonError, Mismatch, Object, parse_value};
use serde_json::Value;

use super::Item;
use crate::files;

/// The most bytes of a document: reports and certificates of [`MAX_DEVICES`] devices, in base64 or in hex.
const MAX_DOCUMENT: usize = 4 << 20;

/// What errors call the whole, and one device.
const DOCUMENT: &str = "evidence of devices";
const DEVICE: &str = "device";

/// The members with a list of devices: of `nvattest`, of Confidential Containers.
const LISTS: [&str; 2] = ["evidences", "device_evidence_list"];

/// Why a document has no devices that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum DevicesError {
    #[error("{0} devices, expected 1 to {MAX_DEVICES}")]
    Count(usize),
    #[error("device {index}: {error}")]
    Device { index: usize, error: JsonError },
    #[error(
        "expected a device (arch, evidence, certificate), a list of them, or an object with one in evidences or device_evidence_list"
    )]
    Form,
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("result_code is {0}, expected 0: the tool that collected says that it failed")]
    ResultCode(Value),
}

impl DevicesError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Count(_) => ErrorKind::LimitExceeded,
            _ => ErrorKind::MalformedEvidence,
        }
    }

    fn in_file(&self, path: &Path, what: &str) -> Error {
        Error::new(self.kind(), format_args!("{path:?}: {what}{self}"))
    }
}

/// The devices of all documents.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Item>> {
    let mut all = Vec::new();
    for path in paths {
        let text = files::read_text_or_stdin(path)?;
        let items = items(&text).map_err(|error| error.in_file(path, ""))?;
        all.extend(items.into_iter().enumerate().map(|(index, item)| {
            let from = format!("{path:?}: device {index}");
            Item { from, ..item }
        }));
        if all.len() > MAX_DEVICES {
            return Err(DevicesError::Count(all.len()).in_file(path, "all devices up to this file: "));
        }
    }
    Ok(all)
}

fn items(text: &str) -> std::result::Result<Vec<Item>, DevicesError> {
    let devices = match parse_value(DOCUMENT, text, MAX_DOCUMENT)? {
        Value::Array(devices) => devices,
        Value::Object(members) => match LISTS.into_iter().find(|list| members.contains_key(*list)) {
            Some(list) => wrapped(list, Object::from_value(DOCUMENT, members.into())?)?,
            None if members.contains_key("evidence") => vec![members.into()],
            None => return Err(DevicesError::Form),
        },
        _ => return Err(DevicesError::Form),
    };
    if !(1..=MAX_DEVICES).contains(&devices.len()) {
        return Err(DevicesError::Count(devices.len()));
    }
    let items = devices.into_iter().enumerate();
    items.map(|(index, value)| item(value).map_err(|error| DevicesError::Device { index, error })).collect()
}

/// The list, and beside it what a tool says of its own success: where that failed, the list is null.
fn wrapped(list: &'static str, mut object: Object) -> std::result::Result<Vec<Value>, DevicesError> {
    if let Some(code) = object.optional::<Value>("result_code")?.filter(|code| code.as_u64() != Some(0)) {
        return Err(DevicesError::ResultCode(code));
    }
    object.optional::<Value>("result_message")?;
    let devices = object.required(list)?;
    object.finish()?;
    Ok(devices)
}

fn item(value: Value) -> std::result::Result<Item, JsonError> {
    let mut object = Object::from_value(DEVICE, value)?;
    object.optional::<Version>("version")?;
    let arch: String = object.required("arch")?;
    let (Encoded(report), Encoded(chain)) = (object.required("evidence")?, object.required("certificate")?);
    let nonce = object.optional("nonce")?;
    let (driver, vbios) = (object.optional("driver_version")?, object.optional("vbios_version")?);
    // Which the attesters of Confidential Containers do not know either.
    object.optional::<String>("uuid")?;
    object.finish()?;
    Ok(Item { from: String::new(), report, chain, arch: Some(arch), nonce, driver, vbios })
}

/// The one version that NVIDIA's JSON names, where it names one.
struct Version;

impl FromJson for Version {
    const EXPECTED: &'static str = "the version \"1.0\"";

    fn from_json(value: Value) -> std::result::Result<Self, Mismatch> {
        if value == "1.0" { Ok(Self) } else { Err(Mismatch::Type) }
    }
}

/// Bytes in hex or in base64. No report and no PEM text is hex digits alone in base64: they begin with `EeAB/` and `LS0tLS`.
struct Encoded(Vec<u8>);

impl FromJson for Encoded {
    const EXPECTED: &'static str = "a string of base64 or hex";

    fn from_json(value: Value) -> std::result::Result<Self, Mismatch> {
        let text = String::from_json(value)?;
        if let Ok(bytes) = hex::decode(&text) {
            return Ok(Self(bytes));
        }
        AnyBase64::from_json(text.into()).map(|AnyBase64(bytes)| Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> std::result::Result<Vec<Item>, DevicesError> {
        items(&document.to_string())
    }

    fn device() -> Value {
        json!({ "arch": "HOPPER", "evidence": "EeAB/w==", "certificate": "LS0tLS0=", "nonce": "07".repeat(32) })
    }

    fn of_version_1() -> Value {
        let mut device = device();
        for (key, value) in
            [("version", "1.0"), ("driver_version", "550.90.07"), ("vbios_version", "96.00.9F.00.01")]
        {
            device[key] = value.into();
        }
        device
    }

    #[test]
    fn every_form_has_the_same_devices() {
        let hex = json!({ "arch": "HOPPER", "uuid": "unknown", "evidence": "11e001ff", "certificate": "2d2d2d2d2d" });
        for (form, devices) in [
            (device(), 1),
            (json!([device(), device()]), 2),
            (json!({ "evidences": [of_version_1()], "result_code": 0, "result_message": "Ok" }), 1),
            (json!({ "device_evidence_list": [hex, hex] }), 2),
            (json!([hex]), 1),
        ] {
            let items = read(&form).unwrap();
            assert_eq!(items.len(), devices, "{form}");
            for item in items {
                assert_eq!((&item.report[..], &item.chain[..]), (&[0x11, 0xE0, 1, 0xFF][..], &b"-----"[..]));
                assert_eq!(item.arch.as_deref(), Some("HOPPER"));
                assert!(item.nonce.is_none_or(|nonce| nonce == [7; 32]));
            }
        }
    }

    #[test]
    fn anything_else_has_a_reason() {
        for (form, reason) in [
            (json!({}), "expected a device"),
            (json!("text"), "expected a device"),
            (json!([]), "0 devices"),
            (json!(vec![device(); 33]), "33 devices"),
            (json!([[]]), "device 0: "),
            (json!({ "evidences": device() }), "must be an array"),
            (json!({ "evidences": null, "result_code": 4 }), "result_code is 4"),
            (json!({ "evidences": null, "result_code": 0 }), "\"evidences\""),
            (json!({ "evidences": [device()], "device_evidence_list": [] }), "device_evidence_list"),
        ] {
            let found = read(&form).unwrap_err().to_string();
            assert!(found.contains(reason), "{reason:?} is not in {found:?}");
        }
        for (key, value, reason) in [
            ("arch", Value::Null, "\"arch\" must be"),
            ("evidence", json!("?"), "must be a string of base64 or hex"),
            ("certificate", json!(7), "must be a string of base64 or hex"),
            ("nonce", json!("07"), "32 bytes expected"),
            ("version", json!("2.0"), "\"version\" must be the version \"1.0\""),
            ("version", json!(1.0), "\"version\" must be the version \"1.0\""),
            ("driver_version", json!(590), "\"driver_version\" must be a string"),
            ("more", json!(1), "found \"more\""),
        ] {
            let mut wrong = device();
            wrong[key] = value;
            let found = read(&wrong).unwrap_err().to_string();
            assert!(found.contains(reason), "{reason:?} is not in {found:?}");
        }
    }
}
