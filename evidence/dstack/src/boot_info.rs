//! `BootInfo`: what dstack's KMS posts to its authorisation service before it releases keys.
//!
//! JSON in camel case, bytes as lower-case hex without prefix. Source: `verifier/src/types.rs`
//! (`PolicyBootInfo`), `kms/src/main_service/upgrade_authority.rs`; the derivations,
//! `dstack-attest/src/attestation.rs`.

use serde::Serialize;
use serde::ser::Serializer;

use crate::hash::sha256;
use crate::json::{Hex, JsonError, Object};

/// The longest document, in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;

const DOCUMENT: &str = "boot info";

/// The identity of one booted application, as an authorisation service sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootInfo {
    /// The platform's name; [`crate::wire::Platform::tee_variant`] has dstack's own.
    pub tee_variant: String,
    /// Digest of everything measured, application included.
    #[serde(serialize_with = "hex_string")]
    pub mr_aggregated: [u8; 32],
    /// The image's identity.
    #[serde(serialize_with = "hex_string")]
    pub os_image_hash: [u8; 32],
    /// Digest of everything measured but the application.
    #[serde(serialize_with = "hex_string")]
    pub mr_system: [u8; 32],
    /// Application id.
    #[serde(serialize_with = "hex_string")]
    pub app_id: [u8; 20],
    /// SHA-256 of the application's compose file.
    #[serde(serialize_with = "hex_string")]
    pub compose_hash: [u8; 32],
    /// Instance id; an empty string in the document where there is none.
    #[serde(serialize_with = "optional_hex_string")]
    pub instance_id: Option<[u8; 20]>,
    /// SHA-256 of the platform's hardware id. This one form holds for every platform: dstack's KMS posts
    /// SEV-SNP's 64-byte CHIP_ID as it is, which its own authorisation contract has no room for.
    #[serde(serialize_with = "hex_string")]
    pub device_id: [u8; 32],
    /// Who provides keys: JSON `{"name":...,"id":...}` as bytes.
    #[serde(serialize_with = "hex_string")]
    pub key_provider_info: Vec<u8>,
    /// The platform's TCB status, such as `UpToDate`; empty where the platform has none.
    pub tcb_status: String,
    /// Security advisories that apply to the platform's TCB.
    pub advisory_ids: Vec<String>,
}

impl BootInfo {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// [`JsonError`] for unknown, duplicate or absent keys, and for values of another form or length.
    pub fn parse(document: &str) -> Result<Self, JsonError> {
        let mut object = Object::parse(DOCUMENT, document, MAX_DOCUMENT)?;
        let boot_info = Self {
            tee_variant: object.required("teeVariant")?,
            mr_aggregated: object.required("mrAggregated")?,
            os_image_hash: object.required("osImageHash")?,
            mr_system: object.required("mrSystem")?,
            app_id: object.required("appId")?,
            compose_hash: object.required("composeHash")?,
            instance_id: instance_id(object.required("instanceId")?)?,
            device_id: object.required("deviceId")?,
            key_provider_info: object.required::<Hex>("keyProviderInfo")?.0,
            tcb_status: object.required("tcbStatus")?,
            advisory_ids: object.required("advisoryIds")?,
        };
        object.finish()?;
        Ok(boot_info)
    }
}

fn instance_id(Hex(bytes): Hex) -> Result<Option<[u8; 20]>, JsonError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (document, key, found) = (DOCUMENT, "instanceId", bytes.len());
    let length = JsonError::Length { document, key, expected: 20, found };
    <[u8; 20]>::try_from(bytes.as_slice()).map(Some).map_err(|_| length)
}

fn hex_string<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

fn optional_hex_string<S: Serializer>(id: &Option<[u8; 20]>, serializer: S) -> Result<S::Ok, S::Error> {
    hex_string(id.as_ref().map_or(&[][..], <[u8; 20]>::as_slice), serializer)
}

/// `mr_system` of an SEV-SNP guest: SHA-256 of MEASUREMENT (48 bytes).
#[must_use]
pub fn snp_mr_system(measurement: &[u8; 48]) -> [u8; 32] {
    sha256(&[measurement])
}

/// `mr_aggregated` of an SEV-SNP guest: SHA-256 of MEASUREMENT (48 bytes) and HOST_DATA (32 bytes).
#[must_use]
pub fn snp_mr_aggregated(measurement: &[u8; 48], host_data: &[u8; 32]) -> [u8; 32] {
    sha256(&[measurement, host_data])
}

/// `device_id` of an SEV-SNP host: SHA-256 of CHIP_ID (64 bytes).
#[must_use]
pub fn snp_device_id(chip_id: &[u8; 64]) -> [u8; 32] {
    sha256(&[chip_id])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    fn sample() -> BootInfo {
        BootInfo {
            tee_variant: "dstack-amd-sev-snp".to_owned(),
            mr_aggregated: [0x66; 32],
            os_image_hash: [0x77; 32],
            mr_system: [0x55; 32],
            app_id: [0x11; 20],
            compose_hash: [0x22; 32],
            instance_id: Some([0x33; 20]),
            device_id: [0x44; 32],
            key_provider_info: br#"{"name":"kms","id":"00"}"#.to_vec(),
            tcb_status: "UpToDate".to_owned(),
            advisory_ids: vec!["INTEL-SA-00001".to_owned()],
        }
    }

    #[test]
    fn derivations_of_a_real_report() {
        let path = "snp/milan-v3-dstack-e2e/report.bin";
        let Some(report) = vectors::read("boot_info::derivations_of_a_real_report", path) else { return };
        // AMD publication 56860, table of ATTESTATION_REPORT: MEASUREMENT at 0x90, HOST_DATA at 0xC0, CHIP_ID
        // at 0x1A0.
        let measurement = report[0x90..].first_chunk().unwrap();
        let host_data = report[0xc0..].first_chunk().unwrap();
        let chip_id = report[0x1a0..].first_chunk().unwrap();
        assert_eq!(
            hex::encode(snp_mr_system(measurement)),
            "ebf2076a74c394bd8c68ac10f341dd24e0d80f0411bbeb43f062e2b658309054"
        );
        assert_eq!(
            hex::encode(snp_mr_aggregated(measurement, host_data)),
            "c7a8e492fcd0167c76f3c64ff20d96648403020f80b38e9384a7432077e4a7a7"
        );
        assert_eq!(
            hex::encode(snp_device_id(chip_id)),
            "310f86e9970d2b625f8a1024f05ea59d540743de63e9017c8c4c0f50a14a10a6"
        );
    }

    #[test]
    fn document() {
        let text = serde_json::to_string(&sample()).unwrap();
        let expected = format!(
            concat!(
                r#"{{"teeVariant":"dstack-amd-sev-snp","mrAggregated":"{}","osImageHash":"{}","mrSystem":"{}","#,
                r#""appId":"{}","composeHash":"{}","instanceId":"{}","deviceId":"{}","#,
                r#""keyProviderInfo":"7b226e616d65223a226b6d73222c226964223a223030227d","#,
                r#""tcbStatus":"UpToDate","advisoryIds":["INTEL-SA-00001"]}}"#,
            ),
            "66".repeat(32),
            "77".repeat(32),
            "55".repeat(32),
            "11".repeat(20),
            "22".repeat(32),
            "33".repeat(20),
            "44".repeat(32),
        );
        assert_eq!(text, expected);
        assert_eq!(BootInfo::parse(&text), Ok(sample()));
        let anonymous = BootInfo { instance_id: None, ..sample() };
        let text = serde_json::to_string(&anonymous).unwrap();
        assert!(text.contains(r#""instanceId":"","#));
        assert_eq!(BootInfo::parse(&text), Ok(anonymous));
    }

    #[test]
    fn refusals() {
        let text = serde_json::to_string(&sample()).unwrap();
        let chip_id = text.replace(&"44".repeat(32), &"44".repeat(64));
        let length = JsonError::Length { document: DOCUMENT, key: "deviceId", expected: 32, found: 64 };
        assert_eq!(BootInfo::parse(&chip_id), Err(length));
        let unknown = text.replacen('{', r#"{"x":1,"#, 1);
        let error = JsonError::UnknownKey { document: DOCUMENT, key: "x".to_owned() };
        assert_eq!(BootInfo::parse(&unknown), Err(error));
        let twice = text.replacen('{', r#"{"tcbStatus":"","#, 1);
        let error = JsonError::DuplicateKey { document: DOCUMENT, key: "tcbStatus".to_owned() };
        assert_eq!(BootInfo::parse(&twice), Err(error));
        let without = text.replace(r#""tcbStatus":"UpToDate","#, "");
        let error = JsonError::MissingKey { document: DOCUMENT, key: "tcbStatus" };
        assert_eq!(BootInfo::parse(&without), Err(error));
    }
}
