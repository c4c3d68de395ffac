//! `BootInfo`: what dstack's KMS posts to its authorisation service before it releases keys.
//!
//! JSON in camel case, bytes as lower-case hex without prefix. Source: `verifier/src/types.rs`
//! (`PolicyBootInfo`), `kms/src/main_service/upgrade_authority.rs`; the derivations,
//! `dstack-attest/src/attestation.rs`.

use serde::Serialize;
use serde::ser::Serializer;

use crate::hash::sha256;
use evidence_json::{Hex, JsonError, Object};

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

/// The registers of a TD that dstack's digests cover, 48 bytes each, as in the TD report of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TdRegisters {
    /// MRTD.
    pub mrtd: [u8; 48],
    /// RTMR0.
    pub rtmr0: [u8; 48],
    /// RTMR1.
    pub rtmr1: [u8; 48],
    /// RTMR2.
    pub rtmr2: [u8; 48],
    /// RTMR3, or its value after the event to which the digests are to reach, such as `boot-mr-done`.
    pub rtmr3: [u8; 48],
    /// MRCONFIGID.
    pub mr_config_id: [u8; 48],
    /// MROWNER.
    pub mr_owner: [u8; 48],
    /// MROWNERCONFIG.
    pub mr_owner_config: [u8; 48],
}

/// `mr_system` of a TD: SHA-256 of MRTD, RTMR0, RTMR1, RTMR2, and the SHA-256 of the payload of the event
/// `key-provider`. For an empty payload 32 zeros stand there: no key provider, or none yet at `boot-mr-done`.
#[must_use]
pub fn tdx_mr_system(registers: &TdRegisters, key_provider_payload: &[u8]) -> [u8; 32] {
    let TdRegisters { mrtd, rtmr0, rtmr1, rtmr2, .. } = registers;
    sha256(&[mrtd, rtmr0, rtmr1, rtmr2, &mr_key_provider(key_provider_payload)])
}

/// What `mr_system` has of the key provider.
fn mr_key_provider(payload: &[u8]) -> [u8; 32] {
    if payload.is_empty() { [0; 32] } else { sha256(&[payload]) }
}

/// `mr_system` of a guest of Google's: SHA-256 of `os_image_hash` (32 bytes) and the SHA-256 of the payload of the event `key-provider`,
/// or 32 zeros for an empty one.
#[must_use]
pub fn gcp_mr_system(os_image_hash: &[u8; 32], key_provider_payload: &[u8]) -> [u8; 32] {
    sha256(&[os_image_hash, &mr_key_provider(key_provider_payload)])
}

/// `mr_aggregated` of a guest of Google's: SHA-256 of PCR0, PCR2 and PCR14 in the bank of SHA-256, 32 bytes each.
#[must_use]
pub fn gcp_mr_aggregated(pcr0: &[u8], pcr2: &[u8], pcr14: &[u8]) -> [u8; 32] {
    sha256(&[pcr0, pcr2, pcr14])
}

/// `mr_aggregated` of a TD: SHA-256 of MRTD and RTMR0 to RTMR3, followed by MRCONFIGID, MROWNER and
/// MROWNERCONFIG if any of these three is not zero.
#[must_use]
pub fn tdx_mr_aggregated(registers: &TdRegisters) -> [u8; 32] {
    let TdRegisters { mrtd, rtmr0, rtmr1, rtmr2, rtmr3, mr_config_id, mr_owner, mr_owner_config } = registers;
    let configured = [*mr_config_id, *mr_owner, *mr_owner_config];
    let configured = if configured == [[0; 48]; 3] { &[] } else { configured.as_flattened() };
    sha256(&[mrtd, rtmr0, rtmr1, rtmr2, rtmr3, configured])
}

/// `device_id` of a TDX host: SHA-256 of the PPID in the PCK certificate, 16 bytes.
#[must_use]
pub fn tdx_device_id(ppid: &[u8; 16]) -> [u8; 32] {
    sha256(&[ppid])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lc_rs::digest::{SHA384, digest};

    use super::*;
    use crate::events::RuntimeEvent;
    use crate::vectors;
    use crate::wire::{Attestation, Platform};

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

    /// The registers of a quote, whose TD report body follows a header of 48 bytes.
    fn registers(quote: &[u8]) -> TdRegisters {
        let register = |offset: usize| *quote[48..][offset..].first_chunk().unwrap();
        TdRegisters {
            mrtd: register(136),
            mr_config_id: register(184),
            mr_owner: register(232),
            mr_owner_config: register(280),
            rtmr0: register(328),
            rtmr1: register(376),
            rtmr2: register(424),
            rtmr3: register(472),
        }
    }

    /// The registers and the log of a real attestation, and its registers as they were at the event
    /// `boot-mr-done`.
    fn real(test: &str, path: &str) -> Option<(TdRegisters, TdRegisters, Vec<RuntimeEvent>)> {
        let attestation = Attestation::decode(&vectors::read(test, path)?).unwrap();
        let Platform::Tdx { quote, .. } = &attestation.platform else { panic!("a tdx attestation") };
        let replay = |events: &[RuntimeEvent]| {
            events.iter().fold([0; 48], |value, event| {
                digest(&SHA384, &[value, event.sha384()].concat()).as_ref().try_into().unwrap()
            })
        };
        let events = attestation.runtime_events;
        let at_launch = events.iter().position(|event| event.name == "boot-mr-done").unwrap();
        let all = registers(quote);
        assert_eq!(replay(&events), all.rtmr3, "{path}");
        Some((all, TdRegisters { rtmr3: replay(&events[..=at_launch]), ..all }, events))
    }

    fn key_provider(events: &[RuntimeEvent]) -> &[u8] {
        &events.iter().find(|event| event.name == "key-provider").unwrap().payload
    }

    fn digests(registers: &TdRegisters, key_provider: &[u8]) -> [String; 2] {
        [tdx_mr_system(registers, key_provider), tdx_mr_aggregated(registers)].map(hex::encode)
    }

    #[test]
    fn derivations_of_real_quotes() {
        let test = "boot_info::derivations_of_real_quotes";
        let Some((all, boot, events)) = real(test, "dstack/tdx-lite-getquote.json") else { return };
        let runtime = [
            "118f754a080ecb8527df65656ee4e7e97b891cf488ad6a38886ff0dbca0c8f70",
            "c758fa624b62536ca77504c4c52745e70880220a178a615a859c52f8b101d2ee",
        ];
        assert_eq!(digests(&all, key_provider(&events)), runtime);
        let boottime = [
            "37a91fd6aac229d83a1850be9bf017455d1cf4815e8fcb77332119de7e1a52f7",
            "f4e6117e0fdea4b23b5f32a2a59e7b7b99b64df237a9536fb2cb5ca2a270145e",
        ];
        assert_eq!(digests(&boot, &[]), boottime);

        // MRCONFIGID, MROWNER and MROWNERCONFIG are zero.
        let (all, _, events) = real(test, "dstack/quote-report.json").unwrap();
        let runtime = [
            "e1ae776a1492d4f87937b7e563d265c16300be4aba5d748207587023bb7dbb75",
            "233c659f83048505bb1ef7f105245aa80f5d04e3d096c329da272d7ee13fbf38",
        ];
        assert_eq!(digests(&all, key_provider(&events)), runtime);
    }

    #[test]
    fn every_register_counts() {
        let all = TdRegisters {
            mrtd: [0; 48],
            rtmr0: [0; 48],
            rtmr1: [0; 48],
            rtmr2: [0; 48],
            rtmr3: [0; 48],
            mr_config_id: [0; 48],
            mr_owner: [0; 48],
            mr_owner_config: [0; 48],
        };
        let one = [1; 48];
        let changed = [
            TdRegisters { mrtd: one, ..all },
            TdRegisters { rtmr0: one, ..all },
            TdRegisters { rtmr1: one, ..all },
            TdRegisters { rtmr2: one, ..all },
            TdRegisters { rtmr3: one, ..all },
            TdRegisters { mr_config_id: one, ..all },
            TdRegisters { mr_owner: one, ..all },
            TdRegisters { mr_owner_config: one, ..all },
        ];
        let aggregated: BTreeSet<_> = changed.iter().chain([&all]).map(tdx_mr_aggregated).collect();
        assert_eq!(aggregated.len(), 9);
        // `mr_system` covers the first four.
        let system: BTreeSet<_> = changed.iter().map(|registers| tdx_mr_system(registers, &[])).collect();
        assert_eq!(system.len(), 5);
        assert_ne!(tdx_mr_system(&all, &[0]), tdx_mr_system(&all, &[]));
    }

    /// coreutils: `printf %032d 0 | xxd -r -p | sha256sum`.
    #[test]
    fn device_id_of_a_tdx_host() {
        let zeros = "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb";
        assert_eq!(hex::encode(tdx_device_id(&[0; 16])), zeros);
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
